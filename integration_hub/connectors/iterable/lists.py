"""List members: each list of the project is an object type of its own, and its records are the users on it.

A list member is never made here. A list that makes users would be ahead of the sync that moves or fills them, so
somebody who is not there yet is tried again later. Nobody is put on a list twice: who left it stays away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from integration_hub.connectors.errors import ConnectorError, RetryableError
from integration_hub.connectors.iterable.rows import Row, Rows, joined
from integration_hub.connectors.iterable.writing import BulkWrite
from integration_hub.connectors.records import Operation, Outcome, RecordResult, RecordWrite
from integration_hub.connectors.schema import FieldSchema, FieldType, ObjectSchema

PREFIX = "list:"
SUBSCRIBE = "lists/subscribe"
UNSUBSCRIBE = "lists/unsubscribe"
IDENTIFIERS = ("email", "userId")

Post = Callable[[str, bytes], Mapping[str, Any]]
"""From path and body to the counted answer."""


def list_id(object_type: str) -> int | None:
    """Return the list whose members the object type means; None: it means something else."""
    number = object_type.removeprefix(PREFIX)
    return int(number) if number != object_type and number.isdecimal() else None


def object_types(lists: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return those lists that members can be put on; dynamic ones find theirs themselves."""
    return [
        (f"{PREFIX}{one['id']}", f"Members of the list “{one.get('name') or one['id']}”")
        for one in lists
        if one.get("id") is not None and one.get("listType", "Standard") == "Standard"
    ]


def schema_of(object_type: str) -> ObjectSchema:
    fields = {name: FieldSchema(name, name, FieldType.TEXT) for name in IDENTIFIERS}
    return ObjectSchema(object_type, "List member", fields)


class ListWrite:
    """Puts users on one list, or takes them off it."""

    def __init__(self, number: int, project_type: str, post: Post, exists: Callable[[str], bool]) -> None:
        self.number = number
        self.project_type = project_type
        self.post = post
        self.exists = exists

    def write(self, operation: Operation, writes: Sequence[RecordWrite]) -> list[RecordResult]:
        path, outcome = SUBSCRIBE, Outcome.UPDATED
        if operation is Operation.DELETE:
            path, outcome = UNSUBSCRIBE, Outcome.DELETED
        bulk = BulkWrite(writes, lambda rows: self._post_rows(path, rows), outcome=outcome)
        rows = self._rows(writes, bulk)
        if path == SUBSCRIBE and self.project_type == "email":
            rows = self._there(rows, bulk)
        bulk.send(Rows(self.project_type).batches(rows))
        return [self._judged(result, operation) for result in bulk.all_results()]

    def _rows(self, writes: Sequence[RecordWrite], bulk: BulkWrite) -> list[Row]:
        maker = Rows(self.project_type)
        rows = []
        for position, write in enumerate(writes):
            row = maker.row(position, replace(write, values=_identity(write, self.project_type)))
            if isinstance(row, Row):
                rows.append(row)
            else:
                bulk.fail(position, row)
        return rows

    def _there(self, rows: Sequence[Row], bulk: BulkWrite) -> list[Row]:
        """Return the rows whose users exist: in this kind of project the call itself would make the others."""
        found: list[Row] = []
        stopped: ConnectorError | None = None
        for row in rows:
            try:
                there = stopped is None and self.exists(row.key)
            except ConnectorError as error:
                if not found:
                    raise
                stopped, there = error, False
            if there:
                found.append(row)
            else:
                bulk.fail(row.position, stopped or _not_there_yet())
        return found

    def _post_rows(self, path: str, rows: Sequence[Row]) -> Mapping[str, Any]:
        options: dict[str, Any] = {"listId": self.number}
        if path == UNSUBSCRIBE:
            options["channelUnsubscribe"] = False  # true would take them off all mail of the list's channel
        elif self.project_type != "email":
            options["updateExistingUsersOnly"] = True
        return self.post(path, joined(rows, "subscribers", **options))

    @staticmethod
    def _judged(result: RecordResult, operation: Operation) -> RecordResult:
        if result.error is None or result.error.code != "not_found":
            return result
        if operation is Operation.DELETE:
            return RecordResult(result.ref, Outcome.DELETED)  # who is not there is on no list
        return RecordResult(result.ref, Outcome.FAILED, error=_not_there_yet())


def _identity(write: RecordWrite, project_type: str) -> dict[str, Any]:
    """Return what names the user; in a hybrid project the userId goes first, as when users are written."""
    given = {name: write.values.get(name) for name in IDENTIFIERS if write.values.get(name)}
    if write.match is not None and write.match.field in IDENTIFIERS:
        given.setdefault(write.match.field, write.match.value)
    wanted = ("email",) if project_type == "email" else ("userId", "email")
    return next(({name: given[name]} for name in wanted if name in given), {})


def _not_there_yet() -> RetryableError:
    return RetryableError(
        "The user is not at Iterable yet; the list is tried again.",
        code="user_not_there",
        remedy="Sync the user itself to this project, too: a list takes only users that are there.",
    )
