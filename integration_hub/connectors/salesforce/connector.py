"""Salesforce: reads records by SOQL, writes them by collections, describes objects, knows the users and queues."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, ClassVar

import requests

from integration_hub.connectors.contract import (
    BulkReadable,
    Destination,
    Keeper,
    People,
    Setting,
    TypedIds,
)
from integration_hub.connectors.errors import ConfigError, ConnectorError, RejectedError, RetryableError
from integration_hub.connectors.filters import Condition, Filter, Operator
from integration_hub.connectors.records import (
    Check,
    Member,
    Operation,
    Page,
    ReadingCost,
    ReadRequest,
    Record,
    RecordResult,
    Scan,
    ScanPage,
    WriteRequest,
)
from integration_hub.connectors.salesforce import auth, bulk, people, scanning, soql, values, writing
from integration_hub.connectors.salesforce import ids as salesforce_ids
from integration_hub.connectors.salesforce import schema as salesforce_schema
from integration_hub.connectors.salesforce.auth import PRODUCTION, SANDBOX, SETTINGS, Session
from integration_hub.connectors.salesforce.check import Checking
from integration_hub.connectors.salesforce.errors import classify
from integration_hub.connectors.salesforce.parents import Parents
from integration_hub.connectors.salesforce.reading import Row, Span, instant, read_span, to_record
from integration_hub.connectors.salesforce.target import Target
from integration_hub.connectors.schema import FieldType, ObjectSchema
from integration_hub.connectors.transport import Transport, read_json

BATCH = (200, 2000)
"""Bounds of the page size that Salesforce takes as a hint."""
FETCH_CHUNK = 2000
QUERY_CHUNK = 200
"""Ids in one query: each costs 27 characters of an address that may have 16,384."""
MARGIN = timedelta(minutes=2)
DELETIONS_KEPT = timedelta(days=15) - timedelta(minutes=2)

_OBJECT = re.compile(r"[A-Za-z]\w*")
_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Z0-5]{3})?")
_VERSION = re.compile(r"\d{2,3}\.0")
_USAGE = re.compile(r"(?:^|[\s;,])api-usage=(\d+)/(\d+)")


class Salesforce(BulkReadable, TypedIds, People, Destination):
    kind: ClassVar[str] = "salesforce"
    label: ClassVar[str] = "Salesforce"
    settings: ClassVar[Sequence[Setting]] = (*SETTINGS, *writing.SETTINGS)
    production_url: ClassVar[str] = PRODUCTION
    sandbox_url: ClassVar[str] = SANDBOX
    page_size: ClassVar[int] = BATCH[1]
    batch_size: ClassVar[int] = writing.MOST_RECORDS
    recall_size: ClassVar[int] = writing.MOST_RECORDS
    gives_ids: ClassVar[bool] = True
    repeatable: ClassVar[frozenset[Operation]] = frozenset(
        {Operation.UPSERT, Operation.UPDATE, Operation.DELETE}
    )

    def __init__(self, config: Mapping[str, str], transport: Transport, keeper: Keeper) -> None:
        super().__init__(config, transport, keeper)
        transport.classify = self._judge
        self.session = Session(config, transport, keeper)
        self.zone: tzinfo = UTC
        """The zone in which dates in filters are meant."""
        self.clock = self.transport.clock
        self._usage: tuple[int, int] | None = None
        self._target: Target | None = None
        self._parents = Parents(self._described)

    @classmethod
    def missing(cls, config: Mapping[str, str], *, overridden: bool) -> list[str]:
        return [
            *super().missing(config, overridden=overridden),
            *auth.missing(config, overridden=overridden),
        ]

    def read(self, request: ReadRequest) -> Iterator[Page]:
        now = self.clock()
        size = request.page_size if request.limit is None else min(request.limit, request.page_size)
        span = Span(
            fields=request.fields,
            object_type=request.object_type,
            where=self._condition(request.where, now),
            since=request.since,
            until=request.until,
            limit=request.limit,
        )
        _sentence(span.query)
        for rows in read_span(lambda query: self._pages(query, size), span, now=now):
            records = [to_record(row, self.session.instance_url) for row in rows]
            yield Page(records, watermark=records[-1].modified_at)

    def fetch(self, object_type: str, ids: Sequence[str], fields: Sequence[str]) -> list[Record]:
        wanted = list(dict.fromkeys(ids))
        wrong = [record_id for record_id in wanted if not _ID.fullmatch(record_id)]
        if wrong:
            raise RejectedError(f"“{wrong[0]}” is not a Salesforce id.", code="MALFORMED_ID")
        columns = ["Id", "SystemModstamp", *fields]
        if any("." in name for name in fields):
            rows = self._fetch_by_query(object_type, wanted, columns)
        else:
            rows = self._fetch_collection(object_type, wanted, columns)
        return [to_record(row, self.session.instance_url) for row in rows]

    def describe(self, object_type: str) -> ObjectSchema:
        return self._parents.schema(_object(object_type))

    def base_fields(self, schema: ObjectSchema) -> list[str]:
        return salesforce_schema.base_fields(schema)

    def object_types(self) -> list[tuple[str, str]]:
        answer = self._get("/sobjects", purpose="list object types")
        return sorted(
            ((item["name"], item["label"]) for item in answer["sobjects"] if _can_be_watched(item)),
            key=lambda pair: pair[1].casefold(),
        )

    def count(self, object_type: str, where: Filter | None) -> int:
        condition = self._condition(where, self.clock())
        query = f"SELECT COUNT() FROM {_object(object_type)}"  # noqa: S608 - the name is checked
        if condition:
            query += f" WHERE {condition}"
        return int(self._get("/query", params={"q": query}, purpose=f"count {object_type}")["totalSize"])

    def scan(self, request: Scan) -> Iterator[ScanPage]:
        for answer in self._answers(_sentence(lambda: scanning.query(request)), BATCH[1]):
            yield scanning.page(answer, request)

    def last_id(self, request: Scan) -> str:
        return scanning.first_id(self._pages(_sentence(lambda: scanning.last(request))))

    def split(self, after_id: str, up_to_id: str, parts: int) -> list[str]:
        return scanning.split(after_id, up_to_id, parts)

    def calls_to_fetch(self, count: int, fields: Sequence[str]) -> int:
        return -(-count // (QUERY_CHUNK if any("." in name for name in fields) else FETCH_CHUNK))

    def bulk_scan(self, request: Scan, mark: str) -> Iterator[ScanPage]:
        query = _sentence(lambda: scanning.bulk_query(request))
        return bulk.Reading(
            ask=self._call,
            scan=request,
            query=query,
            version=self.session.version,
            types=lambda: self._parents.types(_object(request.object_type), request.fields),
            clock=self.clock,
        ).pages(mark)

    def bulk_end(self, mark: str) -> None:
        bulk.end(self._call, mark)

    def bulk_cost(self, records: int) -> ReadingCost:
        return bulk.cost(records)

    def full_id(self, text: str) -> str:
        return salesforce_ids.full_id(text)

    def object_type_of(self, record_id: str, prefixes: Mapping[str, str]) -> str:
        return salesforce_ids.object_type_of(record_id, prefixes)

    def key_prefixes(self) -> dict[str, str]:
        return salesforce_ids.prefixes(self._get("/sobjects", purpose="list object types")["sobjects"])

    def deleted(self, object_type: str, since: datetime, until: datetime) -> list[tuple[str, datetime]]:
        end = until.replace(second=0, microsecond=0)  # it cuts the seconds off, of both ends
        start = max(min(since, end - MARGIN) - MARGIN, until - DELETIONS_KEPT)
        answer = self._get(
            f"/sobjects/{_object(object_type)}/deleted/",
            params={"start": start.isoformat(timespec="seconds"), "end": end.isoformat(timespec="seconds")},
            purpose=f"deleted {object_type}",
        )
        return [(row["id"], instant(row["deletedDate"])) for row in answer.get("deletedRecords") or ()]

    def check(self) -> Check:
        return Checking(self.session, self._get, self.transport.base_url, lambda: self._usage).result()

    def members(self) -> Iterator[Sequence[Member]]:
        return people.members(self._pages)

    def find_member(self, email: str) -> Member | None:
        same_email = Condition("Email", FieldType.TEXT, Operator.EQUALS, (email,))
        return people.first(self._pages, self._condition(same_email, self.clock()))

    def find_members(self, ids: Sequence[str]) -> list[Member]:
        wanted = [remote_id for remote_id in dict.fromkeys(ids) if _ID.fullmatch(remote_id)]
        rows = self._fetch_by_query("User", wanted, people.USER_FIELDS)
        return [people.user(row) for row in rows]

    @classmethod
    def objections(
        cls, config: Mapping[str, str], object_type: str, match_path: str, paths: Collection[str]
    ) -> dict[str, str]:
        return dict(values.objections(match_path, paths))

    def write(self, request: WriteRequest) -> list[RecordResult]:
        return self._writing.write(request)

    def recall(self, request: WriteRequest) -> list[RecordResult | None]:
        return self._writing.recall(request)

    def look_up(self, object_type: str, keys: Sequence[str]) -> dict[str, Record]:
        return self._writing.look_up(object_type, keys, self.session.instance_url)

    def destination_schema(self, object_type: str) -> ObjectSchema:
        return self._writing.schema(object_type)

    def object_types_written(self) -> list[tuple[str, str]]:
        return self._writing.object_types()

    @property
    def _writing(self) -> Target:
        if self._target is None:
            self._target = Target(
                self._call, self._get, self._pages, self._fetch_collection, self.config, self.session.version
            )
        return self._target

    def _judge(self, response: requests.Response) -> ConnectorError | None:
        usage = _USAGE.search(response.headers.get("Sforce-Limit-Info", ""))
        if usage:
            self._usage = int(usage[1]), int(usage[2])
            self.transport.limiter.report_usage(*self._usage)
        return classify(response)

    def _condition(self, where: Filter | None, now: datetime) -> str:
        if where is None:
            return ""
        return _sentence(lambda: soql.where(where, now=now, zone=self.zone))

    def _described(self, object_type: str) -> Mapping[str, Any]:
        answer = self._get(f"/sobjects/{_object(object_type)}/describe", purpose=f"describe {object_type}")
        return dict(answer)

    def _path(self, path: str) -> str:
        version = self.session.version
        if not _VERSION.fullmatch(version):
            raise ConfigError(f"“{version}” is not an API version.", remedy="Enter one such as 64.0.")
        return f"/services/data/v{version}{path}"

    def _call(self, method: str, path: str, **arguments: Any) -> requests.Response:
        return self.session.request(method, self._path(path), **arguments)

    def _get(self, path: str, **arguments: Any) -> Any:
        return read_json(self._call("GET", path, **arguments))

    def _pages(self, query: str, size: int = BATCH[1]) -> Iterator[list[Row]]:
        """Yield the pages of a query's rows."""
        for answer in self._answers(query, size):
            yield answer["records"]

    def _answers(self, query: str, size: int) -> Iterator[Mapping[str, Any]]:
        """Yield the answers, checked to be whole; a short page is not the end, only `done` is."""
        hint = f"batchSize={min(max(size, BATCH[0]), BATCH[1])}"
        headers = {"Sforce-Query-Options": hint}
        answer = self._get("/query", params={"q": query}, headers=headers, purpose="query")
        while True:
            following = _following(answer)
            yield answer
            if following is None:
                return
            answer = read_json(self.session.request("GET", following, purpose="query"))

    def _fetch_collection(self, object_type: str, ids: list[str], fields: list[str]) -> Iterator[Row]:
        columns = list({name.casefold(): name for name in fields}.values())
        path = self._path(f"/composite/sobjects/{_object(object_type)}")
        for start in range(0, len(ids), FETCH_CHUNK):
            body = {"ids": ids[start : start + FETCH_CHUNK], "fields": columns}
            rows = read_json(self.session.request("POST", path, json=body, purpose=f"fetch {object_type}"))
            yield from (row for row in rows if row)

    def _fetch_by_query(self, object_type: str, ids: list[str], fields: list[str]) -> Iterator[Row]:
        """Yield rows by query: the collection call gives no parent fields."""
        for start in range(0, len(ids), QUERY_CHUNK):
            listed = ", ".join(f"'{record_id}'" for record_id in ids[start : start + QUERY_CHUNK])
            query = _select(fields, object_type, where=f"Id IN ({listed})")
            for rows in self._pages(query):
                yield from rows


