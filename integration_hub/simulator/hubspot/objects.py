"""The calls about records: single, in batches, lists, search, merge."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from integration_hub.simulator.hubspot.associations import Associations
from integration_hub.simulator.hubspot.errors import Body, HubSpotError, bad_request, not_found
from integration_hub.simulator.hubspot.portal import Portal, Row
from integration_hub.simulator.hubspot.properties import stamp
from integration_hub.simulator.hubspot.search import search
from integration_hub.simulator.hubspot.standard import CONTACT, ObjectType

MOST_INPUTS = 100
MOST_LISTED = 100
Answer = tuple[int, Any]


@dataclass(slots=True)
class Objects:
    """Answers below /objects/{type}."""

    portal: Portal
    ties: Associations
    order: random.Random = field(default_factory=lambda: random.Random(17))  # noqa: S311 - no secret
    """Batches answer in another order than they were asked, and update in yet another."""

    def collection(self, kind: ObjectType, method: str, query: Mapping[str, str], body: Any) -> Answer:
        if method == "POST":
            return 201, self._created(kind, body)
        archived = query.get("archived") == "true"
        rows = sorted(self.portal.live(kind, archived), key=lambda row: int(row.id))
        limit = int(query.get("limit") or 10)
        if limit > MOST_LISTED:
            raise bad_request(f"limit must be less than or equal to {MOST_LISTED}")
        after = int(query.get("after") or 0)
        rows = [row for row in rows if int(row.id) >= after]
        names = _names(query)
        answer: Body = {"results": [self._shown(row, names, query) for row in rows[:limit]]}
        if len(rows) > limit:
            answer["paging"] = {"next": {"after": rows[limit].id, "link": "https://api.hubapi.com/"}}
        return 200, answer

    def single(
        self, kind: ObjectType, record_id: str, method: str, query: Mapping[str, str], body: Any
    ) -> Answer:
        if method == "DELETE":
            row = self.portal.rows[kind.name].get(record_id)
            if row is not None:
                self.portal.archive(row)
            return 204, None
        archived = query.get("archived") == "true"
        row = self._by(kind, query.get("idProperty", ""), record_id, follow=True, archived=archived)
        if method == "PATCH":
            self.portal.update(row, body.get("properties") or {})
            return 200, self._shown(row, list(body.get("properties") or ()), {})
        return 200, self._shown(row, _names(query), query)

    def search(self, kind: ObjectType, body: Body) -> Answer:
        total, found, following = search(self.portal, kind, body)
        names = [str(name) for name in body.get("properties") or ()]
        answer: Body = {
            "total": total,
            "results": [self._shown(row, names, {}, values) for row, values in found],
        }
        if following:
            answer["paging"] = {"next": {"after": following}}
        return 200, answer

    def merge(self, kind: ObjectType, body: Body) -> Answer:
        primary = self.portal.find(kind, str(body.get("primaryObjectId")), follow=True)
        loser = self.portal.find(kind, str(body.get("objectIdToMerge")), follow=True)
        return 200, self._shown(self.portal.merge(primary, loser, "INTEGRATION"), [], {})

    def erase(self, kind: ObjectType, body: Body) -> Answer:
        self.portal.erase(
            self._by(kind, str(body.get("idProperty") or ""), str(body.get("objectId")), follow=True)
        )
        return 204, None

    def batch(self, kind: ObjectType, verb: str, body: Body) -> Answer:
        work: dict[str, Callable[[ObjectType, Body], Answer]] = {
            "read": self._read,
            "create": self._create,
            "update": self._update,
            "upsert": self._upsert,
            "archive": self._archive,
        }
        inputs = body.get("inputs")
        if verb not in work:
            raise not_found()
        if not isinstance(inputs, list) or not inputs:
            raise bad_request("Invalid input JSON: inputs are required")
        if len(inputs) > MOST_INPUTS:
            raise bad_request(f"The maximum number of inputs supported in a batch request is {MOST_INPUTS}")
        if verb != "create":
            _check_duplicates([str(one.get("id", "")) for one in inputs])
        return work[verb](kind, body)

    def _created(self, kind: ObjectType, given: Body) -> Body:
        row = self.portal.create(kind, given.get("properties") or {})
        for tie in given.get("associations") or ():
            other_id = str(tie["to"]["id"])
            for other_kind in self.portal.types.values():
                spec = {(one["associationCategory"], one["associationTypeId"]) for one in tie["types"]}
                known = {(o["category"], o["typeId"]) for o in self.ties.shown(kind.name, other_kind.name)}
                if spec <= known and other_id in self.portal.rows[other_kind.name]:
                    self.ties.tie(row, self.portal.rows[other_kind.name][other_id], spec)
        shown = self._shown(row, list(given.get("properties") or ()), {})
        return shown | _trace(given)

    def _read(self, kind: ObjectType, body: Body) -> Answer:
        names = [str(name) for name in body.get("properties") or ()]
        past = {"propertiesWithHistory": ",".join(body.get("propertiesWithHistory") or ())}
        results, missed = [], []
        for one in body["inputs"]:
            record_id = str(one.get("id", ""))
            try:
                row = self._by(kind, str(body.get("idProperty") or ""), record_id, follow=False)
            except HubSpotError as error:
                if error.status != 404:
                    raise
                missed.append(record_id)
                continue
            results.append(self._shown(row, names, past))
        return self._batched(200, results, [_missed(kind, "get", missed)] if missed else [])

    def _create(self, kind: ObjectType, body: Body) -> Answer:
        inputs = body["inputs"]
        if not all(one.get("objectWriteTraceId") for one in inputs):
            # Nothing of it is written when one row is refused.
            self._try_all(kind, inputs)
            return self._batched(201, [self._created(kind, one) for one in inputs], [])
        return self._row_by_row(201, inputs, lambda one: self._created(kind, one))

    def _update(self, kind: ObjectType, body: Body) -> Answer:
        if any(one.get("idProperty") in {"email", "hs_object_id"} for one in body["inputs"]):
            raise bad_request(f"Unable to perform update/upsert by non-unique {kind.type_id} property")
        missed: list[str] = []

        def write(one: Body) -> Body | None:
            try:
                row = self._by(kind, str(one.get("idProperty") or ""), str(one.get("id", "")), follow=False)
            except HubSpotError as error:
                if error.status != 404:
                    raise
                missed.append(str(one.get("id", "")))
                return None
            self.portal.update(row, one.get("properties") or {})
            return self._shown(row, list(one.get("properties") or ()), {}) | _trace(one)

        traced = all(one.get("objectWriteTraceId") for one in body["inputs"])
        if not traced:
            self._try_all(kind, body["inputs"])
        shuffled = self.order.sample(body["inputs"], len(body["inputs"]))
        status, answer = self._row_by_row(200, shuffled, write)
        if missed:
            errors = [*answer.get("errors", ()), _missed(kind, "update", missed)]
            return 207, answer | {"numErrors": len(errors), "errors": errors}
        return status, answer

    def _upsert(self, kind: ObjectType, body: Body) -> Answer:
        names = {str(one.get("idProperty") or "") for one in body["inputs"]}
        by_email = names == {"email"} and kind.name == CONTACT
        if not by_email and not all(self._is_unique(kind, name) for name in names):
            raise bad_request(f"Unable to perform update/upsert by non-unique {kind.type_id} property")

        def write(one: Body) -> Body:
            name, value = str(one["idProperty"]), str(one["id"])
            row = self.portal.find_by(kind, name, value)
            given = {name: value, **(one.get("properties") or {})}
            if row is None:
                return self._created(kind, {**one, "properties": given}) | {"new": True}
            self.portal.update(row, one.get("properties") or {})
            return self._shown(row, list(given), {}) | _trace(one) | {"new": False}

        if by_email or not all(one.get("objectWriteTraceId") for one in body["inputs"]):
            return self._batched(200, [write(one) for one in body["inputs"]], [])
        return self._row_by_row(200, body["inputs"], write)

    def _archive(self, kind: ObjectType, body: Body) -> Answer:
        for one in body["inputs"]:
            row = self.portal.rows[kind.name].get(str(one.get("id", "")))
            if row is not None:
                self.portal.archive(row)
        return 204, None

    def _row_by_row(self, status: int, inputs: list[Body], write: Callable[[Body], Body | None]) -> Answer:
        results, errors = [], []
        for one in inputs:
            try:
                done = write(one)
            except HubSpotError as error:
                errors.append(error.row(str(one.get("objectWriteTraceId") or "")))
                continue
            if done is not None:
                results.append(done)
        return self._batched(status, results, errors)

    def _try_all(self, kind: ObjectType, inputs: list[Body]) -> None:
        """Raise for the first row that would be refused, before any is written."""
        emails: set[str] = set()
        for one in inputs:
            given = one.get("properties") or {}
            row = self.portal.rows[kind.name].get(str(one.get("id", "")))
            self.portal.check(kind, given, row)
            email = str(given.get("email") or "").lower()
            if email and email in emails:
                raise HubSpotError(409, "CONFLICT", "Contact already exists")
            emails.add(email)

    def _batched(self, status: int, results: list[Body], errors: list[Body]) -> Answer:
        self.order.shuffle(results)
        at = stamp(self.portal.clock())
        answer: Body = {"status": "COMPLETE", "results": results, "startedAt": at, "completedAt": at}
        if errors:
            return 207, answer | {"numErrors": len(errors), "errors": errors}
        return status, answer

    def _by(self, kind: ObjectType, name: str, value: str, *, follow: bool, archived: bool = False) -> Row:
        if not name or name == "hs_object_id":
            return self.portal.find(kind, value, follow=follow, archived=archived)
        row = self.portal.find_by(kind, name, value)
        if row is None:
            raise not_found()
        return row

    def _is_unique(self, kind: ObjectType, name: str) -> bool:
        item = kind.properties.get(name)
        return item is not None and item.unique

    def _shown(
        self, row: Row, names: list[str], query: Mapping[str, str], values: Mapping[str, str] | None = None
    ) -> Body:
        """Return the record: the defaults and what was asked for; unknown names are passed over."""
        has = row.properties if values is None else values
        wanted = dict.fromkeys([*row.kind.defaults, *(n for n in names if n in row.kind.properties)])
        shown: Body = {
            "id": row.id,
            "properties": {name: has.get(name) or None for name in wanted},
            "createdAt": stamp(row.created_at),
            "updatedAt": has[row.kind.modified],
            "archived": row.archived_at is not None,
            "url": f"https://app.hubspot.com/contacts/{self.portal.portal_id}/record/{row.kind.type_id}/{row.id}",
        }
        if row.archived_at is not None:
            shown["archivedAt"] = stamp(row.archived_at)
        past = [name for name in query.get("propertiesWithHistory", "").split(",") if name]
        if past:
            shown["propertiesWithHistory"] = {name: row.history.get(name, []) for name in past}
        if query.get("associations"):
            shown["associations"] = self._tied(row, query["associations"].split(","))
        return shown

    def _tied(self, row: Row, types: list[str]) -> Body:
        found: Body = {}
        for name in types:
            kind = self.portal.kind(name)
            tied = [
                {"id": other.id, "type": f"{row.kind.singular.lower()}_to_{kind.singular.lower()}"}
                for other, _ in self.ties.of(row, kind.name)
            ]
            if tied:
                found[kind.name] = {"results": tied}
        return found


def _names(query: Mapping[str, str]) -> list[str]:
    return [name for name in query.get("properties", "").split(",") if name]


def _trace(given: Body) -> Body:
    trace = given.get("objectWriteTraceId")
    return {"objectWriteTraceId": trace} if trace else {}


def _missed(kind: ObjectType, verb: str, ids: list[str]) -> Body:
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": f"Could not {verb} some {kind.singular} objects, they may be deleted or not exist. "
        "Check that ids are valid.",
        "context": {"ids": ids},
    }


def _check_duplicates(ids: list[str]) -> None:
    twice = sorted({one for one in ids if ids.count(one) > 1})
    if twice:
        listed = ", ".join(twice)
        raise bad_request(f"Duplicate IDs found in batch input: [{listed}]. IDs must be unique", ids=twice)
