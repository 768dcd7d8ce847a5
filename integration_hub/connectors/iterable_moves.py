"""A changed e-mail in an email-based project: the user moves before it is written, or there would be two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from integration_hub.connectors.errors import ConfigError, ConnectorError, RejectedError, RetryableError
from integration_hub.connectors.iterable_errors import EMAIL_TAKEN, USER_MISSING
from integration_hub.connectors.iterable_rows import Row


class Moves:
    """Moves users from their former address to the present one. Doing it again does no harm."""

    def __init__(self, rename: Callable[[str, str], None], exists: Callable[[str], bool]) -> None:
        self.rename = rename
        self.exists = exists
        self.stopped: ConnectorError | None = None
        """What ended the moving early: an outage or a limit, which concerns more than one user."""

    def run(self, rows: Sequence[Row]) -> dict[int, ConnectorError]:
        """Move those that need it; return, by position, what went wrong: these must not be written now.

        An outage ends the moving, not the write: the movers that are left share the error and come again.
        """
        failed: dict[int, ConnectorError] = {}
        for row in _in_order(row for row in rows if _former(row) not in {"", row.key}):
            if self.stopped is not None:
                failed[row.position] = self.stopped
                continue
            try:
                self._move(_former(row), row.key)
            except (RejectedError, _NotThereYetError) as error:
                failed[row.position] = error
            except ConfigError:
                raise
            except ConnectorError as error:
                failed[row.position] = self.stopped = error
        return failed

    def _move(self, former: str, present: str) -> None:
        try:
            self.rename(former, present)
        except RejectedError as error:
            if error.code == USER_MISSING:
                return  # never written, or moved by an earlier try
            if error.code == EMAIL_TAKEN and not self.exists(former):
                return  # moved by an earlier try whose answer was lost
            raise
        # The move takes its time; a write that overtakes it makes a second user.
        if not self.exists(present):
            raise _NotThereYetError(
                "The user is moving to its new e-mail; the fields are written with the next try.",
                code="moving",
            )


class _NotThereYetError(RetryableError):
    """Concerns this one user only."""


def _former(row: Row) -> str:
    return row.write.former.strip().lower()


def _in_order(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield the movers so that an address is left before another user takes it; a circle begins anywhere."""
    pending: dict[str, list[Row]] = {}
    for row in rows:
        pending.setdefault(_former(row), []).append(row)
    while pending:
        free = [former for former, movers in pending.items() if all(row.key not in pending for row in movers)]
        for former in free or [next(iter(pending))]:
            yield from pending.pop(former)
