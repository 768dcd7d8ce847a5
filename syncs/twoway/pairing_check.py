"""What is wrong with a sync as the way back of another, or with the forward way that has one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from syncs import destinations
from syncs.models import FieldMapping, Sync
from syncs.models.syncs import WhenDeleted
from syncs.twoway.pairing import fields_of

if TYPE_CHECKING:
    from syncs.mappings.check import Finding

Found = Iterator[tuple[str, str, bool]]
"""The field of the form, the sentence, and whether it is a mere warning."""


def findings(sync: Sync, rows: Sequence[FieldMapping]) -> Iterator[Finding]:
    """Yield what a person should hear when saving one half of a two-way sync."""
    from syncs.mappings.check import Finding

    for place, message, warning in _found(sync, rows):
        yield Finding(place, message, warning)


def _found(sync: Sync, rows: Sequence[FieldMapping]) -> Found:
    forward = sync.counterpart
    if forward is None:
        back = Sync.objects.filter(counterpart=sync.pk).first() if sync.pk else None
        if back is not None:
            yield from _ends(sync, back, "destination")
            yield from _fields(rows, list(back.mappings.all()), "match_path")
        return
    if forward.pk == sync.pk:
        yield (
            "counterpart",
            "A sync cannot be its own way back. Choose the sync that writes the other way.",
            False,
        )
        return
    if forward.counterpart_id:
        yield "counterpart", f"“{forward}” is a way back itself. Choose a forward way.", False
        return
    yield from _ends(forward, sync, "counterpart")
    yield from _fields(list(forward.mappings.all()), rows, "counterpart")
    if sync.most_writes < 1 or sync.within_minutes < 1:
        yield (
            "most_writes",
            "With 0 every write would park its record. Choose at least 1, and 1 minute.",
            False,
        )
    if WhenDeleted.REMOVE in (sync.when_deleted, forward.when_deleted):
        words = "What is deleted on one side is removed on the other, and that cannot be undone here."
        yield "when_deleted", words, True


def _ends(forward: Sync, back: Sync, place: str) -> Found:
    """Say where the two do not lead from and to the same records."""
    if destinations.tells_events(forward) or destinations.tells_events(back):
        yield place, "Events only go one way. Choose a sync of records.", False
        return
    if back.stream.connection_id != forward.destination_id:
        message = (
            f"“{forward}” writes to {forward.destination}, but “{back}” reads from {back.stream.connection}."
        )
        yield place, f"{message} Both must be one connection.", False
    elif back.stream.object_type.casefold() != forward.object_type.casefold():
        message = f"“{forward}” writes {forward.object_type}, but “{back}” reads {back.stream.object_type}."
        yield place, f"{message} Both must be one object type.", False
    if back.destination_id != forward.stream.connection_id:
        message = (
            f"“{forward}” reads from {forward.stream.connection}, but “{back}” writes to {back.destination}."
        )
        yield place, f"{message} Both must be one connection.", False
    elif back.object_type.casefold() != forward.stream.object_type.casefold():
        message = f"“{forward}” reads {forward.stream.object_type}, but “{back}” writes {back.object_type}."
        yield place, f"{message} Both must be one object type.", False


def _fields(forward: Sequence[FieldMapping], back: Sequence[FieldMapping], place: str) -> Found:
    fields = fields_of(forward, back)
    if not any(field.is_shared for field in fields):
        message = (
            "No field goes both ways. A field does if the way back maps from the path that the forward way "
            "writes to the field that it reads."
        )
        yield place, message, False
        return
    single = sorted(field.right or field.left for field in fields if not field.is_shared)
    if single:
        yield place, f"These go one way only: {', '.join(single)}.", True
