"""Value maps: tables that translate single values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Count
from django.forms import BaseInlineFormSet
from django.http import HttpRequest

from integration_hub.admin import HubInline, HubModelAdmin
from syncs.models import ValueMap, ValueMapEntry

if TYPE_CHECKING:
    _FormSet = BaseInlineFormSet[Any, Any, Any]  # generic in its stubs only
else:
    _FormSet = BaseInlineFormSet


class EntryFormSet(_FormSet):
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


class EntryInline(HubInline):
    model = ValueMapEntry
    formset = EntryFormSet
    verbose_name = "entry"
    verbose_name_plural = "entries"


@admin.register(ValueMap)
class ValueMapAdmin(HubModelAdmin):
    empty = (
        "No value maps yet",
        "A value map translates single values, such as countries, in lines of a mapping.",
    )
    list_display = ("name", "key", "size")
    search_fields = ("name", "key")
    prepopulated_fields = {"key": ("name",)}
    inlines = (EntryInline,)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(entry_count=Count("entries"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("key",) if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return {} if obj else self.prepopulated_fields

    @admin.display(description="entries", ordering="entry_count")
    def size(self, obj: Any) -> int:
        return int(obj.entry_count)
