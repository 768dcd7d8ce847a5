"""Backfills as tasks: each works on one partition for as long as a task may, then has the rest done by the next."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from syncs import queues
from syncs.engine.backfill import engine as backfill
from syncs.engine.backfill.switches import TRY_AGAIN
from syncs.models import Backfill, Heartbeat
from syncs.models.backfills import BackfillState
from syncs.schedules import SYNC

TASK = "syncs.tasks.work_on_backfill"
ALIVE = timedelta(minutes=3)
"""A queue whose heartbeat is older has no workers."""
WRITERS = 4


def has_workers(now: datetime) -> bool:
    return Heartbeat.objects.filter(queue=SYNC, beaten_at__gte=now - ALIVE).exists()


def wake(one: Backfill, now: datetime) -> int:
    """Have a worker for each partition that nobody works on; return how many were woken."""
    free = backfill.free_partitions(one, now)
    for _ in range(free):
        queues.wake(TASK, one.pk, queue=SYNC)
    return free


def wake_due(now: datetime) -> int:
    """Let go on what was left alone or whose pause is over; return how many backfills those were."""
    woken = 0
    for one in backfill.due(now):
        if one.state == BackfillState.PAUSED:
            if not backfill.is_affordable(one, now):
                Backfill.objects.filter(pk=one.pk).update(resume_at=now + timedelta(minutes=15))
                continue
            if backfill.is_blocked(one, now):
                Backfill.objects.filter(pk=one.pk).update(resume_at=now + TRY_AGAIN)
                continue
            backfill.resume(one, now)
        woken += bool(wake(one, now))
    return woken


def work(backfill_id: int, now: datetime) -> None:
    """Work on one partition. A task too many, or one that comes late, finds nothing to do."""
    one = (
        Backfill.objects.select_related("sync__stream__connection", "sync__destination", "run")
        .filter(pk=backfill_id, state=BackfillState.RUNNING)
        .first()
    )
    if one is None:
        return
    done = backfill.work(one, most=1, writers=WRITERS, seconds=settings.TASK_SECONDS)
    if done.state == BackfillState.RUNNING and backfill.free_partitions(done, now):
        queues.wake(TASK, one.pk, queue=SYNC)
