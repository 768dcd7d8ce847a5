"""Repairs: what a reconciliation found wrong goes the ordinary way again, as changes of its stream."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from syncs import changes, connect, streams
from syncs.engine import deletions, parents
from syncs.engine.reconcile.engine import PATIENCE, ReconcileError
from syncs.engine.reconcile.sample import NOT_THERE
from syncs.models import Priority, Reconciliation, RecordLink
from syncs.models.changes import ChangeOrigin
from syncs.models.reconciliations import DIFFERENCES, Kind
from syncs.models.syncs import WhenDeleted


class Repaired(NamedTuple):
    """How many were queued, and how many of those asked for are left as they are by the sync's policy."""

    queued: int
    left: int


def repair(one: Reconciliation, count: int, now: datetime) -> Repaired:
    """Queue at most so many of the listed records: read anew, they are decided and written like any change.

    A record that is gone meanwhile is left out. ReconcileError, ConnectorError: nothing was queued.
    """
    sync = one.sync
    if not sync.enabled:
        raise ReconcileError(f"{sync} is switched off, so nothing would be written. Switch it on first.")
    chosen = [(kind, entry) for kind in DIFFERENCES for entry in one.left(kind)][:count]
    ids = {kind: [entry["record"] for its, entry in chosen if its == kind] for kind in DIFFERENCES}
    stays = sync.when_deleted == WhenDeleted.IGNORE
    gone = {} if stays else dict.fromkeys(ids[Kind.EXTRA], now)
    alive = list(dict.fromkeys(ids[Kind.MISSING] + ids[Kind.STALE] + ids[Kind.DIFFERENT]))
    stream, records = sync.stream, []
    if alive:
        with connect.opened(stream.connection, priority=Priority.BACKFILL, patience=PATIENCE) as connector:
            source = streams.as_source(connector, stream)
            fields = streams.fields_to_read(stream, streams.schema_of(stream, now, source), source)
            records = source.fetch(stream.object_type, alive, fields)
    with transaction.atomic():
        different = RecordLink.objects.filter(sync=sync, record_id__in=ids[Kind.DIFFERENT])
        different.update(payload_hash="")  # else it would pass for unchanged
        lost = [entry["record"] for _, entry in chosen if entry["words"] == NOT_THERE]
        RecordLink.objects.filter(sync=sync, record_id__in=lost).update(written_at=None)
        queued = changes.record(stream, parents.marked(records, now), ChangeOrigin.REPAIR, now)
        queued += deletions.store(stream, gone, now)
        _tick_off(one, chosen, queued, stays=stays)
    return Repaired(queued, len(ids[Kind.EXTRA]) if stays else 0)


def _tick_off(
    one: Reconciliation, chosen: list[tuple[Kind, dict[str, object]]], queued: int, *, stays: bool
) -> None:
    for kind, entry in chosen:
        if not (stays and kind == Kind.EXTRA):
            entry["repaired"] = True
    one.repaired += queued
    one.save(update_fields=["examples", "repaired"])
