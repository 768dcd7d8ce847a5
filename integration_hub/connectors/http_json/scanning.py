"""Reading everything that a list has, for backfills: in whatever order it comes, from a mark on that can be stored."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from integration_hub.connectors.errors import ConfigError, RejectedError
from integration_hub.connectors.http_json.objects import NUMBERED, PAGE, Listing, ObjectType
from integration_hub.connectors.http_json.reading import LONG_AGO, Read, Row, to_record
from integration_hub.connectors.json_values import digest, moment_at, text_at
from integration_hub.connectors.records import Scan, Scanned, ScanPage

MOST_PAGES = 100_000
KEPT_IDS = 5
"""Of the last page, to be found again by whoever goes on: so many are hardly all deleted at once."""
END = "end"

Mark = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows, and the mark behind them."""

    rows: Sequence[Row]
    mark: Mark


def listing_of(listing: Listing) -> Listing:
    """Return the list as it is read to its end: by id where the API can, for ids stay where they are."""
    if not listing.by_id:
        return listing
    return replace(
        listing,
        parameters=tuple({**dict(listing.parameters), **dict(listing.by_id)}.items()),
        is_sorted=False,
    )


def calls(listing: Listing, pages: int) -> int:
    """Return how many calls so many pages take; behind numbered pages, one is asked for that is empty."""
    if listing.paging not in NUMBERED:
        return pages
    return 2 * pages + 1 if listing.by_id and listing.paging == PAGE else pages + 1


def scan_pages(kind: ObjectType, read: Read, scan: Scan) -> Iterator[ScanPage]:
    """Yield pages until the list or the limit ends. The mark of the last one says that nothing is behind it."""
    _check(kind, scan)
    mark = _read_mark(scan.after_id)
    if END in mark:
        yield ScanPage([], 0, scan.after_id)
        return
    left, is_whole = scan.limit, not scan.after_id
    part = Part([], mark)
    for part in _parts(kind, read, scan, mark):
        records = _records(part.rows, kind, scan, read.began)
        records = records if left is None else records[:left]
        total = read.total if is_whole and not _is_narrowed_here(read.listing, scan) else None
        if is_whole and END in part.mark:
            total = len(records)
        yield ScanPage(records, total, json.dumps(part.mark))
        left, is_whole = None if left is None else left - len(records), False
        if left == 0:
            return
    if END not in part.mark:
        yield ScanPage([], None, json.dumps({END: True}))


def _parts(kind: ObjectType, read: Read, scan: Scan, mark: Mark) -> Iterator[Part]:
    if read.listing.paging not in NUMBERED:
        return _behind_each_other(read, scan, mark)
    if read.listing.by_id:
        return _overlapping(kind, read, scan, mark)
    if read.listing.is_sorted:
        return _by_time(kind, read, scan, mark)
    return _behind_each_other(read, scan, mark)


def _behind_each_other(read: Read, scan: Scan, mark: Mark) -> Iterator[Part]:
    """Read as the API leads on. A place that it does not know any more is no place: all is read anew."""
    steps = read.steps(scan.since, scan.until, str(mark.get("at", "")))
    try:
        first = next(steps, None)
    except RejectedError:
        if "at" not in mark:
            raise
        steps = read.steps(scan.since, scan.until)
        first = next(steps, None)
    while first is not None:
        yield Part(first.rows, {"at": first.following} if first.following else {END: True})
        first = next(steps, None)


def _by_time(kind: ObjectType, read: Read, scan: Scan, mark: Mark) -> Iterator[Part]:
    """Read a list with the oldest change first by its times: what changes moves behind, and is read there."""
    reached = _moment(mark) or scan.since or LONG_AGO
    for rows in read.anchored(reached, scan.until, kind.paths):
        reached = max([reached, *filter(None, (moment_at(row, kind.paths.modified) for row in rows))])
        yield Part(rows, {"since": reached.isoformat()})


