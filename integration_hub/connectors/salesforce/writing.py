"""Writing records to Salesforce by collections of 200; each write gets its own answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import requests

from integration_hub.connectors.contract import Setting
from integration_hub.connectors.errors import (
    AuthError,
    ConfigError,
    ConnectorError,
    RejectedError,
    RetryableError,
    UnknownOutcomeError,
)
from integration_hub.connectors.records import Operation, Outcome, RecordResult, RecordWrite, WriteRequest
from integration_hub.connectors.salesforce.finding import Found
from integration_hub.connectors.salesforce.jobs import Job, formers, job_of, names_in, still_open, waves
from integration_hub.connectors.salesforce.refusals import (
    GONE,
    gone,
    no_match_key,
    refusal,
    row_error,
    twice,
)
from integration_hub.connectors.transport import read_json

MOST_RECORDS = 200
MOST_CALLS = 40
"""Calls one write may cost. A batch full of records to be found one by one goes on in its next try."""
COLLECTIONS = "/composite/sobjects"

SETTINGS = (
    Setting(
        "duplicate_rules",
        "Duplicate rules that alert",
        choices=(("respect", "Refuse what they take for a duplicate"), ("save", "Save it all the same")),
        default="respect",
        help_text="For writing. Rules that block are not affected.",
    ),
    Setting(
        "assignment_rules",
        "Assignment rules",
        choices=(("org", "As the org has them"), ("off", "Do not assign what the hub writes")),
        default="org",
        help_text="For writing leads, cases and accounts: active rules may change the owner.",
    ),
)

Call = Callable[..., requests.Response]
Find = Callable[[str, str, Sequence[str]], Found]
Work = Callable[[Sequence["Job"]], None]


def headers(config: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of writes that the settings ask for."""
    found = {}
    if config.get("duplicate_rules") == "save":
        found["Sforce-Duplicate-Rule-Header"] = "allowSave=true"
    if config.get("assignment_rules") == "off":
        found["Sforce-Auto-Assign"] = "FALSE"
    return found


