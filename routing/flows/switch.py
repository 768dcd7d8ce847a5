"""Switching a flow on and off, copying it, and what stands in the way of taking a step out."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from routing.flows.design import check
from routing.flows.design.draft import draft_of
from routing.flows.design.step_check import Finding
from routing.models import Flow, FlowRun, FlowStep
from syncs import outbox
from syncs.models import Delivery

LONGEST = {"key": 50, "name": 100}


def enable(flow: Flow) -> list[str]:
    """Switch the flow on for what comes from now; return what is in the way instead, in sentences."""
    in_the_way = in_the_way_of_enabling(flow)
    if not in_the_way:
        Flow.objects.filter(pk=flow.pk).update(enabled=True)
    return in_the_way


def in_the_way_of_enabling(flow: Flow) -> list[str]:
    """Return why it cannot be switched on, in sentences."""
    return [placed(one) for one in check.problems(draft_of(flow)) if not one.warning]


def disable(flow: Flow) -> None:
    """Switch the flow off: nothing starts it, and runs on their way stand still where they are."""
    Flow.objects.filter(pk=flow.pk).update(enabled=False)


def placed(finding: Finding) -> str:
    """Return the sentence with where it is: `company, sends 2, source: …`."""
    inside = [f"{part}" for part in finding.place]
    if len(inside) > 1:
        inside[:2] = [f"{inside[0]} {inside[1]}"]
    where = ", ".join(part for part in (finding.step, *inside) if part)
    return f"{where}: {finding.message}"


def in_the_way_of_removing(step: FlowStep) -> list[str]:
    """Return why the step must stay: runs stand at it, or steps lead to it."""
    found = []
    standing = FlowRun.objects.open().filter(step=step).count()
    if standing:
        runs = "1 run stands" if standing == 1 else f"{standing:,} runs stand"
        found.append(f"{runs} at “{step}”. Let them pass, skip them to another step, or cancel them first.")
    leading = step.arrivals.exclude(step=step).select_related("step")
    names = ", ".join(dict.fromkeys(f"“{row.step}”" for row in leading))
    if names:
        found.append(f"Transitions of {names} lead to “{step}”. Lead them elsewhere first.")
    return found


@transaction.atomic
def duplicate(flow: Flow) -> Flow:
    """Return a copy with all its steps, switched off; its key and name tell it apart."""
    key, name = _free("key", flow.key, "-copy"), _free("name", flow.name, " (copy)")
    copy = Flow.objects.get(pk=flow.pk)
    copy.pk, copy.key, copy.name, copy.enabled = None, key, name, False
    copy.save(force_insert=True)
    for criterion in flow.criteria.all():
        criterion.pk, criterion.flow = None, copy
        criterion.save(force_insert=True)
    stored = list(flow.steps.prefetch_related("fields", "transitions"))
    made = {step.pk: _copied(step, copy) for step in stored}
    for step in stored:
        for line in step.fields.all():
            line.pk, line.step = None, made[step.pk]
            line.save(force_insert=True)
        for transition in step.transitions.all():
            transition.pk, transition.step = None, made[step.pk]
            transition.target = made[transition.target_id]
            transition.save(force_insert=True)
    return copy


def remove(flow: Flow, now: datetime) -> None:
    """Delete the flow, which no run ever took; what was to be sent for it is given up."""
    with transaction.atomic():
        outbox.dismiss(Delivery.objects.filter(origin=flow.origin), now)
        flow.delete()


def _copied(step: FlowStep, flow: Flow) -> FlowStep:
    fresh = FlowStep.objects.get(pk=step.pk)
    fresh.pk, fresh.flow = None, flow
    fresh.save(force_insert=True)
    return fresh


def _free(column: str, text: str, ending: str) -> str:
    """Return the text with the ending, and a number if that is taken."""
    number = 1
    while True:
        tail = (
            ending if number == 1 else f"{ending}-{number}" if column == "key" else f"{ending[:-1]} {number})"
        )
        candidate = f"{text[: LONGEST[column] - len(tail)]}{tail}"
        if not Flow.objects.filter(**{column: candidate}).exists():
            return candidate
        number += 1
