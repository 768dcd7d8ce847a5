"""The form of a step with what it sends, what it remembers, and where it leads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.forms import BaseInlineFormSet, HiddenInput
from django.utils import timezone

from integration_hub.admin import HubForm, ModelForm, SuggestedInput, widgets
from routing.admin.flow_form import is_kept, path_options, say
from routing.flows import outcomes as flow_outcomes
from routing.flows.design import check as flow_check
from routing.flows.design.draft import FlowDraft, StepDraft, draft_of
from routing.models import Flow, FlowStep, StepField, Transition
from routing.models.flows import FieldRole
from syncs import destinations
from syncs.models import Connection

SOURCES, ASKED, FIELDS, IDS, OUTCOMES = "known-paths", "asked-paths", "fields-there", "known-ids", "outcomes"
"""The lists of suggestions that boxes of their kind share."""

if TYPE_CHECKING:
    _FormSet = BaseInlineFormSet[Any, Any, Any]  # generic in its stubs only
else:
    _FormSet = BaseInlineFormSet


class StepForm(HubForm):
    class Meta:
        model = FlowStep
        fields = "__all__"
        widgets = {
            "headers": widgets.UnfoldAdminTextareaWidget(attrs={"rows": 3, "spellcheck": "false"}),
            "body": widgets.UnfoldAdminTextareaWidget(attrs={"rows": 8, "spellcheck": "false"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "flow" in self.fields:
            self.fields["flow"].widget = HiddenInput()
        known = suggestions(self.instance)
        for name, list_id, options in (
            ("match_field", FIELDS, known[FIELDS]),
            ("remote_id", IDS, known[IDS]),
            ("from_id", IDS, None),
            ("to_id", IDS, None),
        ):
            if name in self.fields:
                self.fields[name].widget = SuggestedInput(list_id, options)

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # the stubs leave it out
        self.instance.form = self  # the last formset judges the step as a whole
        self.instance.rows = {}


class LineForm(ModelForm):
    class Meta:
        model = StepField
        fields = (
            "position", "source", "destination", "transform", "expression", "default", "value_map",
            "unknown_value", "write_mode", "required",
        )  # fmt: skip
        widgets = {
            "source": SuggestedInput(SOURCES),
            "destination": SuggestedInput(FIELDS),
            "expression": widgets.UnfoldAdminExpandableTextareaWidget(attrs={"rows": 1}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["position"].required = False

    def clean_position(self) -> int:
        """Put a line without a number at the end."""
        given: int | None = self.cleaned_data.get("position")
        return given or 1 + (self.instance.step.fields.count() if self.instance.step_id else 0)


class RememberedForm(LineForm):
    class Meta(LineForm.Meta):
        fields = ("position", "source", "destination", "transform", "expression", "default", "required")  # type: ignore[assignment]
        widgets = {
            "source": SuggestedInput(ASKED),
            "expression": widgets.UnfoldAdminExpandableTextareaWidget(attrs={"rows": 1}),
        }
        help_texts = {"destination": "The name in the session."}


class LineFormSet(_FormSet):
    """The lines of one role; `part` is how findings call them."""

    role = FieldRole.WRITE
    part = "sends"
    suggested = SOURCES

    @classmethod
    def get_default_prefix(cls) -> str:
        return cls.part

    def _construct_form(self, i: int, **kwargs: Any) -> Any:
        form: Any = super()._construct_form(i, **kwargs)  # type: ignore[misc]  # the stubs leave it out
        form.instance.role = self.role
        return form

    @property
    def empty_form(self) -> Any:
        """Carry, hidden, the list that all lines offer."""
        form: Any = super().empty_form
        form.fields["source"].widget = SuggestedInput(
            self.suggested, suggestions(self.instance)[self.suggested]
        )
        return form

    def clean(self) -> None:
        self.instance.rows[self.part] = [form for form in self.forms if is_kept(form)]


class RememberedFormSet(LineFormSet):
    role = FieldRole.REMEMBER
    part = "remembers"
    suggested = ASKED


class TransitionForm(ModelForm):
    class Meta:
        model = Transition
        fields = ("position", "outcome", "field", "operator", "value", "target")
        widgets = {
            "outcome": SuggestedInput(OUTCOMES),
            "field": SuggestedInput(ASKED),
            "value": widgets.UnfoldAdminExpandableTextareaWidget(attrs={"rows": 1}),
        }

    def clean_outcome(self) -> str:
        return str(self.cleaned_data["outcome"]).strip().lower()


class TransitionFormSet(_FormSet):
    """Comes last and judges the step with all its rows as they would be saved."""

    @property
    def empty_form(self) -> Any:
        form: Any = super().empty_form
        form.fields["outcome"].widget = SuggestedInput(OUTCOMES, suggestions(self.instance)[OUTCOMES])
        return form

    def clean(self) -> None:
        step: FlowStep = self.instance
        rows: dict[str, list[Any]] = getattr(step, "rows", {})
        rows["transitions"] = [form for form in self.forms if is_kept(form)]
        step_form: Any = getattr(step, "form", None)
        if (
            step_form is None
            or step_form.errors
            or any(form.errors for kept in rows.values() for form in kept)
        ):
            return
        changed = StepDraft(
            step,
            tuple(form.instance for part in ("sends", "remembers") for form in rows.get(part, ())),
            tuple(form.instance for form in rows["transitions"]),
        )
        draft = draft_of(step.flow).with_step(changed)
        wrong = flow_check.before_saving(draft, changed)
        for one in wrong:
            say(one, step_form, rows)
        if wrong:
            raise ValidationError("Not saved yet: see the fields that are marked.")


def suggestions(step: FlowStep) -> dict[str, list[tuple[str, str]]]:
    """Return by list what its boxes offer; made once for each form."""
    made: dict[str, list[tuple[str, str]]] | None = getattr(step, "suggestions", None)
    if made is None:
        made = _suggestions(step)
        step.suggestions = made  # type: ignore[attr-defined]  # only for the forms of this request
    return made


def _suggestions(step: FlowStep) -> dict[str, list[tuple[str, str]]]:
    flow = Flow.objects.filter(pk=step.flow_id).first() if step.flow_id else None
    if flow is None:
        return {SOURCES: [], ASKED: [], FIELDS: [], IDS: [], OUTCOMES: []}
    draft = draft_of(flow)
    own = draft.step(step.key) if step.pk else None
    may = _known_before(draft, own)
    session = [(f"session.{name}", "") for name in sorted(may)]
    event = path_options(flow, "event.")
    return {
        SOURCES: [*event, *session],
        ASKED: [("answer.id", "the record's id"), *event, *session],
        FIELDS: _fields_there(step),
        IDS: [one for one in session if one[0].endswith("id")] or session,
        OUTCOMES: [(word, "") for word in flow_outcomes.offered(step)],
    }


def _known_before(draft: FlowDraft, own: StepDraft | None) -> set[str]:
    if own is None:
        return {row.destination for one in draft.steps for row in one.remembered}
    return set(flow_check.surroundings(draft, own, {}).may or ())


def _fields_there(step: FlowStep) -> list[tuple[str, str]]:
    if not step.connection_id or not step.object_type:
        return []
    usable = Connection.objects.usable(timezone.now()).filter(pk=step.connection_id, check_ok=True)
    if not usable.exists() or step.connection is None:
        return []
    return [(name, "") for name in destinations.offered(step.connection, step.object_type)]
