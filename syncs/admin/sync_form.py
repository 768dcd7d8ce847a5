"""The form of a sync and its mapping: what is wrong is said next to the field it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.forms import BaseInlineFormSet
from django.utils import timezone

from integration_hub.admin import HubForm, ModelForm, SuggestedInput, widgets
from syncs import destinations
from syncs.mappings import check as mapping_check
from syncs.mappings.check import Finding
from syncs.models import Connection, FieldMapping, Stream, Sync

SOURCES = "source-fields"
PATHS = "destination-paths"
TYPES = "object-types"
"""The lists that all boxes of their kind share."""
WHAT_IT_WRITES = (
    "HubSpot: contacts, companies, deals … Salesforce: Contact, Account … Iterable: user, event (one for each change), "
    "or a list that users are put on. REST API: an object that its connection declares."
)

if TYPE_CHECKING:
    _FormSet = BaseInlineFormSet[Any, Any, Any]  # generic in its stubs only
else:
    _FormSet = BaseInlineFormSet


class SyncForm(HubForm):
    class Meta:
        model = Sync
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "match_path" in self.fields:
            self.fields["match_path"].widget = SuggestedInput(PATHS, path_options(self.instance))
        if "object_type" in self.fields:
            self.fields["object_type"].widget = SuggestedInput(TYPES, type_options(self.instance))
            self.fields["object_type"].help_text = WHAT_IT_WRITES
        for name in ("deleted_path", "external_id_path"):
            if name in self.fields:
                self.fields[name].widget = SuggestedInput(PATHS)
        destination: Any = self.fields.get("destination")
        if destination is not None:
            writable = [one.pk for one in Connection.objects.all() if destinations.can_be_written(one)]
            destination.queryset = Connection.objects.filter(pk__in=writable)

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # the stubs leave it out
        self.instance.form = self  # the formset of the lines judges the sync as a whole


class LineForm(ModelForm):
    class Meta:
        model = FieldMapping
        fields = (
            "position", "source", "destination", "transform", "write_mode", "required",
            "expression", "default", "when_empty", "value_map", "unknown_value", "winner",
        )  # fmt: skip
        widgets = {
            "source": SuggestedInput(SOURCES),
            "destination": SuggestedInput(PATHS),
            "expression": widgets.UnfoldAdminExpandableTextareaWidget(attrs={"rows": 1}),
        }
        labels = {"when_empty": "When empty", "winner": "Winner"}
        help_texts = {
            "winner": "If both sides changed it. Counts on the forward way of a two-way sync, for fields that the "
            "way back maps, too.",
            "expression": "For Liquid: `value` is the source field, `record` all of it. "
            "For Phone: the country of numbers without one, such as DE; empty: US.",
            "default": "Used when the source is empty. It goes before the choice to clear.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["position"].required = False
        if not self.instance.pk:
            self.initial["position"] = None
        for field in self.fields.values():
            if field.help_text:
                field.widget.attrs.setdefault("title", field.help_text)

    def clean_position(self) -> int:
        """Put a line without a number at the end."""
        return self.cleaned_data.get("position") or _last(self.instance) + 1


class LineFormSet(_FormSet):
    """Judges the sync with its lines as they would be saved."""

    @property
    def empty_form(self) -> Any:
        """Carry, hidden, the list of source fields that all lines offer."""
        form: Any = super().empty_form
        form.fields["source"].widget = SuggestedInput(SOURCES, source_options(self.instance))
        return form

    def clean(self) -> None:
        kept = [form for form in self.forms if _is_kept(form)]
        sync_form: Any = self.instance.form  # set by SyncForm
        if sync_form.errors or any(form.errors for form in kept):
            return
        found = mapping_check.problems(self.instance, [form.instance for form in kept], timezone.now())
        self.instance.warnings = [one.message for one in found if one.warning]
        wrong = [one for one in found if not one.warning]
        for one in wrong:
            _say(one, sync_form, kept)
        if any(isinstance(one.place, str) for one in wrong):
            raise ValidationError("Not saved yet: see the fields that are marked.")


def source_options(sync: Sync) -> list[tuple[str, str]]:
    """Return (name, label) of the fields of the sync's stream, or of all streams for a new sync."""
    chosen = [sync.stream] if sync.stream_id else list(Stream.objects.all())
    schemas = [stream.object_schema for stream in chosen]
    return sorted({(f.name, f.label) for schema in schemas if schema for f in schema.fields.values()})


def path_options(sync: Sync) -> list[tuple[str, str]]:
    """Return the paths that the destination knows, and those that the sync writes already."""
    known = {"email": "", "userId": ""}
    if sync.pk:
        known = dict.fromkeys(sync.mappings.values_list("destination", flat=True), "")
        if _answers(sync.destination_id):
            known |= dict(destinations.suggested(sync.destination, sync.object_type))
    return [(name, label if label != name else "") for name, label in sorted(known.items())]


def type_options(sync: Sync) -> list[tuple[str, str]]:
    """Return what can be written at the sync's destination; for a new sync at any that answers, its name before it."""
    if sync.destination_id:
        return destinations.object_types(sync.destination) if _answers(sync.destination_id) else []
    writable = [one for one in Connection.objects.usable(timezone.now()) if destinations.can_be_written(one)]
    return [
        (name, f"{one}: {label}")
        for one in writable
        if one.check_ok
        for name, label in destinations.object_types(one)
    ]


def _answers(connection_id: int) -> bool:
    usable = Connection.objects.usable(timezone.now()).filter(pk=connection_id, check_ok=True)
    return usable.exists()


def _last(row: FieldMapping) -> int:
    if not row.sync_id:
        return 0
    highest = (
        FieldMapping.objects.filter(sync_id=row.sync_id)
        .order_by("-position")
        .values_list("position", flat=True)
    )
    return highest.first() or 0


def _is_kept(form: Any) -> bool:
    if not hasattr(form, "cleaned_data"):
        return False
    return bool((form.instance.pk or form.has_changed()) and not form.cleaned_data.get("DELETE"))


def _say(finding: Finding, sync_form: Any, kept: list[Any]) -> None:
    if isinstance(finding.place, str):
        sync_form.add_error(finding.place if finding.place in sync_form.fields else None, finding.message)
        return
    _, index, part = finding.place
    form = kept[index]
    form.add_error(part if part in form.fields else None, finding.message)
