"""What the data API does with records that come in, in collections and single: each is kept or refused for itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import unquote

from integration_hub.simulator.salesforce.ids import is_id, to18
from integration_hub.simulator.salesforce.org import Org
from integration_hub.simulator.salesforce.records import folded
from integration_hub.simulator.salesforce.rest import NOT_FOUND, ApiError, Route
from integration_hub.simulator.salesforce.rules import RowError, Rules
from integration_hub.simulator.salesforce.schema import Field, ObjectType, Row
from integration_hub.simulator.salesforce.values import Draft, drafted
from integration_hub.simulator.serving import Call, Response, json_response

MOST_RECORDS = 200
UPSERT_ANSWERS_FROM = 46
"""Since this version an upsert that updates answers with a body; collections can be upserted since then, too."""
Verdict = dict[str, Any]


class Writing:
    """The writing routes below /services/data/vXX.0/."""

    def __init__(self, org: Org) -> None:
        self.org = org
        self.rules = Rules(org)
        self._locked = 0

    def routes(self) -> list[Route]:
        return [
            ("POST", re.compile(r"composite/sobjects/?"), self._create_many),
            ("PATCH", re.compile(r"composite/sobjects/?"), self._update_many),
            ("DELETE", re.compile(r"composite/sobjects/?"), self._delete_many),
            ("PATCH", re.compile(r"composite/sobjects/(\w+)/(\w+)/?"), self._upsert_many),
            ("POST", re.compile(r"sobjects/(\w+)/?"), self._create_one),
            ("PATCH", re.compile(r"sobjects/(\w+)/(\w+)"), self._update_one),
            ("DELETE", re.compile(r"sobjects/(\w+)/(\w+)"), self._delete_one),
            ("PATCH", re.compile(r"sobjects/(\w+)/(\w+)/(.+)"), self._upsert_one),
        ]

    def lock_next(self, n: int) -> None:
        """Let the next `n` records that are written run into somebody else's lock."""
        self._locked = n

    def _create_many(self, call: Call, base: str) -> list[Verdict]:
        drafts = [self._draft(raw) for raw in _records(call)]
        return [self._verdict(partial(self._create, draft, call)) for draft in drafts]

    def _update_many(self, call: Call, base: str) -> list[Verdict]:
        drafts = [self._draft(raw) for raw in _records(call)]
        ids = [to18(draft.record_id) for draft in drafts]

        def update(draft: Draft) -> Verdict:
            if ids.count(to18(draft.record_id)) > 1:
                raise RowError("DUPLICATE_VALUE", f"Duplicate id specified: {draft.record_id}")
            return self._update(draft, draft.record_id, call)

        return [self._verdict(partial(update, draft)) for draft in drafts]

    def _delete_many(self, call: Call, base: str) -> list[Verdict]:
        ids = [text for text in call.query.get("ids", "").split(",") if text]
        _limit(ids)
        return [self._verdict(partial(self._delete, one)) for one in ids]

    def _upsert_many(self, call: Call, base: str, name: str, key: str) -> list[Verdict]:
        if int(base.rpartition("v")[2].partition(".")[0]) < UPSERT_ANSWERS_FROM:
            raise NOT_FOUND
        kind = self._type(name)
        field = _external_id(kind, key)
        drafts = [self._draft(raw, kind) for raw in _records(call)]
        keys = [folded(draft.values.get(field.name)) for draft in drafts]

        def upsert(draft: Draft, key_value: str) -> Verdict:
            if not key_value:
                raise RowError("MISSING_ARGUMENT", f"{field.name} not specified", [field.name])
            if keys.count(key_value) > 1:
                told = f"Duplicate external id specified: {draft.values[field.name]}"
                raise RowError("DUPLICATE_VALUE", told, [field.name])
            return self._upsert(draft, field, draft.values[field.name], call)

        return [self._verdict(partial(upsert, draft, one)) for draft, one in zip(drafts, keys, strict=True)]

    def _create_one(self, call: Call, base: str, name: str) -> Response:
        draft = drafted(self.org, self._type(name), call.json())
        return self._alone(lambda: json_response(_plain(self._create(draft, call)), 201))

    def _update_one(self, call: Call, base: str, name: str, record_id: str) -> Response:
        draft = drafted(self.org, self._type(name), call.json())

        def update() -> Response:
            self._update(draft, record_id, call)
            return Response(204)

        return self._alone(update)

    def _delete_one(self, call: Call, base: str, name: str, record_id: str) -> Response:
        def delete() -> Response:
            self._delete(record_id)
            return Response(204)

        return self._alone(delete)

    def _upsert_one(self, call: Call, base: str, name: str, key: str, value: str) -> Response:
        kind, value = self._type(name), unquote(value)
        field = _external_id(kind, key)
        draft = drafted(self.org, kind, call.json())
        draft.values.setdefault(field.name, value)
        found = self._having(kind, field, value)
        if len(found) > 1:
            return json_response([f"{base}/sobjects/{kind.name}/{row['Id']}" for row in found], 300)
        if not found and call.query.get("updateOnly") == "true":
            raise NOT_FOUND

        def upsert() -> Response:
            done = self._upsert(draft, field, value, call)
            if not done["created"] and int(base.rpartition("v")[2].partition(".")[0]) < UPSERT_ANSWERS_FROM:
                return Response(204)
            return json_response(done, 201 if done["created"] else 200)

        return self._alone(upsert)

    def _alone(self, work: Callable[[], Response]) -> Response:
        try:
            return work()
        except RowError as error:
            status = 404 if error.code in {"ENTITY_IS_DELETED", "NOT_FOUND"} else 400
            return json_response([error.alone()], status)

    def _verdict(self, work: Callable[[], Verdict]) -> Verdict:
        try:
            self._require_lock()
            return work()
        except RowError as error:
            return {"success": False, "errors": [error.in_collection()]}

    def _require_lock(self) -> None:
        if self._locked > 0:
            self._locked -= 1
            raise RowError("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")

    def _draft(self, raw: Any, kind: ObjectType | None = None) -> Draft:
        attributes = raw.get("attributes") if isinstance(raw, Mapping) else None
        name = str(attributes.get("type") or "") if isinstance(attributes, Mapping) else ""
        found = self.org.schema.get(name)
        if found is None or not found.prefix or (kind is not None and found is not kind):
            told = f"sObject type '{name}' is not supported."
            raise ApiError(400, "INVALID_TYPE", told)
        return drafted(self.org, found, raw)

    def _create(self, draft: Draft, call: Call) -> Verdict:
        kind, row = draft.kind, draft.resolved(self.org)
        self.rules.check(kind, row, None, draft.values, saves_anyway=_saves_anyway(call))
        record_id = self.org.add(kind.name, row)
        return {"id": record_id, "success": True, "errors": []}

    def _update(self, draft: Draft, record_id: str, call: Call) -> Verdict:
        old = self._existing(draft.kind, record_id)
        changes = draft.resolved(self.org)
        self.rules.check(draft.kind, {**old, **changes}, old, draft.values, saves_anyway=_saves_anyway(call))
        self.org.update(old["Id"], changes)
        return {"id": old["Id"], "success": True, "errors": []}

    def _upsert(self, draft: Draft, field: Field, value: Any, call: Call) -> Verdict:
        found = self._having(draft.kind, field, value)
        if len(found) > 1:
            told = f"{field.name}: more than one record found for external id field: {[row['Id'] for row in found]}"
            raise RowError("DUPLICATE_EXTERNAL_ID", told)
        if found:
            return {**self._update(draft, found[0]["Id"], call), "created": False}
        return {**self._create(draft, call), "created": True}

    def _delete(self, record_id: str) -> Verdict:
        kind = self.org.schema.get(self.org.schema.by_prefix().get(record_id[:3], ""))
        if kind is None:
            raise RowError("MALFORMED_ID", f"malformed id {record_id}")
        row = self._existing(kind, record_id)
        self.org.delete(row["Id"])
        return {"id": row["Id"], "success": True, "errors": []}

    def _existing(self, kind: ObjectType, record_id: str) -> Row:
        if not is_id(record_id):
            raise RowError("MALFORMED_ID", f"malformed id {record_id}", ["Id"])
        self.org.settle()
        row = self.org.tables[kind.name].latest(to18(record_id))
        if row is None:
            raise RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        if row.get("IsDeleted"):
            raise RowError("ENTITY_IS_DELETED", "entity is deleted")
        return row

    def _having(self, kind: ObjectType, field: Field, value: Any) -> list[Row]:
        return self.org.having(kind.name, field.name, value)

    def _type(self, name: str) -> ObjectType:
        found = self.org.schema.get(name)
        if found is None or not found.prefix:
            raise NOT_FOUND
        return found


def _records(call: Call) -> list[Any]:
    body = call.json()
    records = body.get("records") if isinstance(body, dict) else None
    if not isinstance(records, list):
        raise ApiError(400, "JSON_PARSER_ERROR", "The JSON has no list of records.")
    if body.get("allOrNone"):
        raise ApiError(400, "NOT_SIMULATED", "This stand-in writes with allOrNone false only.")
    _limit(records)
    return records


def _limit(listed: Sequence[Any]) -> None:
    if len(listed) > MOST_RECORDS:
        told = f"record limit reached. cannot submit more than {MOST_RECORDS} records into this call"
        raise ApiError(400, "EXCEEDED_ID_LIMIT", told)


def _external_id(kind: ObjectType, name: str) -> Field:
    found = kind.fields.get(name.lower())
    if found is None or not found.external_id:
        told = f"Provided external ID field does not exist or is not accessible: {name}"
        raise ApiError(404, "NOT_FOUND", told)
    return found


def _saves_anyway(call: Call) -> bool:
    return "allowsave=true" in call.headers.get("Sforce-Duplicate-Rule-Header", "").lower().replace(" ", "")


def _plain(verdict: Verdict) -> Verdict:
    return {name: verdict[name] for name in ("id", "success", "errors")}
