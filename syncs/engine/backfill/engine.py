"""Backfills: started by a quote, worked on by any number of processes, resumed after whatever stopped them."""

from __future__ import annotations

import os
import socket
import uuid
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from integration_hub.connectors.errors import ConnectorError
from integration_hub.connectors.records import ScanPage
from syncs import destinations, limits, writes
from syncs.engine.audience import CONTACT
from syncs.engine.backfill import plan as backfill_plan
from syncs.engine.backfill.desk import Desk, Side
from syncs.engine.backfill.fates import Setting, Tally
from syncs.engine.backfill.ledger import Ledger, LostLeaseError
from syncs.engine.backfill.pipeline import GRACE, Pipeline
from syncs.engine.backfill.plan import Quote, Wanted
from syncs.engine.backfill.reading import Reading, end_jobs
from syncs.engine.backfill.switches import Verdict, after_error, look, obstacle
from syncs.engine.backfill.team import WRITERS, Team
from syncs.engine.backfill.threads import Range, Way, as_scannable
from syncs.mappings import nesting
from syncs.mappings import rows as mapping_rows
from syncs.models import Backfill, Partition, Priority, Stream, SyncRun
from syncs.models.backfills import BackfillState
from syncs.models.runs import RunKind, RunState
from syncs.models.syncs import Policy, WhenDeleted
from syncs.twoway import pairing

Tell = Callable[[Tally, str], None]
"""Is told what was counted so far, and what it waits for, if it does."""


class BackfillError(Exception):
    """Why it cannot be started or resumed, in a sentence with the remedy."""


def start(wanted: Wanted, quote: Quote, now: datetime) -> Backfill:
    """Store a backfill with its partitions; nothing is read or written yet. BackfillError: there is one already."""
    if not wanted.dry_run and not wanted.sync.enabled:
        raise BackfillError(f"{wanted.sync} is switched off. Switch it on first, or make a dry run.")
    if destinations.tells_events(wanted.sync):
        raise BackfillError(
            f"{wanted.sync} tells events of changes: of what is there already it tells nothing."
        )
    ends = None if wanted.dry_run else pairing.ends_of(wanted.sync)
    if ends and ends[1].enabled:
        raise BackfillError(
            f"“{ends[1]}” brings edits back, and a backfill would write over them. Switch that way back off first."
        )
    connection = wanted.sync.stream.connection
    try:
        with transaction.atomic():
            run = SyncRun.objects.create(
                kind=RunKind.BACKFILL, stream=wanted.sync.stream, connection=connection, started_at=now
            )
            backfill = Backfill.objects.create(
                sync=wanted.sync, run=run, where=wanted.where, since=wanted.since, until=wanted.until,
                limit=wanted.limit, dry_run=wanted.dry_run, plan=quote.facts(), expected=quote.records,
            )  # fmt: skip
            Partition.objects.bulk_create(_partitions(backfill, quote))
    except IntegrityError:
        raise BackfillError(
            f"A backfill of {wanted.sync} is on its way already. Resume or cancel that one."
        ) from None
    return backfill


def work(
    backfill: Backfill,
    *,
    most: int | None = None,
    writers: int = WRITERS,
    first: ScanPage | None = None,
    seconds: float | None = None,
    clock: Callable[[], datetime] = timezone.now,
    tell: Tell = lambda tally, words: None,
) -> Backfill:
    """Work on free partitions, `most` of them, for `seconds`, and return the backfill as it is then.

    `first` is the page that the quote has read, for a backfill that was started just now.
    """
    owner = _owner()
    parts = _claim(backfill, owner, most, clock())
    if parts:
        ledger = Ledger(backfill, owner, clock)
        try:
            verdict = _work(backfill, parts, ledger, first, writers, seconds, tell)
        except LostLeaseError:
            verdict = None  # another process goes on where our last transaction ended
        except KeyboardInterrupt:
            _end(backfill, Verdict(BackfillState.PAUSED, "Interrupted by hand."), clock())
            raise
        except Exception as error:
            _end(backfill, Verdict(BackfillState.FAILED, f"Internal error: {type(error).__name__}."), clock())
            raise
        finally:
            ledger.release()
        if verdict is not None:
            _end(backfill, verdict, clock())
    _finish(backfill, clock())
    return Backfill.objects.select_related("run", "sync").get(pk=backfill.pk)


