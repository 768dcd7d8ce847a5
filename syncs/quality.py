"""Records that were not written because of their data: grouped by sync, field and reason, tried again as a group."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Min, QuerySet

from integration_hub.connectors.errors import ConnectorError
from integration_hub.connectors.records import Record
from syncs import changes, connect, corrections, destinations, outbox, streams
from syncs.engine import parents
from syncs.engine.mapping import IGNORED, Line
from syncs.mappings import rows as mapping_rows
from syncs.models import Correction, Delivery, FieldMapping, Priority, RecordLink, Sync
from syncs.models.changes import ChangeOrigin
from syncs.models.deliveries import DeliveryState

MOST_GROUPS = 200
EXAMPLES = 2
AT_ONCE = 200
"""Records that are read and queued together; one call or a few, and one transaction."""
PATIENCE = 10.0
_OTHERS = re.compile(r" \(\d+ more\)$")


class QualityError(ValueError):
    """Why it cannot be done, in a sentence."""


@dataclass(frozen=True, slots=True)
class Group:
    """Records of one sync with one problem. `field` is the line as the mapping names it, "" if nobody said which."""

    sync: Sync
    problem: str
    reason: str
    count: int = 0
    examples: Sequence[str] = ()

    @property
    def field(self) -> str:
        line, colon, _ = self.reason.partition(": ")
        return line if colon and " → " in line else ""

    @property
    def records(self) -> QuerySet[RecordLink]:
        rows = RecordLink.objects.filter(sync=self.sync, problem=self.problem)
        return rows.filter(reason__startswith=self.reason) if self.reason else rows

    def mapping(self) -> FieldMapping | None:
        """Return the line that refuses, None if it is not known or is not there any more."""
        source, arrow, destination = self.field.partition(" → ")
        if not arrow:
            return None
        rows = self.sync.mappings.select_related("value_map").filter(destination=destination)
        return rows.filter(source="" if source == "Liquid" else source).first()


@dataclass(frozen=True, slots=True)
class Trial:
    """How many of those that were looked at would be written now."""

    looked_at: int
    would_pass: int
    gone: int


def groups() -> list[Group]:
    """Return the groups with the most records first, each with its newest and oldest as examples; three queries."""
    counts: Counter[tuple[int, str, str]] = Counter()
    known: dict[tuple[int, str, str], set[int]] = {}
    listed = RecordLink.objects.filter(problem__isnull=False).exclude(problem=IGNORED)
    rows = listed.values_list("sync", "problem", "reason").annotate(Count("pk"), Max("pk"), Min("pk"))
    for sync_id, problem, reason, count, newest, oldest in rows.order_by():
        key = sync_id, problem, _OTHERS.sub("", reason)
        counts[key] += count
        known.setdefault(key, set()).update((newest, oldest))
    largest = counts.most_common(MOST_GROUPS)
    syncs = Sync.objects.select_related("stream__connection", "destination").in_bulk(
        {sync_id for (sync_id, _, _), _ in largest}
    )
    chosen = {key: sorted(known[key], reverse=True)[:EXAMPLES] for key, _ in largest}
    links = RecordLink.objects.filter(pk__in={pk for pks in chosen.values() for pk in pks})
    ids = dict(links.values_list("pk", "record_id"))
    return [
        Group(syncs[key[0]], *key[1:], count, [ids[pk] for pk in chosen[key] if pk in ids])
        for key, count in largest
    ]


def group(sync: Sync, problem: str, reason: str) -> Group:
    found = Group(sync, problem, reason)
    return Group(sync, problem, reason, found.records.count())


def ignored() -> int:
    return RecordLink.objects.filter(problem=IGNORED).count()


def read(sync: Sync, record_ids: Sequence[str], now: datetime) -> dict[str, Record]:
    """Return these records as their source has them now, by id. ConnectorError: it does not answer."""
    stream = sync.stream
    with connect.opened(stream.connection, priority=Priority.BACKFILL, patience=PATIENCE) as connector:
        source = streams.as_source(connector, stream)
        fields = streams.fields_to_read(stream, streams.schema_of(stream, now, source), source)
        found = source.fetch(stream.object_type, list(record_ids), fields)
    return {record.remote_id: record for record in found}


def try_out(one: Group, now: datetime) -> Trial:
    """Map the newest records of the group as they are now and say how many would be written; nothing is."""
    _describe_anew(one.sync)
    ids = list(one.records.order_by("-pk").values_list("record_id", flat=True)[:AT_ONCE])
    found = read(one.sync, ids, now)
    mapper = mapping_rows.mapper_of(one.sync)
    passing = [record for record in found.values() if not mapper(record.values, record.remote_id).problem]
    return Trial(len(ids), len(passing), len(ids) - len(found))


def replay(one: Group, now: datetime, *, after: int = 0, up_to: int | None = None) -> tuple[int, int]:
    """Queue the next records of the group, read anew; return how many were, and after which link to go on (0: done).

    They are decided like any change. Dead letters of theirs are given up: a new delivery takes their place.
    """
    sync = one.sync
    if not sync.enabled:
        raise QualityError(f"{sync} is switched off, so nothing would be written. Switch it on first.")
    if destinations.tells_events(sync):
        raise QualityError(f"{sync} tells events: what was not told then is not told later.")
    rows = one.records.filter(pk__gt=after)
    if up_to:
        rows = rows.filter(pk__lte=up_to)
    chosen = list(rows.order_by("pk").values_list("pk", "record_id")[:AT_ONCE])
    if not chosen:
        return 0, 0
    ids = [record_id for _, record_id in chosen]
    records = list(read(sync, ids, now).values())
    with transaction.atomic():
        queued = changes.record(sync.stream, parents.marked(records, now), ChangeOrigin.REPAIR, now)
        dead = Delivery.objects.filter(sync=sync, record_id__in=ids, state=DeliveryState.DEAD)
        outbox.dismiss(dead, now)
    return queued, chosen[-1][0] if len(chosen) == AT_ONCE else 0


def take_back(correction: Correction, now: datetime) -> int:
    """Take what the source says again, and have the record decided anew; return how many were queued (0 or 1)."""
    sync = correction.sync
    if not sync.enabled:
        corrections.forget(correction)
        return 0
    records = list(read(sync, [correction.record_id], now).values())
    with transaction.atomic():
        corrections.forget(correction)
        return changes.record(sync.stream, parents.marked(records, now), ChangeOrigin.REPAIR, now)


def sources(sync: Sync) -> list[str]:
    """Return the fields that can be corrected."""
    return sorted(mapping_rows.source_fields(sync))


def line_of(one: Group) -> Line | None:
    row = one.mapping()
    return mapping_rows.line_of(row) if row else None


def value_at(values: Mapping[str, Any], source: str) -> Any:
    found: Any = values
    for name in source.split(".") if source else ():
        found = found.get(name) if isinstance(found, Mapping) else None
    return None if isinstance(found, Mapping) else found


def _describe_anew(sync: Sync) -> None:
    """Ask the destination what it takes now: what was added there since must not be refused here."""
    try:
        destinations.fields(sync.destination, sync.object_type)
    except ConnectorError:
        return  # judged by what it said last
