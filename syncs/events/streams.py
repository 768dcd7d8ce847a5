"""Events as changes: an accepted event of a type that names a stream is a version of a record of that stream."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integration_hub.connectors.json_values import at, moment_at
from integration_hub.connectors.records import Record
from syncs import changes
from syncs.engine import deletions
from syncs.models import EventType, InboundEvent, NoticedRecord, Stream
from syncs.models.changes import ChangeOrigin

LONGEST_ID = 64
_TITLES = ("name", "Name", "title", "Title")
_EMAILS = ("email", "Email")


class UnfitError(ValueError):
    """The event is no change of a record; the text says why, without its values."""


@dataclass(frozen=True, slots=True)
class Told:
    """What an event says of a record."""

    stream: Stream
    kind: EventType
    event: InboundEvent
    record: Record


def kinds() -> dict[tuple[int, str], EventType]:
    """Return the types that feed streams, by source and name."""
    rows = EventType.objects.exclude(stream=None).select_related("stream").defer("schema", "sample")
    return {(one.source_id, one.name): one for one in rows}


def feed(events: Iterable[InboundEvent], now: datetime) -> dict[int, str]:
    """Store what these say of records, in the caller's transaction; return, by event, why one says nothing.

    The same event again adds nothing, so it may be fed twice. An older version that comes late is stored behind the
    newer one, and what is written is decided by the time of the change, not by its arrival.
    """
    wanted = kinds()
    told: list[Told] = []
    unfit: dict[int, str] = {}
    for event in events if wanted else ():
        kind = wanted.get((event.source_id, event.name))
        if kind is None or kind.stream is None:
            continue
        try:
            told.append(Told(kind.stream, kind, event, _record(kind, event)))
        except UnfitError as error:
            unfit[event.pk] = str(error)
    by_stream: dict[int, list[Told]] = defaultdict(list)
    for one in told:
        by_stream[one.stream.pk].append(one)
    for rows in by_stream.values():
        _store(rows[0].stream, rows, now)
    return unfit


def _store(stream: Stream, told: Sequence[Told], now: datetime) -> None:
    named = [one for one in told if one.kind.completed_by_read]
    NoticedRecord.objects.bulk_create(
        [
            NoticedRecord(
                stream=stream, key=f"event:{one.event.uid}", record_id=one.record.remote_id,
                gone=one.kind.is_deletion, happened_at=one.record.modified_at,
                received_at=one.event.received_at, due_at=one.event.received_at,
            )
            for one in named
        ],
        ignore_conflicts=True,
    )  # fmt: skip
    whole = [one for one in told if not one.kind.completed_by_read]
    changes.record(stream, [one.record for one in whole if not one.kind.is_deletion], ChangeOrigin.EVENT, now)
    gone = {one.record.remote_id: one.record.modified_at for one in whole if one.kind.is_deletion}
    if gone and deletions.are_wanted(stream):
        deletions.store(stream, gone, now)


def _record(kind: EventType, event: InboundEvent) -> Record:
    data = event.data if isinstance(event.data, dict) else {}
    values = at(data, kind.record_path)
    if not isinstance(values, dict):
        raise UnfitError(f"{kind.record_path} is no object with values.")
    record_id = _id(at(data, kind.id_path), kind.id_path)
    modified = event.received_at
    if kind.modified_path:
        found = _moment(data, kind.modified_path)
        if found is None:
            raise UnfitError(f"{kind.modified_path} is no time.")
        modified = found
    content = json.dumps(values, sort_keys=True, separators=(",", ":"))
    digest = hashlib.blake2b(content.encode(), digest_size=8).hexdigest()
    return Record(
        remote_id=record_id,
        values=values,
        version=f"{modified.isoformat()}~{digest}",
        modified_at=modified,
        title=_first(values, _TITLES),
        email=_first(values, _EMAILS),
    )


def _id(found: Any, path: str) -> str:
    if isinstance(found, bool) or not isinstance(found, str | int) or not str(found).strip():
        raise UnfitError(f"{path} names no record.")
    record_id = str(found).strip()
    if len(record_id) > LONGEST_ID:
        raise UnfitError(f"{path} has more than {LONGEST_ID} characters.")
    return record_id


def _moment(data: dict[str, Any], path: str) -> datetime | None:
    """Return the time at a path; None: there is none, or none that a database holds."""
    try:
        return moment_at(data, path)
    except OverflowError:
        return None


def _first(values: dict[str, Any], names: Sequence[str]) -> str:
    return next((values[name] for name in names if isinstance(values.get(name), str)), "")
