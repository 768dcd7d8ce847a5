"""The calls to HubSpot that the connector makes, each for many records where there is a batch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from integration_hub.connectors.errors import RejectedError, RetryableError
from integration_hub.connectors.hubspot.auth import ASSOCIATIONS, SEARCH, Session
from integration_hub.connectors.hubspot.batches import BatchAnswer, BatchRow, Raw, read_answer
from integration_hub.connectors.hubspot.errors import NOT_FOUND
from integration_hub.connectors.hubspot.paths import Paths
from integration_hub.connectors.transport import read_json

MOST_INPUTS = 100
LARGEST_PAGE = 200
LONGEST_SEARCH = 2_600
"""Characters of the values in one search; a whole query may have 3,000."""


class Api:
    """HubSpot's calls as functions."""

    def __init__(self, session: Session, paths: Paths) -> None:
        self._session = session
        self.paths = paths

    def get(self, path: str, **options: Any) -> Any:
        return read_json(self._session.request("GET", path, **options))

    def probe(self, method: str, path: str, **options: Any) -> None:
        """Make a call for its errors alone."""
        self._session.request(method, path, purpose="check", **options)

    def listed(self, path: str, **options: Any) -> list[Any]:
        """Return the results of a list that has no pages."""
        body = self.get(path, **options)
        found = body.get("results") if isinstance(body, dict) else None
        return found if isinstance(found, list) else []

    def pages(self, path: str, params: Mapping[str, str], **options: Any) -> Iterator[list[Any]]:
        """Yield the pages of a list; no next cursor is the end."""
        after = ""
        while True:
            body = self.get(path, params={**params, **({"after": after} if after else {})}, **options)
            yield list(body.get("results") or ())
            following = str(((body.get("paging") or {}).get("next") or {}).get("after") or "")
            if not following or following == after:
                return
            after = following

    def read_one(self, object_type: str, record_id: str, names: Sequence[str], *, by: str = "") -> Raw | None:
        """Return one record, also by the id of one that was merged into it; None: there is none."""
        params = {"properties": ",".join(names), **({"idProperty": by} if by else {})}
        try:
            found: Raw = self.get(self.paths.record(object_type, record_id), params=params, purpose="read")
        except RejectedError as error:
            if error.code == NOT_FOUND:
                return None
            raise
        return found

    def read_many(
        self, object_type: str, ids: Sequence[str], names: Sequence[str], *, by: str = ""
    ) -> list[Raw]:
        """Return those that exist, in no promised order; `by` names the unique property that `ids` are values of."""
        found: list[Raw] = []
        wanted = list(dict.fromkeys(ids))
        for start in range(0, len(wanted), MOST_INPUTS):
            inputs = [{"id": one} for one in wanted[start : start + MOST_INPUTS]]
            body = {"properties": list(names), "propertiesWithHistory": [], "inputs": inputs}
            if by:
                body["idProperty"] = by
            try:
                found += self._batch(object_type, "read", body, repeatable=True).results
            except RejectedError as error:
                if error.code != NOT_FOUND:
                    raise
        return found

    def read_histories(self, object_type: str, ids: Sequence[str], names: Sequence[str]) -> list[Raw]:
        """Return records with the former values of these properties; fifty at a time at most."""
        body = {
            "properties": [],
            "propertiesWithHistory": list(names),
            "inputs": [{"id": one} for one in ids],
        }
        return list(self._batch(object_type, "read", body, repeatable=True).results)

    def create_many(self, object_type: str, rows: Sequence[BatchRow], *, repeatable: bool) -> BatchAnswer:
        inputs = [{"properties": dict(row.properties), "objectWriteTraceId": row.trace} for row in rows]
        return self._batch(object_type, "create", {"inputs": inputs}, repeatable=repeatable)

    def update_many(self, object_type: str, rows: Sequence[BatchRow]) -> BatchAnswer:
        inputs = [
            {"id": row.record_id, "properties": dict(row.properties), "objectWriteTraceId": row.trace}
            for row in rows
        ]
        return self._batch(object_type, "update", {"inputs": inputs}, repeatable=True)

    def upsert_many(self, object_type: str, rows: Sequence[BatchRow]) -> BatchAnswer:
        inputs = [
            {
                "id": row.key[1],
                "idProperty": row.key[0],
                "properties": dict(row.properties),
                "objectWriteTraceId": row.trace,
            }
            for row in rows
        ]
        return self._batch(object_type, "upsert", {"inputs": inputs}, repeatable=True)

    def archive_many(self, object_type: str, ids: Sequence[str]) -> None:
        body = {"inputs": [{"id": one} for one in ids]}
        path = self.paths.objects(object_type, "batch/archive")
        self._session.request("POST", path, json=body, purpose=f"archive {object_type}")

    def patch(self, object_type: str, record_id: str, properties: Mapping[str, str]) -> Raw | None:
        """Update one record, also by the id of one that was merged into it; None: there is none."""
        path = self.paths.record(object_type, record_id)
        try:
            answer = self._session.request(
                "PATCH", path, json={"properties": dict(properties)}, purpose="update"
            )
        except RejectedError as error:
            if error.code == NOT_FOUND:
                return None
            raise
        found: Raw = read_json(answer)
        return found

    def search(self, object_type: str, body: Mapping[str, Any], *, purpose: str = "search") -> dict[str, Any]:
        path = self.paths.objects(object_type, "search")
        found = read_json(self._session.request("POST", path, json=body, scope=SEARCH, purpose=purpose))
        if not isinstance(found, dict) or not isinstance(found.get("results"), list):
            raise RetryableError("HubSpot answered a search without results.", code="malformed_page")
        return found

    def search_values(
        self, object_type: str, name: str, values: Sequence[str], names: Sequence[str]
    ) -> list[Raw]:
        """Return the records with one of these values, the oldest first. The index lags by some moments."""
        found: list[Raw] = []
        for chunk in _chunks([value.lower() for value in values]):
            body: dict[str, Any] = {
                "filterGroups": [{"filters": [{"propertyName": name, "operator": "IN", "values": chunk}]}],
                "sorts": [{"propertyName": "createdate", "direction": "ASCENDING"}],
                "properties": list(names),
                "limit": LARGEST_PAGE,
            }
            after = ""
            while True:
                answer = self.search(object_type, {**body, **({"after": after} if after else {})})
                found += answer["results"]
                after = str(((answer.get("paging") or {}).get("next") or {}).get("after") or "")
                if not after:
                    break
        return found

    def associate(self, ends: tuple[str, str], verb: str, inputs: Sequence[Mapping[str, Any]]) -> BatchAnswer:
        response = self._session.request(
            "POST",
            self.paths.ties(ends, f"batch/{verb}"),
            json={"inputs": list(inputs)},
            scope=ASSOCIATIONS,
            purpose="tie",
        )
        body = read_json(response)
        found = body if isinstance(body, dict) else {}
        return BatchAnswer(response.status_code, found.get("results") or [], found.get("errors") or [])

    def untie(self, ends: tuple[str, str], pairs: Sequence[tuple[str, str]]) -> None:
        """Take pairs apart; RejectedError: it does not take one of them apart, because an end is not there, say."""
        inputs = [{"from": {"id": a}, "to": [{"id": b}]} for a, b in dict.fromkeys(pairs)]
        path = self.paths.ties(ends, "batch/archive")
        response = self._session.request(
            "POST", path, json={"inputs": inputs}, scope=ASSOCIATIONS, purpose="untie"
        )
        if response.status_code == 207:
            raise RejectedError("HubSpot did not untie all of them.", code="partial", status=404)

    def associate_one(
        self, ends: tuple[str, str], ids: tuple[str, str], types: Sequence[Mapping[str, Any]]
    ) -> int:
        """Tie one pair, by the given association types or by the default one; return the status."""
        path = self.paths.tie(ends, ids, default=not types)
        options: dict[str, Any] = {"json": list(types)} if types else {}
        return self._session.request("PUT", path, scope=ASSOCIATIONS, purpose="tie", **options).status_code

    def _batch(
        self, object_type: str, verb: str, body: Mapping[str, Any], *, repeatable: bool
    ) -> BatchAnswer:
        response = self._session.request(
            "POST",
            self.paths.objects(object_type, f"batch/{verb}"),
            json=body,
            repeatable=repeatable,
            purpose=f"{verb} {object_type}",
        )
        return read_answer(response.status_code, read_json(response))


def _chunks(values: Sequence[str]) -> Iterator[list[str]]:
    """Cut values to what one search takes."""
    chunk: list[str] = []
    size = 0
    for value in dict.fromkeys(values):
        length = len(json.dumps(value)) + 2
        if chunk and (size + length > LONGEST_SEARCH or len(chunk) >= MOST_INPUTS):
            yield chunk
            chunk, size = [], 0
        chunk.append(value)
        size += length
    if chunk:
        yield chunk
