"""Records that come back: those that the vendor put off are sent again, those in doubt are read anew."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Protocol

from integration_hub.connectors.contract import Scannable
from integration_hub.connectors.errors import RateLimitError, RetryableError
from integration_hub.connectors.records import Record
from syncs.engine.backfill import links
from syncs.engine.backfill.desk import Side, StoppedError
from syncs.engine.backfill.fates import Row
from syncs.engine.backfill.team import Team
from syncs.engine.backfill.threads import IDS_AT_ONCE, as_scannable, row_of
from syncs.engine.backfill.troubles import Patience, Worried
from syncs.engine.retry import next_try


class Manager(Worried, Protocol):
    """The thread with the database, as a re-reading sees it."""

    def take_again(self, rows: Sequence[Row], gone: Sequence[Row]) -> None: ...

    def halt(self, side: Side, error: Exception) -> None: ...


class Returns:
    """Their keeper, on the thread that owns the database. One reads anew at a time: what stands still costs little."""

    def __init__(self, manager: Manager, team: Team) -> None:
        self.manager = manager
        self.team = team
        self._put_off: list[tuple[datetime, Row]] = []
        self._doubtful: dict[str, Row] = {}
        self._asked: Sequence[Row] = ()

    def __bool__(self) -> bool:
        return bool(self._put_off or self.unread)

    @property
    def unread(self) -> int:
        """Count the records that stand in memory until they are read anew."""
        return len(self._doubtful) + len(self._asked)

    def put_off(self, row: Row, now: datetime) -> None:
        row.tries += 1
        self._put_off.append((next_try(row.tries, now), row))

    def doubt(self, rows: Iterable[Row]) -> None:
        self._doubtful |= {row.record_id: row for row in rows}

    def due(self, now: datetime) -> list[Row]:
        """Take out what is to be sent again now."""
        found = [row for at, row in self._put_off if at <= now]
        if found:
            self._put_off = [(at, row) for at, row in self._put_off if at > now]
        return found

    def read_anew(self) -> None:
        """Read what is in doubt, once nobody else writes it."""
        if not self._doubtful or self._asked:
            return
        sync, setting = self.team.backfill.sync, self.team.setting
        live = links.live(sync)
        free = (
            row
            for row in self._doubtful.values()
            if row.record_id not in live.records and setting.lane(row.mapped.match_value) not in live.lanes
        )
        self._asked = list(islice(free, IDS_AT_ONCE))
        if self._asked:
            for row in self._asked:
                del self._doubtful[row.record_id]
            links.doubt(sync, list(setting.precedences), self._asked)
            threading.Thread(target=self._read, args=(self._asked,), daemon=True).start()

    def _read(self, rows: Sequence[Row]) -> None:
        """Runs in a thread of its own, with the patience of any other read."""
        source, desk = self.team.source, self.manager.desk
        try:
            with source.connector() as connector:
                found = self._found(as_scannable(connector), [row.record_id for row in rows])
            pages = {row.record_id: row.page for row in rows}
            again = {
                one.remote_id: row_of(
                    (one.remote_id, one.modified_at, one.values), self.team.mapper, pages[one.remote_id]
                )
                for one in found
                if one.remote_id in pages
            }
            gone = [row for row in rows if row.record_id not in again]
            desk.post(lambda: self._returned(list(again.values()), gone))
        except StoppedError:
            return
        except Exception as error:  # noqa: BLE001 - told to the manager, who ends the backfill with it
            failure = error
            desk.post(lambda: self.manager.halt(source, failure))

    def _found(self, source: Scannable, ids: Sequence[str]) -> list[Record]:
        patience = Patience(self.manager, self.team.source)
        while True:
            try:
                return source.fetch(self.team.backfill.sync.stream.object_type, ids, self.team.fields)
            except (RetryableError, RateLimitError) as error:
                patience.wait(error)

    def _returned(self, again: Sequence[Row], gone: Sequence[Row]) -> None:
        self._asked = ()
        self.manager.take_again(again, gone)
