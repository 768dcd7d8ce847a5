"""Writes due deliveries out, and settles each by the vendor's answer for it."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
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
from integration_hub.connectors.records import Operation, Outcome, RecordResult, WriteRequest
from syncs import connect, holds, incidents, links, listeners, outbox, writes
from syncs.engine import retry, runs
from syncs.models import Connection, Delivery, HubSettings, SyncRun
from syncs.models.incidents import IncidentKind
from syncs.models.runs import RunKind

logger = logging.getLogger(__name__)

CLAIMED_AT_ONCE = 20
EXPIRED_AT_ONCE = 1000
RECALL_AFTER = timedelta(seconds=5)
"""A message that was sent may not be visible at once; only then is it looked for."""
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
    for delivery in _first_of_each_origin(late):
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

    def all(self, off: set[str], now: datetime, sleep: Callable[[float], None]) -> None:
        """Send until nothing is due, the time is up, or the connection fails; reads the switches as it goes.

        What waits only for its lane's pause is waited for.
        """
        end = now + timedelta(seconds=settings.TASK_SECONDS)
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
        for batch in _batches(claimed, self.destination.batch_size):
            if self.clock() >= end or not self._send(batch):
                self.counts.waiting += outbox.give_back(claimed)
                return False
        return True

    def _send(self, batch: Sequence[Delivery]) -> bool:
        """Send one batch of the same object and operation. False: the connection failed as a whole."""
        fresh = [one for one in batch if not self._is_late(one) and self._is_still_to_send(one)]
        if not fresh:
            return not self.failed
        try:
            prepared = writes.prepare(fresh, self.destination)
            self._forgo(prepared)
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
            self._not_sent(fresh, _internal(failure))
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

    def _is_still_to_send(self, delivery: Delivery) -> bool:
        """Look for one whose last try went unanswered; what is found there is not sent again."""
        if not delivery.unanswered_at or Operation(delivery.operation) in self.destination.repeatable:
            return True
        try:
            write = writes.plain_write(delivery)
            asked = WriteRequest(delivery.object_type, Operation(delivery.operation), [write])
            found = self.destination.recall(asked)[0]
        except RejectedError as error:
            self._bury([delivery], _not_to_be_found_out(error))
            return False
        except ConnectorError as error:
            self._not_sent([delivery], error, unanswered_at=delivery.unanswered_at)
            self._failed(error)
            return False
        except Error:
            raise
        except Exception as failure:
            logger.exception("looking for a message failed", extra={"delivery": delivery.pk})
            self._not_sent([delivery], _internal(failure), unanswered_at=delivery.unanswered_at)
            return False
        if found is None:
            Delivery.objects.filter(pk=delivery.pk, lease_owner=delivery.lease_owner).update(
                unanswered_at=None
            )
            delivery.unanswered_at = None
            return not self._is_late(delivery)
        self._settle(writes.Prepared([delivery], [write]), [found])
        return False

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
        done: dict[str, list[Delivery]] = {}
        refused: dict[tuple[str, str, str], tuple[ConnectorError, list[Delivery]]] = {}
        unsent: dict[int, tuple[ConnectorError, list[Delivery]]] = {}
        for delivery, result in zip(prepared.deliveries, results, strict=True):
            error = result.error if result.outcome == Outcome.FAILED else None
            if error is None:
                # What a sync writes is found again by its match value: an id of its own for each costs a statement.
                done.setdefault("" if delivery.sync_id else result.remote_id, []).append(delivery)
            elif isinstance(error, RejectedError):
                key = (error.code, error.message, error.remedy)
                refused.setdefault(key, (error, []))[1].append(delivery)
            else:
                unsent.setdefault(id(error), (error, []))[1].append(delivery)
        now = self.clock()
        for remote_id, deliveries in done.items():
            with transaction.atomic():
                settled = outbox.delivered(deliveries, remote_id=remote_id, now=now)
                links.settle(prepared.entries(deliveries, now))
            self._count(settled, len(deliveries), "delivered")
        for error, deliveries in refused.values():
            self._bury(deliveries, error)
        for error, deliveries in unsent.values():
            self._not_sent(deliveries, error)

    def _refused(self, batch: Sequence[Delivery], error: RejectedError) -> None:
        """A refused batch is split until the bad record stands alone."""
        if len(batch) == 1:
            self._bury(batch, error)
            return
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            self._send(half)

    def _bury(self, deliveries: Sequence[Delivery], error: ConnectorError) -> None:
        now = self.clock()
        with transaction.atomic():
            buried = outbox.bury(deliveries, error, now=now)
            links.note(writes.refused(one, error, now) for one in deliveries if one.sync_id)
        if not self._count(buried, len(deliveries), "dead", error.code):
            return
        origins = Counter(delivery.origin for delivery in deliveries)
        for delivery in _first_of_each_origin(deliveries):
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
        by_attempts: dict[int, list[Delivery]] = {}
        for delivery in batch:
            by_attempts.setdefault(delivery.attempts, []).append(delivery)
        for attempts, deliveries in by_attempts.items():
            if not blameless and retry.is_used_up(attempts):
                self._bury(deliveries, error)
                continue
            until = retry.next_try(attempts, now)
            if isinstance(error, UnknownOutcomeError):
                unanswered_at = unanswered_at or F("attempted_at")
                until = max(until, now + RECALL_AFTER)
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


def _batches(claimed: Sequence[Delivery], size: int) -> list[list[Delivery]]:
    """Group by object and operation, in order, each group cut to the vendor's batch size."""
    groups: dict[tuple[str, str], list[Delivery]] = {}
    for delivery in claimed:
        groups.setdefault((delivery.object_type, delivery.operation), []).append(delivery)
    return [group[i : i + size] for group in groups.values() for i in range(0, len(group), size)]


def _internal(failure: Exception) -> UnknownOutcomeError:
    """Return our own failure as an error; it may have come after the vendor did what we asked."""
    text = f"Internal error ({type(failure).__name__}); the log has the details."
    return UnknownOutcomeError(text, code="internal", remedy="Report it if it lasts.")


def _not_to_be_found_out(error: RejectedError) -> RejectedError:
    return RejectedError(
        f"It is unknown whether it arrived, and the look for it was refused: {error.message}",
        code=error.code,
        remedy=f"Look yourself; requeue it if it is not there. {error.remedy}".strip(),
    )


def _first_of_each_origin(deliveries: Sequence[Delivery]) -> list[Delivery]:
    return list({(d.origin, d.connection_id): d for d in reversed(deliveries)}.values())


def _report_expired(delivery: Delivery, count: int, now: datetime) -> None:
    incidents.for_origin(
        IncidentKind.EXPIRED, delivery, title=f"Alerts of {listeners.name(delivery.origin)} came too late",
        detail=delivery.error or LATE, remedy="See why in the deliveries, filtered by Expired.", count=count, now=now,
    )  # fmt: skip
