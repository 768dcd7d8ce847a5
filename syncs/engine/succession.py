"""Who comes next under a match value that a record has left: the best of those that waited for it.

It comes as a change of its stream, made of the record's newest one, so that it is decided like any other: also where
somebody else took the value in the same moment, whom it is told of then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from syncs import changes, writes
from syncs.engine.mapping import Mapper
from syncs.mappings import rows as mapping_rows
from syncs.models import Change, RecordLink, Sync
from syncs.models.changes import ChangeOrigin
from syncs.models.links import LinkState

MOST = 20
"""Of so many that wait for one match value the best is looked for."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A record that was passed over, with its newest version."""

    sync: Sync
    change: Change


def follow(sync: Sync, match_values: Collection[str], now: datetime) -> int:
    """Queue those that take over; return how many. Call it in the transaction that frees the match values.

    Records that only a backfill has met have no version here: the next backfill, or their next change, takes them.
    """
    values = set(match_values) - {""}
    if not values:
        return 0
    family = writes.siblings(sync)
    mappers = {pk: mapping_rows.mapper_of(one) for pk, one in family.items()}
    queued = 0
    for value in sorted(values):
        best = max(_waiting(family, mappers, value), default=None, key=_rank)
        queued += changes.repeat(best.change, ChangeOrigin.SUCCESSION, now) if best else 0
    return queued


def follow_all(freed: Mapping[int, Collection[str]], now: datetime) -> None:
    """Do so for the match values that each of these syncs has left."""
    for sync in Sync.objects.filter(pk__in=freed) if freed else ():
        follow(sync, freed[sync.pk], now)


def _waiting(family: dict[int, Sync], mappers: dict[int, Mapper], value: str) -> list[Waiting]:
    """Return those that were passed over and still map to the value: by their links, or by their newest e-mail.

    The link of one that was written elsewhere before names that place, not the one it waits for.
    """
    skipped = RecordLink.objects.filter(sync__in=family, state=LinkState.SKIPPED)
    asked = set(skipped.filter(match_value=value).values_list("sync_id", "record_id")[:MOST])
    if "@" in value:
        streams = {one.stream_id for one in family.values()}
        ids = set(
            Change.objects.filter(email=value.casefold(), stream__in=streams)
            .order_by("-pk")
            .values_list("record_id", flat=True)[:MOST]
        )
        asked |= set(skipped.filter(record_id__in=ids).values_list("sync_id", "record_id"))
    found = []
    for sync_id, record_id in asked:
        sync = family[sync_id]
        newest = changes.newest(sync.stream_id, record_id)
        if newest is None or newest.origin == ChangeOrigin.DELETED:
            continue
        if mappers[sync_id](newest.values, record_id).match_value == value:
            found.append(Waiting(sync, newest))
    return found


def _rank(one: Waiting) -> writes.Rank:
    return writes.rank(one.sync, one.change.modified_at, one.change.record_id)
