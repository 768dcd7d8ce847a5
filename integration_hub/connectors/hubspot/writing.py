"""Creating, updating and archiving records in batches; each write gets its own answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from integration_hub.connectors.errors import ConnectorError, RejectedError, UnknownOutcomeError
from integration_hub.connectors.hubspot.api import MOST_INPUTS, Api
from integration_hub.connectors.hubspot.batches import BatchAnswer, BatchRow, Raw, correlate, values_of
from integration_hub.connectors.hubspot.errors import CONFLICT, NOT_FOUND, HubSpotRefusedError
from integration_hub.connectors.hubspot.finding import Finder
from integration_hub.connectors.hubspot.identity import Job, Key, job_of, key_kind, waves
from integration_hub.connectors.hubspot.moving import Moves
from integration_hub.connectors.hubspot.values import same
from integration_hub.connectors.records import Operation, Outcome, RecordResult, WriteRequest

ROUNDS = 3
"""How often a record that vanishes between look and write is looked for again."""
Made = dict[tuple[str, str, str], str]
"""Ids of records made just now by (object type, property, key): the search shows them only moments later."""
Work = Callable[[Sequence[Job]], None]


class Writing:
    """One request for one object type, all of whose writes are matched in the same way."""

    def __init__(self, api: Api, request: WriteRequest, made: Made) -> None:
        self.api = api
        self.object_type = request.object_type
        self.operation = request.operation
        first = request.writes[0].match
        self.field = first.field if first else ""
        self.kind = key_kind(self.object_type, self.field)
        fills = self.operation in {Operation.CREATE, Operation.UPSERT}
        self.jobs = [job_of(self.object_type, write, fills_key=fills) for write in request.writes]
        self.names = list(dict.fromkeys(name for job in self.jobs for name in job.values))
        self.finder = Finder(api, self.object_type, self.kind, self.field)
        self.made = made
        self.moves = Moves(self.jobs, self._former)

    def results(self) -> list[RecordResult]:
        """Do it. An error that concerns all of them is raised; else each write has its result."""
        steps: dict[Operation, Work] = {
            Operation.CREATE: self._create,
            Operation.UPSERT: self._upsert,
            Operation.UPDATE: self._update,
            Operation.DELETE: self._delete,
        }
        open_jobs = [job for job in self.jobs if job.result is None]
        for wave in waves(open_jobs):
            try:
                steps[self.operation](wave)
            except ConnectorError as error:
                _fail(wave, error)
                if not isinstance(error, RejectedError):
                    _fail(self.jobs, error)
                    break
        return outcome_of(self.jobs)

    def _create(self, wave: Sequence[Job]) -> None:
        for job in wave:
            self._recall_made(job)
            if job.record_id:
                job.end(Outcome.EXISTING)
        if self.kind in {Key.DOMAIN, Key.UNIQUE}:
            for job in self._look_up(wave):
                job.end(Outcome.EXISTING, job.found, 200)
        self._make(wave, self._is_there)

    def _upsert(self, wave: Sequence[Job]) -> None:
        for job in wave:
            self._recall_made(job)
        if self.kind is Key.NONE:
            # There is nothing by which to find them, and making them anew at each try would double them.
            self._change([job for job in wave if job.record_id])
            _fail(wave, _unidentified())
            return
        for _ in range(ROUNDS):
            self._change([job for job in _open(wave) if job.record_id])
            unknown = [job for job in _open(wave) if not job.record_id]
            if self.kind is Key.UNIQUE and not any(job.write.former for job in unknown):
                self._in_batches(unknown, self._upsert_batch)
            else:
                self._change(self._look_up(unknown))
                self._make([job for job in unknown if not job.record_id], self._take_id)
            if not _open(wave):
                return
        _fail(wave, _vanished())

    def _update(self, wave: Sequence[Job]) -> None:
        for _ in range(ROUNDS):
            self._change([job for job in _open(wave) if job.record_id])
            found = self._look_up([job for job in _open(wave) if not job.record_id])
            for job in _open(wave):
                if job not in found:
                    job.fail(_vanished())
            self._change(found)
            if not _open(wave):
                return
        _fail(wave, _vanished())

    def _delete(self, wave: Sequence[Job]) -> None:
        """Archive; one that is not there is archived already."""
        self._look_up([job for job in wave if not job.record_id])
        for job in _open(wave):
            if not job.record_id:
                job.end(Outcome.DELETED)
        there = _open(wave)
        for start in range(0, len(there), MOST_INPUTS):
            part = there[start : start + MOST_INPUTS]
            self.api.archive_many(self.object_type, list(dict.fromkeys(job.record_id for job in part)))
            for job in part:
                job.end(Outcome.DELETED, status=204)

    def _look_up(self, jobs: Sequence[Job]) -> list[Job]:
        """Find the records; return the jobs that have one now."""
        waiting = [job for job in jobs if job.result is None and not job.record_id]
        formers = {job.ref: self._former(job) for job in waiting}
        found = self.finder.find([*(job.key for job in waiting), *formers.values()], self.names)
        there = []
        for job in waiting:
            raw = found.get(job.key.lower())
            if raw is None and formers[job.ref]:
                raw = found.get(formers[job.ref].lower())
                job.renamed = raw is not None
            if raw is not None:
                job.found, job.record_id = raw, str(raw["id"])
                there.append(job)
        return there

    def _former(self, job: Job) -> str:
        former = job.write.former.strip().lower()
        return former if former != job.key.lower() and self.kind is not Key.ID else ""

    def _change(self, jobs: Sequence[Job]) -> None:
        """Update by id. One that is gone loses its id, to be looked for again; what changes nothing is not sent."""
        waiting: list[Job] = []
        for job in jobs:
            if self._payload(job):
                waiting.append(job)
            elif job.result is None:
                job.end(Outcome.UNCHANGED, job.found)
        while waiting:
            # Two keys may lead to one record, and a batch must not name it twice.
            batch = list({job.record_id: job for job in reversed(waiting)}.values())[::-1]
            self._in_batches(self.moves.in_order(batch), self._update_batch, self._refuse)
            waiting = [job for job in waiting if job not in batch]
        self._exchange()

    def _exchange(self) -> None:
        """Send again those whose new key another one had, now that it has left; see `Moves` for circles."""
        try:
            while True:
                jobs = self.moves.next()
                if jobs:
                    self._in_batches(jobs, self._update_batch, self._refuse)
                    continue
                first = self.moves.to_empty()
                if first is None:
                    break
                self.api.patch(self.object_type, first.record_id, {self.field: ""})
        except ConnectorError:
            self.moves.reopen()
            raise
        self.moves.give_up()

    def _payload(self, job: Job) -> dict[str, str]:
        """Return what is to be written. The match key is not, unless the record moves to it.

        A contact matched by an additional address keeps its primary one; also where only its id is known.
        """
        moves = job.renamed or (job.found is None and bool(self._former(job)))
        values = {
            name: v for name, v in job.values.items() if name != self.field or moves or self.kind is Key.ID
        }
        if job.found is None:
            return values
        there = values_of(job.found)
        return {name: value for name, value in values.items() if not same(name, value, there.get(name))}

    def _update_batch(self, jobs: Sequence[Job]) -> None:
        rows = [BatchRow(job.ref, self._payload(job), job.record_id) for job in jobs]
        answer = self.api.update_many(self.object_type, rows)
        said = correlate(rows, answer)
        for job, row in zip(jobs, rows, strict=True):
            one = said.get(job.ref)
            if isinstance(one, HubSpotRefusedError) and one.code != NOT_FOUND:
                self._refuse(job, one)
            elif one is None or isinstance(one, HubSpotRefusedError):
                self._follow(job, row)
            else:
                job.end(Outcome.UPDATED, one, 200)

    def _refuse(self, job: Job, error: RejectedError) -> None:
        """Fail an update, unless what is in its way may go away."""
        if (
            isinstance(error, HubSpotRefusedError)
            and error.code == CONFLICT
            and self.field in self._payload(job)
        ):
            self.moves.refused(job, error)
        else:
            job.fail(error)

    def _follow(self, job: Job, row: BatchRow) -> None:
        """Update a record that the batch did not find: a single call is led on to what it was merged into."""
        try:
            raw = self.api.patch(self.object_type, job.record_id, row.properties)
        except RejectedError as error:
            self._refuse(job, error)
            return
        if raw is not None:
            job.end(Outcome.UPDATED, raw, 200)
        elif self.kind in {Key.NONE, Key.ID}:
            job.fail(_vanished())
        else:
            job.record_id, job.found = "", None
            self.made.pop(self._place(job), None)

    def _make(self, wave: Sequence[Job], conflict: Callable[[Job, HubSpotRefusedError], None]) -> None:
        """Create those that are still to be; `conflict` says what becomes of one that is there already."""
        conflicts: list[tuple[Job, HubSpotRefusedError]] = []

        def batch(jobs: Sequence[Job]) -> None:
            rows = [BatchRow(job.ref, job.values, key=(self.field, job.key)) for job in jobs]
            # A contact is refused when it is there already; anything else would be made twice.
            harmless = self.operation is Operation.UPSERT and self.kind is Key.EMAIL
            answer = self.api.create_many(self.object_type, rows, repeatable=harmless)
            said = correlate(rows, answer)
            for job in jobs:
                one = said.get(job.ref)
                if isinstance(one, HubSpotRefusedError):
                    self._refused(job, one, conflicts)
                elif one is None:
                    job.fail(_unsaid())
                else:
                    self._note_made(job, one)
                    job.end(Outcome.CREATED, one, 201)

        self._in_batches(_open(wave), batch, lambda job, error: self._refused(job, error, conflicts))
        for job, error in conflicts:
            conflict(job, error)
        self._read_existing([job for job, _ in conflicts])

    def _refused(
        self, job: Job, error: RejectedError, conflicts: list[tuple[Job, HubSpotRefusedError]]
    ) -> None:
        if isinstance(error, HubSpotRefusedError) and error.code == CONFLICT and self.kind is not Key.NONE:
            conflicts.append((job, error))
        else:
            job.fail(error)

    def _is_there(self, job: Job, error: HubSpotRefusedError) -> None:
        """A create met its record: note which one it is."""
        self._take_id(job, error)
        job.status = error.status

    def _take_id(self, job: Job, error: HubSpotRefusedError) -> None:
        """Learn the id from the refusal, else by a read, which unlike the search knows the record at once."""
        job.record_id = error.existing_id
        if not job.record_id and self.kind is not Key.DOMAIN:
            self._look_up([job])
        if not job.record_id:
            job.fail(error)

    def _read_existing(self, jobs: Sequence[Job]) -> None:
        """Read the records that creates met: their own e-mail may differ, and an upsert writes what differs only."""
        waiting = [job for job in jobs if job.result is None]
        if not waiting:
            return
        names = list(dict.fromkeys([*self.names, *([self.field] if self.field else [])]))
        read = self.api.read_many(self.object_type, [job.record_id for job in waiting], names)
        by_id = {str(raw["id"]): raw for raw in read}
        for job in waiting:
            raw = by_id.get(job.record_id) or self.api.read_one(self.object_type, job.record_id, names)
            if raw is not None:
                job.found, job.record_id = raw, str(raw["id"])
            elif self.operation is Operation.UPSERT:
                job.record_id = ""
            if self.operation is Operation.CREATE:
                job.end(Outcome.EXISTING, raw, job.status)

    def _upsert_batch(self, jobs: Sequence[Job]) -> None:
        rows = [BatchRow(job.ref, job.values, key=(self.field, job.key)) for job in jobs]
        answer: BatchAnswer = self.api.upsert_many(self.object_type, rows)
        said = correlate(rows, answer)
        for job in jobs:
            one = said.get(job.ref)
            if isinstance(one, HubSpotRefusedError):
                job.fail(one)
            elif one is None:
                job.fail(_unsaid())
            else:
                is_new = one.get("new") is True
                job.end(Outcome.CREATED if is_new else Outcome.UPDATED, one, 201 if is_new else 200)

    def _in_batches(
        self,
        jobs: Sequence[Job],
        call: Work,
        refused: Callable[[Job, RejectedError], None] = lambda job, error: job.fail(error),
    ) -> None:
        """Call for a hundred at a time; a batch that is refused as a whole is split until the bad one stands alone."""
        parts = [jobs[start : start + MOST_INPUTS] for start in range(0, len(jobs), MOST_INPUTS)][::-1]
        while parts:
            part = parts.pop()
            try:
                call(part)
            except RejectedError as error:
                if len(part) == 1:
                    refused(part[0], error)
                    continue
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]

    def _place(self, job: Job) -> tuple[str, str, str]:
        return self.object_type, self.field, job.key.lower()

    def _note_made(self, job: Job, raw: Raw) -> None:
        if job.key:
            self.made[self._place(job)] = str(raw["id"])

    def _recall_made(self, job: Job) -> None:
        if not job.record_id and job.key:
            job.record_id = self.made.get(self._place(job), "")


def outcome_of(jobs: Sequence[Job]) -> list[RecordResult]:
    """Return all results; an outage is raised where nothing was done: then it loses nothing that is known."""
    results = [job.result or RecordResult(job.ref, Outcome.FAILED, error=_unsaid()) for job in jobs]
    return raised_or(results)


def raised_or(results: list[RecordResult]) -> list[RecordResult]:
    """Raise the first error that is no refusal, unless some write was done; else return the results."""
    troubles = [one.error for one in results if one.error and not isinstance(one.error, RejectedError)]
    if troubles and all(one.error for one in results):
        raise troubles[0]
    return results


def _open(jobs: Sequence[Job]) -> list[Job]:
    return [job for job in jobs if job.result is None]


def _fail(jobs: Sequence[Job], error: ConnectorError) -> None:
    for job in _open(jobs):
        job.fail(error)


def _vanished() -> RejectedError:
    return RejectedError(
        "HubSpot has no such record.",
        code=NOT_FOUND,
        remedy="It was never there, or was archived. An upsert would create it.",
        status=404,
    )


def _unidentified() -> RejectedError:
    return RejectedError(
        "The record has no match key, and an upsert finds its record by it.",
        code="no_match_key",
        remedy="Choose a match key, or the operation “create”.",
    )


def _unsaid() -> UnknownOutcomeError:
    return UnknownOutcomeError("HubSpot's answer does not say what became of the record.", code="unsaid")
