"""Verbs of the change queue: record, wait, look back, mark routed."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import datetime

from django.db import DatabaseError, connection
from django.db.models import OuterRef, Q, Subquery
from django.db.models.base import ModelState

from integration_hub.connectors.records import Record
from syncs.models import Change, Stream
from syncs.models.changes import ChangeOrigin, ChangeState

CHUNK = 500
HIGHEST = "\U0010ffff"


class AlreadyRoutedError(DatabaseError):
    """Another router was faster; whoever gets this rolls its transaction back."""


def record(stream: Stream, records: Sequence[Record], origin: ChangeOrigin, now: datetime) -> int:
    """Store the versions that are not known yet and return how many those were.

    A baseline's are stored as routed: they are what later changes are compared with, not news.
    """
    known = _known(stream, records)
    fresh = [r for r in records if (r.remote_id, r.version) not in known]
    rows = [_row(stream, one, origin, now) for one in fresh]
    Change.objects.bulk_create(rows, ignore_conflicts=True, batch_size=CHUNK)
    return len(fresh)


def waiting(stream: Stream, limit: int) -> list[Change]:
    """Return changes to be routed, in the order the records changed."""
    return list(
        Change.objects.filter(stream=stream, state=ChangeState.WAITING).order_by("modified_at", "id")[:limit]
    )


def mark_routed(changes: Sequence[Change], now: datetime) -> None:
    """Mark all; call it in the transaction that stores the decisions."""
    for start in range(0, len(changes), CHUNK):
        pks = [change.pk for change in changes[start : start + CHUNK]]
        marked = Change.objects.filter(pk__in=pks, state=ChangeState.WAITING).update(
            state=ChangeState.ROUTED, routed_at=now
        )
        if marked != len(pks):
            raise AlreadyRoutedError("These changes were routed by another process meanwhile.")


def previous(changes: Sequence[Change]) -> dict[int, Change | None]:
    """Return, by change id, the version of the same record just before each; of a long history only that is read."""
    before = Change.objects.filter(
        Q(modified_at__lt=OuterRef("modified_at")) | Q(pk__lt=OuterRef("pk")),
        stream=OuterRef("stream"),
        record_id=OuterRef("record_id"),
        modified_at__lte=OuterRef("modified_at"),
    ).order_by("-modified_at", "-pk")
    found: dict[int, int | None] = {}
    for start in range(0, len(changes), CHUNK):
        rows = Change.objects.filter(pk__in=[change.pk for change in changes[start : start + CHUNK]])
        found.update(rows.values_list("pk", Subquery(before.values("pk")[:1])))
    wanted = [pk for pk in found.values() if pk]
    versions: dict[int, Change] = {}
    for start in range(0, len(wanted), CHUNK):
        versions.update(Change.objects.in_bulk(wanted[start : start + CHUNK]))
    return {change.pk: versions.get(found.get(change.pk) or 0) for change in changes}


def newest(stream_id: int, record_id: str) -> Change | None:
    """Return the newest version of a record that was read."""
    rows = Change.objects.filter(stream=stream_id, record_id=record_id)
    return rows.order_by("-modified_at", "-pk").first()


def repeat(change: Change, origin: ChangeOrigin, now: datetime) -> int:
    """Let a known version be decided once more, as a version of its own; return how many that made.

    A pair compares when a version was read with when something was written: there it keeps its time.
    """
    suffix = f"~{int(now.timestamp() * 1000):x}"
    again = copy.copy(change)
    again.pk, again._state = None, ModelState()
    again.version = f"{change.version[: 80 - len(suffix)]}{suffix}"
    again.origin, again.state = origin, ChangeState.WAITING
    again.captured_at = change.captured_at if origin == ChangeOrigin.PAIR else now
    again.routed_at, again.synced = None, {}
    stored = Change.objects.filter(
        stream=again.stream_id, record_id=again.record_id, version=again.version
    ).exists()
    if not stored:
        again.save(force_insert=True)
    return 0 if stored else 1


def begins_with(field: str, text: str) -> Q:
    """Return the condition that a text column begins so, in the form that each database has an index for.

    On PostgreSQL a range would depend on the collation: that of its images sorts the highest character first.
    """
    if connection.vendor == "sqlite":
        return Q(**{f"{field}__gte": text, f"{field}__lt": text + HIGHEST})
    return Q(**{f"{field}__startswith": text})


def _known(stream: Stream, records: Sequence[Record]) -> set[tuple[str, str]]:
    known: set[tuple[str, str]] = set()
    for start in range(0, len(records), CHUNK):
        ids = {one.remote_id for one in records[start : start + CHUNK]}
        known.update(
            Change.objects.filter(stream=stream, record_id__in=ids).values_list("record_id", "version")
        )
    return known


def _row(stream: Stream, one: Record, origin: ChangeOrigin, now: datetime) -> Change:
    baseline = origin == ChangeOrigin.BASELINE
    return Change(
        stream=stream,
        record_id=one.remote_id,
        version=one.version,
        modified_at=one.modified_at,
        created_at=one.created_at,
        captured_at=now,
        title=one.title[:255],
        title_key=one.title.casefold()[:255],
        email=one.email.casefold()[:254],
        owner_id=one.owner_id,
        url=one.url[:500],
        values=dict(one.values),
        origin=origin,
        state=ChangeState.ROUTED if baseline else ChangeState.WAITING,
        routed_at=now if baseline else None,
    )
