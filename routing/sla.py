"""How fast alerts are: from the event at the vendor to the message, by rule and day."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from django.db.models import QuerySet
from django.utils import timezone

from routing.models import Alert
from routing.models.decisions import Role
from syncs.models.deliveries import DeliveryState

SETTLED = (DeliveryState.DELIVERED, DeliveryState.EXPIRED, DeliveryState.DEAD)


@dataclass(frozen=True, slots=True)
class Settled:
    """What counts of a settled alert: `trigger_at` is the event at the vendor; times are aware.

    A held alert is counted from when the recipient was at work again: the wait before was wanted.
    """

    rule: str
    state: str
    target: float
    trigger_at: datetime
    settled_at: datetime
    hold_until: datetime | None

    @property
    def seconds(self) -> float:
        """Return the seconds that count."""
        start = max(self.trigger_at, self.hold_until or self.trigger_at)
        return max(0.0, (self.settled_at - start).total_seconds())

    @property
    def is_sent(self) -> bool:
        return self.state == DeliveryState.DELIVERED

    @property
    def in_time(self) -> bool:
        return self.is_sent and self.seconds <= self.target


@dataclass(frozen=True, slots=True)
class Passage(Settled):
    """A settled alert with its way through the hub."""

    visible_at: datetime
    decided_at: datetime
    title: str
    record_id: str

    @property
    def stretches(self) -> tuple[float, ...]:
        """Return the seconds until it was visible to us, then decided, then settled."""
        marks = (self.trigger_at, self.visible_at, self.decided_at, self.settled_at)
        return tuple((after - before).total_seconds() for before, after in pairwise(marks))


@dataclass(frozen=True, slots=True)
class Row:
    """One rule's day (`day` None: the whole time asked for). Seconds are None when nothing was sent."""

    rule: str
    day: date | None
    sent: int
    expired: int
    dead: int
    p50: float | None
    p95: float | None
    p99: float | None
    within_target: float | None
    target: float = 0.0

    @property
    def total(self) -> int:
        return self.sent + self.expired + self.dead


@dataclass(frozen=True, slots=True)
class Summary:
    """The same alerts by rule, and by rule and day, newest day first."""

    by_rule: list[Row]
    by_day: list[Row]


def summary(since: datetime, until: datetime) -> Summary:
    """Sum up what was settled in [since, until); days are of the settlement, in the hub's time zone."""
    rows = settled(since, until).values_list(*_COUNTED)
    found = [Settled(*row) for row in rows.iterator(chunk_size=2000)]
    return Summary(
        by_rule=summarize(found, lambda _: None),
        by_day=summarize(found, lambda one: timezone.localdate(one.settled_at)),
    )


def by_rule_and_day(since: datetime, until: datetime) -> list[Row]:
    """Return a row for each rule and day, newest day first."""
    return summary(since, until).by_day


def latest(hours: int = 24, *, now: datetime | None = None) -> list[Row]:
    """Return one row a rule for the last hours."""
    until = now or timezone.now()
    return summary(until - timedelta(hours=hours), until + timedelta(microseconds=1)).by_rule


def passages(since: datetime, until: datetime, limit: int | None = None) -> Iterator[Passage]:
    """Yield the alerts settled in [since, until), newest first."""
    alerts = settled(since, until)
    if limit is not None:
        alerts = Alert.objects.filter(pk__in=_newest(alerts, limit))
    rows = alerts.order_by("-delivery__settled_at").values_list(*_COUNTED, *_PASSED)
    return (Passage(*row) for row in rows[:limit].iterator(chunk_size=2000))


def _newest(alerts: QuerySet[Alert], limit: int) -> list[int]:
    """Return the newest of each state: what the index gives at once, while sorting all states together reads all."""
    found: list[int] = []
    for state in SETTLED:
        own = alerts.filter(delivery__state=state).order_by("-delivery__settled_at")
        found += own.values_list("pk", flat=True)[:limit]
    return found


def settled(since: datetime, until: datetime) -> QuerySet[Alert]:
    """Return the alerts behind the numbers; copies and tests are nobody's promise."""
    return Alert.objects.exclude(role=Role.COPY).filter(
        delivery__state__in=SETTLED,
        delivery__settled_at__gte=since,
        delivery__settled_at__lt=until,
    )


def summarize(found: Iterable[Settled], day_of: Callable[[Settled], date | None]) -> list[Row]:
    """Group passages by rule and day."""
    groups: dict[tuple[date | None, str], list[Settled]] = {}
    for one in found:
        groups.setdefault((day_of(one), one.rule), []).append(one)
    ordered = sorted(groups.items(), key=lambda item: (-(item[0][0] or date.min).toordinal(), item[0][1]))
    return [_row(rule, day, group) for (day, rule), group in ordered]


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Return the smallest value that `share` of the values do not exceed (nearest rank); None of none."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


_COUNTED = (
    "decision__rule__name", "delivery__state", "decision__rule__max_age_seconds", "decision__trigger_at",
    "delivery__settled_at", "decision__hold_until",
)  # fmt: skip
_PASSED = (
    "decision__change__captured_at", "decision__decided_at", "decision__change__title",
    "decision__change__record_id",
)  # fmt: skip


def _row(rule: str, day: date | None, group: Sequence[Settled]) -> Row:
    times = sorted(one.seconds for one in group if one.is_sent)
    return Row(
        rule=rule,
        day=day,
        sent=len(times),
        expired=sum(one.state == DeliveryState.EXPIRED for one in group),
        dead=sum(one.state == DeliveryState.DEAD for one in group),
        p50=percentile(times, 0.50),
        p95=percentile(times, 0.95),
        p99=percentile(times, 0.99),
        within_target=sum(one.in_time for one in group) / len(group) if group else None,
        target=group[0].target,
    )
