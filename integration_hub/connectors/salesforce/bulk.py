"""Reading by Bulk API 2.0: Salesforce prepares all records as a job, and its result is read as CSV, page by page."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

import requests

from integration_hub.connectors.errors import ConfigError, ConnectorError, RejectedError, RetryableError
from integration_hub.connectors.records import ReadingCost, Scan, Scanned, ScanPage
from integration_hub.connectors.salesforce.reading import instant
from integration_hub.connectors.transport import read_json

PAGE = 25_000
"""Records in one answer: a page of rows with a hundred fields stays below what the transport takes."""
SLICE = 2_000
"""Records handed on at once, of the page that is in memory."""
SHORTEST_WAIT, LONGEST_WAIT = 1.0, 30.0
PATIENCE = timedelta(hours=12)
START_SECONDS = 5.0
A_SECOND = 10_000
"""What a job takes to begin, and how many records it prepares in a second: assumed, for the estimate."""
PAGE_SECONDS = 2.0
NOT_CALLS_OF_PAGES = 3
"""Describe, create, delete."""

_RUNNING = frozenset({"UploadComplete", "InProgress"})
_MARK = re.compile(r"(\w{15,18})(?: (\d+)(?: (\S+))?)?")
_CSV = {"contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF"}
_REST_REMEDY = "Read page by page instead: manage.py backfill … --read rest."


class Mark(NamedTuple):
    """Where the reading of a job stands: so many rows into the page at `locator`, "" being the first."""

    job_id: str
    rows: int = 0
    locator: str = ""

    def __str__(self) -> str:
        return f"{self.job_id} {self.rows} {self.locator}".rstrip()

    @classmethod
    def of(cls, text: str) -> Mark | None:
        found = _MARK.fullmatch(text)
        return cls(found[1], int(found[2] or 0), found[3] or "") if found else None


class Ask(Protocol):
    """Calls Salesforce below the path of the API version."""

    def __call__(self, method: str, path: str, **arguments: Any) -> requests.Response: ...


Convert = Callable[[str], Any]


class LostPlaceError(Exception):
    """The result has no such place as `mark` says, though the job is there and whole; `rows` are on its page."""

    def __init__(self, mark: Mark | None = None, rows: int = 0) -> None:
        super().__init__("lost place")
        self.mark = mark
        self.rows = rows


@dataclass(frozen=True, slots=True)
class Reading:
    """One scan as a job. `types` are the describe types by field; `version` is the API version, such as 64.0."""

    ask: Ask
    scan: Scan
    query: str
    version: str
    types: Callable[[], Mapping[str, str]]
    clock: Callable[[], datetime]

    def pages(self, text: str) -> Iterator[ScanPage]:
        """Yield the records from the mark on. Pages without records, but with a wait, come until there are some.

        A mark of a job that is gone, or failed, or that leads nowhere, is begun anew with another job. What is lost
        while it is read ends the reading, with a ConfigError: another job might go the same way, without end.
        """
        mark = Mark.of(text)
        job = self._resumed(mark) if mark else None
        if mark is None or job is None:
            job = self._created()
            mark = Mark(str(job["id"]))
        while job["state"] in _RUNNING:
            yield ScanPage([], 0, str(mark), self._wait(job))
            job = self._job(mark.job_id)
        if job["state"] != "JobComplete":
            raise _ended(job)
        try:
            yield from self._records(mark, int(job.get("numberRecordsProcessed") or 0))
        except LostPlaceError as lost:
            if lost.mark != Mark.of(text):
                raise _broken_off() from None
            end(self.ask, text)
            yield from self.pages("")

    def _created(self) -> Mapping[str, Any]:
        body = {"operation": "query", "query": self.query, **_CSV}
        try:
            return _whole(read_json(self.ask("POST", "/jobs/query", json=body, purpose="bulk query")))
        except RejectedError as error:
            raise ConfigError(
                error.message, code="bulk_job", remedy=_REST_REMEDY, status=error.status
            ) from None

    def _job(self, job_id: str) -> Mapping[str, Any]:
        return _whole(read_json(self.ask("GET", f"/jobs/query/{job_id}", purpose="bulk state")))

    def _resumed(self, mark: Mark) -> Mapping[str, Any] | None:
        """Return the job, if its result can still be had."""
        try:
            job = self._job(mark.job_id)
        except (ConfigError, RejectedError) as error:
            if error.status in (400, 404):
                return None
            raise
        is_ours = job.get("apiVersion") == float(self.version)
        return job if is_ours and job["state"] in {*_RUNNING, "JobComplete"} else None

    def _wait(self, job: Mapping[str, Any]) -> float:
        """Return how long to leave it alone: half as long again as it runs already."""
        age = self.clock() - instant(str(job["createdDate"]))
        if age > PATIENCE:
            hours = int(PATIENCE.total_seconds() // 3600)
            raise ConfigError(
                f"Salesforce has not finished the bulk job in {hours} hours.",
                code="bulk_job",
                remedy=_REST_REMEDY,
            )
        return min(max(age.total_seconds() / 2, SHORTEST_WAIT), LONGEST_WAIT)

    def _records(self, mark: Mark, total: int) -> Iterator[ScanPage]:
        columns = _columns(self.scan.fields)
        types = self.types()
        shape = [(tuple(name.split(".")), converter(types.get(name.casefold(), ""))) for name in columns]
        size = PAGE
        while True:
            try:
                answer = self._result(mark, size)
            except ConfigError as error:
                if error.code != "answer_too_large" or size <= SLICE:
                    raise
                size //= 2
                continue
            read = 0
            try:
                for records in slices(rows_of(answer.content, columns), shape, skip=mark.rows):
                    read += len(records)
                    yield ScanPage(records, total, str(mark._replace(rows=mark.rows + read)))
            except LostPlaceError as lost:
                _check_count(answer, lost.rows)
                raise LostPlaceError(mark, lost.rows) from None
            _check_count(answer, mark.rows + read)
            following = answer.headers.get("Sforce-Locator", "")
            if following in ("", "null"):
                return
            mark = Mark(mark.job_id, 0, following)

    def _result(self, mark: Mark, size: int) -> requests.Response:
        params: dict[str, Any] = {"maxRecords": size}
        if mark.locator:
            params["locator"] = mark.locator
        path = f"/jobs/query/{mark.job_id}/results"
        headers = {"Accept": "text/csv"}
        try:
            return self.ask("GET", path, params=params, headers=headers, purpose="bulk result")
        except RetryableError as error:
            if error.code == "INVALID_QUERY_LOCATOR":
                raise LostPlaceError(mark) from None
            raise
        except (ConfigError, RejectedError) as error:
            if error.status == 404:
                raise LostPlaceError(mark) from None
            raise


def end(ask: Ask, text: str) -> None:
    """Delete the job and its result, aborting it first if it still runs. What fails here ends by itself in a week."""
    mark = Mark.of(text)
    if mark is None:
        return
    path = f"/jobs/query/{mark.job_id}"
    with suppress(ConnectorError):
        try:
            ask("DELETE", path, purpose="bulk end")
        except RejectedError:
            ask("PATCH", path, json={"state": "Aborted"}, purpose="bulk abort")
            ask("DELETE", path, purpose="bulk end")


def cost(records: int) -> ReadingCost:
    """Return what a job of so many records costs: its calls, and the seconds until it is ready and for reading it."""
    ready = START_SECONDS + records / A_SECOND
    pages = max(math.ceil(records / PAGE), 1)
    return ReadingCost(NOT_CALLS_OF_PAGES + _polls(ready) + pages, ready, PAGE_SECONDS * pages)


def _polls(ready: float) -> int:
    age, polls = 0.0, 0
    while age < ready:
        age += min(max(age / 2, SHORTEST_WAIT), LONGEST_WAIT)
        polls += 1
    return polls


def converter(kind: str) -> Convert:
    """Return what makes of a CSV text the value that REST gives. Empty is null: Salesforce has no empty texts."""
    known = _CONVERTERS.get(kind, str)

    def convert(text: str) -> Any:
        return None if text == "" else known(text)

    return convert


def rows_of(content: bytes, columns: Sequence[str]) -> Iterator[list[str]]:
    """Yield the rows of a page in the order of `columns`, one by one. RetryableError: the page is not whole."""
    # NUL and halves of characters are left out, as of JSON: PostgreSQL keeps neither.
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", errors="ignore", newline="")
    order: Sequence[int] = range(len(columns))
    is_first = True
    try:
        for row in csv.reader((line.replace("\0", "") for line in text), strict=True):
            if is_first:
                is_first = False
                places = {name.casefold(): place for place, name in enumerate(row)}
                wanted = [name.casefold() for name in columns]
                if sorted(places) == sorted(wanted):  # not every page need have a header
                    order = [places[name] for name in wanted]
                    continue
            if len(row) != len(columns):
                raise _not_whole()
            yield [row[place] for place in order]
    except csv.Error:
        raise _not_whole() from None


def slices(
    rows: Iterator[list[str]], shape: Sequence[tuple[tuple[str, ...], Convert]], *, skip: int
) -> Iterator[list[Scanned]]:
    """Yield the records by the slice, but for the first `skip`. LostPlaceError: there are not so many."""
    part: list[Scanned] = []
    skipped = sum(1 for _ in itertools.islice(rows, skip))
    if skipped < skip:
        raise LostPlaceError(rows=skipped)
    for row in rows:
        part.append(_scanned(row, shape))
        if len(part) == SLICE:
            yield part
            part = []
    if part:
        yield part


def _scanned(row: Sequence[str], shape: Sequence[tuple[tuple[str, ...], Convert]]) -> Scanned:
    values: dict[str, Any] = {}
    try:
        for text, (path, convert) in zip(row, shape, strict=True):
            value = convert(text)
            if len(path) == 1:
                values[path[0]] = value
            else:
                _nest(values, path, value)
        return values["Id"], instant(values["SystemModstamp"]), values
    except (TypeError, ValueError):
        raise _not_whole() from None


def _nest(values: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Put a parent's value where REST has it. A parent of which all is empty is null, as REST shows a missing one."""
    *parents, last = path
    if value is None:
        values.setdefault(parents[0], None)
        return
    inner = values
    for name in parents:
        if inner.get(name) is None:
            inner[name] = {}
        inner = inner[name]
    inner[last] = value


