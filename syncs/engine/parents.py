"""Children of changed parents: a renamed account or owner changes the payload of everybody below it.

A sync that maps `Account.Name` watches no accounts. Where the operator has made a stream of the parent's object type
at the same connection, its changes ask for the children here, and they come in as changes of their own stream.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from integration_hub.connectors.contract import Source
from integration_hub.connectors.errors import ConnectorError
from integration_hub.connectors.filters import Condition, Operator
from integration_hub.connectors.records import ReadRequest, Record
from integration_hub.connectors.schema import FieldType
from syncs import changes, connect, holds, leases, streams
from syncs.mappings import rows as mapping_rows
from syncs.models import Change, Connection, ParentChange, Priority, Stream, Sync
from syncs.models.changes import ChangeOrigin

AT_ONCE = 200
"""Parents in one query: each costs some 28 characters of an address that may have 16,384."""
OBJECT_TYPES = {"Owner": "User", "CreatedBy": "User", "LastModifiedBy": "User", "ReportsTo": "Contact"}
"""Relationships that are not named after the object type they lead to, where no description says so."""


@dataclass(frozen=True, slots=True)
class Interest:
    """Some syncs of `stream` map these fields of the parents that its `field` names."""

    stream: Stream
    field: str
    parent_fields: frozenset[str]


def interests(parent: Stream) -> list[Interest]:
    """Return whose children are to be read again when records of this stream change."""
    found: dict[tuple[int, str], set[str]] = {}
    children: dict[int, Stream] = {}
    syncs = Sync.objects.filter(
        enabled=True, stream__enabled=True, stream__connection=parent.connection_id
    ).select_related("stream__connection")
    for sync in syncs.exclude(stream=parent):
        for source in mapping_rows.source_fields(sync):
            relationship, _, field = source.partition(".")
            lookup = lookup_of(relationship)
            if field and parent.object_type in _targets(sync.stream, relationship, lookup):
                children[sync.stream_id] = sync.stream
                found.setdefault((sync.stream_id, lookup), set()).add(field)
    return [Interest(children[pk], field, frozenset(names)) for (pk, field), names in found.items()]


def lookup_of(relationship: str) -> str:
    """Return the field that holds the parent's id: AccountId of Account, Region__c of Region__r."""
    custom = relationship.removesuffix("__r")
    return f"{relationship}Id" if custom == relationship else f"{custom}__c"


def _targets(stream: Stream, relationship: str, lookup: str) -> Collection[str]:
    """Return the object types that a relationship leads to, as described; else as they are usually named."""
    for name, _label, _type, options, *_flags in stream.schema.get("fields", ()):
        if name == lookup and options:
            return [str(one) for one in options]
    return [OBJECT_TYPES.get(relationship, relationship)]


def request(wanted: Sequence[Interest], batch: Sequence[Change], now: datetime) -> set[int]:
    """Ask for the children of those that changed in a field that matters; return the ids of these changes.

    Call it in the transaction that marks the changes as routed.
    """
    if not wanted:
        return set()
    before = changes.previous(batch)
    asked: set[int] = set()
    rows: dict[tuple[int, str, str], ParentChange] = {}
    for change in batch:
        for interest in wanted:
            if change.origin != ChangeOrigin.DELETED and _differs(change, before.get(change.pk), interest):
                asked.add(change.pk)
                key = (interest.stream.pk, interest.field, change.record_id)
                rows[key] = ParentChange(
                    stream=interest.stream, field=interest.field, record_id=change.record_id, requested_at=now
                )
    ParentChange.objects.bulk_create(
        rows.values(),
        update_conflicts=True,
        unique_fields=["stream", "field", "record_id"],
        update_fields=["requested_at", "resume_at"],
    )
    return asked


def waiting(now: datetime) -> list[Stream]:
    """Return the streams that have children to read and whose connection may be called."""
    due = ParentChange.objects.values("stream")
    usable = Connection.objects.usable(now)
    return list(
        Stream.objects.filter(pk__in=due, enabled=True, connection__in=usable).select_related("connection")
    )


def run(stream: Stream, now: datetime, *, clock: Callable[[], datetime] = timezone.now) -> int:
    """Read the children that are asked for, for TASK_SECONDS at most; return how many changes came of it.

    The request goes when its last page is stored, so a crash repeats pages and loses none.
    """
    new = 0
    end = now + timedelta(seconds=settings.TASK_SECONDS)
    with leases.held(f"children:{stream.pk}", settings.LEASE_SECONDS, now) as lease:
        if lease is None:
            return 0
        try:
            with connect.opened(stream.connection, priority=Priority.FLOW, clock=clock) as connector:
                source = streams.as_source(connector, stream)
                fields = streams.fields_to_read(stream, streams.schema_of(stream, now, source), source)
                while clock() < end and (batch := _next(stream)):
                    new += _read(stream, source, fields, batch, end, clock)
        except ConnectorError as error:
            holds.failed(stream.connection, error, now)
    return new


def _next(stream: Stream) -> list[ParentChange]:
    """Return parents of one kind that are equally far: those begun first, then the oldest."""
    rows = ParentChange.objects.filter(stream=stream).order_by("requested_at", "pk")
    first = rows.exclude(resume_at=None).first() or rows.first()
    if first is None:
        return []
    return list(rows.filter(field=first.field, resume_at=first.resume_at)[:AT_ONCE])


def _read(
    stream: Stream,
    source: Source,
    fields: Sequence[str],
    batch: Sequence[ParentChange],
    end: datetime,
    clock: Callable[[], datetime],
) -> int:
    new = 0
    ids = tuple(one.record_id for one in batch)
    where = Condition(batch[0].field, FieldType.REFERENCE, Operator.ONE_OF, ids)
    mark = max(one.requested_at for one in batch)
    same = ParentChange.objects.filter(pk__in=[one.pk for one in batch], requested_at__lte=mark)
    wanted = ReadRequest(stream.object_type, fields, since=batch[0].resume_at, where=where)
    for page in source.read(wanted):
        with transaction.atomic():
            new += changes.record(stream, marked(page.records, mark), ChangeOrigin.PARENT, clock())
        if clock() >= end:
            same.update(resume_at=page.watermark)
            return new
    same.delete()
    return new


def marked(records: Iterable[Record], mark: datetime) -> list[Record]:
    """Give the records versions of their own.

    Theirs did not change, and one that a parent's change leads back to earlier values would pass for known.
    """
    suffix = f"~{int(mark.timestamp() * 1000):x}"
    return [replace(one, version=f"{one.version[: 80 - len(suffix)]}{suffix}") for one in records]


def _differs(change: Change, before: Change | None, interest: Interest) -> bool:
    if before is None:
        return True
    return any(_value(change.values, name) != _value(before.values, name) for name in interest.parent_fields)


def _value(values: Any, path: str) -> Any:
    for name in path.split("."):
        values = values.get(name) if isinstance(values, dict) else None
    return values
