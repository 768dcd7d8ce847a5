"""What holds a running backfill up: said on its page and in the terminal until the vendor answers again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from integration_hub.connectors.errors import BudgetError, ConfigError, ConnectorError, RateLimitError
from syncs import holds
from syncs.engine import retry
from syncs.engine.backfill.desk import Desk, Side
from syncs.models import Backfill
from syncs.models.backfills import BackfillState

LONGEST_GAP = 30.0
"""Seconds between two tries: so soon after its return a vendor is noticed."""
LONGEST_OUTAGE = timedelta(hours=1)
"""What lasts longer pauses the backfill: nobody is watching a bar that stands still."""
LONGEST_WAIT = 60.0
"""What a vendor asks to wait longer is met by a pause of the whole."""
BROKEN = "malformed_page"
MOST_BROKEN = 4
"""Answers that are not whole in a row, all to one question; another would hardly differ. Sooner than a task ends."""
TOLD_AFTER = 2
"""Tries of one call; what the next one cures is not worth a word."""
TOLD_WAIT = 3.0


class Worried(Protocol):
    """The thread with the database, as those see it that meet trouble."""

    desk: Desk

    def troubled(self, side: Side, error: ConnectorError, tries: int) -> None: ...

    def delayed(self, side: Side, error: RateLimitError, seconds: float) -> None: ...


class Patience:
    """One call's waits between its tries, for a thread without a database."""

    def __init__(self, manager: Worried, side: Side) -> None:
        self.manager = manager
        self.side = side
        self.reset()

    def reset(self) -> None:
        self.tries = self.broken = 0
        self.since: datetime | None = None

    def wait(self, error: ConnectorError) -> None:
        """Wait as the vendor says, or longer with each try; raise what a pause of the whole meets better, or an end."""
        now, desk = self.side.clock(), self.manager.desk
        if isinstance(error, RateLimitError):
            asked = max(error.retry_after, 0.1)
            if isinstance(error, BudgetError) or asked > LONGEST_WAIT:
                raise error
            limit = error
            desk.post(lambda: self.manager.delayed(self.side, limit, asked))
            desk.pause(asked)
            return
        self.tries += 1
        self.broken += error.code == BROKEN
        if self.broken >= MOST_BROKEN:
            raise ConfigError(
                f"{error.message} It was asked for {self.broken} times.", code=BROKEN, remedy=error.remedy
            )
        self.since = self.since or now
        if now - self.since >= LONGEST_OUTAGE:
            raise error
        tries = self.tries
        desk.post(lambda: self.manager.troubled(self.side, error, tries))
        seconds = (retry.next_try(tries, now) - now).total_seconds()
        desk.pause(min(seconds, LONGEST_GAP))


class Troubles:
    """What stands in the way now, by connection; kept as the reason of the running backfill, for its page."""

    def __init__(self, backfill: Backfill, clock: Callable[[], datetime]) -> None:
        self.backfill = backfill
        self.clock = clock
        self._failing: set[int] = set()
        self._words: dict[int, str] = {}

    @property
    def words(self) -> str:
        return " ".join(self._words.values())

    def failed(self, side: Side, error: ConnectorError, tries: int) -> None:
        """An exchange failed and will be tried again: what lasts becomes one incident."""
        connection = side.connection
        self._failing.add(connection.pk)
        holds.failed(connection, error, self.clock())
        if tries >= TOLD_AFTER:
            self._say(
                connection.pk,
                f"It stands still because of {connection}: {error.message} It is tried again every "
                f"{LONGEST_GAP:.0f} seconds or sooner, and goes on by itself from where it is.",
            )

    def delayed(self, side: Side, error: RateLimitError, seconds: float) -> None:
        if seconds >= TOLD_WAIT:
            until = self.clock() + timedelta(seconds=seconds)
            self._say(
                side.connection.pk,
                f"It waits for {side.connection}: {error.message} It goes on by itself at {until:%H:%M:%S} UTC.",
            )

    def answered(self, side: Side) -> None:
        """Whatever was wrong with this side is over."""
        pk = side.connection.pk
        if pk in self._failing:
            self._failing.discard(pk)
            holds.answered(side.connection, self.clock())
        if self._words.pop(pk, None):
            self._store()

    def _say(self, connection_id: int, words: str) -> None:
        self._words[connection_id] = words
        self._store()

    def _store(self) -> None:
        running = Backfill.objects.filter(pk=self.backfill.pk, state=BackfillState.RUNNING)
        running.update(reason=self.words)
