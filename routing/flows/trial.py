"""A flow tried on an event, step by step, with simulated answers. Pure: nothing is stored and nothing leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from integration_hub.connectors.records import Operation
from routing.conditions import CriterionError
from routing.flows import conditions
from routing.flows.shapes import BookedFlow, BookedStep, BookedTransition, Refusal, StepRequest
from routing.flows.steps import onward, prepare
from syncs.engine import mapping

MOST = 50
"""Steps that a trial walks: enough for every flow, and an end to those that go round."""
CHOICES = {
    "ok": "OK: done as wanted",
    "existing": "It exists already (409)",
    "unchanged": "Nothing to change",
    "rejected": "Refused (400)",
    "404": "Not found (404)",
    "500": "The vendor is down (500)",
}
"""What a page offers; a command takes any word or status."""
_NO_START = "This event would not start it"
_USUAL = {
    Operation.CREATE: ("created", 201),
    Operation.UPSERT: ("created", 201),
    Operation.UPDATE: ("updated", 200),
}


@dataclass(frozen=True, slots=True)
class Answered:
    outcome: str
    status: int | None = None
    answer: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class TrialStep:
    """One step of the trial: what would be sent, what was taken for an answer, and why the run went on as it did."""

    step: BookedStep
    request: Mapping[str, Any] = field(default_factory=dict)
    leaves: bool = False
    """It would go to a vendor."""
    answered: Answered | None = None
    remembered: Mapping[str, Any] = field(default_factory=dict)
    taken: str = ""
    next_key: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """`starts` tells whether the event would start the flow; `end` how it ends, and `ended` whether at an end."""

    starts: str
    would_start: bool
    subject: str
    steps: tuple[TrialStep, ...]
    session: Mapping[str, Any]
    end: str
    ended: bool = False


def run(flow: BookedFlow, event: Any, outcomes: Mapping[str, str], now: datetime) -> Trial:
    """Walk the event through the flow; `outcomes` are by step key, those that are not named end well."""
    if not isinstance(event, dict):
        return Trial("An event is a JSON object.", False, "", (), {}, "Nothing was tried.")
    starts, would_start = _start(flow, event, now)
    subject = mapping.at(event, flow.subject_path.split(".")) if flow.subject_path else None
    shown = f"{flow.source_key}:{subject}" if subject not in (None, "") else ""
    session: dict[str, Any] = {}
    walked: list[TrialStep] = []
    step = flow.first
    while step is not None and len(walked) < MOST:
        one, session = _walk(flow, step, event, session, outcomes.get(step.key, "ok"), now, len(walked))
        walked.append(one)
        if step.kind == "end" or not one.next_key:
            break
        step = flow.step(one.next_key)
    end, ended = _ended(walked)
    return Trial(starts, would_start, shown, tuple(walked), session, end, ended)


def _start(flow: BookedFlow, event: Mapping[str, Any], now: datetime) -> tuple[str, bool]:
    for row in flow.criteria:
        try:
            if not conditions.holds(row, event, now):
                return (
                    f"{_NO_START}: row {row.number} ({row.field}) says no. Tried all the same.",
                    False,
                )
        except CriterionError as error:
            return f"{_NO_START}: {error} Tried all the same.", False
    on = "" if flow.enabled else " once the flow is on"
    return f"This event would start it{on}.", True


def _walk(
    flow: BookedFlow,
    step: BookedStep,
    event: Any,
    session: dict[str, Any],
    wanted: str,
    now: datetime,
    number: int,
) -> tuple[TrialStep, dict[str, Any]]:
    """Return the step as tried, and the session after it."""
    if step.kind == "end":
        return TrialStep(step), session
    request = prepare(step, {"event": event, "session": session})
    if isinstance(request, Refusal):
        return TrialStep(step, problem=_parked(request)), session
    leaves = request.connection_id is not None
    shown = _shown(step, request)
    if leaves and _is_outage(wanted):
        problem = (
            "The run waits on this step, and the call is repeated until the vendor answers. Nothing is lost."
        )
        return TrialStep(step, shown, leaves, Answered("", int(wanted)), problem=problem), session
    answered = _answer(step, wanted, number) if leaves else Answered("done")
    scope = {"event": event, "session": session, "answer": answered.answer or {}}
    way = onward(flow, step, answered.outcome, answered.status, scope, now)
    fresh = {name: value for name, value in way.session.items() if session.get(name) != value}
    tried = TrialStep(step, shown, leaves, answered, fresh)
    if isinstance(way.target, Refusal):
        return replace(tried, problem=_parked(way.target)), way.session
    return replace(tried, taken=_why(way.chosen), next_key=way.target.key), way.session


def _answer(step: BookedStep, wanted: str, number: int) -> Answered:
    """Return the simulated answer; what the step wants to read of it is filled with stand-ins."""
    operation = Operation(step.operation) if step.operation else None
    made = _made_up(step, str(1001 + number))
    if wanted.isdecimal() and not wanted.startswith(("1", "2", "3")):
        if wanted == "409" and operation is Operation.CREATE:
            return Answered("existing", 409, made)
        return Answered("rejected", int(wanted), {"message": "simulated"})
    if wanted == "rejected":
        return Answered("rejected", 400, {"message": "simulated"})
    if wanted == "existing":
        return (
            Answered("existing", 409, made)
            if operation is Operation.CREATE
            else Answered("rejected", 409, made)
        )
    outcome, status = {"tie": ("tied", 200), "call": ("sent", 200)}.get(step.kind) or _USUAL.get(
        operation or Operation.UPDATE, ("updated", 200)
    )
    if wanted.isdecimal():
        status = int(wanted)
    elif wanted != "ok":
        outcome = wanted
    return Answered(outcome, status, made)


def _made_up(step: BookedStep, remote_id: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for path in sorted(_asked_of_answer(step)):
        *folders, name = path.split(".")
        holder = made
        for folder in folders:
            holder = holder.setdefault(folder, {})
            if not isinstance(holder, dict):
                break
        else:
            holder.setdefault(name, remote_id if name.lower().endswith("id") else f"(simulated {name})")
    made.setdefault("id", remote_id)
    return made


def _asked_of_answer(step: BookedStep) -> Iterator[str]:
    """Yield the paths below answer that the step's lines and conditions read."""
    paths = [one.line.source for one in step.remembered] + [one.field for one in step.transitions]
    for path in paths:
        root, _, rest = path.partition(".")
        if root == "answer" and rest:
            yield rest


