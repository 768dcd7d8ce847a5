"""Reconciliations: what the source has, compared with what the hub knows and what stands at the destination.

The records are read in the order of their ids, a page at a time, and each page is compared with the links of the
same range. It goes by stretches, each stored at its end: a process that dies costs one stretch.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from integration_hub.connectors.contract import Scannable
from integration_hub.connectors.errors import ConfigError, ConnectorError
from syncs import connect, destinations, incidents, leases
from syncs.engine.reconcile.findings import Findings
from syncs.engine.reconcile.sample import Sampling
from syncs.engine.reconcile.scan import Scanning, store_met
from syncs.models import Connection, Priority, Reconciliation, Sync, SyncRun
from syncs.models.incidents import IncidentKind
from syncs.models.reconciliations import DIFFERENCES, Kind
from syncs.models.runs import RunKind, RunState

DAYS = 30
SAMPLE = 200
SETTLING = timedelta(minutes=15)
"""What changed so lately may still be on its way."""
EVERY = timedelta(days=7)
AGAIN = timedelta(hours=6)
"""How long after one that failed the next is due."""
PATIENCE = 10.0


class ReconcileError(Exception):
    """Why it cannot be done now, in a sentence with the remedy."""


def start(sync: Sync, now: datetime, *, days: int = DAYS, sample: int = SAMPLE) -> Reconciliation:
    """Store a reconciliation of what was modified in these days, 0: of all; nothing is read yet."""
    if destinations.tells_events(sync):
        raise ReconcileError(f"{sync} tells events of changes: there is nothing to compare them with.")
    _require_source(sync, now)
    stream = sync.stream
    run = SyncRun.objects.create(
        kind=RunKind.RECONCILE, stream=stream, connection=stream.connection, started_at=now
    )
    return Reconciliation.objects.create(
        sync=sync,
        run=run,
        since=now - timedelta(days=days) if days else None,
        until=now - max(SETTLING, timedelta(seconds=2 * (stream.interval_seconds or 0))),
        sample=sample,
    )


def work(
    one: Reconciliation, *, seconds: float | None = None, clock: Callable[[], datetime] = timezone.now
) -> bool:
    """Go on with it for so long, TASK_SECONDS if not said; say whether it is over. ReconcileError: not now.

    What a vendor refuses ends it as failed: what was found until then stays, and the run says why.
    """
    now = clock()
    _require_source(one.sync, now)
    with leases.held(f"reconcile:{one.sync_id}", settings.LEASE_SECONDS, now) as lease:
        if lease is None:
            raise ReconcileError(f"Another process reconciles {one.sync}. Look again when it is done.")
        one.refresh_from_db()
        if one.run.state == RunState.RUNNING:
            end = now + timedelta(seconds=settings.TASK_SECONDS if seconds is None else seconds)
            _go_on(one, end, clock)
    return one.run.state != RunState.RUNNING


def due(now: datetime) -> list[Sync]:
    """Return the syncs with one that nobody is at, and those whose last one is a week ago.

    The first comes a week after the stream's first poll. One that failed is repeated sooner.
    """
    usable = Connection.objects.usable(now)
    syncs = Sync.objects.filter(
        enabled=True, stream__connection__in=usable, stream__started_at__lte=now - EVERY
    ).select_related("stream__connection", "destination")
    return [sync for sync in syncs if not destinations.tells_events(sync) and _is_due(sync, now)]


def ask(sync: Sync, now: datetime) -> Reconciliation:
    """Return the reconciliation that is open, or a new one. ReconcileError: it cannot be made now."""
    return _open(sync) or start(sync, now)


def begin_or_go_on(sync: Sync, now: datetime, clock: Callable[[], datetime] = timezone.now) -> bool:
    """Work one stretch on the reconciliation of a sync that is due; say whether there is more to do."""
    one = _open(sync)
    if one is None:
        if not _is_due(sync, now):
            return False
        one = start(sync, now)
    return not work(one, clock=clock)


def _open(sync: Sync) -> Reconciliation | None:
    rows = Reconciliation.objects.filter(sync=sync, run__state=RunState.RUNNING)
    return rows.select_related("run", "sync__stream__connection", "sync__destination").order_by("pk").first()


def _is_due(sync: Sync, now: datetime) -> bool:
    if leases.is_held(f"reconcile:{sync.pk}", now):
        return False
    recent = Q(run__state=RunState.FAILED, run__started_at__gt=now - AGAIN)
    recent |= Q(run__state=RunState.OK, run__started_at__gt=now - EVERY)
    return _open(sync) is not None or not sync.reconciliations.filter(recent).exists()


def _require_source(sync: Sync, now: datetime) -> None:
    connection = sync.stream.connection
    if not Connection.objects.usable(now).filter(pk=connection.pk).exists():
        state = Connection.objects.get(pk=connection.pk).state(now).label.lower()
        raise ReconcileError(f"{connection} cannot be read: it is {state}. See its page for why.")


def _go_on(one: Reconciliation, end: datetime, clock: Callable[[], datetime]) -> None:
    findings, connection, calls = Findings(one), one.sync.stream.connection, 0
    error, is_over = "", False
    try:
        with connect.opened(
            connection, priority=Priority.BACKFILL, patience=PATIENCE, clock=clock
        ) as connector:
            try:
                source = _scannable(connector, connection)
                is_over = _all_steps(one, findings, source, end, clock)
            finally:
                calls = connect.calls_made(connector)
    except ConnectorError as failure:
        error = f"{failure.message} {failure.remedy}".strip()
    one.progress["sample"] = findings.sample
    findings.store(one)
    with transaction.atomic():
        store_met(one, findings.met)
        one.save(update_fields=["days", "counts", "examples", "warnings", "progress"])
    _note(one.run, findings, calls)
    if error or is_over:
        _close(one.run, error, clock())
    if is_over and not error:
        _tell(one, clock())


def _all_steps(
    one: Reconciliation, findings: Findings, source: Scannable, end: datetime, clock: Callable[[], datetime]
) -> bool:
    """Do what is left until the time is up; say whether nothing is."""
    scanning = Scanning(one, findings, source, clock)
    if not one.progress.get("scanned"):
        if not scanning.run(end):
            return False
        one.progress["scanned"] = True
    return not findings.sample or Sampling(one, findings, source, scanning.fields, clock).run(end)


def _tell(one: Reconciliation, now: datetime) -> None:
    """Open an incident about what differs, or close the one that an earlier reconciliation opened."""
    sync = one.sync
    key, found = f"reconcile:{sync.key}", {kind: one.count(kind) for kind in DIFFERENCES if one.count(kind)}
    if not found:
        incidents.close(key, now)
        return
    incidents.raise_incident(
        key,
        kind=IncidentKind.DIFFERENCES,
        title=f"{sync}: not everything is there as it should be",
        detail=", ".join(f"{kind.label.lower()}: {count:,}" for kind, count in found.items()) + ".",
        remedy="Open the sync's newest reconciliation: it lists the records, and repairs them.",
        connection=sync.destination,
        origin=sync.origin,
        now=now,
    )


def _scannable(connector: object, connection: Connection) -> Scannable:
    if not isinstance(connector, Scannable):
        raise ConfigError(
            f"{connection} cannot be read from its first record to its last.",
            remedy="Only syncs from a connection such as Salesforce can be reconciled.",
        )
    return connector


def _note(run: SyncRun, findings: Findings, calls: int) -> None:
    counts = findings.counts
    run.read, run.unchanged = findings.at_source, counts[Kind.WRITTEN.value]
    run.waiting, run.dead = counts[Kind.WAITING.value], counts[Kind.REFUSED.value]
    skipped = (Kind.SKIPPED, Kind.MISSING, Kind.STALE)
    run.reasons = {kind.value: counts[kind.value] for kind in skipped if counts[kind.value]}
    run.skipped = sum(run.reasons.values())
    run.calls += calls
    run.save(update_fields=["read", "unchanged", "waiting", "dead", "reasons", "skipped", "calls"])


def _close(run: SyncRun, error: str, now: datetime) -> None:
    run.error, run.finished_at = error, now
    run.state = RunState.FAILED if error else RunState.OK if run.balances else RunState.UNBALANCED
    run.save(update_fields=["error", "finished_at", "state"])
