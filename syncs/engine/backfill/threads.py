"""The threads of a backfill: readers turn pages into mapped rows, writers send batches. Neither sees a database."""

from __future__ import annotations

import copy
import queue
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from integration_hub.connectors.contract import Destination, Scannable
from integration_hub.connectors.errors import (
    ConfigError,
    RateLimitError,
    RejectedError,
    RetryableError,
)
from integration_hub.connectors.records import (
    MatchKey,
    Operation,
    Outcome,
    RecordResult,
    RecordWrite,
    Scan,
    Scanned,
    ScanPage,
    WriteRequest,
)
from syncs.engine.backfill.desk import Side, StoppedError
from syncs.engine.backfill.fates import PageMark, Row
from syncs.engine.backfill.reading import as_bulk_readable
from syncs.engine.backfill.troubles import Patience, Worried
from syncs.engine.mapping import Mapper
from syncs.mappings import nesting

MOST_TRIES = 8
"""Of a single record that the vendor puts off; then it counts as refused."""
LOOK_SECONDS = 0.5
"""While a vendor's job is waited for, so often is looked whether to go on."""
CONVERTED = "IsConverted"
IDS_AT_ONCE = 1_000
"""Of a list of ids so many are fetched together, and are one page."""
REMEMBERED = 50_000
"""Ids that a reader knows again: more than are on their way, so that no record is there twice at a time."""


@dataclass(frozen=True, slots=True)
class Range:
    """What one reader reads: a partition, of its `ids` alone if it has any.

    `first` is a page of it that the quote has read already. `in_bulk`: by a job, whose mark is where ids have theirs.
    """

    part_id: int
    scan: Scan
    first: ScanPage | None = None
    ids: Sequence[str] = ()
    in_bulk: bool = False


class Manager(Worried, Protocol):
    """The thread with the database, as the others see it."""

    def next_range(self) -> Range | None: ...

    def take(self, page: PageMark, rows: Sequence[Row], gone: Sequence[str] = ()) -> bool: ...

    def goes_on(self) -> bool: ...

    def read_to_the_end(self, part_id: int) -> None: ...

    def settle(self, batch: Sequence[Row], results: Sequence[RecordResult], begun: datetime) -> None: ...

    def dropped(self, batch: Sequence[Row]) -> None: ...

    def halt(self, side: Side, error: Exception) -> None: ...


class Reader(threading.Thread):
    """Takes one range after the other until there are none."""

    def __init__(self, manager: Manager, side: Side, mapper: Mapper, room: threading.Event) -> None:
        super().__init__(daemon=True)
        self.manager = manager
        self.side = side
        self.mapper = mapper
        self.room = room

    def run(self) -> None:
        desk = self.manager.desk
        try:
            with self.side.connector() as connector:
                source = as_scannable(connector)
                while part := desk.ask(self.manager.next_range):
                    self._read(source, part)
        except StoppedError:
            return
        except Exception as error:  # noqa: BLE001 - told to the manager, who ends the backfill with it
            failure = error
            desk.post(lambda: self.manager.halt(self.side, failure))

    def _read(self, source: Scannable, part: Range) -> None:
        if part.ids:
            self._fetch(source, part)
            return
        desk, patience = self.manager.desk, Patience(self.manager, self.side)
        reach = _BulkReach(part) if part.in_bulk else _Reach(part)
        if part.first is not None and not self._hand_over(reach, part.first):
            return
        while reach.goes_on:
            try:
                for page in reach.pages(source):
                    patience.reset()
                    if not self._hand_over(reach, page):
                        return
                reach.goes_on = False
            except (RetryableError, RateLimitError) as error:
                patience.wait(error)
        desk.ask(lambda: self.manager.read_to_the_end(part.part_id))

    def _fetch(self, source: Scannable, part: Range) -> None:
        """Read the records of a list of ids; those that the vendor does not have are told as gone."""
        scan, start, patience = part.scan, 0, Patience(self.manager, self.side)
        while start < len(part.ids):
            ids = part.ids[start : start + IDS_AT_ONCE]
            try:
                found = source.fetch(scan.object_type, ids, scan.fields)
            except (RetryableError, RateLimitError) as error:
                patience.wait(error)
                continue
            patience.reset()
            start += len(ids)
            records = [(one.remote_id, one.modified_at, one.values) for one in found]
            there = {record[0] for record in records}
            gone = [record_id for record_id in ids if record_id not in there]
            if not self._give(PageMark(part.part_id, ids[-1], len(ids)), records, gone):
                return
        self.manager.desk.ask(lambda: self.manager.read_to_the_end(part.part_id))

    def _hand_over(self, reach: _Reach, page: ScanPage) -> bool:
        """Give a page to the manager. False: no more are wanted now."""
        records = reach.saw(page)
        if page.wait:
            return self._bide(PageMark(reach.part_id, reach.after, 0), page.wait)
        if not records:
            return True
        return self._give(PageMark(reach.part_id, reach.after, len(records)), records)

    def _bide(self, mark: PageMark, seconds: float) -> bool:
        """Wait for the vendor's job. False: no records are wanted now; the job is found again by its mark."""
        desk, until = self.manager.desk, self.side.clock() + timedelta(seconds=seconds)
        goes_on = desk.ask(lambda: self.manager.take(mark, ()))
        while goes_on and (left := (until - self.side.clock()).total_seconds()) > 0:
            desk.pause(min(left, LOOK_SECONDS))
            goes_on = desk.ask(self.manager.goes_on)
        return goes_on

    def _give(self, mark: PageMark, records: Sequence[Scanned], gone: Sequence[str] = ()) -> bool:
        rows = [row_of(one, self.mapper, mark) for one in records]
        wanted = self.manager.desk.ask(lambda: self.manager.take(mark, rows, gone))
        rows = []  # while waiting for room, what was read is not kept here, too
        while not self.room.wait(1.0):
            self.manager.desk.pause(0)
        return wanted


