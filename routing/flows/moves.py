"""One run on its way: its steps done one after the other until one must wait for an answer, is parked, or ends.

Nothing is stored here. A pass takes many runs on and stores what came of all of them at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any

from routing.flows import steps as flow_steps
from routing.flows.shapes import BookedFlow, BookedStep, Refusal, StepRequest
from routing.flows.steps import DONE, REJECTED
from routing.models import FlowRun, StepTry
from routing.models.flows import RunStage, StepKind
from syncs import outbox
from syncs.models import Delivery, Priority
from syncs.models.deliveries import DeliveryState

logger = logging.getLogger(__name__)

MOST_TRIES = 100
"""After so many steps a run is parked: its flow most likely goes round. A person may let it go on for as many."""
LONGEST_LANE = 200
Emit = Callable[[FlowRun, str, dict[str, Any], int], Refusal | None]
"""Puts an event in; says why not, if it cannot."""


@dataclass(slots=True)
class Passage:
    """A run in one pass, with what must be stored of it."""

    run: FlowRun
    flow: BookedFlow
    emit: Emit
    now: datetime
    last: StepTry | None = None
    """The try whose answer is awaited."""
    fresh: list[StepTry] = field(default_factory=list)
    draft: outbox.Draft | None = None
    handled: Delivery | None = None
    """A refused delivery that the flow has a way on from: no dead letter."""

    def go_on(self) -> None:
        """Do the steps that need no answer, up to one that does."""
        while self.run.stage == RunStage.READY:
            step = self.flow.step_of(self.run.step_id)
            if step is None:
                self._park("no_step", "The step it stood on is gone.", "Skip to another step, or cancel it.")
            elif step.kind == StepKind.END:
                self._end(step)
            elif self.run.tries and self.run.tries % MOST_TRIES == 0:
                why = f"It has made {self.run.tries} steps without an end."
                self._park("too_many_tries", why, "See whether its flow goes round; resume it to go on.")
                self.run.delivery = None
            else:
                self._try(step)

    def settle(self, delivery: Delivery | None) -> None:
        """Take the answer of what was sent, and choose the way on."""
        if delivery is None:
            why = "What it waited for was deleted, and with it whether it arrived."
            self._park("delivery_lost", why, "Look there; then retry the step or skip to the next.")
            return
        step = self.flow.step_of(self.run.step_id)
        tried = self.last or self._begun(step.key if step else "", None)
        tried.outcome, tried.status, tried.answer = delivery.outcome, delivery.status, delivery.answer
        tried.code, tried.reason, tried.ended_at = delivery.error_code, delivery.error, self.now
        if step is None:
            self.run.delivery = None  # else it would be found answered again and again
            self._park("no_step", "The step it stood on is gone.", "Skip to another step, or cancel it.")
        elif delivery.state == DeliveryState.DELIVERED:
            self.run.delivery = None
            tried.code = tried.reason = ""
            self.answered(step, tried)
        elif delivery.state == DeliveryState.DEAD and delivery.outcome == REJECTED:
            self._refused(step, tried, delivery)
        elif delivery.state == DeliveryState.DISMISSED:
            self._park(
                "dismissed", "Somebody gave up what it waited for.", "Retry the step, or cancel the run."
            )
        else:
            self._park(delivery.error_code, delivery.error, delivery.remedy)

    def answered(self, step: BookedStep, tried: StepTry) -> None:
        """Remember what the step remembers and go to the next one; without one the run is parked."""
        scope = {
            "event": self.run.event.data or {},
            "session": self.run.session,
            "answer": tried.answer or {},
        }
        way = flow_steps.onward(self.flow, step, tried.outcome, tried.status, scope, self.now)
        self.run.session = way.session
        if isinstance(way.target, Refusal):
            self._refuse(way.target, tried)
            return
        tried.next_key = way.target.key
        self._stand(way.target)

    def _refused(self, step: BookedStep, tried: StepTry, delivery: Delivery) -> None:
        code, reason = tried.code, tried.reason
        self.answered(step, tried)
        if self.run.stage == RunStage.READY:
            self.run.delivery, self.handled = None, delivery
        elif self.run.code == "no_transition":
            tried.code, tried.reason = code, reason
            self._park(code, reason, delivery.remedy)

    def _try(self, step: BookedStep) -> None:
        scope = {"event": self.run.event.data or {}, "session": self.run.session}
        request: StepRequest | Refusal
        try:
            request = flow_steps.prepare(step, scope)
        except Exception as error:
            logger.exception("a step failed", extra={"run": self.run.pk, "step": step.key})
            text = f"Internal error ({type(error).__name__}); the log has the details."
            request = Refusal("internal", text, "Report it; resume the run when it is mended.")
        if isinstance(request, Refusal):
            self._refuse(request, self._begun(step.key, None))
            return
        tried = self._begun(step.key, request.payload or None)
        if request.connection_id is not None:
            self.draft = self._draft(request, request.connection_id, tried.number)
            self.run.stage = RunStage.SENDING
            return
        if request.event_name:
            refusal = self.emit(self.run, request.event_name, dict(request.values), tried.number)
            if refusal:
                self._refuse(refusal, tried)
                return
        tried.outcome, tried.ended_at = DONE, self.now
        self.answered(step, tried)

    def _begun(self, step_key: str, request: dict[str, Any] | None) -> StepTry:
        self.run.tries += 1
        tried = StepTry(
            run=self.run, number=self.run.tries, step_key=step_key, request=request, began_at=self.now
        )
        self.fresh.append(tried)
        return tried

    def _draft(self, request: StepRequest, connection_id: int, number: int) -> outbox.Draft:
        return outbox.Draft(
            connection_id=connection_id, origin=self.flow.origin, change_id=None,
            lane=request.lane or _lane(self.run), dedup_key=f"flowrun:{self.run.pk}:{number}",
            payload=request.payload, due_at=self.now, object_type=request.object_type,
            operation=str(request.operation), priority=Priority.FLOW,
        )  # fmt: skip

    def _stand(self, step: BookedStep) -> None:
        self.run.step_id = step.id
        self.run.stage, self.run.due_at = RunStage.READY, self.now
        self.run.code = self.run.reason = self.run.remedy = ""

    def _end(self, step: BookedStep) -> None:
        tried = self._begun(step.key, None)
        tried.outcome, tried.ended_at = DONE, self.now
        self.run.stage, self.run.ended_at, self.run.due_at = RunStage.DONE, self.now, None
        self.run.code = self.run.reason = self.run.remedy = ""

    def _refuse(self, refusal: Refusal, tried: StepTry) -> None:
        tried.code, tried.reason, tried.ended_at = refusal.code, refusal.reason, self.now
        self._park(refusal.code, refusal.reason, refusal.remedy)

    def _park(self, code: str, reason: str, remedy: str) -> None:
        self.run.stage = RunStage.PARKED
        self.run.code, self.run.reason, self.run.remedy = code[:100], reason, remedy


def _lane(run: FlowRun) -> str:
    """Return what a call or a plain create must not share with another in flight: its customer, else only itself."""
    if not run.subject:
        return f"run:{run.pk}"
    lane = f"subject:{run.subject}"
    return lane if len(lane) <= LONGEST_LANE else blake2b(lane.encode(), digest_size=16).hexdigest()
