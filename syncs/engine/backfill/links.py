"""Record links by the page: one statement each to read them, to write them, and to note that a run met them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import Q

from syncs.engine.backfill.fates import Fate, Known, Live, Rival, Row
from syncs.models import Delivery, Priority, RecordLink, Sync
from syncs.models.deliveries import DeliveryState
from syncs.models.links import LinkState

MARK = "\x1f"
"""Between the values of one column: a whole page goes as six texts, which costs a fraction of 12,000 parameters."""
_TABLE = RecordLink._meta.db_table

_IN_LIST = {
    "postgresql": "= ANY(string_to_array(%s, E'\\x1f'))",
    "sqlite": "IN (SELECT value FROM json_each(%s))",
}
_MERGE = f"""
ON CONFLICT (sync_id, record_id) DO UPDATE SET
    match_value = CASE WHEN EXCLUDED.state = 'written' OR {_TABLE}.written_at IS NULL
        THEN EXCLUDED.match_value ELSE {_TABLE}.match_value END,
    payload_hash = CASE WHEN EXCLUDED.state = 'written' THEN EXCLUDED.payload_hash ELSE {_TABLE}.payload_hash END,
    version_at = EXCLUDED.version_at, state = EXCLUDED.state, reason = EXCLUDED.reason,
    written_at = COALESCE(EXCLUDED.written_at, {_TABLE}.written_at), run_id = EXCLUDED.run_id,
    remote_id = COALESCE(EXCLUDED.remote_id, {_TABLE}.remote_id), problem = EXCLUDED.problem
WHERE {_TABLE}.version_at <= EXCLUDED.version_at
"""
_COLUMNS = f"""
INSERT INTO {_TABLE} (sync_id, run_id, record_id, match_value, payload_hash, version_at, state, reason, written_at,
    remote_id, problem)
"""
_UNNESTED = ", ".join(["string_to_array(%s, E'\\x1f')"] * 9)
_POSTGRES = f"""{_COLUMNS}
SELECT %s, %s, COALESCE(r, ''), COALESCE(m, ''), COALESCE(h, ''), v::timestamptz, s, COALESCE(w, ''),
    CASE WHEN t = '1' THEN %s::timestamptz END, NULLIF(i, ''), NULLIF(p, '')
