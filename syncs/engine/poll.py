"""Reads a stream's changes in; moves its watermark with what is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from integration_hub.connectors.contract import Source
from integration_hub.connectors.errors import AuthError, ConfigError, ConnectorError, RejectedError
from integration_hub.connectors.records import Page, ReadRequest
from syncs import changes, connect, holds, incidents, leases, streams
from syncs.engine import deletions, runs, watermark
from syncs.models import Incident, Priority, Stream, SyncRun
from syncs.models.changes import ChangeOrigin
from syncs.models.incidents import IncidentKind
from syncs.models.runs import RunKind, RunState

STARVED_AFTER = timedelta(minutes=10)
"""So long a stream may fail while its connection answers others before that is an incident."""
_REFUSED = frozenset({400, 404, 414, 431})
_NEVER_ASKED = frozenset({"object_type", "query", "not_a_source", "answer_too_large"})
"""Codes of what fails on our side, for what this stream asks: the connection works."""


def run(stream: Stream, now: datetime, *, clock: Callable[[], datetime] = timezone.now) -> SyncRun | None:
    """Poll the stream once, for TASK_SECONDS at most. None: another process is at it.

    Each page is stored together with the watermark it leads to, so a poll that fails or is killed in the middle
    goes on from there at the next one.
    """
    with leases.held(f"poll:{stream.pk}", settings.LEASE_SECONDS, now) as lease:
        if lease is None:
            return None
        Stream.objects.filter(pk=stream.pk).update(next_poll_at=stream.next_poll(now))
        with runs.recording(RunKind.POLL, now=now, stream=stream) as counts:
            try:
                _read(stream, counts, now, clock)
            except ConnectorError as error:
                counts.error = error.message
                failed(stream, error, now)
        return counts.run


def baseline(stream: Stream, now: datetime) -> SyncRun | None:
    """Learn the current values of all records, as what later changes are compared with; decides nothing.

    It ends where the next poll begins: what it stored from there on would be known already, and be no news.
    """
    with (
        leases.held(f"baseline:{stream.pk}", 3600, now) as lease,
        runs.recording(RunKind.BASELINE, now=now, stream=stream) as counts,
    ):
        if lease is None:
            counts.error = "Another baseline of this stream is running."
            return counts.run
        until = _since(stream, stream.started_at or now - timedelta(seconds=stream.overlap_seconds))
        with connect.opened(stream.connection, priority=Priority.BACKFILL) as connector:
            source = streams.as_source(connector, stream)
            fields = streams.fields_to_read(stream, streams.schema_of(stream, now, source), source)
            for page in source.read(ReadRequest(stream.object_type, fields, until=until)):
                _store(stream, page, ChangeOrigin.BASELINE, counts, now)
        Stream.objects.filter(pk=stream.pk).update(baseline_at=now)
        return counts.run


def _read(stream: Stream, counts: runs.Counts, now: datetime, clock: Callable[[], datetime]) -> None:
    end = now + timedelta(seconds=settings.TASK_SECONDS)
    resume_at = None
    with connect.opened(stream.connection, clock=clock, user=f"stream:{stream.key}") as connector:
        source = streams.as_source(connector, stream)
        try:
            for page in _pages(stream, source, now):
                _store(stream, page, ChangeOrigin.POLL, counts, now)
                if clock() >= end:
                    resume_at = page.watermark
                    break
            deletions.read(stream, source, counts, now)
        finally:
            counts.calls = connect.calls_made(connector)
    stream.resume_at = resume_at
    Stream.objects.filter(pk=stream.pk).update(polled_at=now, resume_at=resume_at)
    if resume_at:
        Stream.objects.filter(pk=stream.pk).update(next_poll_at=now)
    holds.answered(stream.connection, now)
    incidents.close(f"stream:{stream.key}", now)


def _pages(stream: Stream, source: Source, now: datetime) -> Iterator[Page]:
    """Yield the pages; a read refused for a field that is gone meanwhile is repeated once without it."""
    since = _since(stream, stream.started_at or _begin(stream, now))
    fields = streams.fields_to_read(stream, streams.schema_of(stream, now, source), source)
    try:
        yield from source.read(ReadRequest(stream.object_type, fields, since=since))
    except ConfigError as error:
        visible = streams.describe(stream, now, source) if _is_about_the_request(error) else None
        remaining = streams.fields_to_read(stream, visible, source) if visible else fields
        if remaining == fields:
            raise
        yield from source.read(ReadRequest(stream.object_type, remaining, since=since))


def _since(stream: Stream, start: datetime) -> datetime:
    return watermark.next_since(
        stream.watermark,
        start=start,
        overlap=timedelta(seconds=stream.overlap_seconds),
        resume_at=stream.resume_at,
    )


def failed(stream: Stream, error: ConnectorError, now: datetime) -> None:
    """Blame the stream for what only its own request is to blame for, the connection for the rest."""
    if not _is_about_the_request(error):
        holds.failed(stream.connection, error, now)
        if not _is_starved(stream, now):
            return
    incidents.raise_incident(
        f"stream:{stream.key}",
        kind=IncidentKind.STREAM,
        title=f"{stream} cannot be read",
        detail=error.message,
        remedy=error.remedy or "Check the object type of the stream and what the connection's user may see.",
        connection=stream.connection,
        now=now,
    )


def _is_starved(stream: Stream, now: datetime) -> bool:
    """Say whether it fails since STARVED_AFTER, and not because its whole connection does, which tells that itself."""
    troubles = Incident.objects.filter(connection=stream.connection_id, closed_at=None)
    if troubles.exclude(kind=IncidentKind.STREAM).exists():
        return False
    polls = SyncRun.objects.filter(kind=RunKind.POLL, stream=stream, started_at__gt=now - 2 * STARVED_AFTER)
    last_success = (
        polls.filter(state=RunState.OK).order_by("-started_at").values_list("started_at", flat=True)
    )
    since = last_success.first() or now - 2 * STARVED_AFTER
    failed = polls.filter(state=RunState.FAILED, started_at__gt=since, started_at__lte=now - STARVED_AFTER)
    return failed.exists()


def _is_about_the_request(error: ConnectorError) -> bool:
    if isinstance(error, RejectedError):
        return True
    refused = isinstance(error, ConfigError) and not isinstance(error, AuthError)
    return refused and (error.status in _REFUSED or error.code in _NEVER_ASKED)


def _store(stream: Stream, page: Page, origin: ChangeOrigin, counts: runs.Counts, now: datetime) -> None:
    with transaction.atomic():
        new = changes.record(stream, page.records, origin, now)
        if origin == ChangeOrigin.POLL:
            stream.watermark = watermark.advanced(stream.watermark, page.watermark)
            Stream.objects.filter(pk=stream.pk).update(watermark=stream.watermark)
    counts.read += len(page.records)
    counts.unchanged += len(page.records) - new
    if origin == ChangeOrigin.BASELINE:
        counts.skipped += new
        counts.reasons["learned"] += new
    else:
        counts.waiting += new


def _begin(stream: Stream, now: datetime) -> datetime:
    """The stream starts here: what changed in the overlap before still counts as seen from the start."""
    stream.started_at = now - timedelta(seconds=stream.overlap_seconds)
    Stream.objects.filter(pk=stream.pk).update(started_at=stream.started_at)
    return stream.started_at
