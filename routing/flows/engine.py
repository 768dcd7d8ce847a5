"""Onboarding flows: start runs of the events that wait, take the answers, and move each run on.

Many runs are moved in one transaction. Only what is stored counts: a run waits on its step until the answer to its
delivery is there, however often a process ends in between.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, transaction

from routing.flows import book as flowbook
from routing.flows import parked, queue, starts
from routing.flows.moves import Passage
from routing.flows.shapes import BookedFlow, Refusal
from routing.models import FlowRun, StepTry
from routing.models.flows import RunStage
from syncs import leases, outbox
from syncs.events import inbox, problems
from syncs.models import Delivery, EventSource, HubSettings, InboundEvent
from syncs.models.deliveries import DeliveryState
from syncs.models.events import EventOrigin

logger = logging.getLogger(__name__)

BATCH = 500
DEEPEST = 10
"""An event that comes of an event that comes of an event …: flows that emit must not feed each other for ever."""
_MOVED = ("stage", "step", "session", "tries", "delivery", "due_at", "code", "reason", "remedy", "ended_at")
_ANSWERED = ("outcome", "status", "answer", "code", "reason", "next_key", "ended_at")


@dataclass(slots=True)
class Moved:
    """What a pass did, in runs."""

    started: int = 0
    moved: int = 0
    ended: int = 0
    parked: int = 0

    @property
    def total(self) -> int:
        return self.started + self.moved + self.parked


def run(now: datetime, *, seconds: float | None = None) -> Moved | None:
    """Start and move on all that can be, for TASK_SECONDS at most. None: another process is at it.

    The lease only spares them each other's work: rows are locked, and what was moved already is not found again.
    """
    if not HubSettings.get().enabled:
        return None
    with leases.held("flows", settings.LEASE_SECONDS, now) as lease:
        if lease is None:
            return None
        end = time.monotonic() + (settings.TASK_SECONDS if seconds is None else seconds)
        book = flowbook.load()
        moving = _Moving(book, now, Moved())
        while time.monotonic() < end:
            started, runs = starts.start(book, now, BATCH)
            moving.counts.started += len(runs)
            overdue = queue.park_overdue(book, now)
            moving.note_parked([*runs, *overdue])
            pks = queue.due(now, BATCH)
            if not started and not overdue and not pks:
                break
            if pks:
                moving.move(pks)
        parked.report(book, moving.parked, now)
        parked.settle(now)
        return moving.counts


def is_due(now: datetime) -> bool:
    """Say whether anything waits to be started or moved on."""
    return starts.are_waiting() or queue.is_due(now)


@dataclass(slots=True)
class _Moving:
    book: dict[int, BookedFlow]
    now: datetime
    counts: Moved
    parked: list[FlowRun] = field(default_factory=list)

    def move(self, pks: Sequence[int]) -> None:
        """Move the runs on; what the database refuses is found by halves, and stands alone in the end."""
        try:
            with transaction.atomic():
                passages = self._moved(pks)
        except (OperationalError, InterfaceError):
            raise  # no run's fault
        except Exception as error:  # noqa: BLE001 - one run never stops its neighbours
            if len(pks) > 1:
                middle = len(pks) // 2
                self.move(pks[:middle])
                self.move(pks[middle:])
                return
            self._give_up(pks[0], error)
        else:
            self.counts.moved += len(passages)
            self.counts.ended += sum(passage.run.stage == RunStage.DONE for passage in passages)
            self.note_parked(passage.run for passage in passages)

    def _moved(self, pks: Sequence[int]) -> list[Passage]:
        passages = self._passages(pks)
        for passage in passages:
            if passage.run.stage != RunStage.READY:
                passage.settle(passage.run.delivery)
            passage.go_on()
        self._store(passages)
        return passages

    def _passages(self, pks: Sequence[int]) -> list[Passage]:
        rows = queue.locked(pks, self.now)
        waiting = [run.pk for run in rows if run.delivery_id]
        tries = StepTry.objects.filter(run__in=waiting, delivery__isnull=False).order_by("number")
        last = {tried.run_id: tried for tried in tries} if waiting else {}
        return [
            Passage(run, self.book[run.flow_id], self._emit, self.now, last=last.get(run.pk))
            for run in rows
            if run.flow_id in self.book
        ]

    def _store(self, passages: Sequence[Passage]) -> None:
        drafts = [passage.draft for passage in passages if passage.draft]
        stored = {delivery.dedup_key: delivery for delivery in outbox.enqueue(drafts, self.now)}
        for passage in passages:
            if passage.draft:
                delivery = stored.get(passage.draft.dedup_key) or Delivery.objects.get(
                    dedup_key=passage.draft.dedup_key
                )
                passage.run.delivery = passage.fresh[-1].delivery = delivery
        FlowRun.objects.bulk_create(
            [passage.run for passage in passages],
            update_conflicts=True, unique_fields=["id"], update_fields=_MOVED,
        )  # fmt: skip
        StepTry.objects.bulk_create(
            [passage.last for passage in passages if passage.last],
            update_conflicts=True, unique_fields=["id"], update_fields=_ANSWERED,
        )  # fmt: skip
        StepTry.objects.bulk_create([tried for passage in passages for tried in passage.fresh])
        handled = [passage.handled.pk for passage in passages if passage.handled]
        if handled:
            outbox.dismiss(Delivery.objects.filter(pk__in=handled, state=DeliveryState.DEAD), self.now)
        queue.release(self.book, [p.run for p in passages if p.run.ended_at])

    def note_parked(self, runs: Iterable[FlowRun]) -> None:
        parked = [run for run in runs if run.stage == RunStage.PARKED]
        self.counts.parked += len(parked)
        self.parked += parked

    def _give_up(self, pk: int, error: Exception) -> None:
        logger.error("a run cannot be moved on", exc_info=error, extra={"run": pk})
        what = (
            "The database refuses what came of it" if isinstance(error, DatabaseError) else "Internal error"
        )
        reason = f"{what} ({type(error).__name__}); the log has the details."
        FlowRun.objects.filter(pk=pk).update(
            stage=RunStage.PARKED, code="internal", reason=reason, remedy="Report it; retry when it is mended.",
            delivery=None,
        )  # fmt: skip
        self.note_parked(FlowRun.objects.filter(pk=pk))

    def _emit(self, run: FlowRun, name: str, data: dict[str, Any], number: int) -> Refusal | None:
        """Put an event in whose cause is the run's own. A refusal says why not."""
        if _depth(run.event) >= DEEPEST:
            return Refusal(
                "emitted_too_deep",
                f"Its event comes of {DEEPEST} others that flows emitted one after the other.",
                "See whether the flows start each other.",
            )
        source = EventSource(pk=self.book[run.flow_id].source_id)
        try:
            inbox.emit(source, name, data, run.event, f"flowrun:{run.pk}:{number}", self.now)
        except problems.RefusedError as refusal:
            return Refusal("not_emitted", refusal.text, "Correct the values of the event.")
        return None


def _depth(event: InboundEvent) -> int:
    """Return how many emitted events led to this one, itself among them."""
    depth = 0
    found: InboundEvent | None = event
    while found is not None and found.origin == EventOrigin.EMITTED and depth < DEEPEST:
        depth += 1
        found = InboundEvent.objects.defer("body").filter(pk=found.cause_id or 0).first()
    return depth
