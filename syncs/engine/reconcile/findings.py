"""What a reconciliation has found so far: counts by day and kind, and some of what is wrong."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from syncs.models import Reconciliation
from syncs.models.reconciliations import AT_SOURCE, Kind

MOST_EXAMPLES = 500
MOST_DAYS = 366
EARLIER = "earlier"
"""Where the days are counted that are too long ago for a line of their own."""


class Findings:
    """Kept in the row of the reconciliation between two stretches of work; its size does not grow with the records."""

    def __init__(self, one: Reconciliation) -> None:
        self.days = {day: Counter(kinds) for day, kinds in one.days.items()}
        self.counts = Counter(one.counts)
        self.examples: dict[str, list[dict[str, Any]]] = one.examples
        self.sample: list[str] = one.progress.get("sample", [])
        self.salt = str(one.pk)
        self.size = one.sample
        self.met: set[str] = set()
        """Records of this stretch, at a source that lists in no order of ids."""

    def add(self, kind: Kind, record_id: str, at: datetime, words: str = "") -> None:
        self.days.setdefault(f"{at.astimezone(UTC):%Y-%m-%d}", Counter())[kind.value] += 1
        self.note(kind, record_id, words)

    def note(self, kind: Kind, record_id: str, words: str) -> None:
        """Count one of what is not counted by day, or of which the day is counted already."""
        self.counts[kind.value] += 1
        kept = self.examples.setdefault(kind.value, []) if words else []
        if words and len(kept) < MOST_EXAMPLES:
            kept.append({"record": record_id, "words": words})

    def draw(self, record_ids: Iterable[str]) -> None:
        """Let these take part in the draw: the lowest by a hash of this reconciliation are the sample.

        So it is random, the same whatever the stretches of work, and needs no more memory than itself.
        """
        self.sample = heapq.nsmallest(self.size, [*self.sample, *record_ids], key=self._lot)

    def store(self, one: Reconciliation) -> None:
        """Put it into the row, which the caller saves."""
        newest = sorted(set(self.days) - {EARLIER})[-MOST_DAYS:]
        days = {day: self.days[day] for day in newest}
        rest = [kinds for day, kinds in self.days.items() if day not in days]
        if rest:
            days[EARLIER] = sum(rest, Counter())
        self.days = days
        one.days = {day: dict(kinds) for day, kinds in days.items()}
        one.counts, one.examples = dict(self.counts), self.examples

    @property
    def at_source(self) -> int:
        return sum(self.counts[kind.value] for kind in AT_SOURCE)

    def _lot(self, record_id: str) -> bytes:
        return blake2b(f"{self.salt}:{record_id}".encode(), digest_size=8).digest()
