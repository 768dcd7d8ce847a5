"""The ids that an operator gives to a backfill: those of its own records, and what is said of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from syncs.models import Sync
from syncs.wording import counted


@dataclass(frozen=True, slots=True)
class Chosen:
    """`remarks` are sentences on the ids that are left out."""

    ids: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def choose(found: Mapping[str, Sequence[str]], sync: Sync) -> Chosen:
    """Take the ids of the sync's own object type. ValueError: there are none."""
    own: tuple[str, ...] = ()
    remarks = []
    for object_type, ids in found.items():
        if object_type == sync.stream.object_type:
            own = tuple(ids)
        else:
            remarks.append(
                f"{counted(len(ids), 'id')} of {object_type} left out: {_whose(object_type, sync)}"
            )
    if not own:
        raise ValueError("\n".join([*remarks, f"There is no id of a {sync.stream.object_type} among them."]))
    return Chosen(own, tuple(remarks))


def _whose(object_type: str, sync: Sync) -> str:
    connection = sync.stream.connection_id
    others = Sync.objects.filter(stream__connection=connection, stream__object_type=object_type)
    keys = ", ".join(others.order_by("key").values_list("key", flat=True))
    return f"see the sync {keys}." if keys else "no sync reads them."
