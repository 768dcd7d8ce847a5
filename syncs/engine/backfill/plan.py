"""The quote of a backfill: how much, how many calls, how long, and how the reading is shared out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from integration_hub.connectors.contract import BulkReadable, Destination, Scannable
from integration_hub.connectors.errors import ConfigError
from integration_hub.connectors.records import Scan, ScanPage
from syncs import limits, streams
from syncs.engine.backfill.desk import Desk, Side
from syncs.engine.backfill.pipeline import READERS
from syncs.engine.backfill.reading import Choice, Price, Reading, choose
from syncs.engine.backfill.threads import CONVERTED, IDS_AT_ONCE, as_scannable, not_writable
from syncs.mappings import rows as mapping_rows
from syncs.models import Connection, Priority, Sync

SMALL = 8_000
"""Up to so many records one reader is as quick as the calls it costs to share the ids out."""
FEWEST_READERS = 3
MOST_IDS = 10_000
"""Ids of a list that one worker takes at once."""
UNLIMITED = 5_000
"""Records a second that are assumed where a destination states no limit."""
ANSWER_SECONDS = 1.0
"""What a bulk write takes to be answered, for the estimate."""
FOR_EACH = 1_000
"""Records for which a quote is made where nobody tells how many there are."""


CALLS_OF_QUOTE = 2


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an operator asks for. `where` is a further condition in the source's query language.

    `ids` name the records themselves, in their full form: then there is no condition and no time. `reading` None:
    whichever way costs less.
    """

    sync: Sync
    where: str = ""
    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None
    dry_run: bool = False
    ids: Sequence[str] = ()
    reading: Reading | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """Calls at one connection. `left` and `daily` None: no budget is known."""

    connection: str
    calls: int
    left: int | None = None
    daily: int | None = None

    @property
    def share(self) -> float | None:
        """Return the part of the daily budget, in per cent."""
        return 100 * self.calls / self.daily if self.daily else None

    @property
    def days(self) -> int:
        """Return on how many days it works at it, today included."""
        if self.left is None or self.calls <= self.left:
            return 1
        return 1 + math.ceil((self.calls - self.left) / max(self.daily or 1, 1))


@dataclass(frozen=True, slots=True)
class Quote:
    """`ranges` are (after, up to) by id. `first` was read on the way and need not be read again.

    Not `is_counted`: nobody tells how many records there are, and all else holds for FOR_EACH of them.

    `lists` are the ids that were given, where they were, shared out in their order.
    """

    records: int
    source: Cost
    destination: Cost | None
    seconds: float
    strategy: str
    ranges: Sequence[tuple[str, str]] = ()
    first: ScanPage | None = field(default=None, repr=False)
    lists: Sequence[Sequence[str]] = field(default=(), repr=False)
    choice: Choice = field(default_factory=Choice)
    is_counted: bool = True

    @property
    def days(self) -> int:
        if not self.is_counted:
            return 1
        return max(cost.days for cost in (self.source, self.destination) if cost)

    @property
    def plan(self) -> list[int]:
        """Return how many records are worked on each day, today first, as far as the tighter budget goes."""
        cost = max((cost for cost in (self.source, self.destination) if cost), key=lambda one: one.days)
        if cost.days == 1 or cost.left is None or not cost.calls:
            return [self.records]
        found, done = [], 0
        for day in range(cost.days):
            calls = min(cost.calls, cost.left + day * max(cost.daily or 1, 1))
            upto = self.records * calls // cost.calls
            found.append(upto - done)
            done = upto
        return found

    def facts(self) -> dict[str, Any]:
        """Return the quote as it is stored with the backfill."""
        costs = [cost for cost in (self.source, self.destination) if cost]
        return {
            "records": self.records,
            "counted": self.is_counted,
            "seconds": round(self.seconds, 1),
            "days": self.days,
            "plan": self.plan,
            "strategy": self.strategy,
            "calls": {cost.connection: cost.calls for cost in costs},
            "left": {cost.connection: cost.left for cost in costs},
            "ids": sum(map(len, self.lists)),
            **self.choice.facts(),
        }


def fields_of(sync: Sync, source: Scannable, now: datetime) -> list[str]:
    """Return the fields one read must carry for this sync alone, as far as the vendor shows them."""
    schema = streams.schema_of(sync.stream, now, source)
    visible = {name.casefold(): name for name in schema.fields}
    wanted = [*sorted(mapping_rows.source_fields(sync)), CONVERTED]
    found = (visible.get(name.casefold()) for name in wanted)
    return list(dict.fromkeys(name for name in found if name))


def scan_of(wanted: Wanted, fields: Sequence[str]) -> Scan:
    return Scan(
        wanted.sync.stream.object_type, fields, wanted.where, wanted.since, wanted.until, limit=wanted.limit
    )


def quote(wanted: Wanted, now: datetime) -> Quote:
    """Read the first page and, beside it, the last id: two calls, of which the first is work done.

    For a list of ids nothing is read. ConnectorError: the source does not answer, or refuses the condition.
    """
    desk = Desk()
    stream = wanted.sync.stream
    side = Side(stream.connection, desk)
    try:
        with side.connector() as connector, side.connector() as second:
            source, other = as_scannable(connector), as_scannable(second)
            if wanted.ids:
                return _of_ids(wanted, source, now)
            scan = scan_of(wanted, fields_of(wanted.sync, source, now))
            begun = side.clock()
            jobs: list[Callable[[], Any]] = [lambda: next(source.scan(scan))]
            if wanted.limit is None:
                jobs.append(lambda: other.last_id(scan))
            first, *last = desk.together(jobs)
            took = (side.clock() - begun).total_seconds()
            if first.total is None:  # an upper limit is no count
                return replace(
                    _quoted(wanted, source, first, FOR_EACH, [("", "")], took, now),
                    records=0,
                    is_counted=False,
                )
            total = first.total if wanted.limit is None else min(first.total, wanted.limit)
            ranges = _ranges(source, first, total, last[0] if last else "")
            return _quoted(wanted, source, first, total, ranges, took, now)
    finally:
        desk.close()
        side.close()


