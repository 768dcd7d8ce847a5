"""The hub's figures for Prometheus, read from its tables; labels carry keys and states, never personal data."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Min, Sum
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from routing import sla
from routing.flows import times as flow_times
from routing.models import FlowRun
from syncs import limits
from syncs.events import tallies as event_tallies
from syncs.models import (
    CalloutLog,
    Change,
    Conflict,
    Connection,
    ConnectionUsage,
    Delivery,
    EventSource,
    Heartbeat,
    HubSettings,
    InboundEvent,
    Incident,
    Notice,
    NoticedRecord,
    RecordPair,
    Stream,
    SyncRun,
)
from syncs.models.changes import ChangeState
from syncs.models.connections import ConnectionState
from syncs.models.deliveries import DeliveryState
from syncs.models.events import EventState
from syncs.models.incidents import IncidentKind
from syncs.models.notices import MentionState, NoticeState
from syncs.models.pairs import ConflictState
from syncs.schedules import QUEUES

FRESH_SECONDS = 10.0
"""Asked more often than this, a process answers with what it found before."""
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

_lock = threading.Lock()
_kept: tuple[float, bytes] | None = None


def exposition(now: datetime, *, clock: Callable[[], float] = time.monotonic) -> bytes:
    """Return all figures in Prometheus' text format, at most FRESH_SECONDS old."""
    global _kept
    with _lock:
        if _kept is None or clock() - _kept[0] >= FRESH_SECONDS:
            registry = CollectorRegistry()
            registry.register(HubCollector(now))
            _kept = (clock(), generate_latest(registry))
        return _kept[1]


def forget() -> None:
    """Make the next answer a fresh one."""
    global _kept
    _kept = None