def resume(backfill: Backfill, now: datetime, reading: Reading | None = None) -> None:
    """Let it go on where it was stopped, or read on by REST what a bulk job did not give.

    BackfillError: it has ended, or a dry run, which is just made again.
    """
    if backfill.dry_run or backfill.state in (BackfillState.DONE, BackfillState.CANCELLED):
        raise BackfillError(f"This backfill is {backfill.get_state_display().lower()}. Start a new one.")
    with suppress(IntegrityError), transaction.atomic():
        if reading is not None:
            _read_otherwise(backfill, reading)
        Backfill.objects.filter(pk=backfill.pk).update(state=BackfillState.RUNNING, resume_at=None, reason="")
        SyncRun.objects.filter(pk=backfill.run_id).update(state=RunState.RUNNING, finished_at=None, error="")
        return
    raise BackfillError(f"Another backfill of {backfill.sync} is on its way. Cancel that one first.")


def cancel(backfill: Backfill, now: datetime) -> bool:
    """Stop it for good, wherever it is worked on. False: it had ended."""
    return _close(backfill, Verdict(BackfillState.CANCELLED, "Cancelled by hand."), now)


def free_partitions(backfill: Backfill, now: datetime) -> int:
    return sum(1 for _ in _free(backfill, now))


def due(now: datetime) -> list[Backfill]:
    """Return the backfills that somebody should work on: those left alone, and those whose pause is over."""
    paused = Q(state=BackfillState.PAUSED, resume_at__lte=now)
    rows = Backfill.objects.filter(Q(state=BackfillState.RUNNING) | paused, dry_run=False)
    return [one for one in rows.select_related("sync__stream__connection", "sync__destination", "run")
            if free_partitions(one, now) or one.state == BackfillState.PAUSED]  # fmt: skip


def is_affordable(backfill: Backfill, now: datetime) -> bool:
    """Say whether both sides have calls left for backfills."""
    sides = (backfill.sync.stream.connection, backfill.sync.destination)
    return all(limits.calls_left(side, Priority.BACKFILL, now) != 0 for side in sides)


def is_blocked(backfill: Backfill, now: datetime) -> bool:
    """Say whether a switch, a hold or a pause would stop it at once."""
    return obstacle(backfill, backfill.sync.stream.connection, now).verdict is not None


def _work(
    backfill: Backfill,
    parts: Sequence[Partition],
    ledger: Ledger,
    first: ScanPage | None,
    writers: int,
    seconds: float | None,
    tell: Tell,
) -> Verdict | None:
    stop = look(backfill, backfill.sync.stream.connection, ledger.clock()).verdict
    if stop is not None:
        return stop
    Backfill.objects.filter(pk=backfill.pk, state=BackfillState.RUNNING).update(reason="")
    clock, desk = ledger.clock, Desk()
    written_to = [] if backfill.dry_run else [backfill.sync.destination]
    sides: list[Side] = []
    try:
        for connection in (backfill.sync.stream.connection, *written_to):
            try:
                sides.append(Side(connection, desk, clock, backfill.sync.origin))
            except ConnectorError as error:
                return after_error(connection, error, clock())
        source, destination = sides[0], sides[1] if len(sides) > 1 else None
        ledger.calls = lambda: sum(side.calls for side in sides)
        try:
            team = _team(backfill, source, destination, writers, clock())
        except ConnectorError as error:
            return after_error(source.connection, error, clock())
        ranges = [_range(backfill, part, team, first) for part in parts]
        until = clock() + timedelta(seconds=seconds) if seconds is not None else None
        pipeline = Pipeline(team, ledger, ranges, until=until, grace=_grace(seconds), tell=tell)
        pipeline.run()
        sides += _end_jobs(backfill, parts, pipeline)
    finally:
        desk.close()
        for side in sides:
            side.close()
        ledger.close()
    _keep_rehearsal(backfill, pipeline)
    return pipeline.verdict