def _of_ids(wanted: Wanted, source: Scannable, now: datetime) -> Quote:
    """Quote a list of ids: the hub knows without asking how many there are."""
    if wanted.where or wanted.since or wanted.until:
        raise ConfigError(
            "The ids say already which records are meant.",
            code="query",
            remedy="Leave out the ids, or the condition and the times.",
        )
    if wanted.reading == Reading.BULK:
        raise ConfigError(
            "Records of a list of ids are read over REST.", code="query", remedy="Leave out --read bulk."
        )
    ids = sorted(set(wanted.ids))[: wanted.limit]
    size = min(max(math.ceil(len(ids) / READERS), IDS_AT_ONCE), MOST_IDS)
    lists = [ids[start : start + size] for start in range(0, len(ids), size)]
    pages = [len(part[start : start + IDS_AT_ONCE]) for part in lists
             for start in range(0, len(part), IDS_AT_ONCE)]  # fmt: skip
    fields = fields_of(wanted.sync, source, now)
    calls = sum(source.calls_to_fetch(count, fields) for count in pages)
    destination, writing = None, 0.0
    if not wanted.dry_run:
        destination, writing = _writing(wanted.sync.destination, len(ids), now)
    readers = min(READERS, len(lists))
    return Quote(
        records=len(ids),
        source=_cost(wanted.sync.stream.connection, calls, now),
        destination=destination,
        seconds=max(calls / readers * ANSWER_SECONDS, ANSWER_SECONDS + writing),
        strategy=f"REST: by their ids, up to {IDS_AT_ONCE:,} at a time",
        lists=lists,
    )


def _ranges(source: Scannable, first: ScanPage, total: int, last_id: str) -> list[tuple[str, str]]:
    """Share out what comes after the first page, such that no reader's last page is nearly empty."""
    if total <= SMALL or not last_id:
        return [("", "")]
    begin = first.records[-1][0]
    rest = total - len(first.records)
    size = max(len(first.records), 1)
    readers = min(
        range(READERS, FEWEST_READERS - 1, -1),
        key=lambda count: count * math.ceil(rest / count / size),
    )
    ends = source.split(begin, last_id, readers)
    return [("", begin), *zip([begin, *ends], ends, strict=False)]


def _quoted(
    wanted: Wanted,
    source: Scannable,
    first: ScanPage,
    total: int,
    ranges: Sequence[tuple[str, str]],
    took: float,
    now: datetime,
) -> Quote:
    size = max(len(first.records), 1) if total > len(first.records) else max(total, 1)
    readers = max(len(ranges) - 1, 1)
    pages = math.ceil(max(total - size, 0) / readers / size) * readers
    reading = took * (1 + pages / readers)
    destination, writing = None, 0.0
    if not wanted.dry_run:
        destination, writing = _writing(wanted.sync.destination, total, now)
    how = (
        f"{readers} readers share the ids out, a page of {size:,} at a time"
        if len(ranges) > 1
        else "one reader, page by page"
    )
    by_rest = Quote(
        records=total,
        source=_cost(
            wanted.sync.stream.connection,
            source.calls_to_scan(wanted.sync.stream.object_type, pages + 1),
            now,
        ),
        destination=destination,
        seconds=max(reading, took + writing),
        strategy=f"REST: {how}",
        ranges=ranges,
        first=first,
    )
    return _chosen(wanted, source, by_rest, writing, now)


def _chosen(wanted: Wanted, source: Scannable, by_rest: Quote, writing: float, now: datetime) -> Quote:
    """Return the quote of the way that is read by, with what the other one would cost."""
    bulk = None
    if isinstance(source, BulkReadable):
        job = source.bulk_cost(by_rest.records)
        bulk = Price(job.calls + CALLS_OF_QUOTE, job.ready + max(job.reading, writing))
    rest = Price(by_rest.source.calls, by_rest.seconds)
    choice = choose(rest, bulk, wish=wanted.reading, left=by_rest.source.left, daily=by_rest.source.daily)
    if bulk is None or choice.reading == Reading.REST:
        return replace(by_rest, choice=choice)
    return replace(
        by_rest,
        source=_cost(wanted.sync.stream.connection, bulk.calls, now),
        seconds=bulk.seconds,
        strategy="Bulk job: the records are prepared there first, then one reader takes them page by page",
        ranges=[("", "")],
        first=None,
        choice=choice,
    )


def _writing(connection: Connection, total: int, now: datetime) -> tuple[Cost, float]:
    kind = connection.connector_class
    if not issubclass(kind, Destination):
        raise not_writable()
    calls = math.ceil(total / kind.batch_size)
    rate = kind.rates.get(kind.write_scope)
    seconds = calls / rate.per_second if rate else total / UNLIMITED
    return _cost(connection, calls, now), seconds + (ANSWER_SECONDS if calls else 0.0)


def _cost(connection: Connection, calls: int, now: datetime) -> Cost:
    left = limits.calls_left(connection, Priority.BACKFILL, now)
    if left is None:
        return Cost(connection.name, calls)
    day = limits.budget(connection, limits.used_today(connection, now), now)
    reserved = connection.reserve_live + connection.reserve_flows
    return Cost(connection.name, calls, left, (day.limit or 0) * (100 - reserved) // 100)
