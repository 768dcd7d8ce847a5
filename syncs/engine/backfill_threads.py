"""The threads of a backfill: readers turn pages into mapped rows, writers send batches. Neither sees a database."""

from __future__ import annotations

import copy
import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from integration_hub.connectors.contract import Destination, Scannable
from integration_hub.connectors.errors import (
    BudgetError,
    ConfigError,
    ConnectorError,
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
    ScanPage,
    WriteRequest,
)
from syncs import writes
from syncs.engine import retry
from syncs.engine.backfill_desk import Desk, Side, StoppedError
from syncs.engine.backfill_fates import PageMark, Row
from syncs.engine.mapping import Mapper

MOST_TRIES = 8
"""Some four minutes: what lasts longer is an outage, and the backfill goes on after it."""
LONGEST_WAIT = 60.0
CONVERTED = "IsConverted"


@dataclass(frozen=True, slots=True)
class Range:
    """What one reader reads: a partition. `first` is a page of it that the quote has read already."""

    part_id: int
    scan: Scan
    first: ScanPage | None = None


class Manager(Protocol):
    """The thread with the database, as the others see it."""

    desk: Desk

    def next_range(self) -> Range | None: ...

    def take(self, page: PageMark, rows: Sequence[Row]) -> bool: ...

    def read_to_the_end(self, part_id: int) -> None: ...

    def settle(self, batch: Sequence[Row], results: Sequence[RecordResult], begun: datetime) -> None: ...

    def dropped(self, batch: Sequence[Row]) -> None: ...

    def troubled(self, side: Side, error: ConnectorError) -> None: ...

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
        desk, tries = self.manager.desk, 0
        reach = _Reach(part)
        if part.first is not None and not self._hand_over(reach, part.first):
            return
        while reach.goes_on:
            try:
                for page in source.scan(reach.rest()):
                    tries = 0
                    if not self._hand_over(reach, page):
                        return
                reach.goes_on = False
            except RetryableError as error:
                tries += 1
                _wait_or_raise(self.manager, self.side, error, tries)
            except RateLimitError as error:
                _wait_or_raise(self.manager, self.side, error, 0)
        desk.ask(lambda: self.manager.read_to_the_end(part.part_id))

    def _hand_over(self, reach: _Reach, page: ScanPage) -> bool:
        """Give a page to the manager. False: no more are wanted now."""
        reach.saw(page)
        if not page.records:
            return True
        mark = PageMark(reach.part_id, reach.after, len(page.records))
        rows = [self._row(one, mark) for one in page.records]
        wanted = self.manager.desk.ask(lambda: self.manager.take(mark, rows))
        rows = []  # while waiting for room, what was read is not kept here, too
        while not self.room.wait(1.0):
            self.manager.desk.pause(0)
        return wanted

    def _row(self, scanned: tuple[str, datetime, Mapping[str, Any]], mark: PageMark) -> Row:
        record_id, modified_at, values = scanned
        row = Row(record_id, modified_at, self.mapper(values), mark)
        row.converted = values.get(CONVERTED) is True
        return row


class _Reach:
    """How far the reading of one range has come."""

    def __init__(self, part: Range) -> None:
        self.scan = part.scan
        self.part_id = part.part_id
        self.after = part.scan.after_id
        self.count = 0
        self.goes_on = True

    def saw(self, page: ScanPage) -> None:
        if not page.records:
            self.goes_on = False
            return
        self.after = page.records[-1][0]
        self.count += len(page.records)
        limit = self.scan.limit
        is_first = self.count == len(page.records)
        is_all = is_first and page.total <= self.count
        if is_all or self.after == self.scan.up_to_id or (limit is not None and self.count >= limit):
            self.goes_on = False

    def rest(self) -> Scan:
        limit = None if self.scan.limit is None else self.scan.limit - self.count
        return replace(self.scan, after_id=self.after, limit=limit)


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
        except Exception:
            self.manager.desk.post(lambda: self.manager.dropped(batch))
            raise
        self.manager.desk.post(lambda: self.manager.settle(batch, results, begun))

    def _results(self, destination: Destination, batch: Sequence[Row]) -> list[RecordResult]:
        """Write until something is known of each row; raise when that takes too long."""
        tries = 0
        while True:
            try:
                return destination.write(self.way.request(batch, destination))
            except RejectedError as error:
                return self._split(destination, batch, error)
            except RetryableError as error:
                tries += 1
                _wait_or_raise(self.manager, self.side, error, tries)
            except RateLimitError as error:
                _wait_or_raise(self.manager, self.side, error, 0)

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

    def request(self, batch: Sequence[Row], destination: Destination) -> WriteRequest:
        there: Mapping[str, Any] = {}
        wanted = [row.former or row.mapped.match_value for row in batch if row.mapped.if_empty]
        if wanted:
            there = destination.look_up(self.object_type, wanted)
        return WriteRequest(
            self.object_type,
            Operation.UPSERT,
            [
                RecordWrite(
                    row.record_id,
                    self._values(row, there),
                    MatchKey(self.match_path, row.mapped.match_value),
                    None,
                    row.former,
                )
                for row in batch
            ],
        )

    def _values(self, row: Row, there: Mapping[str, Any]) -> Mapping[str, Any]:
        mapped = row.mapped
        creates = row.is_new and not row.outdone and mapped.on_create
        unmarks = row.is_back and self.unmark
        if not (creates or unmarks or mapped.if_empty):
            return mapped.payload
        values = copy.deepcopy(mapped.payload)
        if creates:
            writes.merge(values, mapped.on_create)
        if unmarks:
            writes.merge(values, self.unmark)
        if mapped.if_empty:
            record = there.get(row.former or mapped.match_value)
            writes.merge(values, writes.missing(mapped.if_empty, record.values if record else {}))
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


def _wait_or_raise(manager: Manager, side: Side, error: RetryableError | RateLimitError, tries: int) -> None:
    """Wait as the vendor says, or longer with each try; raise what is better met by a pause of the whole."""
    now = side.clock()
    if isinstance(error, RateLimitError):
        seconds = max(error.retry_after, 0.1)
        if isinstance(error, BudgetError) or seconds > LONGEST_WAIT:
            raise error
    else:
        if tries > MOST_TRIES:
            raise error
        seconds = (retry.next_try(tries, now) - now).total_seconds()
        manager.desk.post(lambda: manager.troubled(side, error))
    manager.desk.pause(seconds)
