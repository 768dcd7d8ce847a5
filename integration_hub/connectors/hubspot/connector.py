"""HubSpot: creates, updates and ties contacts, companies, deals and others; reads what changed; knows the owners."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, ClassVar

import requests

from integration_hub.connectors.contract import FieldMaker, Keeper, People, Rate, Setting, Source
from integration_hub.connectors.errors import ConfigError, ConnectorError, RejectedError
from integration_hub.connectors.filters import Filter
from integration_hub.connectors.hubspot import auth, filters, gone, owners, reading
from integration_hub.connectors.hubspot import properties as hubspot_properties
from integration_hub.connectors.hubspot import schema as hubspot_schema
from integration_hub.connectors.hubspot.api import LARGEST_PAGE, MOST_INPUTS, Api
from integration_hub.connectors.hubspot.associations import Labels, Tying
from integration_hub.connectors.hubspot.auth import ASSOCIATIONS, CALLS, SEARCH, SETTINGS, Session
from integration_hub.connectors.hubspot.checking import Checking
from integration_hub.connectors.hubspot.errors import classify
from integration_hub.connectors.hubspot.finding import Finder, recalled
from integration_hub.connectors.hubspot.identity import Key, key_kind, normalized
from integration_hub.connectors.hubspot.paths import paths_of
from integration_hub.connectors.hubspot.writing import Made, Writing, raised_or
from integration_hub.connectors.records import (
    Check,
    Member,
    Operation,
    Outcome,
    Page,
    ReadRequest,
    Record,
    RecordResult,
    RecordWrite,
    WriteRequest,
)
from integration_hub.connectors.schema import FieldSchema, ObjectSchema
from integration_hub.connectors.transport import Transport

BASE = "https://api.hubapi.com"
_WRITES = frozenset({Operation.CREATE, Operation.UPSERT, Operation.UPDATE, Operation.DELETE})


class HubSpot(Source, FieldMaker, People):
    kind: ClassVar[str] = "hubspot"
    label: ClassVar[str] = "HubSpot"
    settings: ClassVar[Sequence[Setting]] = SETTINGS
    production_url: ClassVar[str] = BASE
    sandbox_url: ClassVar[str] = BASE
    rates: ClassVar[Mapping[str, Rate]] = {
        # A bucket lets through its burst and ten seconds' worth in ten seconds: 20 + 170 are Professional's 190.
        CALLS: Rate(17.0, 20),
        SEARCH: Rate(4.0, 1),
        ASSOCIATIONS: Rate(13.0, 20),
    }
    batch_size: ClassVar[int] = MOST_INPUTS
    gives_ids: ClassVar[bool] = True
    exchanges: ClassVar[bool] = True
    fixed_fields: ClassVar[bool] = True
    write_scope: ClassVar[str] = CALLS
    repeatable: ClassVar[frozenset[Operation]] = frozenset(
        {Operation.UPSERT, Operation.UPDATE, Operation.DELETE, Operation.ASSOCIATE, Operation.UNTIE}
    )
    recall_size: ClassVar[int] = MOST_INPUTS
    recall_after: ClassVar[float] = 60.0
    """The search shows what was made "after a few moments" and names no bound; looked for too early, a company is
    made twice."""

    def __init__(self, config: Mapping[str, str], transport: Transport, keeper: Keeper) -> None:
        super().__init__(config, transport, keeper)
        transport.classify = self._judge
        self.session = Session(config, transport, keeper)
        self.clock = transport.clock
        self.zone: tzinfo = UTC
        """The zone in which dates in filters are meant."""
        self._made: Made = {}
        self._labels: Labels = {}

    @classmethod
    def missing(cls, config: Mapping[str, str], *, overridden: bool) -> list[str]:
        return [*super().missing(config, overridden=overridden), *auth.missing(config)]

    @classmethod
    def rates_for(cls, config: Mapping[str, str]) -> Mapping[str, Rate]:
        """Return the limits of the plan; an app authorized by OAuth has the same in every account."""
        if config.get("credential") == "oauth":
            return {**cls.rates, CALLS: Rate(9.0, 20)}
        if config.get("plan") == "free":
            return {**cls.rates, CALLS: Rate(8.0, 20), ASSOCIATIONS: Rate(8.0, 20)}
        return cls.rates

    def write(self, request: WriteRequest) -> list[RecordResult]:
        if request.operation is Operation.ASSOCIATE:
            return raised_or(Tying(self._api, request.writes, self._labels).results())
        if request.operation is Operation.UNTIE:
            return raised_or(Tying(self._api, request.writes, self._labels).untied())
        if request.operation not in _WRITES:
            raise ConfigError(
                f"HubSpot cannot {request.operation} a {request.object_type}.",
                remedy="A HubSpot connection creates, updates, upserts, archives and ties records.",
            )
        results: dict[int, RecordResult] = {}
        for places in _by_match(request.writes):
            part = WriteRequest(request.object_type, request.operation, [request.writes[at] for at in places])
            done = self._written(part, is_first=not results)
            results.update(zip(places, done, strict=True))
        return [results[at] for at in range(len(request.writes))]

    def recall(self, request: WriteRequest) -> list[RecordResult | None]:
        """Look for records whose creation went unanswered. RejectedError: nothing identifies them."""
        if any(write.match is None for write in request.writes):
            raise RejectedError(
                "The record has no match key, so it cannot be looked for in HubSpot.",
                code="no_match_key",
                remedy="Match by a unique property, such as hub_external_id, so that a lost answer is found again.",
            )
        results: dict[int, RecordResult | None] = {}
        for places in _by_match(request.writes):
            own = [request.writes[at] for at in places]
            results.update(zip(places, recalled(self._api, request.object_type, own), strict=True))
        return [results[at] for at in range(len(request.writes))]

    def look_up(self, object_type: str, keys: Sequence[str]) -> dict[str, Record]:
        found: dict[str, Record] = {}
        schema = self.describe(object_type)
        names = [name for name, field in schema.fields.items() if not field.read_only]
        names.append(reading.modified_property(object_type))
        unique = [name for name, field in schema.fields.items() if field.unique and name != "hs_object_id"]
        for name in ["email", "domain", "hs_object_id", *unique]:
            kind = key_kind(object_type, name)
            rest = [key for key in keys if key not in found and _may_be(kind, name, key)]
            if kind is Key.UNIQUE and name not in unique:
                continue
            raws = Finder(self._api, object_type, kind, name).find(
                [normalized(kind, key) for key in rest], names
            )
            for key in rest:
                raw = raws.get(normalized(kind, key).lower())
                if raw is not None:
                    found[key] = reading.to_record(raw, object_type)
        return found

    def read(self, request: ReadRequest) -> Iterator[Page]:
        window = self._window(request)

        def search(body: Mapping[str, Any]) -> Mapping[str, Any]:
            return self._api.search(request.object_type, body, purpose=f"read {request.object_type}")

        if request.limit is not None and request.limit <= LARGEST_PAGE:
            records = reading.read_first(search, window, request.limit)
            if records:
                yield Page(records, watermark=records[-1].modified_at)
            return
        left = request.limit
        for page in reading.read_windows(search, window, self.clock, request.page_size):
            if left is not None and len(page.records) >= left:
                kept = page.records[:left]
                yield Page(kept, watermark=kept[-1].modified_at)
                return
            left = left - len(page.records) if left is not None else None
            yield page

    def fetch(self, object_type: str, ids: Sequence[str], fields: Sequence[str]) -> list[Record]:
        wrong = [record_id for record_id in ids if not record_id.isdecimal()]
        if wrong:
            raise RejectedError(f"“{wrong[0]}” is not a HubSpot id.", code="bad_id")
        names = list(dict.fromkeys([reading.modified_property(object_type), "createdate", *fields]))
        raws = self._api.read_many(object_type, ids, names)
        return [reading.to_record(raw, object_type) for raw in raws]

    def base_fields(self, schema: ObjectSchema) -> list[str]:
        return hubspot_schema.base_fields(schema)

    def object_types(self) -> list[tuple[str, str]]:
        return list(hubspot_schema.OBJECT_TYPES)

    def count(self, object_type: str, where: Filter | None) -> int:
        window = self._window(ReadRequest(object_type, [], where=where))
        answer = self._api.search(object_type, window.body(limit=1), purpose=f"count {object_type}")
        return int(answer.get("total") or 0)

    def deleted(self, object_type: str, since: datetime, until: datetime) -> list[tuple[str, datetime]]:
        return gone.gone(self._api, object_type, since, until)

    def members(self) -> Iterator[Sequence[Member]]:
        yield from owners.owners(self._api)

    def find_member(self, email: str) -> Member | None:
        return owners.owner_with(self._api, email)

    def describe(self, object_type: str) -> ObjectSchema:
        api, purpose = self._api, f"describe {object_type}"
        properties = api.listed(api.paths.properties(object_type), purpose=purpose)
        pipelines = []
        if object_type.lower() in hubspot_schema.WITH_PIPELINES:
            pipelines = api.listed(api.paths.pipelines(object_type), purpose=purpose)
        return hubspot_schema.object_schema(object_type, properties, pipelines)

    def destination_schema(self, object_type: str) -> ObjectSchema:
        return self.describe(object_type)

    def create_fields(self, object_type: str, fields: Sequence[FieldSchema]) -> list[str]:
        paths = paths_of(self.config.get("api_version", ""))
        return hubspot_properties.create(self.session, paths, object_type, fields)

    def object_types_written(self) -> list[tuple[str, str]]:
        return list(hubspot_schema.OBJECT_TYPES)

    def check(self) -> Check:
        try:
            return Checking(self._api).result(self.config)
        except (ConfigError, RejectedError) as error:
            return Check(ok=False, summary=error.message, problems=[error.remedy] if error.remedy else [])

    @property
    def _api(self) -> Api:
        return Api(self.session, paths_of(self.config.get("api_version", "")))

    def _window(self, request: ReadRequest) -> reading.Window:
        modified = reading.modified_property(request.object_type)
        groups = filters.groups(request.where, now=self.clock(), zone=self.zone)
        names = list(dict.fromkeys([modified, "createdate", *request.fields]))
        return reading.Window(request.object_type, names, groups, request.since, request.until)

    def _written(self, request: WriteRequest, *, is_first: bool) -> list[RecordResult]:
        """Write what is matched in one way; an outage is raised only while nothing has been done."""
        try:
            return Writing(self._api, request, self._made).results()
        except ConnectorError as error:
            if is_first:
                raise
            return [RecordResult(write.ref, Outcome.FAILED, error=error) for write in request.writes]

    def _judge(self, response: requests.Response) -> ConnectorError | None:
        left = response.headers.get("X-HubSpot-RateLimit-Daily-Remaining", "")
        limit = response.headers.get("X-HubSpot-RateLimit-Daily", "")
        if left.isdecimal() and limit.isdecimal():
            self.transport.limiter.report_usage(max(int(limit) - int(left), 0), int(limit))
        return classify(response)


def _by_match(writes: Sequence[RecordWrite]) -> list[list[int]]:
    """Return the positions of the writes that are matched by the same property, group by group."""
    groups: dict[str, list[int]] = {}
    for at, write in enumerate(writes):
        groups.setdefault(write.match.field if write.match else "", []).append(at)
    return list(groups.values())


def _may_be(kind: Key, name: str, key: str) -> bool:
    """Say whether a text can be such a key: an e-mail has an at sign, a domain a dot, an id is digits."""
    if name in {"email", "domain"} and kind is Key.UNIQUE:
        return False
    if kind is Key.EMAIL:
        return "@" in key
    if kind is Key.DOMAIN:
        return "." in key and "@" not in key
    return key.isdecimal() if kind is Key.ID else True
