"""What a connection's calls were spent on, and when the day's budget will be used up at this pace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Sum

from syncs import limits
from syncs.models import Connection, ConnectionUsage, Priority

PACE = timedelta(hours=3)
"""The pace is that of the last hours: the night says little of the morning."""
SHOWN_USERS = 8
OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Line:
    """Where work of a priority stops for the day."""

    priority: Priority
    calls: int


@dataclass(frozen=True, slots=True)
class Today:
    """`by_hour` are the calls of each hour that has begun (UTC).

    `used` counts others' calls, too, where the vendor tells them.
    """

    by_hour: Sequence[int]
    used: int
    limit: int | None
    lines: Sequence[Line]
    sentences: Sequence[str]


def forecast(used: int, by_hour: Sequence[int], line: int, now: datetime) -> datetime | None:
    """Return when `used` reaches the line at the pace of the last hours; None: not today, by UTC.

    Now, if it is there already. `by_hour` ends with the hour of `now`.
    """
    if used >= line:
        return now
    into = timedelta(minutes=now.minute, seconds=now.second)
    whole = int(PACE / timedelta(hours=1))
    recent = by_hour[-whole - 1 :]
    span = into + timedelta(hours=len(recent) - 1)
    spent = sum(recent)
    if spent <= 0 or span <= timedelta(0):
        return None
    reached = now + span * ((line - used) / spent)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return reached if reached < midnight else None


def today(connection: Connection, now: datetime) -> Today:
    rows = ConnectionUsage.objects.filter(connection=connection, day=now.date())
    found = dict(rows.values_list("hour").annotate(Sum("calls")).order_by())
    by_hour = [found.get(hour, 0) for hour in range(now.hour + 1)]
    budget = limits.budget(connection, sum(by_hour), now)
    lines = (
        [Line(one, limits.line(connection, budget.limit, one)) for one in Priority] if budget.limit else []
    )
    sentences = [_sentence(line, budget.used, by_hour, now) for line in reversed(lines)]
    return Today(by_hour, budget.used, budget.limit, lines, sentences)


def by_day(
    connection: Connection, now: datetime, days: int
) -> tuple[list[date], Mapping[str, Sequence[int]]]:
    """Return the days, and for each user its calls by day; the smaller users together as `others`."""
    first = now.date() - timedelta(days=days - 1)
    rows = ConnectionUsage.objects.filter(connection=connection, day__gte=first)
    counted = list(rows.values_list("user", "day").annotate(Sum("calls")).order_by())
    totals: Counter[str] = Counter()
    for user, _, calls in counted:
        totals[user] += calls
    shown = {user for user, _ in totals.most_common(SHOWN_USERS)}
    every = [first + timedelta(days=back) for back in range(days)]
    found: dict[str, list[int]] = {}
    for user, day, calls in counted:
        name = (user or "checks and pages") if user in shown else OTHERS
        found.setdefault(name, [0] * days)[(day - first).days] += calls
    return every, dict(sorted(found.items(), key=lambda one: -sum(one[1])))


_NAMES = {
    Priority.LIVE: "the whole budget",
    Priority.FLOW: "the line for flows",
    Priority.BACKFILL: "the line for backfills",
}


def _sentence(line: Line, used: int, by_hour: Sequence[int], now: datetime) -> str:
    work = {
        Priority.LIVE: "the whole budget",
        Priority.FLOW: "the line for flows",
        Priority.BACKFILL: "the line for backfills",
    }
    name = work[line.priority]
    reached = forecast(used, by_hour, line.calls, now)
    if reached is None:
        return f"At this pace it stays below {name} ({line.calls:,} calls) today."
    if reached == now:
        return f"It has reached {name} ({line.calls:,} calls) for today."
    return f"At this pace it reaches {name} ({line.calls:,} calls) at {reached:%H:%M} UTC."
