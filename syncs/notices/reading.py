"""Change notices become changes: sorted into the records they name, which are read together and stored.

A notice says only that a record may have changed. What counts is what the vendor shows when it is asked: so neither
their order nor their repetition matters, and a later poll of the same version finds nothing new.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from integration_hub.connectors.contract import Source
from integration_hub.connectors.errors import ConnectorError, RejectedError
from integration_hub.connectors.notices import Mention, notifier
from integration_hub.connectors.records import Record
from syncs import changes, connect, holds, leases, streams
from syncs.engine import deletions, poll, runs
from syncs.models import Connection, Notice, NoticedRecord, Stream
from syncs.models.changes import ChangeOrigin
from syncs.models.notices import MentionState, NoticeState
from syncs.models.runs import RunKind

COLLECT = timedelta(seconds=1)
"""So long a record waits for others, that one read may serve them all."""
RETRY = timedelta(seconds=30)
LEAST_BACK = timedelta(minutes=10)


@dataclass(slots=True)
class Found:
    """What the vendor showed of a batch of records."""

    records: list[Record] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def due(now: datetime) -> list[Connection]:
    """Return the connections with notices to be sorted, or with records to be read that may be read now.

    A connection that is held may be held because its settings cannot be read, which its notices need too.
    """
    fresh = Notice.objects.filter(state=NoticeState.WAITING).values("connection")
    named = _due_records(now).values("stream__connection")
    rows = Connection.objects.filter(pk__in=fresh, held_at=None) | Connection.objects.usable(now).filter(
        pk__in=named
    )
    return list(rows)


def run(connection: Connection, now: datetime, *, clock: Callable[[], datetime] = timezone.now) -> list[int]:
    """Sort what came in and read what is due, for TASK_SECONDS at most; return the streams with something new."""
    end = now + timedelta(seconds=settings.TASK_SECONDS)
    with leases.held(f"notices:{connection.pk}", settings.LEASE_SECONDS, now) as lease:
        if lease is None:
            return []
        while clock() < end and sort_out(connection, clock()):
            pass
        if not Connection.objects.usable(clock()).filter(pk=connection.pk).exists():
            return []
        named = _due_records(clock()).values("stream")
        rows = Stream.objects.filter(pk__in=named, connection=connection).select_related("connection")
        return [stream.pk for stream in rows if complete(stream, clock(), end, clock)]


def sort_out(connection: Connection, now: datetime) -> int:
    """Take up the oldest waiting notices; return how many. Each is one transaction: all of it is known, or nothing."""
    who = notifier(connection.kind)
    rows = list(Notice.objects.filter(connection=connection, state=NoticeState.WAITING).order_by("id")[:100])
    if not rows or who is None:
        return 0
    try:
        config = connect.configuration(connection)
    except ConnectorError as error:
        holds.failed(connection, error, now)
        return 0
    listening = {s.object_type.casefold(): s for s in Stream.objects.filter(connection=connection)}
    for notice in rows:
        reading = who.read(config, bytes(notice.body))
        heard = [(listening.get(one.object_type.casefold()), one) for one in reading.mentions]
        notice.events = reading.events
        notice.unheard = reading.strange + sum(stream is None for stream, _ in heard)
        notice.problem = "\n".join(reading.problems)
        notice.state = NoticeState.QUARANTINED if reading.problems else NoticeState.TAKEN
        notice.taken_at = now
        _note(notice, [(stream, one) for stream, one in heard if stream], now)
    return len(rows)


def _note(notice: Notice, heard: Sequence[tuple[Stream, Mention]], now: datetime) -> None:
    wanted = {
        (stream.pk, one.key): NoticedRecord(
            stream=stream, notice=notice, key=one.key, record_id=one.record_id, gone=one.gone,
            happened_at=min(one.at or notice.received_at, notice.received_at), received_at=notice.received_at,
            due_at=notice.received_at + COLLECT,
        )
        for stream, one in heard
    }  # fmt: skip
    touched = {stream.pk for stream, _ in heard}
    with transaction.atomic():
        known = set(
            NoticedRecord.objects.filter(stream__in=touched, key__in=[key for _, key in wanted]).values_list(
                "stream_id", "key"
            )
        )
        rows = [row for key, row in wanted.items() if key not in known]
        NoticedRecord.objects.bulk_create(rows, ignore_conflicts=True)
        Stream.objects.filter(pk__in=touched).update(noticed_at=notice.received_at, missed_in_a_row=0)
        notice.repeated = len(heard) - len(rows)
        notice.save(update_fields=["events", "unheard", "repeated", "problem", "state", "taken_at"])


def complete(stream: Stream, now: datetime, end: datetime, clock: Callable[[], datetime]) -> int:
    """Read the records of the stream that are due; return how many changes came of it."""
    with runs.recording(RunKind.NOTICE, now=now, stream=stream) as counts:
        batch: list[NoticedRecord] = []
        try:
            with connect.opened(stream.connection, clock=clock) as connector:
                source = streams.as_source(connector, stream)
                fields = streams.fields_to_read(stream, streams.schema_of(stream, now, source), source)
                while clock() < end and (batch := _next(stream, clock(), source.fetch_size)):
                    _read(stream, source, fields, batch, counts, clock())
                counts.calls = connect.calls_made(connector)
            holds.answered(stream.connection, now)
        except ConnectorError as error:
            counts.error = error.message
            _postpone(stream, clock())
            poll.failed(stream, error, now)
        return counts.waiting


def _due_records(now: datetime) -> QuerySet[NoticedRecord]:
    rows = NoticedRecord.objects.filter(state=MentionState.WAITING, due_at__lte=now)
    return rows.filter(stream__enabled=True)


def _next(stream: Stream, now: datetime, size: int) -> list[NoticedRecord]:
    """Return what was said of the records that waited longest, of each record everything."""
    rows = NoticedRecord.objects.filter(stream=stream, state=MentionState.WAITING)
    oldest = rows.filter(due_at__lte=now).order_by("due_at", "pk").values_list("record_id", flat=True)
    ids = list(dict.fromkeys(oldest[: size * 5]))[:size]
    return list(rows.filter(record_id__in=ids).order_by("happened_at", "pk")) if ids else []


def _read(
    stream: Stream,
    source: Source,
    fields: Sequence[str],
    batch: Sequence[NoticedRecord],
    counts: runs.Counts,
    now: datetime,
) -> None:
    said = {one.record_id: one for one in batch}  # of each the latest
    found = _fetched(stream, source, list(said), fields)
    there = {record.remote_id for record in found.records}
    absent = [
        one for one in said.values() if one.record_id not in there and one.record_id not in found.refused
    ]
    gone = _gone(stream, source, absent, now)
    with transaction.atomic():
        new = changes.record(stream, found.records, ChangeOrigin.NOTICE, now)
        removed = deletions.store(stream, gone, now) if deletions.are_wanted(stream) else 0
        fates = {
            MentionState.READ: there,
            MentionState.GONE: set(gone),
            MentionState.REFUSED: set(found.refused),
            MentionState.MISSING: {one.record_id for one in absent} - set(gone),
        }
        for state, ids in fates.items():
            pks = [one.pk for one in batch if one.record_id in ids]
            NoticedRecord.objects.filter(pk__in=pks).update(state=state, read_at=now)
    missing = len(fates[MentionState.MISSING])
    counts.read += len(said)
    counts.waiting += new + removed
    counts.unchanged += len(there) - new + len(gone) - removed
    counts.skipped += missing + len(found.refused)
    for reason, number in (("not_found", missing), ("refused", len(found.refused))):
        if number:
            counts.reasons[reason] += number


def _fetched(stream: Stream, source: Source, ids: Sequence[str], fields: Sequence[str]) -> Found:
    """Read these; a batch that is refused is halved until the bad id stands alone."""
    try:
        asked = set(ids)
        rows = source.fetch(stream.object_type, ids, fields)
        return Found([one for one in rows if one.remote_id in asked])
    except RejectedError:
        if len(ids) == 1:
            return Found(refused=list(ids))
    middle = len(ids) // 2
    first, rest = (_fetched(stream, source, part, fields) for part in (ids[:middle], ids[middle:]))
    return Found([*first.records, *rest.records], [*first.refused, *rest.refused])


def _gone(
    stream: Stream, source: Source, absent: Sequence[NoticedRecord], now: datetime
) -> Mapping[str, datetime]:
    """Return when these were deleted, by record id: as the vendor lists it, else as the notice said.

    The listed time is the one that the next poll meets, so the deletion is no news to it. What is neither listed nor
    said to be deleted may only be hidden from us; polls are the net for it.
    """
    listed: dict[str, datetime] = {}
    if absent and deletions.are_wanted(stream):
        since = min(one.happened_at for one in absent) - LEAST_BACK
        listed = dict(source.deleted(stream.object_type, since, now))
    return {
        one.record_id: listed.get(one.record_id, one.happened_at)
        for one in absent
        if one.gone or one.record_id in listed
    }


def _postpone(stream: Stream, now: datetime) -> None:
    waiting = NoticedRecord.objects.filter(stream=stream, state=MentionState.WAITING, due_at__lte=now)
    waiting.update(due_at=now + RETRY)
