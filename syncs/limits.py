"""A connection's rate limits and call budget, shared by all processes through its tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import F, Sum
from django.db.models.functions import Greatest

from integration_hub.connectors.contract import Rate
from integration_hub.connectors.errors import BudgetError, RateLimitError
from syncs.models import Connection, ConnectionUsage, Priority, RateLimit

SHORT_WAIT = 2.0
"""Seconds a caller may be kept waiting for its turn; for more it is told to come back."""
BUDGET_PAUSE = 900.0
"""Seconds after which a used-up budget is looked at again."""
LOOK = 3
"""Calls for that look, such as log in and ask: without one the vendor's count would stay as it was for a day."""
MICRO = 1_000_000


class SharedLimiter:
    """The `Limiter` of one connection: a token bucket per scope (GCRA), and the day's budget.

    The bucket is one row moved by a conditional update, so any number of processes draw from it. The budget is
    read once when the connector is opened and counted on from there.
    """

    def __init__(
        self,
        connection: Connection,
        rates: Mapping[str, Rate],
        priority: Priority,
        *,
        patience: float = SHORT_WAIT,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.patience = patience
        self.connection = connection
        self.rates = rates
        self.priority = priority
        self.clock = clock
        self.sleep = sleep
        self.calls = 0
        self.left = calls_left(connection, priority, datetime.fromtimestamp(clock(), UTC))

    def acquire(self, scope: str) -> None:
        if self.left is not None and self.calls >= self.left:
            raise BudgetError(
                f"The call budget of {self.connection} for {self.priority.label.lower()} work is used up.",
                retry_after=BUDGET_PAUSE,
                remedy="It goes on when the day's count is reset, or when you raise the budget of the connection.",
            )
        rate = self.rates.get(scope)
        if rate:
            wait = self._draw(scope, rate)
            if wait > 0:
                self.sleep(wait)
        self.calls += 1

    def block(self, scope: str, seconds: float) -> None:
        until = int((self.clock() + seconds) * MICRO)
        self._row(scope)
        RateLimit.objects.filter(connection=self.connection, scope=scope).update(
            blocked_until=Greatest(F("blocked_until"), until)
        )

    def report_usage(self, used: int, limit: int) -> None:
        Connection.objects.filter(pk=self.connection.pk).update(
            vendor_used=used,
            vendor_limit=limit,
            vendor_reported_at=datetime.fromtimestamp(self.clock(), UTC),
        )

    def _draw(self, scope: str, rate: Rate) -> float:
        """Take one call from the bucket; return the seconds until it may leave."""
        step = int(MICRO / rate.per_second)
        while True:
            row = self._row(scope)
            now = int(self.clock() * MICRO)
            spent_until = max(row.spent_until, now) + step
            wait = max(spent_until - now - step * rate.burst, row.blocked_until - now) / MICRO
            if wait > self.patience:
                raise RateLimitError(
                    f"The rate limit of {self.connection} ({scope}) is used up for {wait:.0f} s.",
                    retry_after=wait,
                )
            if RateLimit.objects.filter(pk=row.pk, spent_until=row.spent_until).update(
                spent_until=spent_until
            ):
                return max(wait, 0.0)

    def _row(self, scope: str) -> RateLimit:
        return RateLimit.objects.get_or_create(connection=self.connection, scope=scope)[0]


@dataclass(frozen=True, slots=True)
class Budget:
    """A day's calls at one connection; `limit` None: none is known."""

    used: int
    limit: int | None


def budget(connection: Connection, own: int, now: datetime) -> Budget:
    """Return the tighter one of the day's budgets; `own` is how many calls this hub made."""
    known = [one for one in (_ours(connection, own), _theirs(connection, own, now)) if one]
    return min(known, key=lambda one: (one.limit or 0) - one.used) if known else Budget(own, None)


def calls_left(connection: Connection, priority: Priority, now: datetime) -> int | None:
    """Return how many more calls work of this priority may make today; None: no limit is known."""
    own = used_today(connection, now)
    ours, theirs = _ours(connection, own), _theirs(connection, own, now)
    left = [_left(connection, one, priority) for one in (ours,) if one]
    if theirs:
        calls = _left(connection, theirs, priority)
        is_due = priority == Priority.LIVE and not _is_recent(connection, now, seconds=BUDGET_PAUSE)
        left.append(max(calls, LOOK) if is_due else calls)
    return min(left, default=None)


def line(connection: Connection, limit: int, priority: Priority) -> int:
    """Return at how many calls of a day's limit work of this priority stops."""
    reserved = {
        Priority.LIVE: 0,
        Priority.FLOW: connection.reserve_live,
        Priority.BACKFILL: connection.reserve_live + connection.reserve_flows,
    }[priority]
    return limit * (100 - reserved) // 100


def _left(connection: Connection, day: Budget, priority: Priority) -> int:
    return max(0, line(connection, day.limit or 0, priority) - day.used)


def _ours(connection: Connection, own: int) -> Budget | None:
    """What this hub may spend; what others call is not spent from it."""
    return None if connection.daily_budget is None else Budget(own, connection.daily_budget)


def _theirs(connection: Connection, own: int, now: datetime) -> Budget | None:
    """What the vendor allows everybody, as long as its count is less than a day old."""
    if not connection.vendor_limit or not _is_recent(connection, now, seconds=24 * 3600):
        return None
    return Budget(max(own, connection.vendor_used or 0), connection.vendor_limit)


def used_today(connection: Connection, now: datetime) -> int:
    """Return the calls this hub made on the day (UTC) of `now`."""
    total = ConnectionUsage.objects.filter(connection=connection, day=now.date()).aggregate(n=Sum("calls"))[
        "n"
    ]
    return int(total or 0)


def _is_recent(connection: Connection, now: datetime, *, seconds: float) -> bool:
    reported = connection.vendor_reported_at
    return reported is not None and now - reported < timedelta(seconds=seconds)
