"""django-q2 entry points of syncs; each takes ids and calls one function."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from functools import partial

from django.conf import settings
from django.utils import timezone

from syncs import backfill_queue, heartbeats, incidents, leases, pruning, queues, ties
from syncs.engine import parents, push, runs
from syncs.engine.reconcile import engine as reconcile
from syncs.engine.reconcile.engine import ReconcileError
from syncs.events import watch as event_watch
from syncs.isolation import isolated
from syncs.models import Connection, Delivery, HubSettings, Priority, Stream, Sync
from syncs.models.deliveries import DeliveryState
from syncs.notices import watch as notice_watch
from syncs.quality import Group, QualityError, replay
from syncs.schedules import SYNC

SENDERS = 2
"""Workers that send to one connection at once: a vendor that hangs must leave some to the others."""


def push_connection(connection_id: int) -> None:
    """Send what is due; an error of our own is told as an incident, for nobody reads a task's traceback."""
    now = timezone.now()
    for connection in Connection.objects.filter(pk=connection_id):
        names = [f"push:{connection_id}:{number}" for number in range(SENDERS)]
        with leases.first_free(names, settings.LEASE_SECONDS, now) as lease:
            if lease:
                isolated(f"push {connection.key}", partial(push.run, connection, now), [], now)
                if _answered(connection, now):
                    queues.wake("routing.tasks.move_flows", queue=SYNC)


def _answered(connection: Connection, since: datetime) -> bool:
    """Say whether something was answered since then that a flow waits for."""
    settled = Delivery.objects.filter(
        state__in=(DeliveryState.DELIVERED, DeliveryState.DEAD), settled_at__gte=since
    )
    return settled.filter(connection=connection, priority=Priority.FLOW).exists()


def read_children(stream_id: int) -> None:
    parents.run(Stream.objects.select_related("connection").get(pk=stream_id), timezone.now())


def beat(queue: str) -> None:
    """Stamp that a task went through this queue from end to end: a frozen cluster cannot."""
    heartbeats.beat(queue, timezone.now())


def settle_incidents() -> None:
    event_watch.look(timezone.now())
    notice_watch.look(timezone.now())
    incidents.settle(timezone.now())
    runs.close_lost(timezone.now())


def reconcile_due() -> None:
    """Wake a worker for each sync whose weekly reconciliation is due, or was left in the middle.

    Ties that wait although both records are there are looked for as well: it is seldom, and then they go on.
    """
    if HubSettings.get().enabled:
        ties.catch_up(timezone.now())
        for sync in reconcile.due(timezone.now()):
            queues.wake("syncs.tasks.reconcile_sync", sync.pk, queue=SYNC)


def reconcile_sync(sync_id: int) -> None:
    """Work on a sync's reconciliation for as long as a task may, and have the rest done by the next one."""
    sync = Sync.objects.select_related("stream__connection", "destination").get(pk=sync_id)
    with suppress(
        ReconcileError
    ):  # its source cannot be called, or another is at it: the next hour asks again
        if reconcile.begin_or_go_on(sync, timezone.now()):
            queues.wake("syncs.tasks.reconcile_sync", sync_id, queue=SYNC)


def prune(kind: str = "", after: int = 0) -> None:
    """Delete what is past its retention for as long as a task may, and have the rest done by the next one."""
    done = pruning.prune(timezone.now(), seconds=settings.TASK_SECONDS, kind=kind, after=after)
    if not done.finished:
        queues.wake("syncs.tasks.prune", done.kind, done.after, queue=SYNC)


def replay_group(sync_id: int, problem: str, reason: str, after: int, up_to: int) -> None:
    """Queue the next records of a group of data quality, and have the rest queued by the next task."""
    sync = Sync.objects.select_related("stream__connection", "destination").get(pk=sync_id)
    group = Group(sync, problem, reason)
    with suppress(QualityError):  # switched off meanwhile: what is left stays in the list
        _queued, after = replay(group, timezone.now(), after=after, up_to=up_to)
        if after:
            queues.wake("syncs.tasks.replay_group", sync_id, problem, reason, after, up_to, queue=SYNC)


def work_on_backfill(backfill_id: int) -> None:
    backfill_queue.work(backfill_id, timezone.now())


def wake_backfills() -> None:
    backfill_queue.wake_due(timezone.now())
