"""What becomes of a record that a backfill met: decided by what is known of it. Pure: values in, values out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from syncs.engine.mapping import Mapped

WRITTEN, SKIPPED, REFUSED, REMOVED = "written", "skipped", "refused", "removed"
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_REASON = 300
GONE = "The record is not there any more, or may not be seen."


class PageMark:
    """How much of a page is still on its way; the partition moves past it when nothing is."""

    __slots__ = ("last_id", "left", "part_id")

    def __init__(self, part_id: int, last_id: str, left: int) -> None:
        self.part_id = part_id
        self.last_id = last_id
        self.left = left


class Row:
    """One record on its way. Plain and slotted: there is one for each record of a backfill."""

    __slots__ = (
        *("converted", "former", "is_back", "is_new", "mapped", "modified_at", "outdone", "page"),
        *("foreign", "record_id", "remote_id", "tries"),
    )

    def __init__(self, record_id: str, modified_at: datetime, mapped: Mapped, page: PageMark) -> None:
        self.record_id = record_id
        self.modified_at = modified_at
        self.mapped = mapped
        self.page = page
        self.former = ""
        self.remote_id = ""
        self.foreign: Mapping[int, str] | None = None
        self.is_new = True
        self.is_back = False
        self.converted = False
        self.outdone: Sequence[Rival] = ()
        self.tries = 0


class Missing(NamedTuple):
    """A record that was asked for by its id, or was about to be sent, and is not there any more."""

    record_id: str
    page: PageMark


class Known(NamedTuple):
    """What the record link says. `is_fresh`: it was written after this run had begun."""

    match_value: str
    payload_hash: str
    version_at: datetime
    state: str
    run_id: int | None
    is_there: bool
    is_fresh: bool = False
    remote_id: str = ""


class Rival(NamedTuple):
    """Another record that was written under the same match value."""

    sync_id: int
    record_id: str
    version_at: datetime
    remote_id: str = ""


class Live(NamedTuple):
    """What live deliveries are about to write: their lanes, and the records they are for."""

    lanes: frozenset[str] = frozenset()
    records: frozenset[str] = frozenset()


class Fate(NamedTuple):
    """What the record link is to say; `sent` False keeps what it says of the last write."""

    record_id: str
    match_value: str
    payload_hash: str
    version_at: datetime
    state: str
    reason: str = ""
    sent: bool = False
    remote_id: str = ""
    problem: str = ""
    """The code, where the record's data is why it was not written."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What holds for the whole backfill. `follows_contact`: a contact writes what a converted lead would."""

    run_id: int
    sync_id: int
    match_path: str
    precedences: Mapping[int, int]
    lane: Callable[[str], str]
    follows_contact: bool = False
    name: Callable[[int], str] = str
    """What to call a sync, by its id."""
    only_creates: bool = False
    gives_ids: bool = False
    """The destination has ids of its own, to be kept."""


@dataclass(slots=True)
class Tally:
    """Counts that balance by the way they are made: each record is counted once, as what it became."""

    delivered: int = 0
    unchanged: int = 0
    skipped: int = 0
    dead: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def read(self) -> int:
        return self.delivered + self.unchanged + self.skipped + self.dead

    def skip(self, code: str) -> None:
        self.skipped += 1
        self.reasons[code] += 1

    def bury(self, code: str) -> None:
        self.dead += 1
        self.reasons[code] += 1


@dataclass(slots=True)
class Decided:
    """A page sorted out: what is sent, what is settled already, and of what the link is only to note the run."""

    to_send: list[Row] = field(default_factory=list)
    settled: list[Row | Missing] = field(default_factory=list)
    fates: list[Fate] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    standing: list[Row] = field(default_factory=list)
    """Settled, because what would be written is there."""
    tally: Tally = field(default_factory=Tally)

    def skip(self, row: Row, code: str, reason: str, match_value: str = "") -> None:
        self.settled.append(row)
        problem = code if row.mapped.problem else ""
        self.fates.append(skipped(row, reason, match_value)._replace(problem=problem))
        self.tally.skip(code)


def decide(
    rows: Iterable[Row],
    known: Mapping[str, Known],
    rivals: Mapping[str, Sequence[Rival]],
    live: Live,
    setting: Setting,
) -> Decided:
    """Sort out the records of a page."""
    found = Decided()
    for row in rows:
        link = known.get(row.record_id)
        if link is None:
            if row.mapped.problem:
                found.skip(row, row.mapped.code, row.mapped.problem)
                continue
        elif _settle_known(row, link, found, setting):
            continue
        if not _settle_contested(row, link, rivals, live, found, setting):
            found.to_send.append(row)
    return found