def _end_jobs(backfill: Backfill, parts: Sequence[Partition], pipeline: Pipeline) -> list[Side]:
    """Give up the bulk jobs that nobody will read on; those of a pause are gone on with."""
    is_over = backfill.dry_run or (pipeline.verdict and pipeline.verdict.state == BackfillState.CANCELLED)
    done = set(backfill.partitions.filter(done=True).values_list("pk", flat=True))
    marks = [mark for part in parts if part.in_bulk and (is_over or part.pk in done)
             and (mark := pipeline.ledger.marks.get(part.pk, part.after))]  # fmt: skip
    if not marks:
        return []
    desk = Desk()
    side = Side(backfill.sync.stream.connection, desk, pipeline.clock, backfill.sync.origin)
    with side.connector() as connector:
        end_jobs(connector, marks)
    desk.serve(0)
    return [side]


def _grace(seconds: float | None) -> timedelta:
    """Return how long what is on its way may take to come back; a task is stopped when its time is over."""
    if seconds is None:
        return GRACE
    return min(GRACE, timedelta(seconds=max(settings.Q_CLUSTER["timeout"] - seconds, 1.0) / 2))


def _team(backfill: Backfill, source: Side, destination: Side | None, writers: int, now: datetime) -> Team:
    sync = backfill.sync
    with source.connector() as connector:
        fields = backfill_plan.fields_of(sync, as_scannable(connector), now)
    family = writes.siblings(sync)
    contacts = Stream.objects.filter(
        connection=sync.stream.connection_id, object_type=CONTACT, syncs__in=family
    ).exclude(pk=sync.stream_id)
    setting = Setting(
        run_id=backfill.run_id,
        sync_id=sync.pk,
        match_path=sync.match_path,
        precedences={one.pk: one.precedence for one in family.values()},
        lane=lambda match_value: writes.lane(sync, match_value),
        follows_contact=contacts.exists(),
        name=lambda sync_id: family[sync_id].name,
        only_creates=sync.policy == Policy.CREATE,
        gives_ids=destinations.gives_ids(sync),
    )
    unmark = nesting.nested(sync.deleted_path, False) if sync.when_deleted == WhenDeleted.MARK else {}
    way = Way(
        sync.object_type, sync.match_path, unmark, sync.operation(), sync.external_id_path,
        looks_first=destinations.gives_ids(sync),
    )  # fmt: skip
    return Team(
        backfill=backfill, setting=setting, mapper=mapping_rows.mapper_of(sync),
        way=way, source=source, destination=destination,
        fields=fields, batch_size=getattr(sync.destination.connector_class, "batch_size", 1), writers=writers,
    )  # fmt: skip


def _partitions(backfill: Backfill, quote: Quote) -> list[Partition]:
    if quote.lists:
        return [
            Partition(backfill=backfill, number=number, ids="\n".join(ids))
            for number, ids in enumerate(quote.lists)
        ]
    return [
        Partition(
            backfill=backfill,
            number=number,
            after=after,
            up_to=up_to,
            in_bulk=quote.choice.reading == Reading.BULK,
        )
        for number, (after, up_to) in enumerate(quote.ranges)
    ]


def _read_otherwise(backfill: Backfill, reading: Reading) -> None:
    """Read all by REST what a job was to give: what is settled already is told by the links, and not counted again."""
    open_parts = backfill.partitions.filter(done=False)
    if reading == Reading.REST:
        open_parts.filter(in_bulk=True).update(in_bulk=False, after="")
    elif open_parts.filter(in_bulk=False).exists():
        raise BackfillError(
            "It reads by REST and goes on so. To read by a bulk job, cancel it and start anew."
        )


