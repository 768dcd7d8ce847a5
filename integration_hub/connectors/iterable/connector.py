"""Iterable: keeps its users and lists in step and tells it events, by bulk calls.

Users go by users/bulkUpdate, also a single one: Iterable keeps no order between it and users/update, so the older of
two writes could land last. The single call only explains a refusal that the bulk answer does not explain.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import quote

from integration_hub.connectors.contract import Destination, Keeper, Rate, Setting
from integration_hub.connectors.errors import (
    AuthError,
    ConfigError,
    ConnectorError,
    RejectedError,
    RetryableError,
)
from integration_hub.connectors.iterable import check as iterable_check
from integration_hub.connectors.iterable import events as iterable_events
from integration_hub.connectors.iterable import lists as iterable_lists
from integration_hub.connectors.iterable.errors import USER_MISSING, classify
from integration_hub.connectors.iterable.fields import (
    LABEL,
    OBJECT_TYPE,
    likely_project_type,
    schema_of,
)
from integration_hub.connectors.iterable.moves import Moves
from integration_hub.connectors.iterable.rows import MOST_ROWS, Row, Rows, joined
from integration_hub.connectors.iterable.writing import BulkWrite
from integration_hub.connectors.moments import instant
from integration_hub.connectors.records import (
    Check,
    Operation,
    Outcome,
    Record,
    RecordResult,
    RecordWrite,
    WriteRequest,
)
from integration_hub.connectors.schema import ObjectSchema
from integration_hub.connectors.transport import Transport, read_json

US = "https://api.iterable.com"
EU = "https://api.eu.iterable.com"
PROJECT_TYPES = {"email": "Email-based", "userid": "UserID-based", "hybrid": "Hybrid"}
ABSENT = {
    USER_MISSING,
    "error.users.noUserWithIdExists",
    "UnknownUserIdError",
    "UnknownEmailError",
    "NotFound",
}
PURPOSES = {
    "users/bulkUpdate": "write users",
    iterable_events.TRACK: "tell events",
    iterable_lists.SUBSCRIBE: "put on a list",
    iterable_lists.UNSUBSCRIBE: "take off a list",
}
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""For a user that does not say when it changed."""

logger = logging.getLogger(__name__)


