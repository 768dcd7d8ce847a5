"""What is to be written, one job for each record, and which of them may go together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from integration_hub.connectors.errors import ConnectorError
from integration_hub.connectors.records import Operation, Outcome, RecordResult, RecordWrite
from integration_hub.connectors.salesforce.refusals import SalesforceRefusedError, refusal
from integration_hub.connectors.salesforce.values import written

_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Z0-5]{3})?")


@dataclass(slots=True)
class Job:
    """One write on its way: the record as it is sent, which one it is there, and what became of it."""

    write: RecordWrite
    key: str = ""
    record_id: str = ""
    record: dict[str, Any] = field(default_factory=dict)
    result: RecordResult | None = None

    @property
    def ref(self) -> str:
        return self.write.ref

    def end(self, outcome: Outcome, record_id: str, status: int) -> None:
        answer = {"id": record_id} if record_id else None
        self.result = RecordResult(self.ref, outcome, record_id, status=status, answer=answer)

    def fail(self, error: ConnectorError) -> None:
        if self.result is None:
            self.result = RecordResult(self.ref, Outcome.FAILED, error=error, status=error.status)


def job_of(write: RecordWrite, match_field: str, operation: Operation) -> Job:
    """Return the job; one that cannot be sent has its result already."""
    job = Job(write, write.match.value.strip() if write.match else "", write.remote_id)
    try:
        job.record = written(write.values)
    except SalesforceRefusedError as error:
        job.fail(error)
        return job
    if match_field.casefold() == "id":
        job.record_id, job.key = job.record_id or job.key, ""
    elif job.key and operation is not Operation.DELETE:
        _fill(job.record, match_field, job.key)
    if job.record_id and not _ID.fullmatch(job.record_id):
        job.fail(refusal({"statusCode": "MALFORMED_ID", "fields": ["Id"]}))
    return job


def waves(jobs: Iterable[Job]) -> Iterator[list[Job]]:
    """Yield the jobs in order, no two about one record together: a collection that names it twice is refused."""
    waiting = list(jobs)
    while waiting:
        seen: set[str] = set()
        wave: list[Job] = []
        rest: list[Job] = []
        for job in waiting:
            names = {name for name in (job.record_id[:15], job.key.casefold()) if name}
            names |= {former.casefold() for former in formers(job)}
            (rest if names & seen else wave).append(job)
            seen |= names
        yield wave
        waiting = rest


def _fill(record: dict[str, Any], name: str, key: str) -> None:
    present = next((one for one in record if one.casefold() == name.casefold()), name)
    if record.get(present) is None:
        record[present] = key


def formers(job: Job) -> list[str]:
    """Return other keys the record may be there under; by an id there is nothing else to look for."""
    former = (job.write.former, *job.write.formers)
    return [one for one in former if one and one.casefold() != job.key.casefold()] if job.key else []


def names_in(record: Mapping[str, Any]) -> set[str]:
    inner = {str(name) for value in record.values() if isinstance(value, Mapping) for name in value}
    return {name.casefold() for name in (*record, *inner)}


def still_open(jobs: Iterable[Job]) -> list[Job]:
    return [job for job in jobs if job.result is None]