def _shown(step: BookedStep, request: StepRequest) -> dict[str, Any]:
    """Return the request as it would be sent, with where it would go."""
    payload = request.payload
    if request.operation is None or request.operation is Operation.CALL:
        return payload
    if step.kind == "tie":
        return {"operation": request.operation.value, **payload["values"]}
    return {"operation": request.operation.value, "object": request.object_type, **payload}


def _is_outage(wanted: str) -> bool:
    return wanted.isdecimal() and (wanted.startswith("5") or wanted in ("408", "429"))


def _parked(refusal: Refusal) -> str:
    return f"The run is parked: {refusal.reason} {refusal.remedy}".strip()


def _why(chosen: BookedTransition | None) -> str:
    if chosen is None:
        return ""
    if not chosen.field:
        return f"“{chosen.outcome}” takes it"
    return f"“{chosen.outcome}” takes it, as {chosen.field} {chosen.operator} {chosen.value}".rstrip()


def _ended(walked: list[TrialStep]) -> tuple[str, bool]:
    if not walked:
        return "The flow has no steps.", False
    last = walked[-1]
    if last.step.kind == "end":
        return f"It ends at “{last.step.name}” after {len(walked) - 1} steps.", True
    if last.problem:
        return f"It stops at “{last.step.name}”. {last.problem}", False
    if len(walked) >= MOST:
        return f"It was stopped after {MOST} steps: with these answers it goes round.", False
    return f"It stops at “{last.step.name}”.", False
