"""Retention: what is older than the hub settings say is deleted, in batches that never block the work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
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
    RecordLink,
    SyncRun,
)
from syncs.models.backfills import BackfillState
from syncs.models.changes import ChangeState
from syncs.models.deliveries import DeliveryState
from syncs.models.events import EventState
from syncs.models.notices import MentionState, NoticeState

BATCH = 500
REPEATS_AFTER = timedelta(days=31)
"""A delivery's dedup key must outlive the longest age at which its rule may still want to send (30 days)."""

Batches = Iterator[tuple[int, int]]
"""Of each batch: how many rows went, and the id up to which the table was looked through (0: it need not be)."""
Kinds = dict[str, Callable[[int], Batches]]


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows went, by kind; `finished` False: the time was up, go on at `kind` and `after` for the rest."""

    rows: dict[str, int]
    finished: bool
    kind: str = ""
    after: int = 0


def prune(
    now: datetime,
    *,
    seconds: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    kind: str = "",
    after: int = 0,
) -> Pruned:
    """Delete what is past its retention, for `seconds` at most; None: until nothing is left.

    Kept whatever their age: work that is not done, the newest version of each record (later ones are compared with
    it) together with what was decided on it, and changes that a kept delivery came from. As much of that may be
    kept, the next call goes on at `kind` and `after`: looking through all of it again would never come to an end.
    """
    end = None if seconds is None else clock() + seconds
    rows: dict[str, int] = {}
    kinds = _kinds(HubSettings.get(), now)
    names = list(kinds)
    for label in names[names.index(kind) if kind in kinds else 0 :]:
        rows[label] = 0
        for deleted, looked_through in kinds[label](after if label == kind else 0):
            rows[label] += deleted
            if end is not None and clock() >= end:
                return Pruned(rows, finished=False, kind=label, after=looked_through)
    return Pruned(rows, finished=True)


def _kinds(hub: HubSettings, now: datetime) -> Kinds:
    """Return each kind with its batches; deliveries go before the changes that they keep."""
    history, runs = (now - timedelta(days=days) for days in (hub.keep_history_days, hub.keep_runs_days))
    callouts = now - timedelta(days=hub.keep_callouts_days)
    routed = InboundEvent.objects.filter(state=EventState.ROUTED, received_at__lt=history)
    refused = InboundEvent.objects.filter(state=EventState.REFUSED, received_at__lt=runs)
    known = NoticedRecord.objects.exclude(state=MentionState.WAITING).filter(received_at__lt=runs)
    notices = Notice.objects.exclude(state=NoticeState.WAITING).filter(received_at__lt=runs)
    incidents = Incident.objects.filter(closed_at__lt=history)
    conflicts = Conflict.objects.filter(resolved_at__lt=history)
    return {
        "callouts": partial(_batches, CalloutLog.objects.filter(at__lt=callouts), "at"),
        "runs": partial(_runs, runs),
        "call counts": partial(_batches, ConnectionUsage.objects.filter(day__lt=runs.date()), "day"),
        "deliveries": partial(_deliveries, min(history, now - REPEATS_AFTER)),
        "changes": partial(_superseded_changes, history),
        # The runs of flows that came of an event keep it; they go first.
        "flow runs": partial(event_listeners.prune, history),
        "events": partial(_walk, routed, routed.filter(runs=None)),
        "refused events": partial(_walk, refused, refused),
        "event tallies": partial(_batches, EventTally.objects.filter(minute__lt=callouts), "minute"),
        "noticed records": partial(_batches, known, "received_at"),
        "change notices": partial(_batches, notices, "received_at"),
        "incidents": partial(_walk, incidents, incidents),
        "conflicts": partial(_walk, conflicts, conflicts),
        "failed tasks": partial(_batches, Failure.objects.filter(stopped__lt=runs), "stopped"),
        "sessions": partial(_batches, Session.objects.filter(expire_date__lt=now), "expire_date"),
    }


def _batches(rows: QuerySet[Any], age: str, _after: int = 0) -> Batches:
    """Delete the rows, oldest first; for what an index on its age finds."""
    while pks := list(rows.order_by(age).values_list("pk", flat=True)[:BATCH]):
        yield _delete(rows.filter(pk__in=pks)), 0


def _walk(old: QuerySet[Any], prunable: QuerySet[Any], after: int = 0) -> Batches:
    """Look through the old rows once, by id, and delete those that may go: many of them may have to stay."""
    while window := list(old.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        after = window[-1]
        yield _delete(prunable.filter(pk__in=window)), after


def _runs(before: datetime, _after: int) -> Batches:
    """Delete runs, but no backfill that is still open. The links of a backfill, maybe millions, let go of it first."""
    open_states = (BackfillState.RUNNING, BackfillState.PAUSED)
    old = SyncRun.objects.filter(started_at__lt=before).exclude(backfill__state__in=open_states)
    while pks := list(old.order_by("started_at").values_list("pk", flat=True)[:BATCH]):
        links = RecordLink.objects.filter(run__in=pks)
        while met := list(links.values_list("pk", flat=True)[:BATCH]):
            RecordLink.objects.filter(pk__in=met).update(run=None)
            yield 0, 0
        yield _delete(old.filter(pk__in=pks)), 0


def _deliveries(before: datetime, _after: int) -> Batches:
    """Delete settled deliveries state by state, as their index has them."""
    for state in DeliveryState:
        if state not in (DeliveryState.WAITING, DeliveryState.SENDING):
            yield from _batches(Delivery.objects.filter(state=state, settled_at__lt=before), "settled_at")


def _superseded_changes(before: datetime, after: int) -> Batches:
    old = Change.objects.filter(captured_at__lt=before)
    newer = Change.objects.filter(
        Q(modified_at__gt=OuterRef("modified_at")) | Q(modified_at=OuterRef("modified_at"), pk__gt=OuterRef("pk")),
        stream=OuterRef("stream"), record_id=OuterRef("record_id"), state=ChangeState.ROUTED,
    )  # fmt: skip
    wanted = Delivery.objects.filter(Q(settled_at=None) | Q(settled_at__gte=before), change=OuterRef("pk"))
    return _walk(old, old.filter(Exists(newer), ~Exists(wanted), state=ChangeState.ROUTED), after)


def _delete(rows: QuerySet[Any]) -> int:
    """Delete a batch; what hangs on the rows goes along and is not counted."""
    return rows.only("pk").delete()[1].get(rows.model._meta.label, 0)
