"""A changed e-mail in an email-based project: the user moves before it is written, or there would be two."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from integration_hub.connectors.errors import (
    ConfigError,
    ConnectorError,
    RateLimitError,
    RejectedError,
    RetryableError,
)
from integration_hub.connectors.iterable.errors import EMAIL_TAKEN, USER_MISSING
from integration_hub.connectors.iterable.rows import Row

MOST_MOVES = 100
"""Moves one write may make: five go in a second, and a thousand would outlast the lease of their deliveries."""
MOST_SECONDS = 25.0


class Moves:
    """Moves users from their former address to the present one. Doing it again does no harm."""

    def __init__(
        self,
        rename: Callable[[str, str], None],
        exists: Callable[[str], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rename = rename
        self.exists = exists
        self.clock = clock
        self.stopped: ConnectorError | None = None
        """What ended the moving early: an outage or a limit, which concerns more than one user."""

    def run(self, rows: Sequence[Row]) -> dict[int, ConnectorError]:
        """Move those that need it; return, by position, what went wrong: these must not be written now.

        An outage ends the moving, not the write: the movers that are left share the error and come again. So do
        those that are too many for one write; no attempt is counted for them.
        """
        failed: dict[int, ConnectorError] = {}
        stuck: set[str] = set()
        end = self.clock() + MOST_SECONDS
        for number, row in enumerate(_in_order(row for row in rows if _formers(row))):
            if self.stopped is None and (number >= MOST_MOVES or self.clock() >= end):
                self.stopped = _later()
            error = self.stopped or (_in_the_way() if row.key in stuck else self._error(row))
            if error is not None:
                failed[row.position] = error
                stuck.update(_formers(row))
        return failed

    def _error(self, row: Row) -> ConnectorError | None:
        try:
            self._move(_formers(row), row.key)
        except (RejectedError, _NotThereYetError) as error:
            return error
        except ConfigError:
            raise
        except ConnectorError as error:
            self.stopped = error
            return error
        return None

    def _move(self, formers: Sequence[str], present: str) -> None:
        """Move the user from wherever it is of these; only a try of unknown outcome leaves several to choose from."""
        for former in formers:
            try:
                self.rename(former, present)
            except RejectedError as error:
                if error.code == USER_MISSING:
                    continue  # never written, or moved by an earlier try
                if error.code == EMAIL_TAKEN and not self.exists(former):
                    continue  # moved by an earlier try whose answer was lost
                raise
            break
        else:
            return
        # The move takes its time; a write that overtakes it makes a second user.
        if not self.exists(present):
            raise _NotThereYetError(
                "The user is moving to its new e-mail; the fields are written with the next try.",
                code="moving",
            )


class _NotThereYetError(RetryableError):
    """Concerns this one user only."""


def _later() -> RateLimitError:
    return RateLimitError(
        "Many users change their e-mail at once: the rest moves with the next write.",
        retry_after=1.0,
        code="moving_later",
    )


def _in_the_way() -> RetryableError:
    return RetryableError(
        "Another user must leave the new e-mail first; it could not be moved yet.", code="moving"
    )


def _formers(row: Row) -> list[str]:
    given = (one.strip().lower() for one in (row.write.former, *row.write.formers))
    return [one for one in dict.fromkeys(given) if one and one != row.key]


def _in_order(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield the movers so that an address is left before another user takes it; a circle begins anywhere."""
    pending: dict[str, list[Row]] = {}
    for row in rows:
        pending.setdefault(_formers(row)[0], []).append(row)
    while pending:
        free = [former for former, movers in pending.items() if all(row.key not in pending for row in movers)]
        for former in free or [next(iter(pending))]:
            yield from pending.pop(former)
