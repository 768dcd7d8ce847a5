"""The words that steps end with, and which of them to expect of which step. Pure."""

from __future__ import annotations

import re

from integration_hub.connectors.records import Operation
from routing.models.flows import FlowStep, StepKind

ANY = "any"
WORDS = ("created", "existing", "updated", "unchanged", "tied", "sent", "done", "rejected")
_STATUS = re.compile(r"[1-5](?:[0-9]{2}|xx)", re.ASCII)
_AFTER_WRITE = {
    Operation.CREATE: ("created", "existing"),
    Operation.UPSERT: ("created", "updated"),
    Operation.UPDATE: ("updated",),
}


def is_outcome(text: str) -> bool:
    """Say whether a transition can be for it: a word, a status such as 409, a class of them such as 4xx, or any."""
    return text in WORDS or text == ANY or bool(_STATUS.fullmatch(text))


def taken_by(outcome: str) -> set[str]:
    """Return the words of transitions that take a run with this outcome; "any" takes no refusals."""
    if outcome == "rejected" or outcome[:1] in ("4", "5"):
        return {outcome}
    return {outcome, ANY, "409"} if outcome == "existing" else {outcome, ANY}


def usual_outcomes(step: FlowStep) -> tuple[str, ...]:
    """Return how the step ends if nothing is wrong; each of these wants a way on."""
    if step.kind == StepKind.WRITE:
        return _AFTER_WRITE.get(Operation(step.operation), ()) if step.operation else ()
    return {StepKind.TIE: ("tied",), StepKind.CALL: ("sent",), StepKind.END: ()}.get(
        StepKind(step.kind), ("done",)
    )


def offered(step: FlowStep) -> tuple[str, ...]:
    """Return what a form suggests for the step."""
    if step.kind in (StepKind.REMEMBER, StepKind.EMIT):
        return ("done", ANY)
    more = ("unchanged",) if step.kind == StepKind.WRITE else ()
    return (*usual_outcomes(step), *more, "rejected", "409", "4xx", ANY)