def row_of(scanned: Scanned, mapper: Mapper, mark: PageMark) -> Row:
    record_id, modified_at, values = scanned
    row = Row(record_id, modified_at, mapper(values, record_id), mark)
    row.converted = values.get(CONVERTED) is True
    if mapper.ties:
        row.foreign = mapper.foreign(values)
    return row


class _Reach:
    """How far the reading of one range has come."""

    def __init__(self, part: Range) -> None:
        self.scan = part.scan
        self.part_id = part.part_id
        self.after = part.scan.after_id
        self.count = 0
        self.goes_on = True
        self._seen: OrderedDict[str, None] = OrderedDict()

    def saw(self, page: ScanPage) -> Sequence[Scanned]:
        """Note how far the page leads, and return its records, but for those that may still be on their way."""
        records = self._fresh(page.records) if page.mark else page.records
        if not (page.records or page.mark):
            self.goes_on = False
            return records
        self.after = page.mark or records[-1][0]
        is_first = not self.count
        self.count += len(records)
        limit = self.scan.limit
        is_all = is_first and page.total is not None and page.total <= self.count
        if is_all or self.after == self.scan.up_to_id or (limit is not None and self.count >= limit):
            self.goes_on = False
        return records

    def _fresh(self, records: Sequence[Scanned]) -> list[Scanned]:
        found = []
        for one in records:
            if one[0] not in self._seen:
                found.append(one)
                self._seen[one[0]] = None
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return found

    def pages(self, source: Scannable) -> Iterator[ScanPage]:
        return source.scan(self._rest())

    def _rest(self) -> Scan:
        limit = None if self.scan.limit is None else self.scan.limit - self.count
        return replace(self.scan, after_id=self.after, limit=limit)


class _BulkReach(_Reach):
    """How far the result of a job was read."""

    def saw(self, page: ScanPage) -> Sequence[Scanned]:
        self.after = page.mark
        return page.records

    def pages(self, source: Scannable) -> Iterator[ScanPage]:
        return as_bulk_readable(source).bulk_scan(self.scan, self.after)


