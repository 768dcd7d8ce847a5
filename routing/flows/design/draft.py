"""A flow with everything that hangs on it, complete or not: what checks, drawing and files read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from routing.models import Flow, FlowCriterion, FlowStep, StepField, Transition
from routing.models.flows import FieldRole
from syncs.models import EventType


@dataclass(frozen=True, slots=True)
class StepDraft:
    """One step with its rows, stored or as a form holds them."""

    step: FlowStep
    fields: tuple[StepField, ...] = ()
    transitions: tuple[Transition, ...] = ()

    @property
    def key(self) -> str:
        return self.step.key

    @property
    def sent(self) -> list[StepField]:
        return [row for row in self.fields if row.role == FieldRole.WRITE]

    @property
    def remembered(self) -> list[StepField]:
        return [row for row in self.fields if row.role == FieldRole.REMEMBER]


@dataclass(frozen=True, slots=True)
class FlowDraft:
    """`event_type` is the event that starts it, as its source knows it; None: it knows no such event."""

    flow: Flow
    criteria: tuple[FlowCriterion, ...]
    steps: tuple[StepDraft, ...]
    event_type: EventType | None
    event_names: tuple[str, ...] = ()

    def step(self, key: str) -> StepDraft | None:
        return next((one for one in self.steps if one.key == key), None)

    def with_step(self, changed: StepDraft) -> FlowDraft:
        """Return the flow as it would be with this step in the place of the stored one, or as a new one."""
        others = [one for one in self.steps if one.step.pk != changed.step.pk or changed.step.pk is None]
        steps = sorted((*others, changed), key=lambda one: (one.step.position, one.step.pk or 0))
        return FlowDraft(self.flow, self.criteria, tuple(steps), self.event_type, self.event_names)


def draft_of(flow: Flow, criteria: Sequence[FlowCriterion] | None = None) -> FlowDraft:
    """Return the flow as stored; `criteria` stand for those of a form that are not stored yet."""
    steps: list[FlowStep] = []
    if flow.pk:
        rows = flow.steps.select_related("connection").prefetch_related(
            "fields__value_map__entries", "transitions__target"
        )
        steps = list(rows)
        criteria = list(flow.criteria.all()) if criteria is None else criteria
    types = list(EventType.objects.filter(source_id=flow.source_id)) if flow.source_id else []
    return FlowDraft(
        flow,
        tuple(criteria or ()),
        tuple(StepDraft(step, tuple(step.fields.all()), tuple(step.transitions.all())) for step in steps),
        next((one for one in types if one.name == flow.event_name), None),
        tuple(one.name for one in types),
    )
