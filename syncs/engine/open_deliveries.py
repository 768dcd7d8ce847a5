"""A sync's deliveries that wait or are being sent, as a decision needs them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from syncs.models import Delivery

AT_ONCE = 500


class Open(NamedTuple):
    """A delivery that waits or is being sent."""

    pk: int
    sync_id: int
    record_id: str
    state: str
    version_at: datetime
    lane: str
    attempts: int
    match: str
    deleted: bool | None
    former: Any


def read_open(**where: Any) -> list[Open]:
    """Read open deliveries, locked: what a sender takes meanwhile is not ours to replace."""
    many = next(name for name in where if name in ("record_id__in", "lane__in"))
    values = where.pop(many)
    found: list[Open] = []
    for start in range(0, len(values), AT_ONCE):
        part = {many: values[start : start + AT_ONCE]}
        rows = Delivery.objects.filter(settled_at=None, **where, **part).order_by("pk").select_for_update()
        columns = (*Open._fields[:-3], "payload__match", "payload__deleted", "payload__former")
        found += [Open(*row) for row in rows.values_list(*columns)]
    return found


def formers(own: Sequence[Open], match_value: str) -> list[str]:
    """Return the keys that earlier tries may have landed under: then it is there that the record moves from."""
    found: list[str] = []
    for one in own:
        earlier = one.former or []
        found += [earlier] if isinstance(earlier, str) else earlier
        if one.attempts:
            found.append(one.match)
    return [key for key in dict.fromkeys(found) if key != match_value]


def by_record(deliveries: Iterable[Open]) -> dict[str, list[Open]]:
    found: dict[str, list[Open]] = {}
    for one in deliveries:
        found.setdefault(one.record_id, []).append(one)
    return found
