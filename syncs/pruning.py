"""Retention: what is older than the hub settings say is deleted, in batches that never block the work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef, Q, QuerySet
from django_q.models import Failure

from syncs.events import listeners as event_listeners
from syncs.models import (
    CalloutLog,
    Change,
    Conflict,
    ConnectionUsage,
    Delivery,
    EventTally,
    HubSettings,
    InboundEvent,
    Incident,
    Notice,
    NoticedRecord,
    SyncRun,
)
from syncs.models.changes import ChangeState
from syncs.models.deliveries import DeliveryState
from syncs.models.events import EventState
from syncs.models.notices import MentionState, NoticeState

BATCH = 1_000
REPEATS_AFTER = timedelta(days=31)
"""A delivery's dedup key must outlive the longest age at which its rule may still want to send (30 days)."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows went, by kind; `finished` False: the time was up, call again for the rest."""

    rows: dict[str, int]
    finished: bool


def prune(
    now: datetime, *, seconds: float | None = None, clock: Callable[[], float] = time.monotonic
) -> Pruned:
    """Delete what is past its retention, for `seconds` at most; None: until nothing is left.

    Kept whatever their age: work that is not done, the newest version of each record (later ones are compared with
    it) together with what was decided on it, and changes that a kept delivery came from.
    """
    end = None if seconds is None else clock() + seconds
    rows: dict[str, int] = {}
    for label, batches in _all(HubSettings.get(), now):
        rows[label] = 0
        for deleted in batches:
            rows[label] += deleted
            if end is not None and clock() >= end:
                return Pruned(rows, finished=False)
    return Pruned(rows, finished=True)


def _all(hub: HubSettings, now: datetime) -> Iterator[tuple[str, Iterator[int]]]:
    """Yield each kind with its batches; deliveries go before the changes that they keep."""
    history, runs = (now - timedelta(days=days) for days in (hub.keep_history_days, hub.keep_runs_days))
    callouts = now - timedelta(days=hub.keep_callouts_days)
    open_states = (DeliveryState.WAITING, DeliveryState.SENDING)
    settled = Delivery.objects.exclude(state__in=open_states)
    yield "callouts", _batches(CalloutLog.objects.filter(at__lt=callouts), "at")
    yield "runs", _batches(SyncRun.objects.filter(started_at__lt=runs), "started_at")
    yield "call counts", _batches(ConnectionUsage.objects.filter(day__lt=runs.date()), "day")
    yield (
        "deliveries",
        _batches(settled.filter(settled_at__lt=min(history, now - REPEATS_AFTER)), "settled_at"),
    )
    yield "changes", _superseded_changes(history)
    # The runs of flows that came of an event keep it; they go first.
    yield "flow runs", event_listeners.prune(history)
    routed = InboundEvent.objects.filter(state=EventState.ROUTED, received_at__lt=history, runs=None)
    refused = InboundEvent.objects.filter(state=EventState.REFUSED, received_at__lt=runs)
    yield "events", _batches(routed, "received_at")
    yield "refused events", _batches(refused, "received_at")
    yield "event tallies", _batches(EventTally.objects.filter(minute__lt=callouts), "minute")
    known = NoticedRecord.objects.exclude(state=MentionState.WAITING).filter(received_at__lt=runs)
    yield "noticed records", _batches(known, "received_at")
    notices = Notice.objects.exclude(state=NoticeState.WAITING).filter(received_at__lt=runs)
    yield "change notices", _batches(notices, "received_at")
    yield "incidents", _batches(Incident.objects.filter(closed_at__lt=history), "closed_at")
    settled_conflicts = Conflict.objects.filter(resolved_at__lt=history)
    yield "conflicts", _batches(settled_conflicts, "resolved_at")
    yield "failed tasks", _batches(Failure.objects.filter(stopped__lt=runs), "stopped")
    yield "sessions", _batches(Session.objects.filter(expire_date__lt=now), "expire_date")


def _batches(rows: QuerySet[Any], age: str) -> Iterator[int]:
    """Delete the rows, oldest first; yield how many went with each batch."""
    while pks := list(rows.order_by(age).values_list("pk", flat=True)[:BATCH]):
        yield _delete(rows.filter(pk__in=pks))


def _superseded_changes(before: datetime) -> Iterator[int]:
    """Walk the old changes once, by id: most of them may be the newest of their record and stay."""
    old = Change.objects.filter(captured_at__lt=before).order_by("pk")
    newer = Change.objects.filter(
        Q(modified_at__gt=OuterRef("modified_at")) | Q(modified_at=OuterRef("modified_at"), pk__gt=OuterRef("pk")),
        stream=OuterRef("stream"), record_id=OuterRef("record_id"), state=ChangeState.ROUTED,
    )  # fmt: skip
    wanted = Delivery.objects.filter(Q(settled_at=None) | Q(settled_at__gte=before), change=OuterRef("pk"))
    prunable = old.filter(Exists(newer), ~Exists(wanted), state=ChangeState.ROUTED)
    last = 0
    while window := list(old.filter(pk__gt=last).values_list("pk", flat=True)[:BATCH]):
        yield _delete(prunable.filter(pk__gt=last, pk__lte=window[-1]))
        last = window[-1]


def _delete(rows: QuerySet[Any]) -> int:
    """Delete a batch; what hangs on the rows goes along and is not counted."""
    return rows.only("pk").delete()[1].get(rows.model._meta.label, 0)
