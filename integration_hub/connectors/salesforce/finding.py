"""Which records have which external ids: looked up for many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from simple_salesforce.format import format_soql

from integration_hub.connectors.records import Outcome, RecordResult, RecordWrite
from integration_hub.connectors.salesforce import soql
from integration_hub.connectors.salesforce.reading import Row, instant

LONGEST_LIST = 5_000
"""Characters of quoted keys in one query: percent-encoded they must stay within an address of 16,384."""
ESCAPED = 3
CLOCKS_APART = timedelta(minutes=2)
"""So far Salesforce's clock and ours may differ: a record that is older than a try by more was there before it."""

Ask = Callable[[str], Iterator[list[Row]]]


class Found:
    """The ids by key. Salesforce compares without regard to case unless the field says otherwise."""

    def __init__(self) -> None:
        self._ids: dict[str, list[str]] = {}
        self._folded: dict[str, list[str]] = {}

    def add(self, key: str, record_id: str) -> None:
        self._ids.setdefault(key, []).append(record_id)
        self._folded.setdefault(key.casefold(), []).append(record_id)

    def ids(self, key: str) -> Sequence[str]:
        return self._ids.get(key) or self._folded.get(key.casefold()) or []


def find(ask: Ask, object_type: str, field: str, keys: Sequence[str]) -> Found:
    """Return the records of which `field` is one of the keys."""
    found = Found()
    for listed in lists(keys):
        query = soql.select(["Id", field], object_type, where=f"{field} IN ({listed})", order=["Id"])
        for rows in ask(query):
            for row in rows:
                found.add(str(value_of(row, field)), str(row["Id"]))
    return found


def recalled(ask: Ask, object_type: str, writes: Sequence[RecordWrite]) -> list[RecordResult | None]:
    """Look for the records of unanswered creates, all matched by the same field; None: not there.

    Some fields heed case, most do not: a record counts for the key that is written as its own, if one is.
    """
    keys = [write.match.value for write in writes if write.match]
    field = next(write.match.field for write in writes if write.match)
    asked = set(keys)
    exact: dict[str, Row] = {}
    folded: dict[str, Row] = {}
    for listed in lists(keys):
        query = soql.select(
            ["Id", "CreatedDate", field], object_type, where=f"{field} IN ({listed})", order=["CreatedDate"]
        )
        for row in (row for rows in ask(query) for row in rows):
            value = str(value_of(row, field))
            if value in asked:
                exact.setdefault(value, row)
            else:
                folded.setdefault(value.casefold(), row)
    rows_found = [exact.get(key) or folded.get(key.casefold()) for key in keys]
    return [_landed(write, row) if row else None for write, row in zip(writes, rows_found, strict=True)]


def _landed(write: RecordWrite, row: Row) -> RecordResult:
    is_ours = bool(write.attempted_at and instant(row["CreatedDate"]) >= write.attempted_at - CLOCKS_APART)
    outcome, record_id = Outcome.CREATED if is_ours else Outcome.EXISTING, str(row["Id"])
    answer = {"id": record_id}
    return RecordResult(write.ref, outcome, record_id, status=201 if is_ours else 200, answer=answer)


def lists(keys: Sequence[str]) -> Iterator[str]:
    """Yield the keys quoted and joined, as many as one query takes."""
    part: list[str] = []
    size = 0
    for key in dict.fromkeys(key for key in keys if key):
        quoted = str(format_soql("{}", key))
        cost = len(quoted.encode()) + ESCAPED
        if part and size + cost > LONGEST_LIST:
            yield ", ".join(part)
            part, size = [], 0
        part.append(quoted)
        size += cost
    if part:
        yield ", ".join(part)


def value_of(row: Mapping[str, Any], field: str) -> Any:
    """Return a field's value; names are given in any case and answered in Salesforce's."""
    if field in row:
        return row[field]
    return next((value for name, value in row.items() if name.casefold() == field.casefold()), None)
