"""Reading one span of time from Salesforce to its end, whatever happens to the cursor on the way."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from integration_hub.connectors.errors import RetryableError
from integration_hub.connectors.records import Record
from integration_hub.connectors.salesforce import soql

SMALLEST_WINDOW = timedelta(seconds=2)
CURSOR_LOST = frozenset({"INVALID_QUERY_LOCATOR", "malformed_page", "not_json"})
_TITLE_FIELDS = ("Name", "CaseNumber", "Subject")

Row = Mapping[str, Any]
Ask = Callable[[str], Iterator[list[Row]]]
"""Run a query and yield its pages; the codes of its errors tell a lost cursor from a slow query."""


class Mark(NamedTuple):
    """The last record that was read: Salesforce stamps to the second, so the id must break ties."""

    modified_at: datetime
    record_id: str


@dataclass(frozen=True, slots=True)
class Span:
    """What to read: rows of one object type in [since, until), after `mark`, oldest change first."""

    fields: Sequence[str]
    object_type: str
    where: str = ""
    since: datetime | None = None
    until: datetime | None = None
    mark: Mark | None = None
    limit: int | None = None

    def query(self) -> str:
        parts = [f"({self.where})"] if self.where else []
        if self.since:
            parts.append(f"SystemModstamp >= {soql.literal(self.since)}")
        if self.until:
            parts.append(f"SystemModstamp < {soql.literal(self.until)}")
        if self.mark:
            stamp = soql.literal(self.mark.modified_at)
            tie = f"(SystemModstamp = {stamp} AND Id > '{self.mark.record_id}')"
            parts.append(f"(SystemModstamp > {stamp} OR {tie})")
        return soql.select(
            ["Id", "SystemModstamp", *self.fields],
            self.object_type,
            where=" AND ".join(parts),
            order=["SystemModstamp", "Id"],
            limit=self.limit,
        )

    def halves(self, now: datetime) -> tuple[Span, Span] | None:
        """Return the span as two, the earlier first; None: it cannot be cut."""
        start = self.mark.modified_at if self.mark else self.since
        end = self.until or now
        if start is None or end - start < SMALLEST_WINDOW:
            return None
        middle = (start + (end - start) / 2).replace(microsecond=0)
        return replace(self, until=middle), replace(self, since=middle, mark=None)


def read_span(ask: Ask, span: Span, *, now: datetime) -> Iterator[list[Row]]:
    """Yield pages of rows. A lost cursor resumes behind the last row, a query too slow is cut in two."""
    waiting = [span]
    while waiting:
        begun = current = waiting.pop()
        try:
            for page in ask(current.query()):
                if page:
                    current = _after(current, page)
                    yield page
        except RetryableError as error:
            rest = _rest(error, begun, current, now)
            if not rest:
                raise
            waiting += rest
        if current.limit is not None:
            if current.limit <= 0:
                return
            waiting = [replace(later, limit=current.limit) for later in waiting]


def _after(span: Span, page: list[Row]) -> Span:
    last = page[-1]
    limit = None if span.limit is None else span.limit - len(page)
    return replace(span, mark=Mark(instant(last["SystemModstamp"]), last["Id"]), limit=limit)


def _rest(error: RetryableError, begun: Span, reached: Span, now: datetime) -> list[Span]:
    """Return what is still to be read, the earliest last; nothing: another try would end the same way."""
    if error.code == "QUERY_TIMEOUT":
        halves = reached.halves(now)
        return [halves[1], halves[0]] if halves else []
    if error.code in CURSOR_LOST and reached.mark != begun.mark:
        return [reached]
    return []


def to_record(row: Row, instance_url: str) -> Record:
    """Return the row as a record. Its version differs also between two edits within one second."""
    values = plain(row)
    content = json.dumps(values, sort_keys=True, separators=(",", ":"))
    digest = hashlib.blake2b(content.encode(), digest_size=4).hexdigest()
    created = values.get("CreatedDate")
    title = next((values[name] for name in _TITLE_FIELDS if values.get(name)), "")
    return Record(
        remote_id=values["Id"],
        values=values,
        version=f"{values['SystemModstamp']}~{digest}",
        modified_at=instant(values["SystemModstamp"]),
        created_at=instant(created) if created else None,
        title=str(title),
        email=values.get("Email") or "",
        owner_id=values.get("OwnerId") or "",
        url=f"{instance_url}/{values['Id']}",
    )


def plain(value: Any) -> Any:
    """Return the value without Salesforce's `attributes`, at every depth."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items() if key != "attributes"}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