class HubCollector(Collector):
    """Reads each family with one query over an index, so that asking costs little with a million rows behind."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield _family("hub_up", "1: the hub answers and its database does.", [], [((), 1)])
        yield _family("hub_enabled", "0: the hub is switched off.", [], [((), HubSettings.get().enabled)])
        yield from self.deliveries()
        yield self.changes()
        yield self.runs()
        yield self.callouts()
        yield self.incidents()
        yield from self.connections()
        yield self.heartbeats()
        yield from self.alerts()
        yield from self.events()
        yield from self.flows()
        yield from self.two_way()
        yield from self.notices()

    def deliveries(self) -> Iterator[GaugeMetricFamily]:
        open_now = list(
            Delivery.objects.open()
            .values_list("connection__key", "state")
            .annotate(Count("pk"), Min("due_at"))
        )
        dead = Delivery.objects.dead().values_list("connection__key").annotate(Count("pk"))
        counts = [((key, state), n) for key, state, n, _due in open_now]
        counts += [((key, DeliveryState.DEAD.value), n) for key, n in dead]
        yield _family(
            "hub_deliveries",
            "Deliveries that are not done, and dead letters.",
            ["connection", "state"],
            counts,
        )
        yield _family(
            "hub_delivery_overdue_seconds",
            "How long the oldest waiting delivery has been due.",
            ["connection"],
            [
                ((key,), max(0.0, (self.now - due).total_seconds()))
                for key, state, _n, due in open_now
                if state == DeliveryState.WAITING
            ],
        )
        settled = Delivery.objects.filter(
            settled_at__gte=self.now - HOUR,
            state__in=(
                DeliveryState.DELIVERED,
                DeliveryState.EXPIRED,
                DeliveryState.DEAD,
                DeliveryState.DISMISSED,
            ),
        )
        yield _family(
            "hub_deliveries_settled_last_hour",
            "Deliveries that ended in the last hour, by how.",
            ["connection", "state"],
            _by(settled.values_list("connection__key", "state").annotate(Count("pk"))),
        )

    def changes(self) -> GaugeMetricFamily:
        waiting = Change.objects.filter(state=ChangeState.WAITING)
        return _family(
            "hub_changes_waiting",
            "Changes read and not yet decided on.",
            ["stream"],
            _by(waiting.values_list("stream__key").annotate(Count("pk"))),
        )

    def runs(self) -> GaugeMetricFamily:
        recent = SyncRun.objects.filter(started_at__gte=self.now - HOUR)
        return _family(
            "hub_runs_last_hour",
            "Polls, routes, pushes and the like that began in the last hour.",
            ["kind", "state"],
            _by(recent.values_list("kind", "state").annotate(Count("pk"))),
        )

    def callouts(self) -> GaugeMetricFamily:
        recent = CalloutLog.objects.filter(at__gte=self.now - HOUR)
        counts: Counter[tuple[str, str]] = Counter()
        for key, status, n in recent.values_list("connection__key", "status").annotate(Count("pk")):
            counts[key, f"{status // 100}xx" if status else "none"] += n
        return _family(
            "hub_callouts_last_hour",
            "Calls to vendors in the last hour, by class of status; none: no answer.",
            ["connection", "status"],
            counts.items(),
        )

    def incidents(self) -> GaugeMetricFamily:
        found = dict(Incident.objects.filter(closed_at=None).values_list("kind").annotate(Count("pk")))
        return _family(
            "hub_incidents_open",
            "Open incidents.",
            ["kind"],
            [((k,), found.get(k, 0)) for k in IncidentKind.values],
        )

    def connections(self) -> Iterator[GaugeMetricFamily]:
        connections = list(Connection.objects.defer("secrets", "kept", "settings", "check_result"))
        yield _family(
            "hub_connection_state",
            "1 for the state the connection is in, 0 for the others.",
            ["connection", "environment", "state"],
            [
                ((c.key, c.environment, state.value), c.state(self.now) == state)
                for c in connections
                for state in ConnectionState
            ],
        )
        today = ConnectionUsage.objects.filter(day=self.now.date())
        own = dict(today.values_list("connection").annotate(Sum("calls")))
        budgets = {c.key: limits.budget(c, own.get(c.pk, 0), self.now) for c in connections}
        yield _family(
            "hub_budget_used_calls",
            "Calls used of the day's budget.",
            ["connection"],
            [((key,), budget.used) for key, budget in budgets.items()],
        )
        yield _family(
            "hub_budget_limit_calls",
            "The day's budget; no figure: none is known.",
            ["connection"],
            [((key,), budget.limit) for key, budget in budgets.items() if budget.limit is not None],
        )

    def heartbeats(self) -> GaugeMetricFamily:
        beaten = dict(Heartbeat.objects.values_list("queue", "beaten_at"))
        return _family(
            "hub_queue_heartbeat_age_seconds",
            "Since a task last went through the queue from end to end; +Inf: never.",
            ["queue"],
            [
                ((queue,), (self.now - beaten[queue]).total_seconds() if queue in beaten else math.inf)
                for queue in QUEUES
            ],
        )

    def two_way(self) -> Iterator[GaugeMetricFamily]:
        asked = Conflict.objects.filter(state=ConflictState.OPEN).values_list("sync__key")
        parked = RecordPair.objects.filter(parked_at__isnull=False).values_list("sync__key")
        yield _family(
            "hub_conflicts_open",
            "Questions of two-way syncs that wait for a person.",
            ["sync"],
            _by(asked.annotate(Count("pk"))),
        )
        yield _family(
            "hub_pairs_parked",
            "Records of two-way syncs that were written too often and stand still.",
            ["sync"],
            _by(parked.annotate(Count("pk"))),
        )

    def flows(self) -> Iterator[GaugeMetricFamily]:
        open_now = FlowRun.objects.open().values_list("flow__key", "stage").annotate(Count("pk"))
        yield _family(
            "hub_flow_runs",
            "Runs of flows that have not ended, by stage; parked ones wait for a person.",
            ["flow", "stage"],
            _by(open_now),
        )
        ended = FlowRun.objects.filter(started_at__gte=self.now - DAY, ended_at__isnull=False)
        yield _family(
            "hub_flow_runs_last_day",
            "Runs of flows that began in the last 24 hours and have ended, by how.",
            ["flow", "stage"],
            _by(ended.values_list("flow__key", "stage").annotate(Count("pk"))),
        )
        rows = flow_times.latest(hours=24, now=self.now)
        yield _family(
            "hub_flow_latency_seconds",
            "From the arrival of the event to the end of the run, for runs that began in the last 24 hours.",
            ["flow", "quantile"],
            [
                ((row.flow, quantile), seconds)
                for row in rows
                for quantile, seconds in (("0.5", row.p50), ("0.95", row.p95), ("0.99", row.p99))
                if seconds is not None
            ],
        )
        yield _family(
            "hub_flow_oldest_seconds",
            "How long the event of the oldest run that has not ended has been here.",
            ["flow"],
            [((row.flow,), row.oldest) for row in rows if row.oldest is not None],
        )

    def events(self) -> Iterator[GaugeMetricFamily]:
        keys = dict(EventSource.objects.values_list("pk", "key"))
        recent = InboundEvent.objects.filter(received_at__gte=self.now - HOUR)
        came = dict(recent.values_list("source").annotate(Count("pk")))
        kept = dict(recent.filter(state=EventState.REFUSED).values_list("source").annotate(Count("pk")))
        yield _family(
            "hub_events_accepted_last_hour",
            "Events taken in within the last hour.",
            ["source"],
            [((key,), came.get(pk, 0) - kept.get(pk, 0)) for pk, key in keys.items()],
        )
        yield _family(
            "hub_events_refused_last_hour",
            "Posts refused within the last hour, by problem code.",
            ["source", "code"],
            [((keys[pk], code), n) for pk, code, n in event_tallies.refused(self.now - HOUR) if pk in keys],
        )
        # By the small index of what waits; grouped at once, SQLite would read all by their source.
        still = InboundEvent.objects.filter(state=EventState.WAITING).values("pk")
        waiting = InboundEvent.objects.filter(pk__in=still)
        found = {
            pk: (n, first)
            for pk, n, first in waiting.values_list("source").annotate(Count("pk"), Min("received_at"))
        }
        yield _family(
            "hub_events_waiting",
            "Events that nobody has taken up yet.",
            ["source"],
            [((key,), found[pk][0] if pk in found else 0) for pk, key in keys.items()],
        )
        yield _family(
            "hub_event_waiting_seconds",
            "How long the oldest waiting event has waited.",
            ["source"],
            [
                ((keys[pk],), (self.now - first).total_seconds())
                for pk, (_n, first) in found.items()
                if pk in keys
            ],
        )

    def notices(self) -> Iterator[GaugeMetricFamily]:
        recent = Notice.objects.filter(received_at__gte=self.now - HOUR)
        yield _family(
            "hub_notices_last_hour",
            "Change notices that came in the last hour, by what became of them.",
            ["connection", "state"],
            _by(recent.values_list("connection__key", "state").annotate(Sum("count"))),
        )
        unsorted = Notice.objects.filter(state=NoticeState.WAITING)
        unread = NoticedRecord.objects.filter(state=MentionState.WAITING)
        waiting = Counter(
            {(key,): n for key, n in unsorted.values_list("connection__key").annotate(Count("pk"))}
        )
        waiting.update(
            {(key,): n for key, n in unread.values_list("stream__connection__key").annotate(Count("pk"))}
        )
        yield _family(
            "hub_notices_waiting",
            "Change notices to be sorted, and records to be read because of one.",
            ["connection"],
            waiting.items(),
        )
        yield _family(
            "hub_notices_missed",
            "Changes that polls found and no notice told of, since notices come at all.",
            ["stream"],
            [
                ((key,), missed)
                for key, missed in Stream.objects.exclude(noticed_at=None).values_list(
                    "key", "missed_by_notices"
                )
            ],
        )

    def alerts(self) -> Iterator[GaugeMetricFamily]:
        rows = sla.latest(hours=24, now=self.now)
        yield _family(
            "hub_alerts_last_day",
            "Alerts that were settled in the last 24 hours, by how.",
            ["rule", "state"],
            [
                ((row.rule, state), n)
                for row in rows
                for state, n in (("delivered", row.sent), ("expired", row.expired), ("dead", row.dead))
            ],
        )
        yield _family(
            "hub_alert_latency_seconds",
            "From the event at the vendor to the message, over the last 24 hours.",
            ["rule", "quantile"],
            [
                ((row.rule, quantile), seconds)
                for row in rows
                for quantile, seconds in (("0.5", row.p50), ("0.95", row.p95), ("0.99", row.p99))
                if seconds is not None
            ],
        )
        yield _family(
            "hub_alerts_within_target_ratio",
            "Share of the alerts of the last 24 hours that were sent within the rule's maximum age.",
            ["rule"],
            [((row.rule,), row.within_target) for row in rows if row.within_target is not None],
        )


def _family(
    name: str, text: str, labels: list[str], samples: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in samples:
        family.add_metric(values, float(value))
    return family


def _by(rows: Iterable[tuple[object, ...]]) -> list[tuple[tuple[str, ...], float]]:
    """Split rows of labels and a count."""
    return [(tuple(str(label) for label in row[:-1]), float(str(row[-1]))) for row in rows]
