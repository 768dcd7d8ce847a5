"""Deleted records, which no ordinary read shows: asked for with each poll, if a sync wants to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import Q

from integration_hub.connectors.contract import Source
from integration_hub.connectors.records import Record
from syncs import changes
from syncs.engine import runs
from syncs.models import Change, RecordLink, Stream
from syncs.models.changes import ChangeOrigin
from syncs.models.links import LinkState
from syncs.models.syncs import WhenDeleted

CHUNK = 500


def are_wanted(stream: Stream) -> bool:
    """Say whether a sync acts on deletions, or is one half of a two-way sync, which would make the record anew."""
    acting = ~Q(when_deleted=WhenDeleted.IGNORE) | Q(counterpart__isnull=False) | Q(way_back__isnull=False)
    return stream.syncs.filter(acting, enabled=True).exists()


def read(stream: Stream, source: Source, counts: runs.Counts, now: datetime) -> None:
    """Store the deletions since the last poll as changes; it costs one more call per poll.

    A record the hub never met is none of its business: it is counted as unchanged.
    """
    if not are_wanted(stream):
        return
    since = (stream.polled_at or stream.started_at or now) - timedelta(seconds=stream.overlap_seconds)
    gone = dict(source.deleted(stream.object_type, since, now))
    new = store(stream, gone, now)
    counts.read += len(gone)
    counts.waiting += new
    counts.unchanged += len(gone) - new


def store(stream: Stream, gone: Mapping[str, datetime], now: datetime) -> int:
    """Store these deletions, by record id, as changes; return how many were news."""
    last = _last_known(stream, list(gone))
    records = [_record(last[record_id], record_id, at) for record_id, at in gone.items() if record_id in last]
    return changes.record(stream, records, ChangeOrigin.DELETED, now)


def _last_known(stream: Stream, record_ids: Sequence[str]) -> Mapping[str, Change | None]:
    """Return the newest version by id of the records that were seen or written; None: it is no longer stored."""
    found: dict[str, Change | None] = {}
    for start in range(0, len(record_ids), CHUNK):
        ids = record_ids[start : start + CHUNK]
        linked = RecordLink.objects.filter(sync__stream=stream, record_id__in=ids)
        for record_id in linked.exclude(state=LinkState.REMOVED).values_list("record_id", flat=True):
            found[record_id] = None
        for change in Change.objects.filter(stream=stream, record_id__in=ids).order_by("modified_at", "id"):
            found[change.record_id] = change
    return found


def _record(last: Change | None, record_id: str, at: datetime) -> Record:
    """Return the deletion as a version of the record that has its last known values: they are all there is."""
    gone = Record(record_id, {"Id": record_id}, version=f"deleted~{at.isoformat()}", modified_at=at)
    if last is None:
        return gone
    return replace(
        gone, values=last.values, created_at=last.created_at, title=last.title, email=last.email,
        owner_id=last.owner_id, url=last.url,
    )  # fmt: skip
