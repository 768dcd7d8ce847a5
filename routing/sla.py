"""How fast alerts are: from the event at the vendor to the message, by rule and day."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import accumulate, pairwise
from typing import Any

from django.db.models import Case, Count, F, FloatField, Func, Q, QuerySet, When
from django.db.models.functions import Coalesce, Floor, Greatest, TruncDate
from django.utils import timezone

from routing.models import Alert, Rule
from routing.models.decisions import Role
from syncs.models.deliveries import DeliveryState

SETTLED = (DeliveryState.DELIVERED, DeliveryState.EXPIRED, DeliveryState.DEAD)


@dataclass(frozen=True, slots=True)
class Passage:
    """A settled alert with its way through the hub; `trigger_at` is the event at the vendor.

    A held alert is counted from when the recipient was at work again: the wait before was wanted.
    """

    rule: str
    name: str
    state: str
    target: float
    trigger_at: datetime
    settled_at: datetime
    hold_until: datetime | None
    visible_at: datetime
    decided_at: datetime
    title: str
    record_id: str

    @property
    def seconds(self) -> float:
        """Return the seconds that count."""
        start = max(self.trigger_at, self.hold_until or self.trigger_at)
        return max(0.0, (self.settled_at - start).total_seconds())

    @property
    def in_time(self) -> bool:
        return self.state == DeliveryState.DELIVERED and self.seconds <= self.target

    @property
    def stretches(self) -> tuple[float, ...]:
        """Return the seconds until it was visible to us, then decided, then settled."""
        marks = (self.trigger_at, self.visible_at, self.decided_at, self.settled_at)
        return tuple((after - before).total_seconds() for before, after in pairwise(marks))


@dataclass(frozen=True, slots=True)
class Row:
    """One rule's day (`day` None: the whole time asked for). Seconds are None when nothing was sent.

    `rule` is the rule's key, for two rules may have one name.
    """

    rule: str
    name: str
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
    whole: dict[int, _Sum] = {}
    days: dict[tuple[int, date], _Sum] = {}
    for group in _groups(settled(since, until)):
        rule, day = group["rule"], group["day"]
        whole.setdefault(rule, _Sum(rule)).add(group)
        days.setdefault((rule, day), _Sum(rule, day)).add(group)
    rules = Rule.objects.only("key", "name", "max_age_seconds").in_bulk(list(whole)) if whole else {}
    return Summary(by_rule=_ordered(whole.values(), rules), by_day=_ordered(days.values(), rules))


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


def percentile(times: Mapping[float, int], share: float) -> float | None:
    """Return the smallest time that `share` of them do not exceed (nearest rank); None of none.

    `times` says how often each occurred.
    """
    ordered = sorted(times)
    rank = math.ceil(share * sum(times.values()))
    reached = accumulate(times[one] for one in ordered)
    return next((one for one, so_far in zip(ordered, reached, strict=True) if so_far >= rank), None)


_COUNTED = (
    "decision__rule__key", "decision__rule__name", "delivery__state", "decision__rule__max_age_seconds",
    "decision__trigger_at", "delivery__settled_at", "decision__hold_until",
)  # fmt: skip
_PASSED = (
    "decision__change__captured_at", "decision__decided_at", "decision__change__title",
    "decision__change__record_id",
)  # fmt: skip


class Seconds(Func):
    """A length of time as a number."""

    template = "date_part('epoch', %(expressions)s)"
    output_field = FloatField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="(%(expressions)s / 1000000.0)", **context)


def as_shown(column: str) -> Case:
    """Round seconds as pages show them."""
    tenths, whole = Floor(F(column) * 10 + 0.5) / 10, Floor(F(column) + 0.5)
    return Case(When(**{f"{column}__lt": 10}, then=tenths), default=whole)


def _groups(alerts: QuerySet[Alert]) -> Iterable[Any]:
    """Let the database count the alerts by rule, day, state and time, as precisely as times are shown.

    To read each of a busy month's alerts into this process would take seconds.
    """
    start = Greatest("decision__trigger_at", Coalesce("decision__hold_until", "decision__trigger_at"))
    seconds = Greatest(Seconds(F("delivery__settled_at") - start), 0.0)
    return (
        alerts.annotate(
            day=TruncDate("delivery__settled_at"),
            seconds=seconds,
            time=as_shown("seconds"),
        )
        .order_by()
        .values(
            "day",
            "time",
            rule=F("decision__rule_id"),  # by numbers alone: to sort by names takes a quarter longer
            state=F("delivery__state"),
        )
        .annotate(
            count=Count("pk"),
            in_time=Count("pk", filter=Q(seconds__lte=F("decision__rule__max_age_seconds"))),
        )
    )


@dataclass(slots=True)
class _Sum:
    """What becomes a row: its alerts counted by state, those that were sent also by their times."""

    rule: int
    day: date | None = None
    states: Counter[str] = field(default_factory=Counter)
    times: Counter[float] = field(default_factory=Counter)
    in_time: int = 0

    def add(self, group: Mapping[str, Any]) -> None:
        self.states[group["state"]] += group["count"]
        if group["state"] == DeliveryState.DELIVERED:
            self.times[group["time"]] += group["count"]
            self.in_time += group["in_time"]

    def row(self, rule: Rule) -> Row:
        return Row(
            rule=rule.key,
            name=rule.name,
            day=self.day,
            sent=self.states[DeliveryState.DELIVERED],
            expired=self.states[DeliveryState.EXPIRED],
            dead=self.states[DeliveryState.DEAD],
            p50=percentile(self.times, 0.50),
            p95=percentile(self.times, 0.95),
            p99=percentile(self.times, 0.99),
            within_target=self.in_time / self.states.total(),
            target=rule.max_age_seconds,
        )


def _ordered(sums: Iterable[_Sum], rules: Mapping[int, Rule]) -> list[Row]:
    """Return the rows, newest day first, then by name; a rule deleted since it was counted has none."""
    rows = (one.row(rules[one.rule]) for one in sums if one.rule in rules)
    return sorted(rows, key=lambda row: (-(row.day or date.min).toordinal(), row.name, row.rule))
