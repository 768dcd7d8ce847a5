"""Value maps: tables that translate single values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import Count
from django.forms import BaseInlineFormSet
from django.http import HttpRequest

from integration_hub.admin import HubInline, HubModelAdmin, ModelForm, SuggestedInput
from integration_hub.console.buttons import Panel
from syncs.mappings import descriptions
from syncs.models import ValueMap, ValueMapEntry

CHOICES = "destination-choices"
"""The list that all entries share."""

if TYPE_CHECKING:
    _FormSet = BaseInlineFormSet[Any, Any, Any]  # generic in its stubs only
else:
    _FormSet = BaseInlineFormSet


class EntryFormSet(_FormSet):
    @property
    def empty_form(self) -> Any:
        """Carry, hidden, the choices that all entries offer."""
        form: Any = super().empty_form
        fields = descriptions.fields_filled_by(self.instance).values() if self.instance.pk else ()
        labels = {option: dict(one.labels).get(option, "") for one in fields for option in one.options}
        form.fields["destination"].widget = SuggestedInput(CHOICES, list(labels.items()))
        return form

    def clean(self) -> None:
        """Refuse two entries that differ in case or outer blanks only: values are compared without."""
        super().clean()
        seen: set[str] = set()
        for form in self.forms:
            values = getattr(form, "cleaned_data", {})
            source = str(values.get("source") or "").strip().casefold()
            if not source or values.get("DELETE"):
                continue
            if source in seen:
                form.add_error("source", "Another entry has this value already. Keep one of them.")
            seen.add(source)


class EntryForm(ModelForm):
    class Meta:
        model = ValueMapEntry
        fields = ("source", "destination")
        widgets = {"destination": SuggestedInput(CHOICES)}


class EntryInline(HubInline):
    model = ValueMapEntry
    form = EntryForm
    formset = EntryFormSet
    verbose_name = "entry"
    verbose_name_plural = "entries"


@admin.register(ValueMap)
class ValueMapAdmin(HubModelAdmin):
    empty = (
        "No value maps yet",
        "A value map translates single values, such as countries or the states of an order, in lines of a mapping.",
    )
    list_display = ("name", "key", "size")
    search_fields = ("name", "key")
    prepopulated_fields = {"key": ("name",)}
    fields = ("name", "key")
    inlines = (EntryInline,)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(entry_count=Count("entries"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("key",) if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return {} if obj else self.prepopulated_fields

    def get_panel(self, request: HttpRequest, obj: ValueMap) -> Panel:
        """Say which lines it translates for, and what their destinations call the values."""
        used = obj.field_mappings.select_related("sync__destination").order_by("pk")
        lines = [f"{row.sync}: {row} at {row.sync.destination}." for row in used]
        named = [
            f"“{entry.destination}” is {dict(field.labels)[entry.destination]}."
            for field in descriptions.fields_filled_by(obj).values()
            for entry in obj.entries.all()
            if entry.destination in dict(field.labels)
        ]
        return Panel(sentences=(*(lines or ["No line of a mapping uses it yet."]), *dict.fromkeys(named)))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        for row, field in descriptions.fields_filled_by(form.instance).items():
            given = {entry.destination for entry in form.instance.entries.all()} - {""}
            wrong = sorted(given - set(field.options))
            if wrong:
                words = f"{row.sync.destination} offers no “{wrong[0]}” in “{row.destination}”, as far as it was asked."
                messages.warning(
                    request, f"{words} Choices: {', '.join(map(field.named, field.options[:8]))}."
                )

    @admin.display(description="entries", ordering="entry_count")
    def size(self, obj: Any) -> int:
        return int(obj.entry_count)