FROM unnest({_UNNESTED}) AS rows (r, m, h, v, s, w, t, i, p)
{_MERGE}"""  # noqa: S608 - constants
_SQLITE = f"{_COLUMNS} VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) {_MERGE}"


def known(sync: Sync, ids: Sequence[str], *, since: datetime | None = None) -> dict[str, Known]:
    """Return what is known of these records, by id; `since` says from when on a write is a fresh one."""
    query = (
        "SELECT record_id, match_value, payload_hash, version_at, state, run_id, written_at IS NOT NULL, "  # noqa: S608 - constants
        "written_at >= %s, remote_id "
        f"FROM {_TABLE} "
        f"WHERE sync_id = %s AND record_id {_IN_LIST[connection.vendor]}"
    )
    with connection.cursor() as cursor:
        begun = connection.ops.adapt_datetimefield_value(since) if since else None
        cursor.execute(query, [begun, sync.pk, _listed(ids)])
        return {
            row[0]: Known(
                row[1], row[2], _instant(row[3]), row[4], row[5], bool(row[6]), bool(row[7]), row[8] or ""
            )
            for row in cursor.fetchall()
        }


def rivals(sync_ids: Sequence[int], match_values: Sequence[str]) -> dict[str, list[Rival]]:
    """Return which records were written under these match values by these syncs."""
    # The state is not asked for: a database without statistics would read all that was written, by that index.
    marks = ", ".join(["%s"] * len(sync_ids))
    query = (
        f"SELECT match_value, sync_id, record_id, version_at, state, remote_id FROM {_TABLE} "  # noqa: S608 - a constant
        f"WHERE sync_id IN ({marks}) AND match_value {_IN_LIST[connection.vendor]}"
    )
    found: dict[str, list[Rival]] = {}
    with connection.cursor() as cursor:
        cursor.execute(query, [*sync_ids, _listed(match_values)])
        for match_value, sync_id, record_id, version_at, state, remote_id in cursor.fetchall():
            if state == LinkState.WRITTEN:
                rival = Rival(sync_id, record_id, _instant(version_at), remote_id or "")
                found.setdefault(match_value, []).append(rival)
    return found


def store(sync: Sync, run_id: int, fates: Sequence[Fate], now: datetime) -> int:
    """Store what became of records, unless something newer is stored; return how many were taken."""
    if not fates:
        return 0
    ordered = sorted(fates)  # two processes that store the same records must not wait for each other
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            columns = zip(*[_texts(fate) for fate in ordered], strict=True)
            cursor.execute(_POSTGRES, [sync.pk, run_id, now, *map(MARK.join, columns)])
        else:
            cursor.executemany(_SQLITE, [_parameters(sync.pk, run_id, fate, now) for fate in ordered])
        return int(cursor.rowcount)


def newer(sync: Sync, rows: Sequence[Row]) -> set[str]:
    """Return the ids of those rows of which the link knows a newer version."""
    found = known(sync, [row.record_id for row in rows])
    return {row.record_id for row in rows if found[row.record_id].version_at > row.modified_at}


def touch(sync: Sync, run_id: int, ids: Sequence[str]) -> None:
    """Note that the run met these records; what is known of them stays."""
    if not ids:
        return
    query = f"UPDATE {_TABLE} SET run_id = %s WHERE sync_id = %s AND record_id {_IN_LIST[connection.vendor]}"  # noqa: S608 - a constant
    with connection.cursor() as cursor:
        cursor.execute(query, [run_id, sync.pk, _listed(ids)])


def doubt(sync: Sync, family: Sequence[int], rows: Sequence[Row]) -> None:
    """Let the next comparison find a difference: what stands at the destination is in doubt.

    Also for other records with these match values. The run is taken off, too: a live delivery that settles after
    this stores a payload again, and this run must not take it for its own.
    """
    among = _IN_LIST[connection.vendor]
    marks = ", ".join(["%s"] * len(family))
    own = f"UPDATE {_TABLE} SET payload_hash = '', run_id = NULL WHERE sync_id = %s AND record_id {among}"  # noqa: S608 - constants
    shared = f"UPDATE {_TABLE} SET payload_hash = '' WHERE sync_id IN ({marks}) AND match_value {among}"  # noqa: S608 - constants
    with connection.cursor() as cursor:
        cursor.execute(own, [sync.pk, _listed(sorted(row.record_id for row in rows))])
        cursor.execute(shared, [*family, _listed(sorted(row.mapped.match_value for row in rows))])


def live(sync: Sync, *, since: datetime | None = None) -> Live:
    """Return what live deliveries are about to write; with `since`, what they write now or wrote meanwhile."""
    if since is None:
        wanted = Q(state__in=(DeliveryState.WAITING, DeliveryState.SENDING))
    else:
        wanted = Q(state=DeliveryState.SENDING) | Q(state=DeliveryState.DELIVERED, settled_at__gte=since)
    rows = Delivery.objects.filter(
        wanted,
        connection=sync.destination_id,
        object_type=sync.object_type,
        priority__lt=Priority.BACKFILL,
    ).values_list("lane", "record_id")
    found = list(rows)
    return Live(frozenset(lane for lane, _ in found), frozenset(one for _, one in found if one))


def analyze() -> None:
    """Let PostgreSQL see how large the table has grown; planning by what it was, it reads all of it for each page."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {_TABLE}")


def _texts(fate: Fate) -> tuple[str, ...]:
    return (
        fate.record_id,
        _clean(fate.match_value),
        fate.payload_hash,
        fate.version_at.isoformat(),
        fate.state,
        _clean(fate.reason),
        "1" if fate.sent else "",
        _clean(fate.remote_id),
        _clean(fate.problem),
    )


def _parameters(sync_id: int, run_id: int, fate: Fate, now: datetime) -> tuple[Any, ...]:
    adapt = connection.ops.adapt_datetimefield_value
    return (
        sync_id,
        run_id,
        fate.record_id,
        fate.match_value,
        fate.payload_hash,
        adapt(fate.version_at),
        fate.state,
        fate.reason,
        adapt(now) if fate.sent else None,
        fate.remote_id or None,
        fate.problem or None,
    )


def _clean(text: str) -> str:
    return text if text.isprintable() else text.replace(MARK, " ").replace("\0", "")


def _listed(values: Iterable[str]) -> str:
    if connection.vendor == "postgresql":
        return MARK.join(values)
    return json.dumps(list(values))


def _instant(value: Any) -> datetime:
    """SQLite knows no zones: it gives the instant in UTC without saying so, or its text."""
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