def _overlapping(kind: ObjectType, read: Read, scan: Scan, mark: Mark) -> Iterator[Part]:
    """Read numbered pages in the order of ids, each so that it reaches back to what was read before.

    Where a record is deleted all behind it move up, and the first of the next page would be passed over.
    """
    turns = _Turns(read, scan, kind.paths.id, [str(one) for one in mark.get("known", ())])
    place = int(mark["at"]) if str(mark.get("at", "")).isdecimal() else int(read.first_place)
    for _ in range(MOST_PAGES):
        rows, place = turns.turn(place)
        yield Part(
            rows, {END: True} if turns.is_over else {"at": str(place), "known": turns.known[-KEPT_IDS:]}
        )
        if turns.is_over:
            return
    raise ConfigError(f"The list has more than {MOST_PAGES:,} pages.", code="query")


class _Turns:
    """Turns numbered pages; `known` are the ids on the last two."""

    def __init__(self, read: Read, scan: Scan, id_path: str, known: list[str]) -> None:
        self.read, self.scan, self.id_path = read, scan, id_path
        self.first = int(read.first_place)
        self.known = known
        self.is_over = False
        self._last: list[str] = []
        self._digest = ""
        self._longest = 1

    def turn(self, place: int) -> tuple[list[Row], int]:
        """Return the rows up to the end of this page that are new, and the next place."""
        rows = self._page(place)
        self._longest = max(self._longest, len(rows))
        back = self._back_to_known(place, rows)
        fresh = [row for row in (*back, *rows) if self._id(row) not in self.known]
        ids, mark = [self._id(row) for row in rows], digest(rows)
        is_alone = self.read.listing.paging != PAGE and len(rows) == 1 and not fresh
        self.is_over = not rows or mark == self._digest or is_alone
        self.known = [*(self._last or self.known), *(self._id(row) for row in back), *ids]
        self._last, self._digest = ids, mark
        if self.read.listing.paging == PAGE:
            return fresh, place + 1
        return fresh, place + max(len(rows) - 1, 1)

    def _back_to_known(self, place: int, rows: Sequence[Row]) -> list[Row]:
        found: list[Row] = []
        step = 1 if self.read.listing.paging == PAGE else self._longest
        seen: Sequence[Row] = rows
        while place > self.first and not any(self._id(row) in self.known for row in seen):
            place = max(place - step, self.first)
            seen = self._page(place)
            found = [*seen, *found]
        return found

    def _page(self, place: int) -> list[Row]:
        return self.read.page_at(place, self.scan.since, self.scan.until)

    def _id(self, row: Row) -> str:
        return text_at(row, self.id_path)


def _records(rows: Sequence[Row], kind: ObjectType, scan: Scan, now: datetime) -> list[Scanned]:
    found = []
    for row in rows:
        one = to_record(row, kind, scan.fields, now)
        is_new = scan.since is None or one.modified_at >= scan.since
        if is_new and (scan.until is None or one.modified_at < scan.until):
            found.append((one.remote_id, one.modified_at, one.values))
    return found


def _is_narrowed_here(listing: Listing, scan: Scan) -> bool:
    """Say whether the API lists more than is asked for, so that its total is not that of the scan."""
    return bool((scan.since and not listing.since) or (scan.until and not listing.until))


def _check(kind: ObjectType, scan: Scan) -> None:
    if scan.condition.strip():
        raise ConfigError(
            "This API cannot be asked for what meets a condition.", code="query", remedy="Leave it out."
        )
    if (scan.since or scan.until) and not kind.paths.modified:
        raise ConfigError(
            f"The {kind.name} do not tell when they changed.",
            code="query",
            remedy="Add “modified” to this object type in the objects of the connection, or leave the times out.",
        )


def _read_mark(text: str) -> Mark:
    """Return a mark; one that is not ours, or of another paging, leads to the beginning."""
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _moment(mark: Mark) -> datetime | None:
    try:
        return datetime.fromisoformat(str(mark["since"]))
    except (KeyError, ValueError):
        return None
