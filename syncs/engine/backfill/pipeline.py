"""Reading, deciding and writing side by side: the loop of one process that works on a backfill."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from integration_hub.connectors.errors import ConnectorError, RateLimitError, RejectedError
from integration_hub.connectors.records import Outcome, RecordResult
from syncs.engine.backfill import links
from syncs.engine.backfill.desk import Desk, Side
from syncs.engine.backfill.fates import (
    Decided,
    Missing,
    PageMark,
    Rival,
    Row,
    Tally,
    decide,
    give_up,
)
from syncs.engine.backfill.ledger import Ledger
from syncs.engine.backfill.memory import rare_collections
from syncs.engine.backfill.rehearsal import Rehearsal
from syncs.engine.backfill.returns import Returns
from syncs.engine.backfill.switches import Verdict, after_error, look, paused
from syncs.engine.backfill.team import Team
from syncs.engine.backfill.threads import MOST_TRIES, Range, Reader, Writer
from syncs.engine.backfill.troubles import Troubles

READERS = 5
ROOM = 16_000
"""Records between being read and being settled, beyond which reading waits: what keeps memory flat."""
FLUSH_AFTER = timedelta(seconds=5)
LOOK_EVERY = timedelta(seconds=1)
RENEW_EVERY = timedelta(seconds=20)
GRACE = timedelta(seconds=10)
"""After an end was called for, what is on its way has so long to come back; the rest is sent again on resuming."""


class Pipeline:
    """Implements the `Manager` of `threads` and of `returns`: its methods run on the thread that owns the database."""

    def __init__(
        self,
        team: Team,
        ledger: Ledger,
        ranges: Sequence[Range],
        *,
        until: datetime | None = None,
        grace: timedelta = GRACE,
        tell: Callable[[Tally, str], None] = lambda tally, words: None,
    ) -> None:
        self.team = team
        self.desk: Desk = team.source.desk
        self.ledger = ledger
        self.clock = team.source.clock
        self.until = until
        self.grace = grace
        self.tell = tell
        self.verdict: Verdict | None = None
        self.rehearsal = Rehearsal() if team.destination is None else None
        self._ranges = deque(ranges)
        self._batches: queue.SimpleQueue[list[Row] | None] = queue.SimpleQueue()
        self._room = threading.Event()
        self._room.set()
        self._pending: list[Row] = []
        self._flying: dict[str, Row] = {}
        self._behind: dict[str, Row] = {}
        self._returns = Returns(self, team)
        self._in_flight = 0
        self._no_more = False
        self._troubles = Troubles(team.backfill, self.clock)
        self._quiet_until: datetime | None = None
        now = self.clock()
        self._added_at = self._looked_at = self._renewed_at = now
        self._ended_at: datetime | None = None

    def run(self) -> None:
        """Work until everything is read and settled, the time is up, or an end is called for."""
        readers = [
            Reader(self, self.team.source, self.team.mapper, self._room)
            for _ in range(min(READERS, len(self._ranges)))
        ]
        writers: list[Writer] = []
        if self.team.destination is not None:
            writers = [
                Writer(self, self.team.destination, self._batches, self.team.way)
                for _ in range(self.team.writers)
            ]
        for thread in (*readers, *writers):
            thread.start()
        try:
            with rare_collections():
                self._loop(readers)
        finally:
            for _ in writers:
                self._batches.put(None)
            self.desk.close()

    def _loop(self, readers: Sequence[Reader]) -> None:
        over = False
        while not over:
            reading = any(reader.is_alive() for reader in readers)
            self.desk.serve(0.1)
            self._look_around()
            self._dispatch(all_of_it=not reading)
            self.tell(self.ledger.total, self._troubles.words)
            over = self._is_over(reading=reading)

    # What the readers and writers ask for

    def next_range(self) -> Range | None:
        return None if self._no_more or not self._ranges else self._ranges.popleft()

    def take(self, page: PageMark, rows: Sequence[Row], gone: Sequence[str] = ()) -> bool:
        """Decide what becomes of a page. False: do not go on reading."""
        if self.verdict is None:
            self._troubles.answered(self.team.source)
            self.ledger.opened(page)
            if page.left:
                self._decide(rows, [Missing(record_id, page) for record_id in gone])
            elif self.rehearsal is None:
                self.ledger.reached(page.part_id)
        return self.goes_on()

    def take_again(self, rows: Sequence[Row], gone: Sequence[Row]) -> None:
        """Decide what becomes of records that were read anew."""
        if self.verdict is None:
            self._troubles.answered(self.team.source)
            self._decide(rows, [Missing(row.record_id, row.page) for row in gone])

    def goes_on(self) -> bool:
        return not self._no_more

    def read_to_the_end(self, part_id: int) -> None:
        if self.verdict is None and self.rehearsal is None:
            self.ledger.ended(part_id)

    def settle(self, batch: Sequence[Row], results: Sequence[RecordResult], begun: datetime) -> None:
        self._in_flight -= 1
        if self.team.destination is not None:
            self._troubles.answered(self.team.destination)
        sent: list[Row] = []
        bad: list[tuple[Row, ConnectorError]] = []
        for row, result in zip(batch, results, strict=True):
            if result.outcome != Outcome.FAILED or result.error is None:
                if self.team.setting.gives_ids:
                    row.remote_id = result.remote_id
                sent.append(row)
            elif isinstance(result.error, RejectedError) or row.tries >= MOST_TRIES:
                bad.append((row, result.error))
            else:
                self._returns.put_off(row, self.clock())
        self._returns.doubt(self.ledger.answered(sent, bad, begun))
        for row in (*sent, *(row for row, _ in bad)):
            self._landed(row)
        self._see_to_room()

    def dropped(self, batch: Sequence[Row]) -> None:
        self._in_flight -= 1

    def troubled(self, side: Side, error: ConnectorError, tries: int) -> None:
        self._troubles.failed(side, error, tries)

    def delayed(self, side: Side, error: RateLimitError, seconds: float) -> None:
        self._troubles.delayed(side, error, seconds)

    def halt(self, side: Side, error: Exception) -> None:
        """End the work; what is on its way may still come back. An error of ours is raised."""
        if not isinstance(error, ConnectorError):
            raise error
        self._end(after_error(side.connection, error, self.clock()))

    # Deciding

    def _decide(self, rows: Sequence[Row], gone: Sequence[Missing] = ()) -> None:
        sync = self.ledger.sync
        ids = [*(row.record_id for row in rows), *(one.record_id for one in gone)]
        known = links.known(sync, ids, since=self.team.backfill.run.started_at)
        values = [row.mapped.match_value for row in rows if not row.mapped.problem]
        rivals = links.rivals(list(self.team.setting.precedences), values) if values else {}
        live = links.live(sync)
        found = decide(rows, known, rivals, live, self.team.setting)
        give_up(gone, known, found, self.team.setting)
        if self.rehearsal is not None:
            self.ledger.total = self.rehearsal.add(found)
            return
        fresh = self._contest(found)
        self.ledger.decided(found)
        if fresh:
            self._pending += fresh
            self._added_at = self.clock()
            self._dispatch(all_of_it=False)
        self._see_to_room()

    def _contest(self, found: Decided) -> list[Row]:
        """Let of the records with one match value only one be on its way; return those that may go now."""
        fresh = []
        for row in found.to_send:
            key = row.mapped.match_value
            if key not in self._flying:
                self._flying[key] = row
                fresh.append(row)
                continue
            behind = self._behind.get(key)
            best = behind or self._flying[key]
            if _rank(row) < _rank(best):
                self._give_way(found, row, best)
                continue
            if behind is not None:
                self._give_way(found, behind, row)
            self._behind[key] = row
        return fresh

    def _give_way(self, found: Decided, loser: Row, winner: Row) -> None:
        who = f"{self.ledger.sync.name} {winner.record_id}"
        reason = f"{who} has the same {self.team.setting.match_path} and goes first."
        found.skip(loser, "collapsed", reason, loser.mapped.match_value)

    def _landed(self, row: Row) -> None:
        """Let the next record with the same match value go."""
        key = row.mapped.match_value
        if self._flying.get(key) is not row:
            return
        del self._flying[key]
        follower = self._behind.pop(key, None)
        if follower is not None:
            # What was made just now a search does not show yet: the follower would make it again.
            follower.remote_id = row.remote_id
            follower.outdone = [
                *follower.outdone,
                Rival(self.ledger.sync.pk, row.record_id, row.modified_at),
            ]
            self._flying[key] = follower
            self._pending.append(follower)

    # Sending

    def _dispatch(self, *, all_of_it: bool) -> None:
        now = self.clock()
        if self.verdict is not None or (self._quiet_until and now < self._quiet_until):
            return
        size = self.team.batch_size
        while len(self._pending) >= size:
            self._put(size)
        is_stale = not self._in_flight and now - self._added_at >= FLUSH_AFTER
        if self._pending and (all_of_it or is_stale):
            self._put(size)

    def _put(self, size: int) -> None:
        batch, self._pending = self._pending[:size], self._pending[size:]
        self._in_flight += 1
        self._batches.put(batch)

    def _see_to_room(self) -> None:
        count = len(self._flying) + len(self._behind) + self._returns.unread
        if count < ROOM:
            self._room.set()
        else:
            self._room.clear()

    # Looking around

    def _look_around(self) -> None:
        now = self.clock()
        if self.until is not None and now >= self.until:
            self._no_more = True
            if self._troubles.words:  # a task has no time to wait for a vendor's return
                self._end(paused(self._troubles.words, now))
        if now - self._looked_at < LOOK_EVERY:
            return
        self._looked_at = now
        if self.verdict is None:
            found = look(self.team.backfill, self.team.source.connection, now)
            self._quiet_until = found.quiet_until
            if found.verdict:
                self._end(found.verdict)
        if now - self._renewed_at >= RENEW_EVERY:
            self._renewed_at = now
            self.ledger.renew()
            for side in self._sides():
                side.look_at_budget()
        self._bring_back(now)

    def _bring_back(self, now: datetime) -> None:
        self._pending += self._returns.due(now)
        if self.verdict is None:
            self._returns.read_anew()

    # Ending

    def _end(self, verdict: Verdict) -> None:
        """Stop: what is on its way may come back, what was not sent is forgotten and read again on resuming."""
        if self.verdict is not None:
            return
        self.verdict = verdict
        self._no_more = True
        self.desk.ending.set()
        self._ended_at = self.clock()
        self._pending = []
        try:
            while True:
                if self._batches.get_nowait():
                    self._in_flight -= 1
        except queue.Empty:
            self._room.set()

    def _is_over(self, *, reading: bool) -> bool:
        if self.verdict is not None:
            late = self._ended_at is not None and self.clock() - self._ended_at >= self.grace
            return late or not self._in_flight
        if self.until is not None and self.clock() >= self.until + self.grace:
            return True  # the time is up: what is on its way is sent again by whoever goes on
        waiting = self._pending or self._returns or self._behind
        return not (reading or self._in_flight or waiting)

    def _sides(self) -> list[Side]:
        return [self.team.source, *([self.team.destination] if self.team.destination else [])]


def _rank(row: Row) -> tuple[datetime, str]:
    return row.modified_at, row.record_id
