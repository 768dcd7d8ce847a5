"""What is wrong with a flow, step by step, before a run finds out. No vendor is asked but for its fields."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from routing.flows.design import graph
from routing.flows.design import paths as flow_paths
from routing.flows.design.draft import FlowDraft, StepDraft
from routing.flows.design.paths import Surroundings
from routing.flows.design.step_check import Finding
from routing.flows.design.step_check import problems as step_problems
from routing.flows.design.terms import condition_problem
from routing.models.flows import Flow, StepKind
from syncs import destinations
from syncs.mappings.check import nearest

Known = Mapping[tuple[int, str], Collection[str]]
"""Fields that may be written, by connection and object type."""


def problems(draft: FlowDraft) -> list[Finding]:
    """Return what a person should hear of the flow; asks the destinations for their fields, as far as they answer.

    A finding without a step is about the flow itself. Errors keep it from being switched on, warnings do not.
    """
    there = fields_there(draft)
    missing = [
        Finding(
            one.key,
            ("object_type",),
            f"The fields of {one.step.object_type} were not checked: {one.step.connection} names none now.",
            True,
        )
        for one in draft.steps
        if (place := _place_of(one)) and place not in there
    ]
    return [*judged(draft, there), *missing]


def judged(draft: FlowDraft, there: Known) -> list[Finding]:
    """Return the findings; what `there` does not name is not judged. Nobody is asked."""
    found = [*_flow(draft), *_shape(draft)]
    for one in draft.steps:
        found += step_problems(one, surroundings(draft, one, there))
    return found


def of_step(draft: FlowDraft, step: StepDraft) -> list[Finding]:
    """Return what is wrong with one step, seen where it stands in the flow."""
    return list(step_problems(step, surroundings(draft, step, fields_there(draft))))


def before_saving(draft: FlowDraft, step: StepDraft) -> list[Finding]:
    """Return what is wrong with a step whatever the other steps will be: they may not be written yet."""
    around = replace(surroundings(draft, step, fields_there(draft)), may=None)
    found = step_problems(step, around)
    return [one for one in found if not one.warning and one.place != ("transitions",)]


def surroundings(draft: FlowDraft, step: StepDraft, there: Known) -> Surroundings:
    keys, edges = ways(draft)
    remembered = {one.key: {row.destination for row in one.remembered} for one in draft.steps}
    known = graph.known_at(keys, edges, remembered)
    may, surely = known.get(step.key, (set(), set()))
    return Surroundings(
        shape=flow_paths.shape_of(draft.event_type),
        may=may,
        surely=surely,
        remembered_anywhere=sorted({name for names in remembered.values() for name in names}),
        there=there.get(_place_of(step) or (0, "")),
        event_names=draft.event_names,
        starts_by=draft.flow.event_name,
    )


def ways(draft: FlowDraft) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the steps' keys in their order, and who leads to whom."""
    keys = {one.step.pk: one.key for one in draft.steps if one.step.pk}
    edges = [
        (one.key, keys[row.target_id])
        for one in draft.steps
        for row in one.transitions
        if row.target_id in keys
    ]
    return [one.key for one in draft.steps], edges


def fields_there(draft: FlowDraft) -> dict[tuple[int, str], list[str]]:
    """Return the fields that destinations offer now, remembered for some minutes."""
    found = {}
    for one in draft.steps:
        place = _place_of(one)
        if place and place not in found and one.step.connection:
            at = one.step.connection
            offered = destinations.offered(at, one.step.object_type) if at.enabled and not at.held_at else []
            if offered:
                found[place] = offered
    return found


def _place_of(one: StepDraft) -> tuple[int, str] | None:
    step = one.step
    if step.kind != StepKind.WRITE or not step.connection_id or not step.object_type:
        return None
    return step.connection_id, step.object_type


def _flow(draft: FlowDraft) -> Iterator[Finding]:
    flow, shape = draft.flow, flow_paths.shape_of(draft.event_type)
    if draft.event_type is None:
        message = (
            f"{flow.source} knows no event “{flow.event_name}”.{nearest(flow.event_name, draft.event_names)} "
            "Add it to the source, or correct the name."
        )
        yield Finding("", ("event_name",), message)
    elif shape is None:
        message = (
            f"The event “{flow.event_name}” has no sample, so paths were not checked. Add one to the source."
        )
        yield Finding("", ("event_name",), message, True)
    if flow.subject_path and (said := flow_paths.fault(flow.subject_path, shape)):
        message = f"{flow_paths.sentence(said)} Correct it, or complete the sample event."
        yield Finding("", ("subject_path",), message)
    yield from _waiting(flow)
    for number, row in enumerate(draft.criteria, start=1):
        if said := flow_paths.fault(row.field, shape):
            message = f"{flow_paths.sentence(said)} Correct the path, or complete the sample event."
            yield Finding("", ("criteria", number, "field"), message)
        elif wrong := condition_problem(f"event.{row.field}", row.operator, row.value, shape):
            yield Finding("", ("criteria", number, wrong[0]), wrong[1])


def _waiting(flow: Flow) -> Iterator[Finding]:
    """Yield what is wrong with whom its runs wait for."""
    if not flow.subject_path:
        message = "Without a subject two events of one customer may run at the same time. Name whom the event is about."
        yield Finding("", ("subject_path",), message, True)
    if flow.waits_for_id and flow.waits_for is not None:
        if flow.waits_for_id == flow.pk:
            yield Finding("", ("waits_for",), "A flow cannot wait for itself. Choose another one, or none.")
        elif not flow.subject_path:
            message = "Waiting needs a subject: without one nobody knows whose run to wait for."
            yield Finding("", ("waits_for",), message)
        elif flow.waits_for.source_id != flow.source_id:
            message = f"{flow.waits_for} starts from another source; subjects of two sources never meet."
            yield Finding("", ("waits_for",), message)


def _shape(draft: FlowDraft) -> Iterator[Finding]:
    """Yield what is wrong with the way through the steps."""
    keys, edges = ways(draft)
    if not keys:
        yield Finding(
            "", ("steps",), "The flow has no steps. Add one; the first by its position starts a run."
        )
        return
    reached = graph.reached(keys, edges)
    for key in keys:
        if key not in reached:
            message = "No way leads here. Add a transition to it from another step, or remove it."
            yield Finding(key, ("key",), message)
    ends = {one.key for one in draft.steps if one.step.kind == StepKind.END}
    for loop in graph.without_end(keys, edges, ends):
        if not reached & set(loop):
            continue
        round_ = " → ".join((*loop, loop[0]))
        message = f"The loop {round_} has no way to an end. Add a transition out of it."
        yield Finding(loop[0], ("transitions",), message)
