"""Flows read once per batch, as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db.models import Prefetch, QuerySet

from routing.conditions import Criterion
from routing.flows.shapes import BookedField, BookedFlow, BookedStep, BookedTransition
from routing.models import Flow, FlowStep, StepField, Transition
from routing.models.flows import FieldRole, FlowCriterion
from syncs.engine.mapping import Line

__all__ = ["BookedField", "BookedFlow", "BookedStep", "BookedTransition", "booked", "line_of", "load"]


def load(flows: QuerySet[Flow] | None = None) -> dict[int, BookedFlow]:
    """Return the flows, all of them unless some are given, by id; a fixed number of queries."""
    fields = StepField.objects.select_related("value_map").prefetch_related("value_map__entries")
    transitions = Transition.objects.select_related("target").only(
        "step", "outcome", "field", "operator", "value", "position", "target__key"
    )
    steps = FlowStep.objects.prefetch_related(
        Prefetch("fields", queryset=fields), Prefetch("transitions", queryset=transitions)
    )
    rows = (Flow.objects.all() if flows is None else flows).select_related("source")
    rows = rows.prefetch_related("criteria", Prefetch("steps", queryset=steps))
    return {flow.pk: booked(flow, list(flow.criteria.all()), list(flow.steps.all())) for flow in rows}


def booked(flow: Flow, criteria: Sequence[FlowCriterion], steps: Iterable[FlowStep]) -> BookedFlow:
    return BookedFlow(
        id=flow.pk or 0,
        key=flow.key,
        name=flow.name,
        enabled=flow.enabled,
        source_id=flow.source_id,
        source_key=flow.source.key,
        event_name=flow.event_name,
        subject_path=flow.subject_path.strip(),
        waits_for_id=flow.waits_for_id,
        wait_seconds=flow.wait_seconds,
        criteria=tuple(
            Criterion(number, row.field.strip(), row.operator, row.value)
            for number, row in enumerate(criteria, start=1)
        ),
        steps=tuple(_step(step) for step in steps),
    )


def _step(step: FlowStep) -> BookedStep:
    fields = list(step.fields.all())
    return BookedStep(
        id=step.pk or 0, key=step.key, name=step.name, kind=step.kind, connection_id=step.connection_id,
        operation=step.operation, object_type=step.object_type, match_field=step.match_field.strip(),
        remote_id=step.remote_id.strip(), from_type=step.from_type, from_id=step.from_id.strip(),
        to_type=step.to_type, to_id=step.to_id.strip(), method=step.method, path=step.path, headers=step.headers,
        body=step.body, event_name=step.event_name,
        sent=tuple(_field(row) for row in fields if row.role == FieldRole.WRITE),
        remembered=tuple(_field(row) for row in fields if row.role == FieldRole.REMEMBER),
        transitions=tuple(_transition(row) for row in step.transitions.all()),
    )  # fmt: skip


def _field(row: StepField) -> BookedField:
    return BookedField.of(line_of(row))


def line_of(row: StepField) -> Line:
    """Return the row as a line whose Liquid knows event, session and answer by their own names."""
    entries = None
    if row.value_map is not None:
        entries = {entry.source: entry.destination for entry in row.value_map.entries.all()}
    return Line(
        source=row.source.strip(), destination=row.destination.strip(), transform=row.transform,
        expression=row.expression, default=row.default, write_mode=row.write_mode, value_map=entries,
        unknown_value=row.unknown_value, required=row.required, root="",
    )  # fmt: skip


def _transition(row: Transition) -> BookedTransition:
    return BookedTransition(
        outcome=row.outcome.strip().lower(), target=row.target.key, field=row.field.strip(),
        operator=row.operator, value=row.value,
    )  # fmt: skip
