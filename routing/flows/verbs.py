"""What people do to a run: resume it, retry its step, skip to another, cancel it. Each is in the run's history.

Nobody edits a session, an answer or an event: what a run did is what its history says.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.db.models import Max, QuerySet

from routing.flows import book as flowbook
from routing.flows import parked, queue
from routing.flows.moves import Passage
from routing.models import Flow, FlowRun, FlowStep, StepTry
from routing.models.flows import RunStage
from syncs import outbox
from syncs.models import Delivery
from syncs.models.deliveries import DeliveryState

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

COMMAND = "manage.py"
"""The actor when no user is signed in."""


class VerbError(ValueError):
    """It cannot be done; the message says why."""


def resume(run: FlowRun, user: AbstractBaseUser | None, now: datetime) -> None:
    """Let a parked run go on where it stands.

    A dead letter is sent again as it is, and looked for first if it may have arrived. An answer that no transition
    took is judged anew. Otherwise the step is prepared anew.
    """
    with transaction.atomic():
        run = _parked(run)
        delivery = run.delivery
        last = run.history.order_by("-number").first()
        _note(run, user, "resumed", now)
        if delivery is not None and _requeued(delivery, now):
            _stand(run, RunStage.SENDING, now)
        elif delivery is None and last is not None and last.outcome and not last.next_key:
            _judge_again(run, last, now)
        else:
            _stand(run, RunStage.READY, now)
    parked.settle(now)


def retry(run: FlowRun, user: AbstractBaseUser | None, now: datetime) -> None:
    """Do the step again, prepared anew from event and session.

    What may have arrived is still looked for: it is sent again as it was.
    """
    with transaction.atomic():
        run = _parked(run)
        delivery = run.delivery
        _note(run, user, "retried", now)
        if delivery is not None and delivery.unanswered_at and _requeued(delivery, now):
            _stand(run, RunStage.SENDING, now)
        else:
            _drop(run, now)
            _stand(run, RunStage.READY, now)
    parked.settle(now)


def skip(run: FlowRun, step: FlowStep, user: AbstractBaseUser | None, now: datetime) -> None:
    """Let the run go on with another step of its flow, whatever became of the one it stands on."""
    if step.flow_id != run.flow_id:
        raise VerbError(f"“{step.key}” is no step of {run.flow}.")
    with transaction.atomic():
        run = _movable(run)
        _note(run, user, f"skipped to {step.key}", now, next_key=step.key)
        _drop(run, now)
        run.step = step
        _stand(run, RunStage.READY, now)
    parked.settle(now)


def cancel(run: FlowRun, user: AbstractBaseUser | None, now: datetime) -> None:
    """End the run where it stands. What has been done at vendors stays; the customer's next run goes on."""
    with transaction.atomic():
        run = _movable(run)
        _note(run, user, "canceled", now)
        _drop(run, now)
        run.ended_at, run.due_at = now, None
        _stand(run, RunStage.CANCELED, None)
        queue.release(flowbook.load(Flow.objects.all()), [run])
    parked.settle(now)


def each(
    runs: Iterable[FlowRun], verb: str, user: AbstractBaseUser | None, now: datetime
) -> tuple[int, list[str]]:
    """Do resume, retry or cancel to many; return how many it was done to, and why not to the others."""
    verbs = {"resume": resume, "retry": retry, "cancel": cancel}
    done, problems = 0, []
    for run in runs:
        try:
            verbs[verb](run, user, now)
            done += 1
        except VerbError as error:
            problems.append(f"{run}: {error}")
    return done, problems


def _judge_again(run: FlowRun, last: StepTry, now: datetime) -> None:
    """Choose the way on from the stored answer, by the flow as it is now."""
    book = flowbook.load(Flow.objects.filter(pk=run.flow_id))
    step = book[run.flow_id].step_of(run.step_id)
    if step is None or step.key != last.step_key:
        _stand(run, RunStage.READY, now)
        return
    passage = Passage(run, book[run.flow_id], _no_event, now, last=last)
    passage.answered(step, last)
    last.save(update_fields=["next_key", "code", "reason"])
    run.save(update_fields=["stage", "step", "session", "code", "reason", "remedy", "due_at"])
    if run.stage == RunStage.PARKED:
        raise VerbError(run.reason)


def _no_event(*_args: object) -> None:
    raise AssertionError("judging an answer emits nothing")


def _parked(run: FlowRun) -> FlowRun:
    found = _movable(run)
    if found.stage != RunStage.PARKED:
        raise VerbError("It is not parked: it goes on by itself.")
    return found


def _movable(run: FlowRun) -> FlowRun:
    """Return the run, locked; nobody else moves it meanwhile."""
    rows: QuerySet[FlowRun] = FlowRun.objects.open().select_for_update(of=("self",))
    found = rows.select_related("flow", "event", "delivery", "step").filter(pk=run.pk).first()
    if found is None:
        raise VerbError("It has ended.")
    if found.stage == RunStage.SENDING and found.delivery and found.delivery.state == DeliveryState.SENDING:
        raise VerbError("Its request is on the way. Wait for the answer.")
    return found


def _note(run: FlowRun, user: AbstractBaseUser | None, what: str, now: datetime, next_key: str = "") -> None:
    """Write it into the history of the run and into the log of changes, with who did it."""
    run.tries = max(run.tries, run.history.aggregate(last=Max("number"))["last"] or 0) + 1
    StepTry.objects.create(
        run=run, number=run.tries, step_key=run.step.key if run.step else "", reason=what.capitalize() + ".",
        next_key=next_key, actor=user.get_username() if user else COMMAND, began_at=now, ended_at=now,
    )  # fmt: skip
    run.save(update_fields=["tries"])
    if user is not None:
        LogEntry.objects.log_actions(
            user.pk,
            FlowRun.objects.filter(pk=run.pk),
            CHANGE,
            change_message=what.capitalize() + ".",
            single_object=True,
        )


def _requeued(delivery: Delivery, now: datetime) -> bool:
    return outbox.requeue(Delivery.objects.filter(pk=delivery.pk), now) == 1


def _drop(run: FlowRun, now: datetime) -> None:
    """Give up what the run waits for; a request that has just gone out cannot be called back."""
    if run.delivery is not None:
        outbox.dismiss(Delivery.objects.filter(pk=run.delivery.pk), now)
        current = Delivery.objects.values_list("state", flat=True).get(pk=run.delivery.pk)
        if current == DeliveryState.SENDING:
            raise VerbError("Its request is on the way. Wait for the answer.")
        run.delivery = None


def _stand(run: FlowRun, stage: RunStage, due_at: datetime | None) -> None:
    run.stage, run.due_at = stage, due_at
    run.code = run.reason = run.remedy = ""
    run.save(update_fields=["stage", "step", "delivery", "due_at", "ended_at", "code", "reason", "remedy"])
