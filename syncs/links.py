"""Verbs of record links: read, find who has a match value, settle what was written, note what was not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection as database
from django.db.models import Q

from syncs.models import Delivery, RecordLink, Sync
from syncs.models.links import LinkState

CHUNK = 1_000
_COLUMNS = (
    *("sync_id", "record_id", "match_value", "payload_hash", "version_at", "state", "reason"),
    *("written_at", "run_id", "remote_id", "problem"),
)


class Link(NamedTuple):
    """What is known of one record. `written_at` None: it is not there, at least not as this record.

    `remote_id` is its id there, None where none is known or the destination gives none.
    """

    match_value: str
    payload_hash: str
    version_at: datetime
    state: str
    written_at: datetime | None
    remote_id: str | None = None

    def is_same(self, match_value: str, payload_hash: str) -> bool:
        """Say whether this payload stands there already."""
        return (
            self.state == LinkState.WRITTEN
            and self.payload_hash == payload_hash
            and self.match_value == match_value
        )


class Holder(NamedTuple):
    """A record under a match value: it writes there (state written), or waits for its turn."""

    sync_id: int
    record_id: str
    match_value: str
    version_at: datetime
    state: str
    remote_id: str | None = None


class Entry(NamedTuple):
    """A link as it is to be. `run_id` None leaves the backfill that is named there, `remote_id` None the id.

    `problem` is the code, where the record's data is why it was not written.
    """

    sync_id: int
    record_id: str
    match_value: str
    payload_hash: str
    version_at: datetime
    state: str
    reason: str = ""
    written_at: datetime | None = None
    run_id: int | None = None
    remote_id: str | None = None
    problem: str | None = None


def read(sync_id: int, record_ids: Collection[str]) -> dict[str, Link]:
    """Return what is known of these records, by id."""
    found: dict[str, Link] = {}
    for ids in _chunks(record_ids):
        rows = RecordLink.objects.filter(sync=sync_id, record_id__in=ids)
        for record_id, *values in rows.values_list("record_id", *Link._fields):
            found[record_id] = Link(*values)
    return found


def read_as_there(sync_id: int, record_ids: Collection[str]) -> dict[str, Link]:
    """Return what is known of these records; one that was passed over has the id of the one that was written."""
    found = read(sync_id, record_ids)
    passed_over = {
        record_id: link
        for record_id, link in found.items()
        if link.state == LinkState.SKIPPED and link.match_value and not link.remote_id
    }
    if not passed_over:
        return found
    written = RecordLink.objects.filter(
        sync=sync_id,
        state=LinkState.WRITTEN,
        match_value__in={link.match_value for link in passed_over.values()},
    )
    ids = dict(written.values_list("match_value", "remote_id"))
    return found | {
        record_id: link._replace(remote_id=ids.get(link.match_value))
        for record_id, link in passed_over.items()
    }


def with_the_same_match(sync_id: int, record_ids: Collection[str]) -> list[str]:
    """Return the records that were passed over because one of these has their match value."""
    own = RecordLink.objects.filter(sync=sync_id, record_id__in=record_ids, state=LinkState.WRITTEN)
    others = RecordLink.objects.filter(
        sync=sync_id,
        state=LinkState.SKIPPED,
        match_value__in=own.exclude(match_value="").values("match_value"),
    )
    return list(others.values_list("record_id", flat=True))


def holders(sync_ids: Collection[int], match_values: Collection[str]) -> list[Holder]:
    """Return the records of these syncs that have one of the match values and still exist in their source."""
    found: list[Holder] = []
    for values in _chunks(set(match_values) - {""}):
        rows = RecordLink.objects.filter(sync__in=sync_ids, match_value__in=values)
        living = rows.exclude(state=LinkState.REMOVED)
        found += [Holder(*row) for row in living.values_list(*Holder._fields)]
    return found


def settle(entries: Iterable[Entry]) -> None:
    """Store what stands there now. An older version never overwrites a newer one."""
    _upsert(entries, _REPLACING)


def note(entries: Iterable[Entry]) -> None:
    """Store why nothing was written; what was written last, and under which match value, stays known."""
    _upsert(entries, _KEEPING)


def forget_ids(deliveries: Iterable[Delivery]) -> int:
    """Forget which records there these are, for the destination does not have them any more; return how many were.

    They are looked for by their match value again, and made anew if they are not found. The same goes for the records
    in whose place these were to be written.
    """
    forgotten = 0
    by_sync: dict[int, list[Delivery]] = {}
    for delivery in deliveries:
        if delivery.sync_id is not None:
            by_sync.setdefault(delivery.sync_id, []).append(delivery)
    for sync_id, own in by_sync.items():
        known = RecordLink.objects.filter(sync=sync_id, remote_id__isnull=False)
        for start in range(0, len(own), CHUNK):
            part = own[start : start + CHUNK]
            ids, values = [one.record_id for one in part], [one.payload["match"] for one in part]
            same = Q(record_id__in=ids) | Q(match_value__in=values, state=LinkState.WRITTEN)
            forgotten += known.filter(same).update(remote_id=None, payload_hash="", written_at=None)
    return forgotten


def doubt(deliveries: Iterable[Delivery]) -> None:
    """Forget what stands there of the records that a try, whose outcome is unknown, may have written or overwritten.

    Otherwise a record that goes back to its former values would pass for unchanged.
    """
    by_sync: dict[int, list[Delivery]] = {}
    for delivery in deliveries:
        if delivery.sync_id is not None:
            by_sync.setdefault(delivery.sync_id, []).append(delivery)
    for sync_id, own in by_sync.items():
        known = RecordLink.objects.exclude(payload_hash="")
        for ids in _chunks([delivery.record_id for delivery in own]):
            known.filter(sync=sync_id, record_id__in=ids).update(payload_hash="")
        family = list(Sync.objects.filter(destination=own[0].connection_id).values_list("pk", flat=True))
        for values in _chunks([delivery.payload["match"] for delivery in own]):
            known.filter(sync__in=family, match_value__in=values).update(payload_hash="")


_TABLE = f'"{RecordLink._meta.db_table}"'
_RUN = f"run_id = COALESCE(excluded.run_id, {_TABLE}.run_id)"
_VERDICT = (
    "version_at = excluded.version_at, state = excluded.state, reason = excluded.reason, "
    f"problem = excluded.problem, {_RUN}"
)
_REPLACING = (
    f"{_VERDICT}, match_value = excluded.match_value, payload_hash = excluded.payload_hash, "
    "written_at = excluded.written_at, "
    f"remote_id = CASE WHEN excluded.written_at IS NULL THEN NULL "
    f"ELSE COALESCE(excluded.remote_id, {_TABLE}.remote_id) END"
)
_KEEPING = (
    f"{_VERDICT}, match_value = CASE WHEN {_TABLE}.written_at IS NULL "
    f"THEN excluded.match_value ELSE {_TABLE}.match_value END"
)


def _upsert(entries: Iterable[Entry], update: str) -> None:
    """Write in few statements and without a model object for each row: a backfill writes one for every record.

    In the order of their keys, so that two processes never wait for each other.
    """
    by_key: dict[tuple[int, str], Entry] = {}
    for entry in entries:
        # Of two records that exchange their match values, each is written and each takes the other's former place.
        known = by_key.setdefault((entry.sync_id, entry.record_id), entry)
        if entry.version_at >= known.version_at:
            by_key[entry.sync_id, entry.record_id] = entry
    rows = [by_key[key] for key in sorted(by_key)]
    adapted: dict[datetime | None, Any] = {}
    adapt = database.ops.adapt_datetimefield_value
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        values: list[Any] = []
        for row in part:
            for moment in (row.version_at, row.written_at):
                if moment not in adapted:
                    adapted[moment] = adapt(moment)
            values += (
                row.sync_id, row.record_id, row.match_value[:254], row.payload_hash, adapted[row.version_at],
                row.state, row.reason[:300], adapted[row.written_at], row.run_id, row.remote_id,
                row.problem,
            )  # fmt: skip
        with database.cursor() as cursor:
            cursor.execute(_statement(len(part), update), values)


def _statement(rows: int, update: str) -> str:
    places = ", ".join([f"({', '.join(['%s'] * len(_COLUMNS))})"] * rows)
    return (
        f"INSERT INTO {_TABLE} ({', '.join(_COLUMNS)}) VALUES {places} "  # noqa: S608 - names of our own
        f"ON CONFLICT (sync_id, record_id) DO UPDATE SET {update} "
        f"WHERE excluded.version_at >= {_TABLE}.version_at"
    )


def _chunks(values: Collection[str]) -> Iterable[Sequence[str]]:
    ordered = list(values)
    return (ordered[start : start + CHUNK] for start in range(0, len(ordered), CHUNK))
