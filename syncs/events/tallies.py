"""Counts per source and minute in a table that all processes share: the rate limit, and what was refused."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F

from syncs.events.sources import KnownSource
from syncs.models import EventTally

PORTIONS = 100
"""A process takes the limit's hundredth at once: one row moved for each event would hold all of them up."""
LARGEST_PORTION = 1_000
SECONDS = 1.0
"""Refusals are written down at most once in so long; a killed process loses the counts of that time."""

_lock = threading.Lock()
_purses: dict[int, _Purse] = {}
_pending: Counter[tuple[int, datetime, str]] = Counter()
_seen: set[tuple[int, datetime, str]] = set()
_written = 0.0


@dataclass(slots=True)
class _Purse:
    """What this process may still accept of a source in one minute. `dry`: the limit that was used up."""

    minute: datetime
    left: int = 0
    dry: int | None = None


def minute_of(now: datetime) -> datetime:
    return now.replace(second=0, microsecond=0)


def take(source: KnownSource, now: datetime) -> int:
    """Take one event from the source's rate limit; return 0, or the seconds until the next minute begins.

    What a process has taken and not used lapses with the minute, so the limit may err by some hundredths to the
    strict side, never to the other.
    """
    if source.per_minute is None:
        return 0
    minute = minute_of(now)
    with _lock:
        purse = _purses.get(source.pk)
        if purse is None or purse.minute != minute:
            purse = _purses[source.pk] = _Purse(minute)
        if not purse.left and purse.dry != source.per_minute:
            purse.left = _draw(source.pk, minute, source.per_minute)
            purse.dry = None if purse.left else source.per_minute
        if purse.left:
            purse.left -= 1
            return 0
    return max(1, int((minute + timedelta(minutes=1) - now).total_seconds()))


def count(source_id: int, code: str, now: datetime, *, clock: Callable[[], float] = time.monotonic) -> bool:
    """Count a refusal. True: it is the first with this code in this minute, in all processes together."""
    key = (source_id, minute_of(now), code)
    with _lock:
        _pending[key] += 1
        is_new = key not in _seen
        if is_new:
            _seen.difference_update([one for one in _seen if one[1] < key[1]])
            _seen.add(key)
    return key in write() if is_new else key in write_due(clock=clock)


def write_due(*, clock: Callable[[], float] = time.monotonic) -> set[tuple[int, datetime, str]]:
    """Write down what was counted, if that was not done within the last second."""
    return write(clock=clock) if _pending and clock() - _written >= SECONDS else set()


def write(*, clock: Callable[[], float] = time.monotonic) -> set[tuple[int, datetime, str]]:
    """Write down what was counted; return of what kind it was the first in its minute."""
    global _written
    with _lock:
        found = dict(_pending)
        _pending.clear()
        _written = clock()
    return {key for key, n in found.items() if _add(key, n)}


def refused(since: datetime) -> list[tuple[int, str, int]]:
    """Return (source, code, how many) of what was refused since then."""
    totals: Counter[tuple[int, str]] = Counter()
    rows = EventTally.objects.filter(minute__gte=minute_of(since)).exclude(code=EventTally.TAKEN)
    for source_id, code, n in rows.values_list("source_id", "code", "count"):
        totals[source_id, code] += n
    return [(source_id, code, n) for (source_id, code), n in totals.items()]


def forget() -> None:
    """Start anew in this process, as one that was just started."""
    _purses.clear()
    _pending.clear()
    _seen.clear()


def _add(key: tuple[int, datetime, str], n: int) -> bool:
    source_id, minute, code = key
    row, created = EventTally.objects.get_or_create(
        source_id=source_id, minute=minute, code=code, defaults={"count": n}
    )
    if not created:
        EventTally.objects.filter(pk=row.pk).update(count=F("count") + n)
    return created


def _draw(source_id: int, minute: datetime, limit: int) -> int:
    """Take a portion of what is left of the minute; 0: nothing is."""
    portion = min(max(limit // PORTIONS, 1), LARGEST_PORTION)
    row, _ = EventTally.objects.get_or_create(source_id=source_id, minute=minute, code=EventTally.TAKEN)
    while True:
        taken = min(portion, limit - row.count)
        if taken <= 0:
            return 0
        if EventTally.objects.filter(pk=row.pk, count=row.count).update(count=F("count") + taken):
            return taken
        row.refresh_from_db(fields=["count"])
