"""What the data API answers: queries and their pages, describes, records, limits."""

from __future__ import annotations

import itertools
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from integration_hub.simulator.salesforce.ids import IdSequence, stamp, to18
from integration_hub.simulator.salesforce.org import Org
from integration_hub.simulator.salesforce.query import Result, View, run
from integration_hub.simulator.salesforce.schema import ObjectType, Row
from integration_hub.simulator.salesforce.soql import Path, SoqlError
from integration_hub.simulator.serving import Call, Response, json_response

PAGE_LIMIT = 2_000
RETRIEVE_LIMIT = 2_000
CURSOR_LIFE = timedelta(days=2)
CURSORS_KEPT = 100
UPDATED_REACH, DELETED_REACH = timedelta(days=30), timedelta(days=15)


class ApiError(Exception):
    """A refused call: status, code and words."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def error_response(status: int, code: str, message: str) -> Response:
    return json_response([{"message": message, "errorCode": code}], status)


Route = tuple[str, re.Pattern[str], Callable[..., Any]]
"""A method, the path below the version, and what answers: JSON, or a whole response."""
NOT_FOUND = ApiError(404, "NOT_FOUND", "The requested resource does not exist")


@dataclass(slots=True)
class Limits:
    """The calls of the day; `used` counts every call to the data API."""

    max: int = 100_000
    used: int = 0


@dataclass(frozen=True, slots=True)
class Cursor:
    """A query's remaining pages."""

    result: Result
    size: int
    opened_at: datetime


