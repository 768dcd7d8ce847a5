"""Reading a list of an API to its end, by whichever paging it has, so that no watermark passes an unread page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from integration_hub.connectors.errors import ConfigError, RejectedError, RetryableError
from integration_hub.connectors.http_json.objects import (
    CURSOR,
    LINK,
    MILLISECONDS,
    NUMBERED,
    OFFSET,
    PAGE,
    SECONDS,
    Listing,
    ObjectType,
    Paths,
)
from integration_hub.connectors.http_json.requests import following_path
from integration_hub.connectors.json_values import at, digest, moment_at, picked, text_at
from integration_hub.connectors.records import Page, ReadRequest, Record
from integration_hub.connectors.transport import read_json

Row = Mapping[str, Any]
Get = Callable[[str, Mapping[str, str]], requests.Response]

MOST_PAGES = 10_000
MOST_SORTED_HERE = 200_000
"""Records of a list that the API does not sort: they are all in memory before the first is handed on."""
LONGEST_ID = 64
LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)
STEP_BACK = timedelta(seconds=1)
"""Whether "since" means "from" or "after", and to which fraction of a second, no two APIs agree."""


@dataclass(frozen=True, slots=True)
class Step:
    """One page of a list. `following` is the place of the next one, "" if there is none."""

    rows: list[Row]
    following: str


@dataclass(slots=True)
class Read:
    """One reading of a list. `began` is the earlier of the API's clock and ours, for its first answer.

    `total` is how many there are, as the first page says it; None: it does not.
    """

    listing: Listing
    get: Get
    base_url: str
    began: datetime
    total: int | None = None

    def pages(self, since: datetime | None, until: datetime | None) -> Iterator[list[Row]]:
        """Yield the pages. A short page is not the end, for an API may give less than it was asked for."""
        return (step.rows for step in self.steps(since, until))

    def steps(self, since: datetime | None, until: datetime | None, place: str = "") -> Iterator[Step]:
        """Yield the pages from a place on, "" being the beginning."""
        parameters = self._parameters(since, until)
        place, seen = place or self.first_place, set[str]()
        for count in range(MOST_PAGES):
            step = self._step(place, parameters, is_first=count == 0)
            if step is None:
                return
            is_numbered = self.listing.paging in NUMBERED
            mark = digest(step.rows) if is_numbered else step.following
            if step.following and mark in seen:
                if is_numbered:
                    return  # behind its end the API repeats the last page
                raise RetryableError("The API names the same next page twice.", code="paging")
            yield step
            if not step.following:
                return
            seen.add(mark)
            place = step.following
        raise _too_many()

    @property
    def first_place(self) -> str:
        """Return the place of the first page; a list that names its next page has none."""
        return {PAGE: str(self.listing.first_page), OFFSET: "0"}.get(self.listing.paging, "")

    def page_at(self, place: int, since: datetime | None, until: datetime | None) -> list[Row]:
        """Return one page of numbered ones; it is empty behind the end."""
        is_first = str(place) == self.first_place
        step = self._step(str(place), self._parameters(since, until), is_first=is_first)
        return step.rows if step else []

    def anchored(self, since: datetime, until: datetime | None, paths: Paths) -> Iterator[list[Row]]:
        """Yield the pages of a sorted list by asking for its first page again and again, from the last time on.

        A record that changes while page numbers are counted moves to the end, and each behind it moves up by one:
        the first of the next page would be passed over.
        """
        known: dict[tuple[str, str], datetime] = {}
        for _ in range(MOST_PAGES):
            newest, fresh = since, dict(known)
            for rows in self.pages(since, until):
                new = {(text_at(row, paths.id), digest(row)): row for row in rows}
                new = {key: row for key, row in new.items() if key not in fresh}
                fresh |= {key: moment_at(row, paths.modified) or since for key, row in new.items()}
                newest = max([newest, *fresh.values()])
                yield list(new.values())
                if newest > since:
                    break
            else:
                return
            known = {key: time for key, time in fresh.items() if time >= newest - 2 * STEP_BACK}
            since = newest
        raise _too_many()

    def _step(self, place: str, parameters: Mapping[str, str], *, is_first: bool) -> Step | None:
        """Return the page at a place; None: there is no such page any more."""
        listing = self.listing
        path, asked = listing.path, dict(parameters)
        if place and listing.parameter:
            asked[listing.parameter] = place
        elif place:  # an address that the API named
            path, asked = place, {}
        try:
            answer = self.get(path, asked)
        except RejectedError as error:
            if error.status == 404 and listing.paging in NUMBERED and not is_first:
                return None
            raise
        body = read_json(answer)
        if is_first:
            self._look_at_clock(answer)
            said = text_at(body, listing.total)
            self.total = int(said) if self.total is None and said.isdecimal() else self.total
        rows = rows_of(body, listing.records)
        return Step(rows, self._following(answer, body, place, len(rows)))

    def _parameters(self, since: datetime | None, until: datetime | None) -> dict[str, str]:
        listing = self.listing
        found = dict(listing.parameters)
        if listing.size_parameter:
            found[listing.size_parameter] = str(listing.size)
        if listing.since and since:
            found[listing.since] = _shown(since - STEP_BACK, listing.time_format)
        if listing.until and until:
            found[listing.until] = _shown(until + STEP_BACK, listing.time_format)
        return found

    def _following(self, answer: requests.Response, body: Any, place: str, count: int) -> str:
        """Return the place of the next page: a number, a cursor, or an address below that of the connection."""
        paging = self.listing.paging
        if paging in NUMBERED:
            return str(int(place) + (1 if paging == PAGE else count)) if count else ""
        found = ""
        if paging == LINK:
            found = str(answer.links.get("next", {}).get("url") or "")
        elif paging == CURSOR:
            found = text_at(body, self.listing.cursor)
        if found and not self.listing.parameter:
            return following_path(found, answer.url, self.base_url)
        return found

    def _look_at_clock(self, answer: requests.Response) -> None:
        try:
            theirs = parsedate_to_datetime(answer.headers["Date"]).astimezone(UTC)
        except (KeyError, ValueError, TypeError):
            return
        self.began = min(self.began, theirs)


def read_pages(kind: ObjectType, read: Read, request: ReadRequest) -> Iterator[Page]:
    """Yield pages of records, oldest change first."""
    if not read.listing.is_sorted:
        yield from _sorted_here(kind, read, request)
        return
    is_anchored = read.listing.paging in NUMBERED
    if is_anchored:
        pages = read.anchored(request.since or LONG_AGO, request.until, kind.paths)
        chunks = _chunks(pages, request.page_size)
    else:
        chunks = read.pages(request.since, request.until)
    reached, left = None, request.limit
    for rows in chunks:
        records = _ordered(_wanted(rows, kind, request, read.began))
        if not records:
            continue
        if reached and records[0].modified_at < reached - (2 * STEP_BACK if is_anchored else timedelta(0)):
            raise ConfigError(
                f"The list of {kind.name} is not sorted by {kind.paths.modified}.",
                code="query",
                remedy="Take “sorted: true” out of the objects of the connection, or ask the API to sort.",
            )
        reached = records[-1].modified_at
        records, left = _cut(records, left)
        yield Page(records, records[-1].modified_at)
        if left == 0:
            return


def _chunks(pages: Iterator[list[Row]], size: int) -> Iterator[list[Row]]:
    gathered: list[Row] = []
    for rows in pages:
        gathered += rows
        if len(gathered) >= max(size, 1):
            yield gathered
            gathered = []
    yield gathered


def _sorted_here(kind: ObjectType, read: Read, request: ReadRequest) -> Iterator[Page]:
    """Read all, sort, then hand on; what changed on a page already read is not passed by the watermark, either."""
    found: dict[tuple[str, str], Record] = {}
    for rows in read.pages(request.since, request.until):
        for record in _wanted(rows, kind, request, read.began):
            found[record.remote_id, record.version] = record
        if len(found) > MOST_SORTED_HERE:
            raise ConfigError(
                f"The list of {kind.name} has more than {MOST_SORTED_HERE:,} records and is not sorted.",
                code="query",
                remedy="Let the API sort by time of change, and say “sorted: true”.",
            )
    records, _ = _cut(_ordered(list(found.values())), request.limit)
    for start in range(0, len(records), max(request.page_size, 1)):
        part = records[start : start + max(request.page_size, 1)]
        yield Page(part, min(part[-1].modified_at, read.began) if kind.paths.modified else None)


def _wanted(rows: Sequence[Row], kind: ObjectType, request: ReadRequest, now: datetime) -> list[Record]:
    records = [to_record(row, kind, request.fields, now) for row in rows]
    if not kind.paths.modified:
        return records
    return [
        record
        for record in records
        if (request.since is None or record.modified_at >= request.since)
        and (request.until is None or record.modified_at < request.until)
    ]


def to_record(row: Any, kind: ObjectType, fields: Sequence[str], now: datetime) -> Record:
    """Return a record with the fields asked for; without any, with all. ConfigError: it has no id."""
    paths = kind.paths
    remote_id = text_at(row, paths.id)
    if not remote_id or len(remote_id) > LONGEST_ID:
        what = f"ids longer than {LONGEST_ID} characters" if remote_id else "no id"
        raise ConfigError(
            f"The records of {kind.name} have {what} at “{paths.id}”.",
            code="query",
            remedy="Correct the path “id” in the objects of the connection.",
        )
    values = picked(row, [*paths.all(), *fields]) if fields else dict(row)
    modified = moment_at(row, paths.modified)
    return Record(
        remote_id=remote_id,
        values=values,
        version=f"{text_at(row, paths.modified)[:40]}~{digest(values)}",
        modified_at=modified or now,
        created_at=moment_at(row, paths.created),
        title=text_at(row, paths.title)[:200],
        email=text_at(row, paths.email),
        owner_id=text_at(row, paths.owner),
        url=text_at(row, paths.url),
    )


def rows_of(body: Any, path: str) -> list[Row]:
    """Return the rows of a list's answer. ConfigError: there is no list at that path."""
    found = at(body, path)
    if not isinstance(found, list) or not all(isinstance(row, Mapping) for row in found):
        where = f"at “{path}”" if path else "as its whole"
        raise ConfigError(
            f"The answer has no list of records {where}.",
            code="query",
            remedy="Correct the path “records” in the objects of the connection.",
        )
    return found


def _ordered(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda record: (record.modified_at, record.remote_id))


def _cut(records: list[Record], left: int | None) -> tuple[list[Record], int | None]:
    if left is None:
        return records, None
    return records[:left], max(left - len(records), 0)


def _shown(moment: datetime, time_format: str) -> str:
    if time_format == SECONDS:
        return str(int(moment.timestamp()))
    if time_format == MILLISECONDS:
        return str(int(moment.timestamp() * 1000))
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _too_many() -> ConfigError:
    remedy = "Ask for larger pages in the objects of the connection."
    return ConfigError(f"The list has more than {MOST_PAGES:,} pages.", code="query", remedy=remedy)
