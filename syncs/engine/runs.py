"""Opens, counts and closes a SyncRun."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from integration_hub.connectors.errors import ConnectorError
from syncs.models import Connection, Stream, SyncRun
from syncs.models.runs import RunKind, RunState

LOST_AFTER = timedelta(minutes=10)
BASELINE_LOST_AFTER = timedelta(hours=1)
LOOKED_BACK = timedelta(days=1)


@dataclass(slots=True)
class Counts:
    read: int = 0
    delivered: int = 0
    unchanged: int = 0
    skipped: int = 0
    waiting: int = 0
    dead: int = 0
    calls: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    run: SyncRun | None = None
    error: str = ""


@contextmanager
def recording(
    kind: RunKind,
    *,
    now: datetime,
    stream: Stream | None = None,
    connection: Connection | None = None,
    clock: Callable[[], datetime] = timezone.now,
) -> Iterator[Counts]:
    """Keep one run's counts; at the end store them, and whether they balance.

    An exception marks the run as failed and goes on to the caller; what an unexpected one says may hold personal
    data and is left to the log. A run that handled its failure itself says so in `counts.error`.
    """
    connection = connection or (stream.connection if stream else None)
    run = SyncRun.objects.create(kind=kind, stream=stream, connection=connection, started_at=now)
    counts = Counts(run=run)
    try:
        yield counts
    except ConnectorError as error:
        counts.error = counts.error or error.message
        raise
    except BaseException as error:
        text = f"Internal error ({type(error).__name__}); the log has the details."
        counts.error = counts.error or text
        raise
    finally:
        _close(run, counts, clock())


def _close(run: SyncRun, counts: Counts, now: datetime) -> None:
    run.finished_at = now
    run.read, run.delivered, run.unchanged = counts.read, counts.delivered, counts.unchanged
    run.skipped, run.waiting, run.dead = counts.skipped, counts.waiting, counts.dead
    run.reasons, run.calls, run.error = dict(counts.reasons), counts.calls, counts.error
    if counts.error:
        run.state = RunState.FAILED
    else:
        run.state = RunState.OK if run.balances else RunState.UNBALANCED
    run.save()


def close_lost(now: datetime) -> int:
    """Mark as failed the runs whose process was killed, which else would be running for ever; return how many.

    One that does go on after so long corrects that when it ends. Backfills and reconciliations outlive their
    processes by design.
    """
    short = ~Q(kind=RunKind.BASELINE) & Q(started_at__lte=now - LOST_AFTER)
    return (
        SyncRun.objects.exclude(kind__in=(RunKind.BACKFILL, RunKind.RECONCILE))
        .filter(
            short | Q(started_at__lte=now - BASELINE_LOST_AFTER),
            state=RunState.RUNNING,
            started_at__gt=now - LOOKED_BACK,
        )
        .update(
            state=RunState.FAILED,
            finished_at=now,
            error="Its process ended in the middle. The next run takes up what it had begun.",
        )
    )