class Rest:
    """The routes below /services/data/vXX.0/. `page_size` forces pages smaller than the caller asks for."""

    def __init__(self, org: Org) -> None:
        self.org = org
        self.limits = Limits()
        self.bulk_jobs_left: Callable[[], int] = lambda: 0
        self.page_size = PAGE_LIMIT
        self._cursors: OrderedDict[str, Cursor] = OrderedDict()
        self._next_locator = IdSequence("01g")
        self.routes: list[Route] = [
            ("GET", re.compile(r"query/?"), self._query),
            ("GET", re.compile(r"queryAll/?"), self._query_all),
            ("GET", re.compile(r"query(?:All)?/(\w+)-(\d+)"), self._more),
            ("GET", re.compile(r"query(?:All)?/(\w+)"), self._more),
            ("GET", re.compile(r"limits/?"), self._limits),
            ("GET", re.compile(r"sobjects/?"), self._sobjects),
            ("GET", re.compile(r"sobjects/(\w+)/describe/?"), self._describe),
            ("GET", re.compile(r"sobjects/(\w+)/updated/?"), self._updated),
            ("GET", re.compile(r"sobjects/(\w+)/deleted/?"), self._deleted),
            ("GET", re.compile(r"sobjects/(\w+)/(\w+)"), self._record),
            ("GET", re.compile(r"composite/sobjects/(\w+)/?"), self._retrieve),
            ("POST", re.compile(r"composite/sobjects/(\w+)/?"), self._retrieve),
            ("GET", re.compile(r""), self._resources),
        ]

    def answer(self, call: Call, version: str, rest: str) -> Response:
        """Answer a call whose path ends in `rest` below the version."""
        base = f"/services/data/{version}"
        allowed = []
        for method, pattern, route in self.routes:
            found = pattern.fullmatch(rest)
            if found and method == call.method:
                shown = route(call, base, *found.groups())
                return shown if isinstance(shown, Response) else json_response(shown)
            if found:
                allowed.append(method)
        if allowed:
            told = f"HTTP Method '{call.method}' not allowed. Allowed are {','.join(allowed)}"
            raise ApiError(405, "METHOD_NOT_ALLOWED", told)
        raise NOT_FOUND

    def expire_cursors(self) -> None:
        """Let every query locator handed out so far be unknown."""
        self._cursors.clear()

    def _resources(self, call: Call, base: str) -> Any:
        names = ("query", "queryAll", "limits", "sobjects", "composite", "jobs")
        return {name: f"{base}/{name}" for name in names}

    def _query(self, call: Call, base: str) -> Any:
        return self._run(call, base, with_deleted=False)

    def _query_all(self, call: Call, base: str) -> Any:
        return self._run(call, base, with_deleted=True)

    def _run(self, call: Call, base: str, *, with_deleted: bool) -> Any:
        soql = call.query.get("q", "")
        if not soql.strip():
            raise ApiError(400, "MALFORMED_QUERY", "A query string has to be specified")
        try:
            result = run(self.org, soql, base, with_deleted=with_deleted)
        except SoqlError as error:
            raise ApiError(400, error.code, error.told(soql)) from None
        cursor = Cursor(result, self._page_size(call), self.org.clock())
        locator = self._next_locator()
        if len(result.rows) > cursor.size:
            self._cursors[locator] = cursor
            while len(self._cursors) > CURSORS_KEPT:
                self._cursors.popitem(last=False)
        return _page(cursor, base, locator, 0)

    def _page_size(self, call: Call) -> int:
        wished = re.search(r"batchSize=(\d+)", call.headers.get("Sforce-Query-Options", ""))
        size = min(max(int(wished[1]), 200), PAGE_LIMIT) if wished else PAGE_LIMIT
        return min(size, self.page_size)

    def _more(self, call: Call, base: str, locator: str, start: str = "0") -> Any:
        cursor = self._cursors.get(locator)
        if cursor is None or self.org.clock() - cursor.opened_at > CURSOR_LIFE:
            raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return _page(cursor, base, locator, int(start))

    def _limits(self, call: Call, base: str) -> Any:
        left = max(self.limits.max - self.limits.used, 0)
        return {
            "DailyApiRequests": {"Max": self.limits.max, "Remaining": left},
            "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": self.bulk_jobs_left()},
            "DailyBulkV2QueryFileStorageMB": {"Max": 976_562, "Remaining": 976_562},
            "DataStorageMB": {"Max": 1_024, "Remaining": 1_000},
            "SingleEmail": {"Max": 5_000, "Remaining": 5_000},
        }

    def _sobjects(self, call: Call, base: str) -> Any:
        listed = [item.summary(base) for item in self.org.schema.listed()]
        return {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": listed}

    def _describe(self, call: Call, base: str, name: str) -> Any:
        return self._type(name).describe(base)

    def _type(self, name: str) -> ObjectType:
        found = self.org.schema.get(name)
        if found is None or not found.prefix:
            raise NOT_FOUND
        return found

    def _record(self, call: Call, base: str, name: str, record_id: str) -> Any:
        kind = self._type(name)
        self.org.settle()
        row = self.org.row(record_id)
        if row is None or to18(record_id) not in self.org.tables[kind.name].rows:
            raise NOT_FOUND
        if row.get("IsDeleted"):
            raise ApiError(404, "ENTITY_IS_DELETED", "entity is deleted")
        wanted = call.query.get("fields")
        names = wanted.split(",") if wanted else [item.name for item in kind.fields.values()]
        return self._show(kind, base, names)(row)

    def _show(self, kind: ObjectType, base: str, names: Sequence[str]) -> Callable[[Row], dict[str, Any]]:
        paths = [Path(tuple(name.strip().split(".")), 0) for name in dict.fromkeys(names)]
        try:
            return View(self.org, kind, base).shape(paths)
        except SoqlError as error:
            told = error.message.partition(" If you are")[0].replace("on entity '", "on sobject of type ")
            raise ApiError(400, error.code, told.removesuffix(".").removesuffix("'")) from None

    def _retrieve(self, call: Call, base: str, name: str) -> Any:
        kind = self._type(name)
        if call.method == "POST":
            body = call.json()
            ids, names = list(body.get("ids", [])), list(body.get("fields", []))
        else:
            ids, names = call.query.get("ids", "").split(","), call.query.get("fields", "").split(",")
        if len(ids) > RETRIEVE_LIMIT:
            raise ApiError(
                400,
                "EXCEEDED_ID_LIMIT",
                f"record limit reached. cannot submit more than {RETRIEVE_LIMIT} ids",
            )
        show = self._show(kind, base, names)
        self.org.settle()
        rows = self.org.tables[kind.name].rows
        found = (rows.get(to18(str(record_id))) for record_id in ids)
        return [show(row) if row is not None and not row.get("IsDeleted") else None for row in found]

    def _updated(self, call: Call, base: str, name: str) -> Any:
        kind = self._type(name)
        start, end = self._window(call, UPDATED_REACH)
        rows = self._modified(kind, start, end)
        ids = [row["Id"] for row in rows if not row.get("IsDeleted")]
        return {"ids": ids, "latestDateCovered": self._covered(kind, end)}

    def _deleted(self, call: Call, base: str, name: str) -> Any:
        kind = self._type(name)
        start, end = self._window(call, DELETED_REACH)
        rows = self._modified(kind, start, end)
        gone = [
            {"id": row["Id"], "deletedDate": row["SystemModstamp"]} for row in rows if row.get("IsDeleted")
        ]
        earliest = stamp(self.org.clock() - DELETED_REACH)
        covered = self._covered(kind, end)
        return {"deletedRecords": gone, "earliestDateAvailable": earliest, "latestDateCovered": covered}

    def _window(self, call: Call, reach: timedelta) -> tuple[str, str]:
        try:
            start, end = (
                datetime.fromisoformat(call.query[key].replace(" ", "+")) for key in ("start", "end")
            )
            start, end = start.replace(second=0, microsecond=0), end.replace(second=0, microsecond=0)
            if start < end and start >= self.org.clock() - reach - timedelta(minutes=1):
                return stamp(start), stamp(end)
        except (KeyError, ValueError, TypeError):
            raise ApiError(
                400, "INVALID_REPLICATION_DATE", "start and end must be dates with a zone"
            ) from None
        told = "startDate must be before endDate and not before the replication window"
        raise ApiError(400, "INVALID_REPLICATION_DATE", told)

    def _modified(self, kind: ObjectType, start: str, end: str) -> list[Row]:
        self.org.settle()
        rows = self.org.tables[kind.name].by_stamp(start, end)
        return list(itertools.takewhile(lambda row: row["SystemModstamp"] < end, rows))

    def _covered(self, kind: ObjectType, end: str) -> str:
        """Return how far the answer reaches: not past the start of a transaction that is still running."""
        running: list[str] = [row["SystemModstamp"] for _, row in self.org.tables[kind.name].pending]
        return min([end, *running])


def _page(cursor: Cursor, base: str, locator: str, start: int) -> Any:
    result, end = cursor.result, start + cursor.size
    shown = [result.show(row) for row in result.rows[start:end]]
    if end >= len(result.rows):
        return {"totalSize": result.total, "done": True, "records": shown}
    following = f"{base}/query/{locator}-{end}"
    return {"totalSize": result.total, "done": False, "nextRecordsUrl": following, "records": shown}