class Iterable(Destination):
    kind: ClassVar[str] = "iterable"
    label: ClassVar[str] = "Iterable"
    settings: ClassVar[Sequence[Setting]] = (
        Setting(
            "api_key",
            "API key",
            secret=True,
            required=True,
            help_text="A server-side key. Iterable: Integrations > API Keys.",
        ),
        Setting(
            "data_center",
            "Data center",
            choices=(("us", "United States"), ("eu", "Europe")),
            default="us",
            help_text="Europe if you log in at app.eu.iterable.com.",
        ),
        Setting(
            "project_type",
            "Project type",
            required=True,
            choices=tuple(PROJECT_TYPES.items()),
            help_text="How users are identified. Iterable: Settings > Project Settings.",
        ),
        Setting(
            "create_new_fields",
            "Fields that Iterable does not know",
            choices=(("project", "As the project is set"), ("yes", "Create them"), ("no", "Drop them")),
            default="project",
            help_text="A field's type is fixed by the first value it gets, for ever.",
        ),
    )
    production_url: ClassVar[str] = US
    rates: ClassVar[Mapping[str, Rate]] = {
        "users/bulkUpdate": Rate(5.0, 1),
        "users/update": Rate(400.0, 50),
        "users/updateEmail": Rate(5.0, 1),
        "users/get": Rate(80.0, 10),
        "users/delete": Rate(80.0, 10),
        "users/getFields": Rate(3.0, 1),
        "lists": Rate(80.0, 10),
        "lists/subscribe": Rate(5.0, 1),
        "lists/unsubscribe": Rate(5.0, 1),
        "events/trackBulk": Rate(10.0, 1),
    }
    batch_size: ClassVar[int] = MOST_ROWS
    write_scope: ClassVar[str] = "users/bulkUpdate"
    repeatable: ClassVar[frozenset[Operation]] = frozenset({Operation.UPSERT, Operation.DELETE})
    event_types: ClassVar[frozenset[str]] = frozenset({iterable_events.OBJECT_TYPE})

    def __init__(self, config: Mapping[str, str], transport: Transport, keeper: Keeper) -> None:
        super().__init__(config, transport, keeper)
        transport.classify = classify
        if config.get("data_center") == "eu" and transport.base_url == US:
            transport.base_url = EU
        self.dropped_fields: set[str] = set()
        """Mapped fields that the project does not have and was not asked to create: their values are lost."""

    def write(self, request: WriteRequest) -> list[RecordResult]:
        if request.object_type == OBJECT_TYPE and request.operation is Operation.UPSERT:
            return self._upsert(request.writes)
        if request.object_type == OBJECT_TYPE and request.operation is Operation.DELETE:
            return self._delete(request.writes)
        if request.object_type == iterable_events.OBJECT_TYPE and request.operation is Operation.UPSERT:
            return self._track(request.writes)
        list_id = iterable_lists.list_id(request.object_type)
        if list_id is not None and request.operation in self.repeatable:
            members = iterable_lists.ListWrite(list_id, self._project_type, self._post_counted, self._exists)
            return members.write(request.operation, request.writes)
        raise ConfigError(
            f"This connection cannot {request.operation} a {request.object_type}.",
            remedy="An Iterable connection takes upserts and deletes of users and list members, and events.",
        )

    def look_up(self, object_type: str, keys: Sequence[str]) -> dict[str, Record]:
        if object_type in self.event_types:
            return {}
        users = {key: self._user(key, by_email=self._is_email(key)) for key in keys}
        return {key: _record(user, key) for key, user in users.items() if user}

    def destination_schema(self, object_type: str) -> ObjectSchema:
        if object_type in self.event_types:
            return iterable_events.schema_of()
        if iterable_lists.list_id(object_type) is not None:
            return iterable_lists.schema_of(object_type)
        return schema_of(self._field_types("describe user"))

    def object_types_written(self) -> list[tuple[str, str]]:
        lists = read_json(self._exchange("GET", "lists", purpose="lists")).get("lists") or ()
        events = (iterable_events.OBJECT_TYPE, iterable_events.LABEL)
        return [(OBJECT_TYPE, LABEL), events, *iterable_lists.object_types(lists)]

    @classmethod
    def objections(
        cls, config: Mapping[str, str], object_type: str, match_path: str, paths: Collection[str]
    ) -> dict[str, str]:
        return iterable_check.objections(config.get("project_type", ""), object_type, match_path, paths)

    def check(self) -> Check:
        try:
            lists = read_json(self._exchange("GET", "lists", purpose="check")).get("lists") or ()
            types = self._field_types("check")
            stated = self._project_type
        except (ConfigError, RejectedError) as error:
            return Check(ok=False, summary=error.message, problems=[error.remedy] if error.remedy else [])
        facts = {
            "Address": self.transport.base_url,
            "Project type": PROJECT_TYPES[stated],
            "Lists": str(len(lists)),
            "User fields": str(len(types)),
        }
        likely = likely_project_type(types)
        problems = []
        if likely not in {"", stated}:
            # Its list fields speak for it, but nowhere is that promised: a hint, no refusal.
            problems.append(
                f"The project looks {PROJECT_TYPES[likely]}, the connection says {PROJECT_TYPES[stated]}: "
                "compare with Settings > Project Settings in Iterable."
            )
        return Check(ok=True, summary="Connected to the Iterable project.", facts=facts, problems=problems)

    @property
    def _project_type(self) -> str:
        stated = self.config.get("project_type", "")
        if stated not in PROJECT_TYPES:
            raise ConfigError(
                "The project type is not set.", remedy="Choose it in the connection: it says who is who."
            )
        return stated

    def _is_email(self, key: str) -> bool:
        project_type = self._project_type
        return project_type == "email" or (project_type == "hybrid" and "@" in key)

    def _upsert(self, writes: Sequence[RecordWrite]) -> list[RecordResult]:
        maker = Rows(self._project_type)
        types = functools.partial(self._field_types, "explain refusals")
        bulk = BulkWrite(writes, self._post_rows, types, post_one=self._post_one)
        rows: list[Row] = []
        for position, write in enumerate(writes):
            row = maker.row(position, write)
            if isinstance(row, Row):
                rows.append(row)
            else:
                bulk.fail(position, row)
        if self._project_type == "email" and any(write.former or write.formers for write in writes):
            rows = self._moved(rows, bulk)
        bulk.send(maker.batches(rows))
        return bulk.all_results()

    def _moved(self, rows: list[Row], bulk: BulkWrite) -> list[Row]:
        """Move those whose e-mail changed; return the rows that may be written now."""
        moves = Moves(self._rename, self._exists)
        failed = moves.run(rows)
        if moves.stopped and len(failed) == len(rows) and set(failed.values()) == {moves.stopped}:
            raise moves.stopped
        for position, error in failed.items():
            bulk.fail(position, error)
        return [row for row in rows if row.position not in failed]

    def _rename(self, former: str, present: str) -> None:
        body = {"currentEmail": former, "newEmail": present}
        self._exchange("POST", "users/updateEmail", json=body, purpose="change e-mail")

    def _track(self, writes: Sequence[RecordWrite]) -> list[RecordResult]:
        bulk = BulkWrite(writes, self._post_events, reasons=iterable_events.reasons, outcome=Outcome.SENT)
        rows: list[Row] = []
        for position, write in enumerate(writes):
            row = iterable_events.row(position, write, self._project_type)
            if isinstance(row, Row):
                rows.append(row)
            else:
                bulk.fail(position, row)
        bulk.send(Rows(self._project_type).batches(rows))
        return bulk.all_results()

    def _post_rows(self, rows: Sequence[Row]) -> Mapping[str, Any]:
        return self._post_counted("users/bulkUpdate", joined(rows, createNewFields=self._creates))

    def _post_one(self, row: Row) -> None:
        body = {
            **json.loads(row.body),
            **({} if self._creates is None else {"createNewFields": self._creates}),
        }
        self._exchange("POST", "users/update", json=body, purpose="explain a refusal")

    def _post_events(self, rows: Sequence[Row]) -> Mapping[str, Any]:
        return self._post_counted(iterable_events.TRACK, joined(rows, "events"))

    def _post_counted(self, path: str, body: bytes) -> Mapping[str, Any]:
        headers = {"Content-Type": "application/json"}
        response = self._exchange("POST", path, data=body, headers=headers, purpose=PURPOSES[path])
        answer: dict[str, Any] = read_json(response)
        if not isinstance(answer.get("failCount"), int) or not isinstance(answer.get("successCount"), int):
            raise RetryableError("Iterable's answer does not say how many it took.", code="no_counts")
        self._note_dropped(answer.get("filteredOutFields") or ())
        return answer

    @property
    def _creates(self) -> bool | None:
        """Whether unknown fields are made; None leaves that to the project's own setting."""
        return {"yes": True, "no": False}.get(self.config.get("create_new_fields", ""))

    def _exists(self, key: str) -> bool:
        return bool(self._user(key, by_email=self._is_email(key)))

    def _note_dropped(self, names: Sequence[Any]) -> None:
        dropped = {str(name) for name in names} - self.dropped_fields
        if dropped:
            self.dropped_fields |= dropped
            logger.warning("Iterable dropped fields it does not know: %s", ", ".join(sorted(dropped)))

    def _delete(self, writes: Sequence[RecordWrite]) -> list[RecordResult]:
        """Delete one by one; one that is not there is deleted, too. An error that is no refusal ends it."""
        results: list[RecordResult] = []
        stopped: ConnectorError | None = None
        for write in writes:
            error = stopped or self._deletion_error(write)
            if error is not None and not isinstance(error, RejectedError):
                if not results:
                    raise error
                stopped = error
            outcome = Outcome.FAILED if error else Outcome.DELETED
            results.append(RecordResult(write.ref, outcome, "" if error else self._key(write), error))
        return results

    def _deletion_error(self, write: RecordWrite) -> ConnectorError | None:
        try:
            key = self._key(write)
            by_email = self._is_email(key) if write.match is None else write.match.field == "email"
            path = "users/" if by_email else "users/byUserId/"
            self._exchange("DELETE", path + quote(key, safe=""), scope="users/delete", purpose="delete user")
        except ConnectorError as error:
            return None if error.code in ABSENT else error
        return None

    def _key(self, write: RecordWrite) -> str:
        key = write.match.value if write.match else ""
        if not key:
            names = ("email",) if self._project_type == "email" else ("userId", "email")
            key = next((str(write.values[name]) for name in names if write.values.get(name)), "")
        if not key:
            raise RejectedError("The record does not say which user to delete.", code="no_identifier")
        return key.strip()

    def _user(self, key: str, *, by_email: bool) -> dict[str, Any]:
        """Return the user as Iterable has it; empty: there is none."""
        path, name = ("users/getByEmail", "email") if by_email else ("users/byUserId", "userId")
        try:
            response = self._exchange(
                "GET", path, params={name: key}, scope="users/get", purpose="look up user"
            )
        except RejectedError as error:
            if error.code in ABSENT:
                return {}
            raise
        user = read_json(response).get("user")
        return user if isinstance(user, dict) else {}

    def _field_types(self, purpose: str) -> dict[str, str]:
        found = read_json(self._exchange("GET", "users/getFields", purpose=purpose)).get("fields")
        return {str(name): str(kind) for name, kind in found.items()} if isinstance(found, dict) else {}

    def _exchange(self, method: str, path: str, **options: Any) -> Any:
        key = self.config.get("api_key", "")
        if not key:
            raise AuthError("The API key is missing.", remedy="Enter a server-side key of the project.")
        headers = {"Api-Key": key, **options.pop("headers", {})}
        scope = options.pop("scope", path)
        return self.transport.request(method, f"api/{path}", headers=headers, scope=scope, **options)


def _record(user: Mapping[str, Any], key: str) -> Record:
    data = user.get("dataFields") or {}
    email = str(user.get("email") or data.get("email") or "")
    user_id = str(user.get("userId") or data.get("userId") or "")
    changed = str(data.get("profileUpdatedAt") or "")
    return Record(
        remote_id=key,
        values={"email": email, "userId": user_id, "dataFields": data},
        version=changed,
        modified_at=instant(changed.replace(" +", "+")) or LONG_AGO,
        created_at=instant(str(data.get("signupDate") or "").replace(" +", "+")),
        email=email,
    )