def _settle_known(row: Row, link: Known, found: Decided, setting: Setting) -> bool:
    """Settle what the link alone decides; note on the row what a write must know of it."""
    has_run = link.run_id == setting.run_id and link.version_at >= row.modified_at
    if has_run and (link.payload_hash or link.state != WRITTEN):
        found.settled.append(row)  # counted before this run was interrupted
        return True
    if link.version_at > row.modified_at:
        found.settled.append(row)
        found.touched.append(row.record_id)
        found.tally.skip("older")
        return True
    if row.mapped.problem:
        found.skip(row, row.mapped.code, row.mapped.problem)
        return True
    if setting.only_creates and link.is_there:
        found.settled.append(row)
        found.touched.append(row.record_id)
        found.tally.skip("only_creates")
        return True
    row.is_new = not link.is_there
    row.is_back = link.state == REMOVED
    if link.is_there and link.match_value != row.mapped.match_value:
        row.former = link.match_value
    if link.state == WRITTEN:  # else another record may be what has that id now
        row.remote_id = link.remote_id
    return False


def _settle_contested(
    row: Row,
    link: Known | None,
    rivals: Mapping[str, Sequence[Rival]],
    live: Live,
    found: Decided,
    setting: Setting,
) -> bool:
    """Settle what another record, or a live delivery, writes; and what is there already."""
    match_value = row.mapped.match_value
    others = [one for one in rivals.get(match_value, ()) if one.record_id != row.record_id]
    winner = _winner(row, others, setting) if others else None
    if row.converted and setting.follows_contact:
        found.skip(row, "converted", "The lead was converted: its contact is written instead.")
    elif winner:
        who = f"{setting.name(winner.sync_id)} {winner.record_id}"
        found.skip(row, "collapsed", f"{who} has the same {setting.match_path} and goes first.", match_value)
    elif link is not None and _is_there(row, link) and not _may_be_overwritten(link, setting):
        found.settled.append(row)
        found.standing.append(row)
        found.tally.unchanged += 1
        if row.modified_at > link.version_at:
            found.fates.append(written(row, sent=False))
        else:
            found.touched.append(row.record_id)
    elif row.record_id in live.records or (live.lanes and setting.lane(match_value) in live.lanes):
        found.settled.append(row)
        found.tally.skip("live")
        if link is None:
            found.fates.append(
                Fate(row.record_id, "", "", LONG_AGO, SKIPPED, "A live change of it is being sent.")
            )
        else:
            found.touched.append(row.record_id)
    else:
        row.outdone = others
        row.remote_id = _place(others, setting) if others else row.remote_id
        return False
    return True


def _place(others: Iterable[Rival], setting: Setting) -> str:
    """Return the id there of the record that is written now in place of these; a search may not show it yet."""
    return next((one.remote_id for one in others if one.sync_id == setting.sync_id and one.remote_id), "")


def give_up(gone: Iterable[Missing], known: Mapping[str, Known], found: Decided, setting: Setting) -> None:
    """Add the records that the source does not have any more; what is known of them stays."""
    for one in gone:
        found.settled.append(one)
        link = known.get(one.record_id)
        if link is not None and link.run_id == setting.run_id:
            continue  # counted before this run was interrupted
        found.tally.skip("gone")
        if link is None:
            found.fates.append(Fate(one.record_id, "", "", LONG_AGO, SKIPPED, GONE))
        else:
            found.touched.append(one.record_id)


def written(row: Row, *, sent: bool = True) -> Fate:
    mapped = row.mapped
    return Fate(
        row.record_id, mapped.match_value, mapped.digest, row.modified_at, WRITTEN, "", sent, row.remote_id
    )


def skipped(row: Row, reason: str, match_value: str = "") -> Fate:
    return Fate(row.record_id, match_value, "", row.modified_at, SKIPPED, reason[:LONGEST_REASON])


def refused(row: Row, reason: str, code: str = "") -> Fate:
    fate = Fate(row.record_id, "", "", row.modified_at, REFUSED, reason[:LONGEST_REASON])
    return fate._replace(problem=code or "rejected")


def _is_there(row: Row, link: Known) -> bool:
    mapped = row.mapped
    same = link.payload_hash == mapped.digest and link.match_value == mapped.match_value
    return same and link.state == WRITTEN


def _may_be_overwritten(link: Known, setting: Setting) -> bool:
    """Say whether this run, before it was stopped, may have sent an older version at the time of a live write.

    Which of the two came last at the destination nobody knows, so it is sent once more.
    """
    return link.is_fresh and link.run_id != setting.run_id


def _winner(row: Row, rivals: Iterable[Rival], setting: Setting) -> Rival | None:
    """Return the first by rank, if it is not this row: the same order as everywhere (`writes.rank`)."""
    mine = (-setting.precedences[setting.sync_id], row.modified_at, row.record_id)
    best, winner = mine, None
    for rival in rivals:
        rank = (-setting.precedences[rival.sync_id], rival.version_at, rival.record_id)
        if rank > best:
            best, winner = rank, rival
    return winner
