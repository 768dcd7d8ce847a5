"""A dry run: what a backfill would do, counted and with samples."""

from __future__ import annotations

from typing import Any

from syncs.engine.backfill.fates import Decided, Fate, Row, Tally

SAMPLES = 5


class Rehearsal:
    """Adds pages up. What would be written is counted as skipped, with the reason what it would have been."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.samples: dict[str, list[dict[str, Any]]] = {}

    def add(self, found: Decided) -> Tally:
        tally = found.tally
        for row in found.to_send:
            code = "would_create" if row.is_new else "would_update"
            tally.skip(code)
            self._sample(code, row)
        for fate in found.fates:
            if fate.reason:
                self._note(fate)
        total = self.tally
        total.unchanged += tally.unchanged
        total.skipped += tally.skipped
        total.dead += tally.dead
        total.reasons += tally.reasons
        return total

    def _sample(self, code: str, row: Row) -> None:
        kept = self.samples.setdefault(code, [])
        if len(kept) < SAMPLES:
            kept.append({"record": row.record_id, "payload": row.mapped.payload})

    def _note(self, fate: Fate) -> None:
        kept = self.samples.setdefault("not_sent", [])
        if len(kept) < SAMPLES:
            kept.append({"record": fate.record_id, "reason": fate.reason})
