"""The form of a flow and its start conditions: what is wrong is said next to the field it is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.forms import BaseInlineFormSet

from integration_hub.admin import HubForm, ModelForm, SuggestedInput, widgets
from routing.flows.design import check as flow_check
from routing.flows.design import paths as flow_paths
from routing.flows.design.draft import draft_of
from routing.flows.design.step_check import Finding
from routing.models import Flow, FlowCriterion
from syncs.models import EventType

PATHS = "event-paths"
"""The list of paths into the event that all boxes share."""

if TYPE_CHECKING:
    _FormSet = BaseInlineFormSet[Any, Any, Any]  # generic in its stubs only
else:
    _FormSet = BaseInlineFormSet


class FlowForm(HubForm):
    class Meta:
        model = Flow
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "event_name" in self.fields:
            self.fields["event_name"].widget = SuggestedInput("event-names", event_options(self.instance))
        if "subject_path" in self.fields:
            self.fields["subject_path"].widget = SuggestedInput(PATHS, path_options(self.instance))
        waits_for: Any = self.fields.get("waits_for")
        if waits_for is not None and self.instance.pk:
            others = Flow.objects.exclude(pk=self.instance.pk)
            waits_for.queryset = others.filter(source_id=self.instance.source_id)

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # the stubs leave it out
        self.instance.form = self  # the formset of the criteria judges the flow as a whole


class CriterionForm(ModelForm):
    class Meta:
        model = FlowCriterion
        fields = ("field", "operator", "value")
        widgets = {
            "field": SuggestedInput(PATHS),
            "value": widgets.UnfoldAdminExpandableTextareaWidget(attrs={"rows": 1}),
        }


class CriterionFormSet(_FormSet):
    """Judges the flow itself with its criteria as they would be saved; its steps have pages of their own."""

    def clean(self) -> None:
        kept = [form for form in self.forms if is_kept(form)]
        flow_form: Any = self.instance.form  # set by FlowForm
        if flow_form.errors or any(form.errors for form in kept):
            return
        draft = draft_of(self.instance, [form.instance for form in kept])
        found = [one for one in flow_check.judged(draft, {}) if not one.step and one.place != ("steps",)]
        self.instance.warnings = [one.message for one in found if one.warning]
        wrong = [one for one in found if not one.warning]
        for one in wrong:
            say(one, flow_form, {"criteria": kept})
        if wrong:
            raise ValidationError("Not saved yet: see the fields that are marked.")


def event_options(flow: Flow) -> list[tuple[str, str]]:
    """Return the events that the flow's source knows, or all sources for a new flow."""
    types = EventType.objects.filter(source_id=flow.source_id) if flow.source_id else EventType.objects.all()
    return sorted({(one.name, one.description) for one in types})


def path_options(flow: Flow, prefix: str = "") -> list[tuple[str, str]]:
    """Return the paths into the event that the flow starts by."""
    if not flow.source_id:
        return []
    known = EventType.objects.filter(source_id=flow.source_id, name=flow.event_name).first()
    return [(prefix + path, "") for path in sorted(_leaves(flow_paths.shape_of(known)))]


def is_kept(form: Any) -> bool:
    if not hasattr(form, "cleaned_data"):
        return False
    return bool((form.instance.pk or form.has_changed()) and not form.cleaned_data.get("DELETE"))


def say(finding: Finding, form: Any, rows: Mapping[str, list[Any]]) -> None:
    """Put the sentence next to its field: of the form, or of a row in one of its formsets."""
    part = str(finding.place[0])
    inside = rows.get(part)
    if inside is not None and len(finding.place) == 3:
        row, column = inside[int(finding.place[1]) - 1], str(finding.place[2])
        row.add_error(column if column in row.fields else None, finding.message)
    else:
        form.add_error(part if part in form.fields else None, finding.message)


def _leaves(shape: Any, prefix: str = "") -> Iterator[str]:
    if not isinstance(shape, Mapping):
        return
    for name, value in shape.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + str(name)