class Writer(threading.Thread):
    """Sends one batch after the other until it is given None."""

    def __init__(
        self, manager: Manager, side: Side, batches: queue.SimpleQueue[list[Row] | None], way: Way
    ) -> None:
        super().__init__(daemon=True)
        self.manager = manager
        self.side = side
        self.batches = batches
        self.way = way

    def run(self) -> None:
        desk = self.manager.desk
        try:
            with self.side.connector() as connector:
                destination = as_destination(connector)
                while batch := self.batches.get():
                    self._send(destination, batch)
        except StoppedError:
            return
        except Exception as error:  # noqa: BLE001 - told to the manager, who ends the backfill with it
            failure = error
            desk.post(lambda: self.manager.halt(self.side, failure))

    def _send(self, destination: Destination, batch: list[Row]) -> None:
        begun = self.side.clock()
        try:
            results = self._results(destination, batch)
        except Exception:  # whatever it is, the batch is no longer on its way; it is raised again
            self.manager.desk.post(lambda: self.manager.dropped(batch))
            raise
        self.manager.desk.post(lambda: self.manager.settle(batch, results, begun))

    def _results(self, destination: Destination, batch: Sequence[Row]) -> list[RecordResult]:
        """Write until something is known of each row; raise when that takes too long."""
        patience = Patience(self.manager, self.side)
        while True:
            try:
                return destination.write(self.way.request(batch, destination))
            except RejectedError as error:
                return self._split(destination, batch, error)
            except (RetryableError, RateLimitError) as error:
                patience.wait(error)

    def _split(
        self, destination: Destination, batch: Sequence[Row], error: RejectedError
    ) -> list[RecordResult]:
        if len(batch) == 1:
            return [RecordResult(batch[0].record_id, Outcome.FAILED, error=error)]
        middle = len(batch) // 2
        return self._results(destination, batch[:middle]) + self._results(destination, batch[middle:])


@dataclass(frozen=True, slots=True)
class Way:
    """How rows become a request: the object there, its key, and the mark to take back from one that returned."""

    object_type: str
    match_path: str
    unmark: Mapping[str, Any]
    operation: Operation = Operation.UPSERT
    external_id_path: str = ""
    looks_first: bool = False
    """Whether a record is new there is looked up: it may have been there before the hub."""

    def request(self, batch: Sequence[Row], destination: Destination) -> WriteRequest:
        there: Mapping[str, Any] = {}
        wanted = [row.former or row.mapped.match_value for row in batch if self._needs_a_look(row)]
        if wanted:
            there = destination.look_up(self.object_type, wanted)
        return WriteRequest(
            self.object_type,
            self.operation,
            [
                RecordWrite(
                    row.record_id,
                    self._values(row, there),
                    MatchKey(self.match_path, row.mapped.match_value),
                    None,
                    row.former,
                    row.remote_id,
                )
                for row in batch
            ],
        )

    def _needs_a_look(self, row: Row) -> bool:
        return bool(row.mapped.if_empty or (self.looks_first and row.is_new and row.mapped.on_create))

    def _values(self, row: Row, there: Mapping[str, Any]) -> Mapping[str, Any]:
        mapped = row.mapped
        record = there.get(row.former or mapped.match_value)
        creates = row.is_new and not row.outdone and record is None and mapped.on_create
        unmarks = row.is_back and self.unmark
        if not (creates or unmarks or mapped.if_empty or self.external_id_path):
            return mapped.payload
        values = copy.deepcopy(mapped.payload)
        if creates:
            nesting.merge(values, mapped.on_create)
        if unmarks:
            nesting.merge(values, self.unmark)
        if self.external_id_path:
            nesting.merge(values, nesting.nested(self.external_id_path, row.record_id))
        if mapped.if_empty:
            nesting.merge(values, nesting.missing(mapped.if_empty, record.values if record else {}))
        return values


def as_scannable(connector: object) -> Scannable:
    if not isinstance(connector, Scannable):
        raise ConfigError(
            "This connection cannot be read from end to end.",
            code="not_scannable",
            remedy="Choose a sync whose stream is at a vendor that holds records, such as Salesforce.",
        )
    return connector


def as_destination(connector: object) -> Destination:
    if not isinstance(connector, Destination):
        raise not_writable()
    return connector


def not_writable() -> ConfigError:
    return ConfigError(
        "The sync's connection cannot be written to.",
        code="not_writable",
        remedy="Choose a connection for the sync that takes records, such as Iterable.",
    )