def _sentence(build: Callable[[], str]) -> str:
    """Return what `build` gives; what it says cannot be asked becomes a ConfigError."""
    try:
        return build()
    except ValueError as error:
        raise ConfigError(str(error), code="query", remedy="Correct the criteria or the fields.") from None


def _select(fields: Sequence[str], object_type: str, *, where: str) -> str:
    return _sentence(lambda: soql.select(fields, object_type, where=where))


def _object(name: str) -> str:
    if not _OBJECT.fullmatch(name):
        raise ConfigError(
            f"“{name}” is not the API name of a Salesforce object.",
            code="object_type",
            remedy="Choose one of the list.",
        )
    return name


def _following(answer: Any) -> str | None:
    """Return the path of the next page, if there is one; an answer that is not whole is not taken."""
    rows = answer.get("records") if isinstance(answer, dict) else None
    following = answer.get("nextRecordsUrl") if isinstance(answer, dict) else None
    is_done = isinstance(answer, dict) and answer.get("done")
    is_path = isinstance(following, str) and following.startswith("/services/")
    if not isinstance(rows, list) or not (is_done or is_path):
        raise RetryableError("Salesforce sent a page that is not complete.", code="malformed_page")
    return None if is_done else following


def _can_be_watched(item: Mapping[str, Any]) -> bool:
    return bool(
        item.get("queryable") and item.get("layoutable", True) and not item.get("deprecatedAndHidden")
    )