def _columns(fields: Sequence[str]) -> list[str]:
    """Return the columns as the query names them, each once."""
    columns: dict[str, str] = {}
    for name in ("Id", "SystemModstamp", *fields):
        columns.setdefault(name.casefold(), name)
    return list(columns.values())


def _date_time(text: str) -> str:
    """Return an instant as REST writes it."""
    return f"{text[:-1]}+0000" if text.endswith("Z") else text


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError
    return text == "true"


_CONVERTERS: Mapping[str, Convert] = {
    "boolean": _boolean,
    "int": json.loads,
    "long": json.loads,
    "double": float,
    "currency": float,
    "percent": float,
    "datetime": _date_time,
}


def _whole(job: Any) -> Mapping[str, Any]:
    if not isinstance(job, dict) or not {"id", "state", "createdDate"} <= job.keys():
        raise _not_whole()
    return job


def _check_count(answer: requests.Response, count: int) -> None:
    told = answer.headers.get("Sforce-NumberOfRecords", "")
    if told.isdigit() and int(told) != count:
        raise _not_whole()


def _ended(job: Mapping[str, Any]) -> ConfigError:
    said = " ".join(str(job.get("errorMessage") or "").split())
    if job["state"] == "Failed":
        words = f"Salesforce could not finish the bulk job: {said or 'it gave no reason.'}"
    else:
        words = f"The bulk job is {str(job['state']).lower()} in Salesforce."
    return ConfigError(words, code="bulk_job", remedy=_REST_REMEDY)


def _not_whole() -> RetryableError:
    return RetryableError(
        "Salesforce sent a result that is not whole.", code="malformed_page", remedy=_REST_REMEDY
    )


def _broken_off() -> ConfigError:
    return ConfigError(
        "Salesforce lost the result of the bulk job while it was read.", code="bulk_job", remedy=_REST_REMEDY
    )
