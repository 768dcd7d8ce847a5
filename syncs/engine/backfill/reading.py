"""How a backfill reads: page by page over REST or by one bulk job, whichever costs less. Pure, but for a job's end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from integration_hub.connectors.contract import BulkReadable, Connector
from integration_hub.connectors.errors import ConfigError

DEAR = 1.0
"""Per cent of the calls that backfills may make a day, beyond which fewer calls count more than time."""


class Reading(StrEnum):
    REST = "rest"
    BULK = "bulk"


class Because(StrEnum):
    """Why it is read that way: there is no other, it was asked for, it is quicker, or it takes fewer calls."""

    ONLY = "only"
    ASKED = "asked"
    TIME = "time"
    CALLS = "calls"


@dataclass(frozen=True, slots=True)
class Price:
    calls: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Choice:
    """`other` is what the way that was not taken would cost."""

    reading: Reading = Reading.REST
    because: Because = Because.ONLY
    other: Price | None = None

    def facts(self) -> dict[str, object]:
        """Return the choice as it is stored with the quote."""
        other = {"calls": self.other.calls, "seconds": round(self.other.seconds, 1)} if self.other else None
        return {"reading": self.reading.value, "because": self.because.value, "other": other}


def choose(
    rest: Price, bulk: Price | None, *, wish: Reading | None, left: int | None, daily: int | None
) -> Choice:
    """Choose by the calls where REST would take a good part of the day's, or more than are left; else by time."""
    if bulk is None:
        if wish == Reading.BULK:
            raise _not_in_bulk()
        return Choice()
    if wish is not None:
        return Choice(wish, Because.ASKED, rest if wish == Reading.BULK else bulk)
    is_dear = left is not None and (rest.calls > left or 100 * rest.calls > DEAR * (daily or 0))
    better = bulk.calls < rest.calls if is_dear else bulk.seconds < rest.seconds
    because = Because.CALLS if is_dear else Because.TIME
    return Choice(Reading.BULK, because, rest) if better else Choice(Reading.REST, because, bulk)


def as_bulk_readable(connector: Connector) -> BulkReadable:
    if not isinstance(connector, BulkReadable):
        raise _not_in_bulk()
    return connector


def end_jobs(connector: Connector, marks: Iterable[str]) -> None:
    """Give up the jobs of these marks."""
    for mark in marks:
        as_bulk_readable(connector).bulk_end(mark)


def _not_in_bulk() -> ConfigError:
    return ConfigError(
        "This connection cannot be read by a bulk job.",
        code="query",
        remedy="Read page by page: --read rest.",
    )
