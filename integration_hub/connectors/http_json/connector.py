"""Any REST API that speaks JSON: one call, records to write, lists to watch, as the connection declares them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar

import requests

from integration_hub.connectors.contract import Destination, Keeper, Rate, Scannable, Setting
from integration_hub.connectors.declared import DeclarationError, declared, named
from integration_hub.connectors.errors import ConfigError, ConnectorError, RejectedError
from integration_hub.connectors.filters import Filter
from integration_hub.connectors.http_json import fetching, reading, scanning
from integration_hub.connectors.http_json.objects import Call, Listing, ObjectType, read_objects
from integration_hub.connectors.http_json.requests import (
    address_problem,
    call_of,
    header_name_problem,
    headers_problem,
    login_headers,
    path_problem,
    rate_problem,
    read_headers,
)
from integration_hub.connectors.http_json.writing import Answer, Writing, as_values, each
from integration_hub.connectors.json_values import inferred, moment_at, text_at
from integration_hub.connectors.records import (
    Check,
    Operation,
    Outcome,
    Page,
    ReadRequest,
    Record,
    RecordResult,
    RecordWrite,
    Scan,
    ScanPage,
    WriteRequest,
)
from integration_hub.connectors.schema import FieldSchema, FieldType, ObjectSchema
from integration_hub.connectors.transport import Transport, read_json

AUTH = (
    ("none", "None"),
    ("bearer", "Bearer token"),
    ("basic", "User name and password"),
    ("header", "A header"),
)
JSON = "application/json"


def objects_problem(text: str) -> str:
    try:
        read_objects(text)
    except DeclarationError as error:
        return str(error)
    return ""


class HttpJson(Scannable, Destination):
    kind: ClassVar[str] = "http_json"
    label: ClassVar[str] = "HTTP API (JSON)"
    gives_ids: ClassVar[bool] = True
    fetch_size: ClassVar[int] = 20
    scans_by_id: ClassVar[bool] = False
    settings: ClassVar[Sequence[Setting]] = (
        Setting(
            "address",
            "Address",
            required=True,
            help_text="Such as https://orders.example.com/api. Every request goes below it.",
            check=address_problem,
        ),
        Setting("auth", "Login", choices=AUTH, default="none"),
        Setting("token", "Token", secret=True, only_for=("auth", ("bearer",))),
        Setting("username", "User name", only_for=("auth", ("basic",))),
        Setting("password", "Password", secret=True, only_for=("auth", ("basic",))),
        Setting(
            "header_name",
            "Header",
            help_text="Such as X-Api-Key.",
            only_for=("auth", ("header",)),
            check=header_name_problem,
        ),
        Setting("header_value", "Value of the header", secret=True, only_for=("auth", ("header",))),
        Setting(
            "headers",
            "More headers",
            multiline=True,
            help_text="One “Name: value” a line. They are no place for secrets.",
            check=headers_problem,
        ),
        Setting(
            "test_path",
            "Path to test with",
            help_text="A harmless GET below the address, such as /me. Empty: the first list of the objects, "
            "else the address itself.",
            check=path_problem,
        ),
        Setting("per_second", "Calls a second", help_text="Empty: no limit of ours.", check=rate_problem),
        Setting(
            "idempotency_header",
            "Header for idempotency keys",
            help_text="Such as Idempotency-Key, if the API recognizes a repeated request by one. Then a call "
            "without an answer is made again, else a person is asked.",
            check=header_name_problem,
        ),
        Setting(
            "objects",
            "Objects",
            multiline=True,
            help_text="What can be read and written, as YAML. docs/connectors.md has the words. "
            "Empty: calls only.",
            check=objects_problem,
        ),
    )

    def __init__(self, config: Mapping[str, str], transport: Transport, keeper: Keeper) -> None:
        super().__init__(config, transport, keeper)
        if not transport.base_url:
            transport.base_url = config.get("address", "").strip().rstrip("/")
        transport.classify = self._noted
        self.clock = self.transport.clock
        self._refusal: requests.Response | None = None
        self.key_header = config.get("idempotency_header", "").strip()
        once_more = {Operation.UPSERT, Operation.UPDATE, Operation.DELETE}
        if self.key_header:
            once_more |= {Operation.CREATE, Operation.CALL}
        self.repeatable = frozenset(once_more)  # type: ignore[misc]  # it depends on what the API was said to know

    @classmethod
    def rates_for(cls, config: Mapping[str, str]) -> Mapping[str, Rate]:
        text = config.get("per_second", "").strip()
        if not text or rate_problem(text):
            return {}
        return {"": Rate(float(text), max(1, int(float(text))))}

    @classmethod
    def missing(cls, config: Mapping[str, str], *, overridden: bool) -> list[str]:
        found = super().missing(config, overridden=overridden)
        by_login = {"bearer": ["token"], "basic": ["username"], "header": ["header_name", "header_value"]}
        needed = by_login.get(config.get("auth", ""), [])
        return [*found, *(name for name in needed if not config.get(name))]

    def check(self) -> Check:
        try:
            kinds = self._objects
            path = self.config.get("test_path", "").strip()
            listing = next((kind.listing for kind in kinds.values() if kind.listing), None)
            if path or listing is None:
                self._exchange(Call("GET", path or "/"), purpose="check")
            else:
                self._rows(listing)
        except (ConfigError, RejectedError) as error:
            return Check(ok=False, summary=error.message, problems=[error.remedy] if error.remedy else [])
        facts = {"Address": self.transport.base_url}
        if kinds:
            facts["Objects"] = ", ".join(kinds)
        return Check(ok=True, summary="The API answers.", facts=facts)

    def write(self, request: WriteRequest) -> list[RecordResult]:
        return [replace(one, answer=self.transport.masked(one.answer)) for one in self._written(request)]

    def _written(self, request: WriteRequest) -> list[RecordResult]:
        if request.operation is Operation.CALL:
            return each(request.writes, self._call)
        writing = self._writing(request.object_type)
        return each(request.writes, lambda write: self._explained(write, writing, request.operation))

    def recall(self, request: WriteRequest) -> list[RecordResult | None]:
        if request.operation is Operation.CALL:
            raise RejectedError(
                "A call cannot be looked for.",
                code="no_lookup",
                remedy="Name a header for idempotency keys in the connection if the API knows one.",
            )
        writing = self._writing(request.object_type)
        return [writing.recalled(write) for write in request.writes]

    def look_up(self, object_type: str, keys: Sequence[str]) -> dict[str, Record]:
        writing, kind = self._writing(object_type), self._kind(object_type)
        found = {key: writing.find(key) for key in keys}
        now = self.clock()
        return {key: reading.to_record(row, kind, (), now) for key, row in found.items() if row is not None}

    def destination_schema(self, object_type: str) -> ObjectSchema:
        kind = self._kind(object_type)
        if kind.fields or kind.listing is None:
            return ObjectSchema(kind.name, kind.label, {one.name: one for one in kind.fields})
        return self.describe(object_type)

    def object_types_written(self) -> list[tuple[str, str]]:
        return [(kind.name, kind.label) for kind in self._objects.values() if kind.create or kind.update]

    def read(self, request: ReadRequest) -> Iterator[Page]:
        _refuse_filter(request.where)
        kind = self._kind(request.object_type)
        return reading.read_pages(kind, self._read(_listing(kind)), request)

    def fetch(self, object_type: str, ids: Sequence[str], fields: Sequence[str]) -> list[Record]:
        kind = self._kind(object_type)
        rows = fetching.rows(kind, list(dict.fromkeys(ids)), self._exchange)
        return [reading.to_record(row, kind, fields, self.clock()) for row in rows]

    def calls_to_fetch(self, count: int, fields: Sequence[str]) -> int:
        """Return how many it takes of the object type that takes most."""
        return max((fetching.calls(kind, count) for kind in self._objects.values()), default=count)

    def scan(self, request: Scan) -> Iterator[ScanPage]:
        kind = self._kind(request.object_type)
        return scanning.scan_pages(kind, self._read(scanning.listing_of(_listing(kind))), request)

    def last_id(self, request: Scan) -> str:
        """Return "": no list tells, so one reader reads it all."""
        return ""

    def split(self, after_id: str, up_to_id: str, parts: int) -> list[str]:
        return [up_to_id]

    def calls_to_scan(self, object_type: str, pages: int) -> int:
        return scanning.calls(_listing(self._kind(object_type)), pages)

    def describe(self, object_type: str) -> ObjectSchema:
        """Return the declared fields, else those of the first page."""
        kind = self._kind(object_type)
        fields = {one.name: one for one in kind.fields} or inferred(self._rows(_listing(kind)))
        for path in kind.paths.all():
            is_time = path in {kind.paths.modified, kind.paths.created}
            usual = FieldType.DATETIME if is_time else FieldType.TEXT
            fields.setdefault(path, FieldSchema(path, path, usual, filterable=False))
        return ObjectSchema(kind.name, kind.label, fields)

    def base_fields(self, schema: ObjectSchema) -> list[str]:
        return [path for path in self._kind(schema.object_type).paths.all() if path in schema.fields]

    def object_types(self) -> list[tuple[str, str]]:
        return [(kind.name, kind.label) for kind in self._objects.values() if kind.listing]

    def count(self, object_type: str, where: Filter | None) -> int:
        """Count by reading the list to its end: few APIs tell."""
        _refuse_filter(where)
        kind = self._kind(object_type)
        ids = {
            text_at(row, kind.paths.id)
            for rows in self._read(_listing(kind)).pages(None, None)
            for row in rows
        }
        return len(ids)

    def deleted(self, object_type: str, since: datetime, until: datetime) -> list[tuple[str, datetime]]:
        where = self._kind(object_type).deletions
        if where is None:
            return []
        rows = [row for page in self._read(where.listing).pages(since, until) for row in page]
        found = [(text_at(row, where.id), moment_at(row, where.at)) for row in rows]
        return [
            (remote_id, moment) for remote_id, moment in found if remote_id and moment and since <= moment
        ]

    def _call(self, write: RecordWrite) -> RecordResult:
        method, path, headers, body = call_of(write.values)
        harmless = method in {"GET", "HEAD"} or bool(self.key_header)
        try:
            answer = self._exchange(
                Call(method, path),
                body=body,
                ref=write.ref,
                repeatable=harmless,
                headers=headers,
                purpose="call",
            )
        except RejectedError as error:
            return self._refused(write, error)
        return RecordResult(write.ref, Outcome.SENT, "", status=answer.status, answer=as_values(answer.body))

    def _explained(self, write: RecordWrite, writing: Writing, operation: Operation) -> RecordResult:
        self._refusal = None
        try:
            return writing.one(write, operation)
        except RejectedError as error:
            return self._refused(write, error)

    def _refused(self, write: RecordWrite, error: RejectedError) -> RecordResult:
        """Return the refusal with what the API said: a flow may go on from it."""
        said = _json_of(self._refusal) if self._refusal is not None and error.status else None
        return RecordResult(
            write.ref, Outcome.FAILED, error=error, status=error.status, answer=as_values(said)
        )

    def _noted(self, response: requests.Response) -> ConnectorError | None:
        self._refusal = response if response.status_code >= 400 else None
        return None

    def _exchange(
        self,
        call: Call,
        *,
        body: Any = None,
        ref: str = "",
        repeatable: bool = True,
        headers: Mapping[str, str] | None = None,
        purpose: str = "",
    ) -> Answer:
        keyed = {self.key_header: ref} if self.key_header and ref else {}
        response = self.transport.request(
            call.method,
            call.path,
            json=body,
            headers={**self._headers, **(headers or {}), **keyed},
            repeatable=repeatable,
            purpose=purpose,
        )
        return Answer(response.status_code, _json_of(response))

    def _get(self, path: str, parameters: Mapping[str, str]) -> requests.Response:
        return self.transport.request("GET", path, params=parameters, headers=self._headers, purpose="read")

    def _rows(self, listing: Listing) -> list[reading.Row]:
        """Return the first page."""
        return next(self._read(listing).pages(None, None), [])

    def _read(self, listing: Listing) -> reading.Read:
        return reading.Read(listing, self._get, self.transport.base_url, self.clock())

    def _writing(self, object_type: str) -> Writing:
        return Writing(self._kind(object_type), self._exchange, has_key=bool(self.key_header))

    def _kind(self, object_type: str) -> ObjectType:
        return named(self._objects, object_type)

    @cached_property
    def _objects(self) -> Mapping[str, ObjectType]:
        return declared(read_objects, self.config.get("objects", ""))

    @cached_property
    def _headers(self) -> dict[str, str]:
        if not self.transport.base_url:
            raise ConfigError("The address is missing.", remedy="Fill the field “Address”.")
        login = login_headers(self.config)
        for value in login.values():
            self.transport.add_secret(value.rpartition(" ")[2])
        try:
            more = read_headers(self.config.get("headers", ""))
        except ValueError as error:
            raise ConfigError(f"More headers: {error}", remedy="Correct the field “More headers”.") from None
        return {"Accept": JSON, **more, **login}


def _json_of(response: requests.Response) -> Any:
    """Return the parsed answer, None if it is empty or no JSON: it was an answer all the same."""
    try:
        return read_json(response) if response.content.strip() else None
    except ConnectorError:
        return None


def _listing(kind: ObjectType) -> Listing:
    if kind.listing is None:
        raise ConfigError(
            f"The connection does not say where the {kind.name} are listed.",
            code="object_type",
            remedy="Add “list” to this object type in the objects of the connection.",
        )
    return kind.listing


def _refuse_filter(where: Filter | None) -> None:
    if where is not None:
        raise ConfigError("This API cannot be asked for what meets criteria.", code="query")
