"""Salesforce as a destination: what can be written there, what stands there, what became of a lost create."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from integration_hub.connectors.errors import ConfigError, ConnectorError, RejectedError
from integration_hub.connectors.records import Outcome, Record, RecordResult, WriteRequest
from integration_hub.connectors.salesforce import schema as salesforce_schema
from integration_hub.connectors.salesforce.finding import Ask, Found, find, recalled
from integration_hub.connectors.salesforce.reading import Row, to_record
from integration_hub.connectors.salesforce.refusals import no_match_key
from integration_hub.connectors.salesforce.scanning import ID_LENGTH
from integration_hub.connectors.salesforce.writing import Call, Writing, by_match
from integration_hub.connectors.schema import ObjectSchema

OLDEST_VERSION = 46.0
"""The first one that upserts collections."""
MOST_PARENTS = 10
"""Parents of one object that are described for their external ids: one call each."""
_NAME = re.compile(r"[A-Za-z]\w*")
_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Z0-5]{3})?")

Get = Callable[..., Any]
Fetch = Callable[[str, list[str], list[str]], Iterable[Row]]
Described = Mapping[str, Any]


class Target:
    """One use of a connection for writing: what it learned of the objects is asked for once."""

    def __init__(
        self, call: Call, get: Get, ask: Ask, fetch: Fetch, config: Mapping[str, str], version: str
    ) -> None:
        self.call = call
        self.get = get
        self.ask = ask
        self.fetch = fetch
        self.config = config
        self.version = version
        self._described: dict[str, Described] = {}

    def write(self, request: WriteRequest) -> list[RecordResult]:
        """Write group by group, as they are matched; an outage is raised only while nothing has been done."""
        self._require_version()
        results: dict[int, RecordResult] = {}
        for number, group in enumerate(by_match(request.writes)):
            part = WriteRequest(request.object_type, request.operation, [request.writes[at] for at in group])
            _require_names(part)
            try:
                found = Writing(self.call, self._find, part, self.config).results()
            except ConnectorError as error:
                if number == 0:
                    raise
                found = [RecordResult(one.ref, Outcome.FAILED, error=error) for one in part.writes]
            results.update(zip(group, found, strict=True))
        return [results[at] for at in range(len(request.writes))]

    def recall(self, request: WriteRequest) -> list[RecordResult | None]:
        """Look for unanswered creates, those matched by the same field together. RejectedError: nothing tells them."""
        if not all(write.match and write.match.value for write in request.writes):
            raise no_match_key()
        results: dict[int, RecordResult | None] = {}
        for group in by_match(request.writes):
            own = [request.writes[at] for at in group]
            results.update(zip(group, recalled(self.ask, request.object_type, own), strict=True))
        return [results[at] for at in range(len(request.writes))]

    def look_up(self, object_type: str, keys: Sequence[str], instance_url: str) -> dict[str, Record]:
        """Return the records by id or by whichever external id has the key, with the fields that can be written."""
        described = self.describe(object_type)
        columns = [raw["name"] for raw in described["fields"] if salesforce_schema.is_written(raw)]
        system = [raw["name"] for raw in described["fields"] if raw["name"] in {"CreatedDate", "Name"}]
        ids = self._ids(described, keys)
        if not ids:
            return {}
        names = list(dict.fromkeys(["Id", "SystemModstamp", *system, *columns]))
        wanted = list(dict.fromkeys(ids.values()))
        rows = {row["Id"][:ID_LENGTH]: row for row in self.fetch(object_type, wanted, names)}
        return {
            key: to_record(row, instance_url)
            for key, one in ids.items()
            if (row := rows.get(one[:ID_LENGTH]))
        }

    def schema(self, object_type: str) -> ObjectSchema:
        """Return the fields as a mapping names them; a parent by each external id it has."""
        described = self.describe(object_type)
        parents = list(salesforce_schema.parents(described))
        types = list(dict.fromkeys(parent for _, parent in parents))[:MOST_PARENTS]
        known: dict[str, Described] = {}
        for name in types:
            try:
                known[name] = self.describe(name)
            except (ConfigError, RejectedError):
                continue  # the user may not see it: then it cannot be named either
        return salesforce_schema.destination_schema(described, known)

    def object_types(self) -> list[tuple[str, str]]:
        listed = self.get("/sobjects", purpose="list object types")["sobjects"]
        found = [
            (str(item["name"]), str(item["label"]))
            for item in listed
            if item.get("createable") and item.get("updateable") and not item.get("deprecatedAndHidden")
        ]
        return sorted(found, key=lambda pair: pair[1].casefold())

    def describe(self, object_type: str) -> Described:
        if object_type not in self._described:
            if not _NAME.fullmatch(object_type):
                raise _no_name(object_type)
            path = f"/sobjects/{object_type}/describe"
            self._described[object_type] = self.get(path, purpose=f"describe {object_type}")
        return self._described[object_type]

    def _find(self, object_type: str, field: str, keys: Sequence[str]) -> Found:
        return find(self.ask, object_type, field, keys)

    def _ids(self, described: Described, keys: Sequence[str]) -> dict[str, str]:
        """Return which record a key names: by the first external id field that has it, else it is the id itself.

        The ids of another org, or of another object, may well be external ids here.
        """
        found: dict[str, str] = {}
        for raw in described["fields"]:
            rest = [key for key in keys if key not in found]
            if rest and salesforce_schema.is_external_id(raw):
                known = self._find(described["name"], raw["name"], rest)
                found |= {key: ids[0] for key in rest if (ids := known.ids(key))}
        return {key: key for key in keys if _ID.fullmatch(key)} | found

    def _require_version(self) -> None:
        if float(self.version) < OLDEST_VERSION:
            raise ConfigError(
                f"API version {self.version} cannot write many records at once.",
                code="api_version",
                remedy=f"Enter {OLDEST_VERSION} or later in the connection.",
            )


def _require_names(request: WriteRequest) -> None:
    """Let no name of an object or field that is none reach an address."""
    fields = [write.match.field for write in request.writes[:1] if write.match]
    for name in (request.object_type, *fields):
        if not _NAME.fullmatch(name):
            raise _no_name(name)


def _no_name(name: str) -> RejectedError:
    return RejectedError(
        f"“{name}” is not the API name of a Salesforce object or field.",
        code="object_type",
        remedy="Choose one of the list.",
    )
