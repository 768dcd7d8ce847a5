"""The rows of one object type, readable in the order of Id or of SystemModstamp without sorting all of them."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator

from integration_hub.simulator.salesforce.schema import Row

FEW = 64


def _by_stamp(row: Row) -> tuple[str, str]:
    return row["SystemModstamp"], row["Id"]


class Table:
    """Rows are replaced, never changed, so whoever holds one holds what it was then.

    A row committed late waits in `pending` until its time has come; until then the older version is seen.
    """

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.pending: list[tuple[str, Row]] = []
        self.deleted = 0
        self._ids: list[str] = []
        self._new_ids: list[str] = []
        self._stamped: list[Row] = []
        self._new_stamped: list[Row] = []
        self._indexes: dict[str, dict[str, set[str]]] = {}

    def put(self, row: Row, visible_at: str = "") -> None:
        """Commit a row now, or when the world's time reaches `visible_at`."""
        if visible_at:
            self.pending.append((visible_at, row))
            return
        old = self.rows.get(row["Id"])
        if old is None:
            self._new_ids.append(row["Id"])
        self.deleted += bool(row.get("IsDeleted")) - bool(old and old.get("IsDeleted"))
        for name, index in self._indexes.items():
            if old is not None:
                index.get(folded(old.get(name)), set()).discard(row["Id"])
            index.setdefault(folded(row.get(name)), set()).add(row["Id"])
        self.rows[row["Id"]] = row
        self._new_stamped.append(row)

    def latest(self, record_id: str) -> Row | None:
        """Return the newest version, seen or not yet seen."""
        waiting = [row for _, row in self.pending if row["Id"] == record_id]
        return waiting[-1] if waiting else self.rows.get(record_id)

    def settle(self, now: str) -> None:
        """Commit the rows whose time has come."""
        if not self.pending:
            return
        due = [row for visible_at, row in self.pending if visible_at <= now]
        self.pending = [item for item in self.pending if item[0] > now]
        for row in due:
            self.put(row)

    def having(self, name: str, value: object) -> Iterator[Row]:
        """Yield the rows with this text in a field, in any case, ordered by Id."""
        if name not in self._indexes:
            index: dict[str, set[str]] = {}
            for row in self.rows.values():
                index.setdefault(folded(row.get(name)), set()).add(row["Id"])
            self._indexes[name] = index
        return (self.rows[record_id] for record_id in sorted(self._indexes[name].get(folded(value), ())))

    def by_id(self, low: str, high: str) -> Iterator[Row]:
        """Yield the rows with an Id from `low` to `high`, both included, in that order."""
        if self._new_ids:
            self._ids = _merged_ids(self._ids, self._new_ids)
            self._new_ids = []
        rows, ids = self.rows, self._ids
        return (rows[ids[at]] for at in range(bisect_left(ids, low), bisect_right(ids, high)))

    def by_stamp(self, low: str, high: str) -> Iterator[Row]:
        """Yield the rows modified from `low` to `high`, both included, ordered by that and Id."""
        if self._new_stamped:
            self._merge_stamped()
        ordered, rows = self._stamped, self.rows
        start = bisect_left(ordered, low, key=lambda row: row["SystemModstamp"])
        end = bisect_right(ordered, high, key=lambda row: row["SystemModstamp"])
        return (row for row in itertools.islice(ordered, start, end) if rows[row["Id"]] is row)

    def _merge_stamped(self) -> None:
        new = sorted(self._new_stamped, key=_by_stamp)
        self._new_stamped = []
        if not self._stamped or _by_stamp(self._stamped[-1]) <= _by_stamp(new[0]):
            self._stamped.extend(new)
        elif len(new) <= FEW:
            for row in new:
                insort(self._stamped, row, key=_by_stamp)
        else:
            self._stamped = sorted(self._stamped + new, key=_by_stamp)
        if len(self._stamped) > 2 * len(self.rows) + FEW:
            self._stamped = [row for row in self._stamped if self.rows[row["Id"]] is row]


def folded(value: object) -> str:
    return "" if value is None else str(value).strip().casefold()


def _merged_ids(ids: list[str], new: list[str]) -> list[str]:
    new.sort()
    if not ids or ids[-1] < new[0]:
        ids.extend(new)
        return ids
    return sorted(ids + new)
