"""How fast flows are: from the arrival of the event to the end of the run, by flow and day; and what waits longest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, F, Min, Q
from django.db.models.functions import Greatest, TruncDate

from routing import sla
from routing.models import Flow, FlowRun
from routing.models.flows import RunStage


@dataclass(frozen=True, slots=True)
class Row:
    """A flow's runs that began on a day (None: in the whole time asked for). Seconds are None when none was done.

    `oldest` says how long the event of the oldest open run has been there, whenever it began; only for the whole time.
    """

    flow: str
    name: str
    day: date | None
    done: int
    canceled: int
    open: int
    parked: int
    p50: float | None
    p95: float | None
    p99: float | None
    oldest: float | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """The same runs by flow, and by flow and day, newest day first."""

    by_flow: list[Row]
    by_day: list[Row]


def summary(since: datetime, until: datetime, now: datetime) -> Summary:
    """Sum up the runs that began in [since, until); days are of the beginning, in the hub's time zone."""
    whole: dict[int, _Sum] = {}
    days: dict[tuple[int, date], _Sum] = {}
    for group in _groups(since, until):
        flow, day = group["flow_id"], group["day"]
        whole.setdefault(flow, _Sum(flow)).add(group)
        days.setdefault((flow, day), _Sum(flow, day)).add(group)
    for flow, oldest in _oldest().items():
        whole.setdefault(flow, _Sum(flow)).oldest = max(0.0, (now - oldest).total_seconds())
    flows = Flow.objects.only("key", "name").in_bulk(list(whole)) if whole else {}
    return Summary(by_flow=_ordered(whole.values(), flows), by_day=_ordered(days.values(), flows))


def latest(hours: int = 24, *, now: datetime) -> list[Row]:
    """Return one row a flow for the last hours."""
    return summary(now - timedelta(hours=hours), now + timedelta(microseconds=1), now).by_flow


def _groups(since: datetime, until: datetime) -> Iterable[Mapping[str, Any]]:
    """Let the database count the runs by flow, day, stage and time, as precisely as times are shown."""
    took = Greatest(sla.Seconds(F("ended_at") - F("event__received_at")), 0.0)
    return (
        FlowRun.objects.filter(started_at__gte=since, started_at__lt=until)
        .annotate(day=TruncDate("started_at"), seconds=took, time=sla.as_shown("seconds"))
        .order_by()
        .values("flow_id", "day", "stage", "time")
        .annotate(count=Count("pk"))
    )


def _oldest() -> dict[int, datetime]:
    """Return by flow when the event of its oldest open run came."""
    rows = FlowRun.objects.filter(Q(ended_at=None)).order_by().values_list("flow_id")
    return {flow: oldest for flow, oldest in rows.annotate(Min("event__received_at")) if oldest}


@dataclass(slots=True)
class _Sum:
    """What becomes a row: runs counted by stage, those that were done also by their times."""

    flow: int
    day: date | None = None
    stages: Counter[str] = field(default_factory=Counter)
    times: Counter[float] = field(default_factory=Counter)
    oldest: float | None = None

    def add(self, group: Mapping[str, Any]) -> None:
        self.stages[group["stage"]] += group["count"]
        if group["stage"] == RunStage.DONE and group["time"] is not None:
            self.times[group["time"]] += group["count"]

    def row(self, flow: Flow) -> Row:
        return Row(
            flow=flow.key,
            name=flow.name,
            day=self.day,
            done=self.stages[RunStage.DONE],
            canceled=self.stages[RunStage.CANCELED],
            open=self.stages[RunStage.READY] + self.stages[RunStage.SENDING],
            parked=self.stages[RunStage.PARKED],
            p50=sla.percentile(self.times, 0.50),
            p95=sla.percentile(self.times, 0.95),
            p99=sla.percentile(self.times, 0.99),
            oldest=self.oldest,
        )


def _ordered(sums: Iterable[_Sum], flows: Mapping[int, Flow]) -> list[Row]:
    rows = (one.row(flows[one.flow]) for one in sums if one.flow in flows)
    return sorted(rows, key=lambda row: (-(row.day or date.min).toordinal(), row.name, row.flow))
