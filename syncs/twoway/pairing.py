"""What makes two opposite syncs one two-way sync: the fields that both map, and who wins each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from syncs.engine.mapping import Mapper
from syncs.mappings import rows as mapping_rows
from syncs.models import FieldMapping, Sync
from syncs.models.mappings import WriteMode
from syncs.twoway.merge import Side, Winner

TOLD_BY = ("hs_updated_by_user_id", "changed_by", "LastModifiedBy.Name", "LastModifiedById", "updated_by")
"""Where vendors tell who changed a record last; the first that a record has is shown with a conflict."""
MERGED = "hs_merged_object_ids"
"""Where HubSpot names the records that were merged into this one."""


@dataclass(frozen=True, slots=True)
class Field:
    """A value that both records have. An empty path: that side's records do not have it, and only take or give it."""

    left: str
    right: str
    winner: Winner = Winner.SOURCE

    @property
    def key(self) -> str:
        return f"{self.left}|{self.right}"

    @property
    def is_shared(self) -> bool:
        return bool(self.left and self.right)

    def path(self, side: Side) -> str:
        return self.left if side is Side.LEFT else self.right


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two opposite syncs, seen from the one whose changes are decided."""

    forward: Sync
    back: Sync
    side: Side
    fields: tuple[Field, ...]
    their_mapper: Mapper

    @property
    def own(self) -> Sync:
        return self.forward if self.side is Side.LEFT else self.back

    @property
    def counterpart(self) -> Sync:
        return self.back if self.side is Side.LEFT else self.forward


def load(sync: Sync) -> Pairing | None:
    """Return the two-way sync that this one is half of; None: it writes one way only."""
    ends = ends_of(sync)
    if ends is None:
        return None
    forward, back = ends
    side = Side.LEFT if forward.pk == sync.pk else Side.RIGHT
    counterpart = back if side is Side.LEFT else forward
    fields = tuple(_seen_from(side, fields_of(list(forward.mappings.all()), list(back.mappings.all()))))
    return Pairing(forward, back, side, fields, mapping_rows.mapper_of(counterpart))


def ends_of(sync: Sync) -> tuple[Sync, Sync] | None:
    """Return its forward way and its way back."""
    if sync.counterpart_id:
        return Sync.objects.select_related("stream").get(pk=sync.counterpart_id), sync
    back = Sync.objects.filter(counterpart=sync.pk).select_related("stream").first() if sync.pk else None
    return (sync, back) if back else None


def fields_of(forward: Sequence[FieldMapping], back: Sequence[FieldMapping]) -> list[Field]:
    """Return the fields of both mappings. Shared is what each way reads where the other writes it."""
    there = {(row.destination, row.source) for row in back if row.source}
    found = [
        Field(row.source, row.destination, _winner(row))
        if (row.source, row.destination) in there
        else Field("", row.destination)
        for row in forward
        if row.write_mode != WriteMode.ON_CREATE
    ]
    shared = {(one.left, one.right) for one in found if one.is_shared}
    found += [
        Field(row.destination, "")
        for row in back
        if (row.destination, row.source) not in shared and row.write_mode != WriteMode.ON_CREATE
    ]
    return found


def asked_for(sync: Sync) -> set[str]:
    """Return the fields that a stream must carry besides what is mapped, for both ways to know their records."""
    ends = ends_of(sync)
    if ends is None:
        return set()
    forward, back = ends
    own_key = back.match_path if sync.pk == forward.pk else forward.match_path
    return {*TOLD_BY, MERGED, own_key}


def _winner(row: FieldMapping) -> Winner:
    return Winner.KEEP if row.write_mode == WriteMode.IF_EMPTY else Winner(row.winner)


def _seen_from(side: Side, fields: Sequence[Field]) -> Iterator[Field]:
    """Leave out what only the other way writes."""
    for field in fields:
        if field.path(side.other):
            yield field


def who(values: Mapping[str, object]) -> str:
    """Return who changed the record last, as far as the vendor tells."""
    for name in TOLD_BY:
        first, _, last = name.partition(".")
        found = values.get(first)
        if last and isinstance(found, dict):
            found = found.get(last)
        if found and not isinstance(found, dict):
            return str(found)[:100]
    return ""