def _range(backfill: Backfill, part: Partition, team: Team, first: ScanPage | None) -> Range:
    wanted = Wanted(backfill.sync, backfill.where, backfill.since, backfill.until, backfill.limit)
    limit = None if backfill.limit is None else max(backfill.limit - backfill.run.read, 0)
    scan = replace(
        backfill_plan.scan_of(wanted, team.fields), after_id=part.after, up_to_id=part.up_to, limit=limit
    )
    if part.in_bulk:
        return Range(part.pk, replace(scan, limit=backfill.limit), in_bulk=True)
    if part.ids:
        ids = part.ids.splitlines()
        return Range(part.pk, scan, ids=ids[bisect_right(ids, part.after) :])
    is_new = part.number == 0 and not part.after
    return Range(part.pk, scan, first if is_new else None)


def _keep_rehearsal(backfill: Backfill, pipeline: Pipeline) -> None:
    """Store what a dry run found, if it came to its end."""
    rehearsal = pipeline.rehearsal
    if rehearsal is None or pipeline.verdict is not None:
        return
    tally = rehearsal.tally
    SyncRun.objects.filter(pk=backfill.run_id).update(
        read=tally.read, unchanged=tally.unchanged, skipped=tally.skipped, reasons=dict(tally.reasons)
    )
    Backfill.objects.filter(pk=backfill.pk).update(samples=rehearsal.samples)
    backfill.partitions.update(done=True)


def _end(backfill: Backfill, verdict: Verdict, now: datetime) -> None:
    """Note why it stopped, unless somebody else has said so already."""
    if verdict.state == BackfillState.PAUSED and not backfill.dry_run:
        Backfill.objects.filter(pk=backfill.pk, state=BackfillState.RUNNING).update(
            state=verdict.state, reason=verdict.reason, resume_at=verdict.resume_at
        )
        return
    state = BackfillState.FAILED if verdict.state == BackfillState.PAUSED else verdict.state
    _close(backfill, replace(verdict, state=state), now)


def _finish(backfill: Backfill, now: datetime) -> None:
    if not backfill.partitions.filter(done=False).exists():
        _close(backfill, Verdict(BackfillState.DONE, ""), now)


def _close(backfill: Backfill, verdict: Verdict, now: datetime) -> bool:
    """End the backfill and its run; the first who says so does."""
    open_states = (BackfillState.RUNNING, BackfillState.PAUSED)
    with transaction.atomic():
        if not Backfill.objects.filter(pk=backfill.pk, state__in=open_states).update(
            state=verdict.state, reason=verdict.reason, resume_at=None
        ):
            return False
        run = SyncRun.objects.select_for_update().get(pk=backfill.run_id)
        run.finished_at = now
        run.error = verdict.reason if verdict.state == BackfillState.FAILED else ""
        run.state = RunState.FAILED if run.error else RunState.OK if run.balances else RunState.UNBALANCED
        run.save(update_fields=["finished_at", "error", "state"])
    return True


def _claim(backfill: Backfill, owner: str, most: int | None, now: datetime) -> list[Partition]:
    """Take free partitions: conditional updates, so that each goes to one process."""
    until = now + timedelta(seconds=settings.LEASE_SECONDS)
    taken: list[Partition] = []
    for part in _free(backfill, now):
        if most is not None and len(taken) >= most:
            break
        won = Partition.objects.filter(
            pk=part.pk, done=False, lease_owner=part.lease_owner, lease_until=part.lease_until
        ).update(lease_owner=owner, lease_until=until)
        if won:
            taken.append(part)
    return taken


def _free(backfill: Backfill, now: datetime) -> list[Partition]:
    parts = backfill.partitions.filter(done=False).defer("ids")
    return [
        part
        for part in parts
        if part.lease_until is None or part.lease_until <= now or _is_gone(part.lease_owner)
    ]


def _owner() -> str:
    """Name this process so that others on this machine can see whether it still lives."""
    return f"{socket.gethostname()[:20]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def _is_gone(owner: str) -> bool:
    host, _, rest = owner.partition(":")
    if host != socket.gethostname()[:20]:
        return False
    try:
        os.kill(int(rest.partition(":")[0]), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, ValueError):
        return False
    return False
