"""Writes due deliveries out, and settles each by the vendor's answer for it."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import Error, transaction
from django.db.models import F
from django.utils import timezone

from integration_hub.connectors.contract import Destination
from integration_hub.connectors.errors import (
    ConfigError,
    ConnectorError,
    RateLimitError,
    RejectedError,
    UnknownOutcomeError,
)
from integration_hub.connectors.records import Operation, RecordResult
from syncs import answers, connect, holds, incidents, links, listeners, outbox, ties, writes
from syncs.engine import batches, push_errors, retry, runs, said, succession
from syncs.engine.recalling import Recall
from syncs.models import Connection, Delivery, HubSettings, SyncRun
from syncs.models.incidents import IncidentKind
from syncs.models.runs import RunKind

logger = logging.getLogger(__name__)

CLAIMED_AT_ONCE = 20
EXPIRED_AT_ONCE = 1000
LEASE_LOST = "lease_lost"
LATE = "It was not sent in time: it waited until after its maximum age."


def run(
    connection: Connection,
    now: datetime,
    *,
    clock: Callable[[], datetime] = timezone.now,
    sleep: Callable[[float], None] = time.sleep,
) -> SyncRun | None:
    """Send what is due at the connection, for TASK_SECONDS at most. None: there was nothing to send.

    Any number of processes may do this at once: a claim gives each delivery to one of them. The switches, the
    state of the connection and the age of the delivery are read when it is sent.
    """
    off = _may_not_send(connection, now)
    if off is None or not _due(connection, off, now):
        return None
    with runs.recording(RunKind.PUSH, now=now, connection=connection, clock=clock) as counts:
        try:
            with connect.opened(connection, clock=clock) as connector:
                push = _Push(connection, _as_destination(connector, connection), counts, clock)
                try:
                    push.all(off, now, sleep)
                finally:
                    counts.calls = connect.calls_made(connector)
        except ConnectorError as error:
            counts.error = error.message
            holds.failed(connection, error, now)
    return counts.run


def expire(now: datetime) -> int:
    """Expire what is too late, also where nothing can be sent now; return how many."""
    late = list(outbox.overdue(now).select_related("connection").order_by("expires_at")[:EXPIRED_AT_ONCE])
    for delivery in batches.first_of_each_origin(late):
        same = [d for d in late if (d.origin, d.connection_id) == (delivery.origin, delivery.connection_id)]
        expired = outbox.expire_overdue([d.pk for d in same], reason=LATE, now=now)
        if expired:
            _report_expired(delivery, expired, now)
    return len(late)


@dataclass
class _Push:
    """One passage through the outbox of one connection."""

    connection: Connection
    destination: Destination
    counts: runs.Counts
    clock: Callable[[], datetime]
    answered: bool = False
    failed: bool = False
    end: datetime = field(init=False)

    def all(self, off: set[str], now: datetime, sleep: Callable[[float], None]) -> None:
        """Send until nothing is due, the time is up, or the connection fails; reads the switches as it goes.

        What waits only for its lane's pause is waited for.
        """
        self.end = end = now + timedelta(seconds=settings.TASK_SECONDS)
        pauses = int(settings.TASK_SECONDS / (self.destination.lane_interval or 1))
        allowed: set[str] | None = off
        while allowed is not None and now < end:
            claimed = outbox.claim(
                self.connection,
                limit=max(CLAIMED_AT_ONCE, self.destination.batch_size),
                now=now,
                lane_interval=self.destination.lane_interval,
                without=allowed,
            )
            if not self._send_all(claimed, end):
                return
            if not claimed:
                if (
                    not self.destination.lane_interval
                    or not pauses
                    or not _due(self.connection, allowed, now)
                ):
                    return
                pauses -= 1
                sleep(self.destination.lane_interval)
            now = self.clock()
            allowed = _may_not_send(self.connection, now)

    def _send_all(self, claimed: Sequence[Delivery], end: datetime) -> bool:
        """Send what was claimed. False: the connection failed or time is up; what was not tried is given back.

        With a slow vendor the claimed ones together could outlast their lease, and another would send them, too.
        """
        self.counts.read += len(claimed)
        for batch in batches.alike(claimed, self.destination.batch_size):
            if self.clock() >= end or not self._send(batch):
                self.counts.waiting += outbox.give_back(claimed)
                return False
        return True

    def _send(self, batch: Sequence[Delivery]) -> bool:
        """Send one batch of the same object and operation. False: the connection failed as a whole."""
        fresh = self._still_to_send(batch)
        if not fresh:
            return fresh is not None
        connect.used_by(self.destination, fresh[0].origin)
        prepared = None
        try:
            prepared = writes.prepare(fresh, self.destination)
            self._forgo(prepared)
            self._answer(prepared.answered)
            fresh = prepared.deliveries
            results = self.destination.write(prepared.request) if fresh else []
        except RejectedError as error:
            self._refused(fresh, error)
        except ConnectorError as error:
            self._not_sent(fresh, error)
            self._failed(error)
        except Error:
            raise  # the database's, in which the outcome could not be stored either
        except Exception as failure:
            logger.exception("sending failed", extra={"delivery": fresh[0].pk})
            self._unforeseen(fresh, failure, nothing_left=prepared is None)
        else:
            if fresh:
                self._answered()
                self._settle(prepared, results)
        return not self.failed

    def _failed(self, error: ConnectorError) -> None:
        holds.failed(self.connection, error, self.clock())
        self.failed = True

    def _answered(self) -> None:
        if not self.answered:
            holds.answered(self.connection, self.clock())
            self.answered = True

    def _is_late(self, delivery: Delivery) -> bool:
        now = self.clock()
        if delivery.unanswered_at or not delivery.expires_at or now < delivery.expires_at:
            return False
        if self._count(outbox.expire([delivery], reason=LATE, now=now), 1, "skipped", "expired"):
            _report_expired(delivery, 1, now)
        return True

    def _still_to_send(self, batch: Sequence[Delivery]) -> list[Delivery] | None:
        """Leave out what is too late and what is found to have arrived. None: the connection failed, or time is up."""
        kept = [one for one in batch if not self._is_late(one)]
        if not kept or Operation(kept[0].operation) in self.destination.repeatable:
            return kept
        unanswered = [one for one in kept if one.unanswered_at]
        if not unanswered:
            return kept
        recall = Recall(self.destination, self.clock)
        is_whole = recall.ask(unanswered, self.end)
        absent = self._recalled(recall)
        if not is_whole:
            return None
        again = {one.pk for one in absent if not self._is_late(one)}
        return [one for one in kept if one not in unanswered or one.pk in again]

    def _recalled(self, recall: Recall) -> list[Delivery]:
        """Settle what arrived, let wait what is unknown, and return what may be sent again, for it did not arrive."""
        if recall.landed:
            found = writes.Prepared(
                [one for one, _, _ in recall.landed], [one for _, one, _ in recall.landed]
            )
            self._settle(found, [result for _, _, result in recall.landed])
        for delivery, refusal in recall.refused:
            self._bury([delivery], push_errors.not_to_be_found_out(refusal))
        for deliveries, error in recall.unclear:
            self._not_sent(deliveries, error, unanswered_at=F("unanswered_at"))
        if recall.early:
            error = push_errors.not_to_be_seen_yet()
            waiting = outbox.wait_for_sight(recall.early, error, self.destination.recall_after)
            self._count(waiting, len(recall.early), "waiting", error.code)
        if recall.failure:
            self._failed(recall.failure)
        again = outbox.absolve(recall.absent, self.clock())
        self._count(0, len(recall.lost) + len(recall.absent) - len(again), "skipped")
        return again

    def _forgo(self, prepared: writes.Prepared) -> None:
        """Settle what need not be written any more, by the reason."""
        now = self.clock()
        for (code, reason), deliveries in prepared.forgone.items():
            settled = outbox.forgo(deliveries, code=code, reason=reason, now=now)
            is_there = code == writes.UNCHANGED.code
            self._count(
                settled, len(deliveries), "unchanged" if is_there else "skipped", "" if is_there else code
            )
            if code == writes.COLLAPSED:
                links.note(writes.passed_over(one, reason, now) for one in deliveries)

    def _settle(self, prepared: writes.Prepared, results: Sequence[RecordResult]) -> None:
        """Settle each delivery by the answer for it, those with one outcome together, and their links with them."""
        found = said.sorted_out(prepared, results)
        now = self.clock()
        ids = answers.given_ids(prepared.deliveries, results) if self.destination.gives_ids else {}
        self._answer([one for one in found.told if one[1].error is None])
        answers.keep([one for one in found.told if isinstance(one[1].error, RejectedError)])
        for remote_id, deliveries in found.done.items():
            with transaction.atomic():
                settled = outbox.delivered(deliveries, remote_id=remote_id, now=now)
                links.settle(prepared.entries(deliveries, now, ids))
                ties.written([one for one in deliveries if one.pk in ids], now)
                succession.follow_all(prepared.freed(deliveries), now)
            self._count(settled, len(deliveries), "delivered")
        self._look_again(found.gone, now)
        self._pass_over(found.absent, now)
        for error, deliveries in found.refused.values():
            self._bury(deliveries, error)
        for error, deliveries in found.unsent.values():
            self._not_sent(deliveries, error)

    def _look_again(self, gone: Mapping[int, tuple[Delivery, ConnectorError]], now: datetime) -> None:
        """Send anew, by the match value, what the destination does not have under the id we know."""
        if not gone:
            return
        for delivery, error in gone.values():
            postponed = outbox.postpone([delivery], error, until=now, counts=False)
            self._count(postponed, 1, "waiting", error.code)
        links.forget_ids(delivery for delivery, _ in gone.values())

    def _pass_over(self, absent: Sequence[Delivery], now: datetime) -> None:
        """Settle what was only to be updated and is not there."""
        if absent:
            settled = outbox.forgo(
                absent, code=writes.NOT_THERE.code, reason=writes.NOT_THERE.reason, now=now
            )
            self._count(settled, len(absent), "skipped", writes.NOT_THERE.code)
            links.note(writes.passed_over(one, writes.NOT_THERE.reason, now) for one in absent)

    def _answer(self, told: Sequence[answers.Answer]) -> None:
        """Settle what somebody waits for, with the answer."""
        if told:
            self._count(answers.settle(told, self.clock()), len(told), "delivered")

    def _refused(self, batch: Sequence[Delivery], error: RejectedError) -> None:
        """A refused batch is split until the bad record stands alone."""
        if len(batch) == 1:
            self._bury(batch, error)
            return
        for half in batches.halves(batch):
            self._send(half)

    def _unforeseen(self, batch: Sequence[Delivery], failure: Exception, *, nothing_left: bool) -> None:
        """Split what we failed at ourselves until the record it is about stands alone, where that can do no harm.

        What may have left us and must not be sent twice comes back as a whole, to be looked for.
        """
        is_harmless = nothing_left or Operation(batch[0].operation) in self.destination.repeatable
        if len(batch) == 1 or not is_harmless:
            self._not_sent(batch, push_errors.internal(failure))
            return
        for half in batches.halves(batch):
            if self.clock() >= self.end:
                self.counts.waiting += outbox.give_back(half)
            elif not self.failed:  # else the caller gives back what is left
                self._send(half)

    def _bury(self, deliveries: Sequence[Delivery], error: ConnectorError) -> None:
        now = self.clock()
        with transaction.atomic():
            buried = outbox.bury(deliveries, error, now=now)
            links.note(writes.refused(one, error, now) for one in deliveries if one.sync_id)
            answers.forget_gone(deliveries, error)
            ties.refused(deliveries, error)
        if not self._count(buried, len(deliveries), "dead", error.code):
            return
        # A flow decides itself what a refusal means, and reports the runs that cannot go on.
        failed = [one for one in deliveries if not answers.are_kept(one) or ties.is_tie(one)]
        origins = Counter(delivery.origin for delivery in failed)
        for delivery in batches.first_of_each_origin(failed):
            incidents.for_origin(
                IncidentKind.DEAD_LETTERS, delivery, title=f"Dead letters of {listeners.name(delivery.origin)}",
                detail=error.message, remedy=error.remedy, count=origins[delivery.origin], now=now,
                may_be_delay=not isinstance(error, RejectedError),
            )  # fmt: skip

    def _not_sent(
        self, batch: Sequence[Delivery], error: ConnectorError, *, unanswered_at: datetime | F | None = None
    ) -> None:
        """Put back what did not go out; what may have gone out is marked, so that it is looked for first.

        Those that have been tried equally often come back together, as the batch they were.
        """
        now = self.clock()
        links.doubt(batch)
        blameless = isinstance(error, ConfigError | RateLimitError)
        by_attempts: dict[tuple[int, bool], list[Delivery]] = {}
        for delivery in batch:
            patient = answers.are_kept(delivery) and error.code != push_errors.INTERNAL
            by_attempts.setdefault((delivery.attempts, patient), []).append(delivery)
        for (attempts, patient), deliveries in by_attempts.items():
            if not blameless and retry.is_used_up(attempts, patient=patient):
                self._bury(deliveries, error)
                continue
            until = retry.next_try(attempts, now)
            if isinstance(error, UnknownOutcomeError):
                unanswered_at = unanswered_at or F("attempted_at")
                until = max(until, now + timedelta(seconds=self.destination.recall_after))
            elif isinstance(error, RateLimitError):
                until = now + timedelta(seconds=error.retry_after)
            elif blameless:
                until = now
            postponed = outbox.postpone(
                deliveries, error, until=until, unanswered_at=unanswered_at, counts=not blameless
            )
            self._count(postponed, len(deliveries), "waiting", error.code)

    def _count(self, settled: int, tried: int, outcome: str, reason: str = "") -> int:
        """Count what was settled; the rest of what was tried is another's by now, for the lease ran out."""
        setattr(self.counts, outcome, getattr(self.counts, outcome) + settled)
        if reason and settled:
            self.counts.reasons[reason] += settled
        if settled < tried:
            self.counts.skipped += tried - settled
            self.counts.reasons[LEASE_LOST] += tried - settled
        return settled


def _may_not_send(connection: Connection, now: datetime) -> set[str] | None:
    """Return the origins that are switched off; None: nothing may be sent here at all."""
    if not HubSettings.get().enabled or not Connection.objects.usable(now).filter(pk=connection.pk).exists():
        return None
    return listeners.switched_off()


def _due(connection: Connection, off: Collection[str], now: datetime) -> bool:
    return Delivery.objects.due(now).filter(connection=connection).exclude(origin__in=off).exists()


def _as_destination(connector: object, connection: Connection) -> Destination:
    if not isinstance(connector, Destination):
        raise ConfigError(
            f"{connection} cannot be written to.", remedy="Choose another connection to send with."
        )
    return connector


def _report_expired(delivery: Delivery, count: int, now: datetime) -> None:
    incidents.for_origin(
        IncidentKind.EXPIRED, delivery, title=f"Alerts of {listeners.name(delivery.origin)} came too late",
        detail=delivery.error or LATE, remedy="See why in the deliveries, filtered by Expired.", count=count, now=now,
    )  # fmt: skip