class Writing:
    """One request for one object type, all of whose writes are matched by the same field."""

    def __init__(self, call: Call, find: Find, request: WriteRequest, config: Mapping[str, str]) -> None:
        self.call = call
        self.find = find
        self.object_type = request.object_type
        self.operation = request.operation
        self.headers = headers(config)
        first = request.writes[0].match
        self.field = first.field if first else ""
        self.jobs = [job_of(write, self.field, self.operation) for write in request.writes]
        self.heard = False
        """Whether Salesforce has said anything about a single record."""
        self._calls = 0

    def results(self) -> list[RecordResult]:
        """Do it. An error that concerns all of them is raised while nothing is done; else each has its result."""
        steps: dict[Operation, Work] = {
            Operation.UPSERT: self._upsert,
            Operation.CREATE: self._create,
            Operation.UPDATE: self._update,
            Operation.DELETE: self._delete,
        }
        if self.operation not in steps:
            raise RejectedError(
                f"Salesforce records cannot take the operation {self.operation}.", code="operation"
            )
        try:
            for wave in waves(still_open(self.jobs)):
                steps[self.operation](wave)
        except ConnectorError as error:
            if not self.heard:
                raise
            for job in self.jobs:
                job.fail(error)
        return [job.result or RecordResult(job.ref, Outcome.FAILED, error=_unsaid()) for job in self.jobs]

    def _upsert(self, wave: Sequence[Job]) -> None:
        self._change([job for job in wave if job.record_id])
        for job in still_open(wave):
            if not job.key:
                job.fail(no_match_key())
        self._look_up([job for job in still_open(wave) if formers(job)])
        self._change([job for job in still_open(wave) if job.record_id])
        path = f"{COLLECTIONS}/{self.object_type}/{self.field}"
        self._in_parts(still_open(wave), lambda part: self._sent("PATCH", path, part, _upserted))

    def _create(self, wave: Sequence[Job]) -> None:
        self._end_existing(wave, 200)

        def made(job: Job, row: Mapping[str, Any]) -> None:
            job.end(Outcome.CREATED, str(row["id"]), 201)

        self._in_parts(still_open(wave), lambda part: self._sent("POST", COLLECTIONS, part, made))
        # Somebody may have made it since: then the refusal of the unique field says that it is there.
        taken = [job for job in wave if job.key and _is_taken(job)]
        refused = {job.ref: job.result for job in taken}
        for job in taken:
            job.result = None
        try:
            self._end_existing(taken, 409)
        finally:
            for job in taken:
                job.result = job.result or refused[job.ref]

    def _end_existing(self, jobs: Sequence[Job], status: int) -> None:
        self._look_up([job for job in jobs if job.key])
        for job in still_open(jobs):
            if job.record_id:
                job.end(Outcome.EXISTING, job.record_id, status)

    def _update(self, wave: Sequence[Job]) -> None:
        self._change([job for job in wave if job.record_id])
        self._look_up([job for job in still_open(wave) if job.key])
        self._change([job for job in still_open(wave) if job.record_id])
        for job in still_open(wave):
            job.fail(gone())

    def _delete(self, wave: Sequence[Job]) -> None:
        """Put into the recycle bin; what is not there is deleted already."""
        self._look_up([job for job in wave if not job.record_id and job.key])
        for job in still_open(wave):
            if not job.record_id and job.key:
                job.end(Outcome.DELETED, "", 204)
            elif not job.record_id:
                job.fail(no_match_key())

        def send(part: Sequence[Job]) -> None:
            ids = ",".join(job.record_id for job in part)
            params = {"ids": ids, "allOrNone": "false"}
            rows = self._rows("DELETE", COLLECTIONS, part, params=params)
            for job, row in zip(part, rows, strict=True):
                error = None if row.get("success") else row_error(row, by_id=True)
                if error is None or error.status == GONE:
                    job.end(Outcome.DELETED, job.record_id, 204)
                else:
                    job.fail(error)

        self._in_parts(still_open(wave), send)

    def _look_up(self, jobs: Sequence[Job]) -> None:
        """Find the records: by their present key, else by one they had before."""
        keys = {job.ref: [job.key, *formers(job)] for job in jobs}
        if not keys:
            return
        wanted = [key for listed in keys.values() for key in listed]
        try:
            found = self.find(self.object_type, self.field, wanted)
        except (ConfigError, RejectedError) as error:
            own = _of_request(error, self.field)
            for job in jobs:
                job.fail(own)
            return
        for job in jobs:
            ids = next((ids for key in keys[job.ref] if (ids := found.ids(key))), ())
            if len(set(ids)) > 1:
                job.fail(twice(existing=list(dict.fromkeys(ids))))
            elif ids:
                job.record_id = ids[0]

    def _change(self, jobs: Sequence[Job]) -> None:
        """Update by id. One that is gone loses its id, to be found by its key if it has one."""

        def changed(job: Job, row: Mapping[str, Any]) -> None:
            job.end(Outcome.UPDATED, str(row.get("id") or job.record_id), 200)

        def send(part: Sequence[Job]) -> None:
            rows = [{"Id": job.record_id} for job in part]
            self._sent("PATCH", COLLECTIONS, part, changed, rows)

        self._in_parts(still_open(jobs), send)
        for job in jobs:
            error = job.result.error if job.result else None
            if error is not None and error.status == GONE and job.key:
                job.record_id, job.result = "", None

    def _sent(
        self,
        method: str,
        path: str,
        part: Sequence[Job],
        done: Callable[[Job, Mapping[str, Any]], None],
        own: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Send one collection and give each record its verdict; `own` are fields that lead the record."""
        leading = own or [{} for _ in part]
        records = [
            {"attributes": {"type": self.object_type}, **more, **job.record}
            for job, more in zip(part, leading, strict=True)
        ]
        body = {"allOrNone": False, "records": records}
        for job, row in zip(part, self._rows(method, path, part, json=body), strict=True):
            if row.get("success") is True:
                done(job, row)
            else:
                job.fail(row_error(row, by_id=bool(own)))

    def _rows(self, method: str, path: str, part: Sequence[Job], **content: Any) -> list[Mapping[str, Any]]:
        """Call; return one row for each of the part, in its order."""
        if self._calls >= MOST_CALLS:
            raise RetryableError(
                "Too many refused records in one batch: the rest of it goes with the next try.",
                code="split_up",
                remedy="See the dead letters of this sync: they most likely have one reason in common.",
            )
        self._calls += 1
        is_repeatable = self.operation is not Operation.CREATE
        purpose = f"{self.operation} {len(part)} {self.object_type}"
        try:
            answer = self.call(
                method, path, headers=self.headers, repeatable=is_repeatable, purpose=purpose, **content
            )
            rows = _whole(read_json(answer), part)
        except RetryableError as error:
            raise error if is_repeatable or not _may_be_done(error) else _unknown(error) from None
        self.heard = True
        return rows

    def _in_parts(self, jobs: Sequence[Job], call: Work) -> None:
        """Call for 200 at a time; what is refused as a whole is split until the bad record stands alone."""
        parts = [list(jobs[start : start + MOST_RECORDS]) for start in range(0, len(jobs), MOST_RECORDS)][
            ::-1
        ]
        while parts:
            part = parts.pop()
            try:
                call(part)
            except (RejectedError, ConfigError) as error:
                parts += reversed(_after_refusal(part, _of_request(error, self.field)))
                self.heard = self.heard or any(job.result for job in part)


def by_match(writes: Sequence[RecordWrite]) -> list[list[int]]:
    """Return the positions of the writes that are matched by the same field, group by group."""
    groups: dict[str, list[int]] = {}
    for at, write in enumerate(writes):
        groups.setdefault(write.match.field if write.match else "", []).append(at)
    return list(groups.values())


def _of_request(error: ConnectorError, match_field: str) -> ConnectorError:
    """Return what the refusal of a whole request means for its records; raise what concerns the connection."""
    is_refusal = isinstance(error, RejectedError) or (
        error.status == 400 and not isinstance(error, AuthError)
    )
    if not is_refusal:
        raise error
    if "external ID field" in error.message:
        return refusal({"errorCode": "INVALID_FIELD", "fields": [match_field]})
    code = "INVALID_TYPE" if error.status == GONE else error.code
    return refusal({"errorCode": code, "message": error.message})


def _after_refusal(part: list[Job], error: ConnectorError) -> list[list[Job]]:
    """Fail those that the refusal of a whole collection is about; return what goes again, in parts."""
    named = {name.casefold() for name in getattr(error, "fields", ())}
    about = [job for job in part if named & names_in(job.record)]
    if len(part) == 1 or error.code == "INVALID_TYPE":
        about = part
    if about:
        for job in about:
            job.fail(error)
        rest = [job for job in part if job.result is None]
        return [rest] if rest else []
    middle = len(part) // 2
    return [part[:middle], part[middle:]]


def _upserted(job: Job, row: Mapping[str, Any]) -> None:
    is_new = row.get("created") is True
    job.end(Outcome.CREATED if is_new else Outcome.UPDATED, str(row.get("id") or ""), 201 if is_new else 200)


def _is_taken(job: Job) -> bool:
    error = job.result.error if job.result else None
    return error is not None and error.code == "DUPLICATE_VALUE"


def _whole(rows: Any, part: Sequence[Job]) -> list[Mapping[str, Any]]:
    """Return the rows of an answer that has one for each record."""
    is_list = isinstance(rows, list) and len(rows) == len(part) and all(isinstance(row, dict) for row in rows)
    if not is_list or any(row.get("success") and not row.get("id") for row in rows):
        raise RetryableError("Salesforce sent an answer that is not complete.", code="malformed_answer")
    return list(rows)


def _may_be_done(error: RetryableError) -> bool:
    """Say whether a create may have happened although no answer tells of it."""
    if isinstance(error, UnknownOutcomeError) or error.code in {"not_json", "malformed_answer"}:
        return True
    return error.status in {500, 502, 504}


def _unknown(error: RetryableError) -> UnknownOutcomeError:
    return UnknownOutcomeError(error.message, code=error.code, remedy=error.remedy, status=error.status)


def _unsaid() -> RetryableError:
    return RetryableError("Salesforce said nothing about the record.", code="unsaid")
