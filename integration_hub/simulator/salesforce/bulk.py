"""Bulk API 2.0: query jobs that run on their own for a while, and give their result as CSV, page by page."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from integration_hub.simulator.salesforce.ids import IdSequence, stamp, to18
from integration_hub.simulator.salesforce.org import Org
from integration_hub.simulator.salesforce.query import View, run
from integration_hub.simulator.salesforce.rest import NOT_FOUND, ApiError, Route
from integration_hub.simulator.salesforce.schema import Getter, Row
from integration_hub.simulator.salesforce.soql import Query, SoqlError, parse
from integration_hub.simulator.serving import Call, Response

CSV_TYPE = "text/csv"
JOBS_A_DAY = 10_000
KEPT = timedelta(days=7)
LARGEST_PAGE = 250_000
ENDED = frozenset({"JobComplete", "Failed", "Aborted"})
DELIMITERS = {"COMMA": ",", "SEMICOLON": ";", "TAB": "\t", "PIPE": "|", "CARET": "^", "BACKQUOTE": "`"}
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}


@dataclass(slots=True)
class Job:
    """One query job. `rows` are found when it completes, as they are then."""

    id: str
    operation: str
    soql: str
    query: Query
    object_type: str
    version: str
    delimiter: str
    line_ending: str
    created_at: datetime
    ready_at: datetime
    state: str = "UploadComplete"
    failure: str = ""
    rows: Sequence[Row] = ()


class Bulk:
    """The jobs. `processing` is how many seconds one takes; `unsupported` are object types that Bulk refuses."""

    def __init__(self, org: Org) -> None:
        self.org = org
        self.processing = 0.0
        self.page_size = LARGEST_PAGE
        self.unsupported: set[str] = set()
        self.started = 0
        self.jobs: dict[str, Job] = {}
        self._failures: list[str] = []
        self._next_id = IdSequence("750")

    def routes(self) -> list[Route]:
        job = r"jobs/query/(\w+)"
        return [
            ("POST", re.compile(r"jobs/query/?"), self._create),
            ("GET", re.compile(job), self._show),
            ("PATCH", re.compile(job), self._abort),
            ("DELETE", re.compile(job), self._delete),
            ("GET", re.compile(rf"{job}/results/?"), self._results),
        ]

    def fail_next(self, message: str) -> None:
        """Let the next job that is created end as Failed."""
        self._failures.append(message)

    @property
    def jobs_left(self) -> int:
        return max(JOBS_A_DAY - self.started, 0)

    def _create(self, call: Call, base: str) -> Any:
        body = call.json()
        operation, soql = body.get("operation"), str(body.get("query") or "")
        delimiter, ending = body.get("columnDelimiter", "COMMA"), body.get("lineEnding", "LF")
        if (
            operation not in ("query", "queryAll")
            or delimiter not in DELIMITERS
            or ending not in LINE_ENDINGS
        ):
            raise ApiError(400, "INVALIDJOB", "The operation, columnDelimiter or lineEnding is not known.")
        if body.get("contentType", "CSV") != "CSV":
            raise ApiError(400, "INVALIDJOB", "Bulk API 2.0 supports CSV only.")
        if not self.jobs_left:
            raise ApiError(400, "LIMIT_EXCEEDED", "Max number of query jobs in 24 hours exceeded.")
        query, object_type = self._checked(soql)
        now = self.org.clock()
        ready = now + timedelta(seconds=self.processing)
        version = base.rpartition("/")[2]
        job = Job(
            self._next_id(), operation, soql, query, object_type, version, delimiter, ending, now, ready
        )
        if self._failures:
            job.failure = self._failures.pop(0)
        self.started += 1
        self.jobs[job.id] = job
        return _short(job, self.org.admin_id)

    def _checked(self, soql: str) -> tuple[Query, str]:
        try:
            query = parse(soql)
            if not query.fields:
                raise ApiError(400, "API_ERROR", "Aggregate Relationships not supported in Bulk Query")
            if query.offset:
                raise ApiError(400, "API_ERROR", "OFFSET not supported in Bulk Query")
            run(self.org, soql, "")
            name = self.org.schema[query.object_type].name
            view = View(self.org, self.org.schema[name], "")
            if any(view.bind(path)[0].type == "address" for path in query.fields):
                raise ApiError(400, "API_ERROR", "Selecting compound data not supported in Bulk Query")
        except SoqlError as error:
            raise ApiError(400, error.code, error.told(soql)) from None
        if name in self.unsupported:
            raise ApiError(400, "INVALIDENTITY", f"Entity '{name}' is not supported by the Bulk API.")
        return query, name

    def _job(self, job_id: str) -> Job:
        """Return a job as it stands by now."""
        job = self.jobs.get(to18(job_id))
        now = self.org.clock()
        if job is None or now - job.created_at > KEPT:
            raise NOT_FOUND
        if job.state not in ENDED:
            if now < job.ready_at:
                job.state = "InProgress" if now > job.created_at else "UploadComplete"
            elif job.failure:
                job.state = "Failed"
            else:
                job.rows = self._found(job)
                job.state = "JobComplete"
        return job

    def _found(self, job: Job) -> Sequence[Row]:
        """Return the rows; without ORDER BY in an order that nobody may rely on."""
        rows = run(self.org, job.soql, "", with_deleted=job.operation == "queryAll").rows
        if job.query.orders:
            return rows
        middle = len(rows) // 2
        return [*rows[middle:], *rows[:middle]]

    def _show(self, call: Call, base: str, job_id: str) -> Any:
        job = self._job(job_id)
        took = int((self.org.clock() - job.created_at).total_seconds() * 1000)
        shown = _short(job, self.org.admin_id) | {"jobType": "V2Query", "retries": 0}
        if job.state == "Failed":
            shown["errorMessage"] = job.failure
        return shown | {"totalProcessingTime": took, "numberRecordsProcessed": len(job.rows)}

    def _abort(self, call: Call, base: str, job_id: str) -> Any:
        job = self._job(job_id)
        if call.json().get("state") != "Aborted":
            raise ApiError(400, "INVALIDJOB", "A query job can only be set to Aborted.")
        if job.state in ENDED:
            raise ApiError(400, "INVALIDJOBSTATE", "Aborting already Completed Job not allowed")
        job.state = "Aborted"
        return _short(job, self.org.admin_id)

    def _delete(self, call: Call, base: str, job_id: str) -> Response:
        job = self._job(job_id)
        if job.state not in ENDED:
            raise ApiError(400, "INVALIDJOBSTATE", "Deleting a job that is in progress is not allowed")
        del self.jobs[job.id]
        return Response(204)

    def _results(self, call: Call, base: str, job_id: str) -> Response:
        job = self._job(job_id)
        if base.rpartition("/")[2] != job.version:
            raise ApiError(409, "API_ERROR", "The job was created with another API version.")
        if job.state != "JobComplete":
            raise ApiError(400, "INVALIDJOBSTATE", "The job has no results yet.")
        start = _offset(call.query.get("locator", ""))
        end = start + min(int(call.query.get("maxRecords") or LARGEST_PAGE), self.page_size)
        rows = job.rows[start:end]
        body = "".join(csv_lines(self.org, job, rows)).encode()
        locator = _locator(end) if end < len(job.rows) else "null"
        headers = {"Sforce-Locator": locator, "Sforce-NumberOfRecords": str(len(rows))}
        if "gzip" in call.headers.get("Accept-Encoding", ""):
            body, headers["Content-Encoding"] = gzip.compress(body, 1), "gzip"
        return Response(200, body, CSV_TYPE, headers)


def csv_lines(org: Org, job: Job, rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of a page: all values quoted, nothing for null, parents in columns with dots."""
    view = View(org, org.schema[job.object_type], "")
    columns: list[tuple[str, Callable[[Row], str]]] = []
    for path in job.query.fields:
        parts = path.parts
        is_own = len(parts) > 1 and parts[0].lower() == job.object_type.lower()
        bound = replace(path, parts=parts[1:]) if is_own else path
        item, get = view.bind(bound)
        name = ".".join([*_relationships(view, bound.parts[:-1]), item.name])
        columns.append((name, _text(get, item.type)))
    out = io.StringIO()
    ending = LINE_ENDINGS[job.line_ending]
    writer = csv.writer(
        out, delimiter=DELIMITERS[job.delimiter], quoting=csv.QUOTE_ALL, lineterminator=ending
    )
    writer.writerow([name for name, _ in columns])
    for row in rows:
        writer.writerow([text(row) for _, text in columns])
        yield out.getvalue()
        out.seek(0)
        out.truncate()
    yield out.getvalue()


def _relationships(view: View, names: Sequence[str]) -> Iterator[str]:
    object_type = view.object_type
    for name in names:
        link = view.link(object_type, name, 0)
        yield link.relationship
        object_type = view.target(link)


def _text(get: Getter, kind: str) -> Callable[[Row], str]:
    def text(row: Row) -> str:
        value = get(row)
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value).replace("+0000", "Z") if kind == "datetime" else str(value)

    return text


def _short(job: Job, user_id: str) -> dict[str, Any]:
    return {
        "id": job.id,
        "operation": job.operation,
        "object": job.object_type,
        "createdById": user_id,
        "createdDate": stamp(job.created_at),
        "systemModstamp": stamp(job.created_at),
        "state": job.state,
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": float(job.version[1:]),
        "lineEnding": job.line_ending,
        "columnDelimiter": job.delimiter,
    }


def _locator(start: int) -> str:
    return base64.urlsafe_b64encode(str(start).encode()).decode().rstrip("=")


def _offset(locator: str) -> int:
    if not locator:
        return 0
    try:
        return int(base64.urlsafe_b64decode(locator + "=" * (-len(locator) % 4)))
    except ValueError:
        raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator") from None
