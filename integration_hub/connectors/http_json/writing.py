"""Writing records to an API one by one, by the requests that an object type declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import quote

from integration_hub.connectors.errors import ConfigError, ConnectorError, RejectedError
from integration_hub.connectors.http_json.objects import Call, ObjectType
from integration_hub.connectors.http_json.reading import Row, rows_of
from integration_hub.connectors.json_values import at, bounded, moment_at, text_at
from integration_hub.connectors.records import Operation, Outcome, RecordResult, RecordWrite

GONE = frozenset({404, 410})
CLOCKS_DIFFER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `body` is the parsed JSON, None if it is none."""

    status: int
    body: Any


class Exchange(Protocol):
    """Make one request. `ref` names the write to the API; `repeatable`: doing it twice does no harm."""

    def __call__(
        self, call: Call, *, body: Any = None, ref: str = "", repeatable: bool = True, purpose: str = ""
    ) -> Answer: ...


class Writing:
    """Writes to one object type; `has_key`: the API recognizes a repeated request by its ref."""

    def __init__(self, kind: ObjectType, exchange: Exchange, *, has_key: bool) -> None:
        self.kind = kind
        self.exchange = exchange
        self.has_key = has_key

    def one(self, write: RecordWrite, operation: Operation) -> RecordResult:
        if operation is Operation.CREATE:
            return self._create(write)
        if operation is Operation.UPDATE:
            return self._update(write, self._id_of(write))
        if operation is Operation.DELETE:
            return self._delete(write)
        if operation is Operation.UPSERT:
            return self._upsert(write)
        raise ConfigError(
            f"This connection cannot {operation} a {self.kind.name}.",
            code="object_type",
            remedy="It creates, updates, upserts and deletes records, and makes calls.",
        )

    def find(self, value: str) -> Row | None:
        """Return the record that has the match value, None if there is none or no way to look."""
        lookup = self.kind.lookup
        if lookup is None or not value:
            return None
        path = lookup.path.replace("{value}", quote(value, safe=""))
        try:
            body = self.exchange(Call("GET", path), purpose=f"look up {self.kind.name}").body
        except RejectedError as error:
            if error.status in GONE:
                return None
            raise
        found = at(body, lookup.records)
        rows = [found] if isinstance(found, Mapping) else rows_of(body, lookup.records)
        if rows and not any(text_at(row, lookup.field) for row in rows):
            raise ConfigError(
                f"What the look for a {self.kind.name} finds shows no “{lookup.field}”.",
                code="object_type",
                remedy="Correct “field” of “match” in the objects of the connection.",
            )
        # An API that does not know the parameter lists everybody: only what has the value is taken.
        return next((row for row in rows if text_at(row, lookup.field).casefold() == value.casefold()), None)

    def recalled(self, write: RecordWrite) -> RecordResult | None:
        """Say whether a create landed. RejectedError: this API cannot be asked."""
        value = self._match_value(write)
        if self.kind.lookup is None or not value:
            raise RejectedError(
                f"The API cannot be asked for a {self.kind.name} by a value.",
                code="no_lookup",
                remedy="Add “match” to the object type, or name a header for idempotency keys.",
            )
        row = self.find(value)
        if row is None or self._was_there_before(row, write):
            return None
        return RecordResult(write.ref, Outcome.CREATED, self._id_in(row))

    def _create(self, write: RecordWrite) -> RecordResult:
        call = self._call("create")
        try:
            answer = self.exchange(
                call,
                body=dict(write.values),
                ref=write.ref,
                repeatable=self.has_key,
                purpose=f"create {self.kind.name}",
            )
        except RejectedError as error:
            existing = self.find(self._match_value(write)) if error.status == 409 else None
            if existing is None:
                raise
            return RecordResult(write.ref, Outcome.EXISTING, self._id_in(existing), status=409)
        return self._result(write, Outcome.CREATED, answer)

    def _update(self, write: RecordWrite, remote_id: str) -> RecordResult:
        call = self._call("update", remote_id)
        answer = self.exchange(
            call, body=dict(write.values), ref=write.ref, purpose=f"update {self.kind.name}"
        )
        return self._result(write, Outcome.UPDATED, answer, remote_id)

    def _upsert(self, write: RecordWrite) -> RecordResult:
        """Update what has the former or the present match value, else create it; so it may be repeated."""
        remote_id = write.remote_id
        if not remote_id and self.kind.lookup is None:
            raise ConfigError(
                f"Whether a {self.kind.name} is there cannot be found out.",
                code="object_type",
                remedy="Add “match” with a path that looks a record up to the objects of the connection.",
            )
        for value in (write.former, self._match_value(write)):
            if not remote_id and (row := self.find(value)) is not None:
                remote_id = self._id_in(row)
        if remote_id:
            return self._update(write, remote_id)
        answer = self.exchange(
            self._call("create"), body=dict(write.values), ref=write.ref, purpose=f"create {self.kind.name}"
        )
        return self._result(write, Outcome.CREATED, answer)

    def _delete(self, write: RecordWrite) -> RecordResult:
        remote_id = write.remote_id or text_at(write.values, self.kind.paths.id)
        if not remote_id:
            row = self.find(self._match_value(write))
            if row is None:
                return RecordResult(write.ref, Outcome.DELETED, self._match_value(write))
            remote_id = self._id_in(row)
        try:
            answer = self.exchange(
                self._call("delete", remote_id), ref=write.ref, purpose=f"delete {self.kind.name}"
            )
        except RejectedError as error:
            if error.status not in GONE:
                raise
            return RecordResult(write.ref, Outcome.DELETED, remote_id, status=error.status)
        return RecordResult(write.ref, Outcome.DELETED, remote_id, status=answer.status)

    def _id_of(self, write: RecordWrite) -> str:
        """Return the id to write to. RejectedError: nothing tells which record is meant."""
        remote_id = write.remote_id or text_at(write.values, self.kind.paths.id)
        if not remote_id and (row := self.find(self._match_value(write))) is not None:
            remote_id = self._id_in(row)
        if not remote_id:
            raise RejectedError(
                f"There is no such {self.kind.name} to write to.",
                code="not_found",
                remedy="Create it first, or let the write upsert.",
            )
        return remote_id

    def _match_value(self, write: RecordWrite) -> str:
        if write.match:
            return write.match.value
        return text_at(write.values, self.kind.lookup.field) if self.kind.lookup else ""

    def _was_there_before(self, row: Row, write: RecordWrite) -> bool:
        created = moment_at(row, self.kind.paths.created)
        return bool(created and write.attempted_at and created < write.attempted_at - CLOCKS_DIFFER)

    def _result(
        self, write: RecordWrite, outcome: Outcome, answer: Answer, remote_id: str = ""
    ) -> RecordResult:
        said = at(answer.body, self.kind.record)
        remote_id = remote_id or (self._id_in(said) if isinstance(said, Mapping) else "")
        if not remote_id:
            # It was done; only where is not known. A match value finds it the next time.
            remote_id = self._match_value(write)
        return RecordResult(
            write.ref, outcome, remote_id, status=answer.status, answer=as_values(answer.body)
        )

    def _id_in(self, row: Row) -> str:
        return text_at(row, self.kind.paths.id)

    def _call(self, name: str, remote_id: str = "") -> Call:
        call: Call | None = getattr(self.kind, name)
        if call is None:
            raise ConfigError(
                f"The connection does not say how to {name} a {self.kind.name}.",
                code="object_type",
                remedy=f"Add “{name}” to this object type in the objects of the connection.",
            )
        return Call(call.method, call.path.replace("{id}", quote(remote_id, safe="")))


def as_values(body: Any) -> Mapping[str, Any] | None:
    """Return an answer as steps of a flow read it: an object as it is, anything else under `body`."""
    if body is None:
        return None
    kept = bounded(body)
    return kept if isinstance(kept, dict) else {"body": kept}


def each(writes: Sequence[RecordWrite], one: Callable[[RecordWrite], RecordResult]) -> list[RecordResult]:
    """Return what became of each. A refusal is its result; any other error is raised only before the first answer."""
    results: list[RecordResult] = []
    stopped: ConnectorError | None = None
    for write in writes:
        error = stopped
        if error is None:
            try:
                results.append(one(write))
                continue
            except ConnectorError as failure:
                error = failure
        if not isinstance(error, RejectedError):
            if not results:
                raise error
            stopped = error
        results.append(RecordResult(write.ref, Outcome.FAILED, error=error, status=error.status))
    return results
