"""What syncs need of streams: the fields they map, and whose deliveries must not be sent now."""

from __future__ import annotations

from syncs.engine import parents
from syncs.engine.audience import CONVERTED
from syncs.mappings import rows as mapping_rows
from syncs.models import Stream, Sync
from syncs.twoway import pairing


class SyncListener:
    """Named in settings.STREAM_LISTENERS."""

    def fields(self, stream: Stream) -> set[str]:
        """Name what the enabled syncs map, and what syncs of children map of these records as parents."""
        found: set[str] = set()
        for sync in stream.syncs.filter(enabled=True):
            found |= mapping_rows.source_fields(sync) | {CONVERTED} | pairing.asked_for(sync)
        for interest in parents.interests(stream):
            found |= interest.parent_fields
        return found

    def switched_off(self) -> set[str]:
        return {sync.origin for sync in Sync.objects.filter(enabled=False).only("key")}

    def name(self, origin: str) -> str:
        key = origin.removeprefix("sync:")
        known = Sync.objects.filter(key=key).values_list("name", flat=True).first() if key != origin else None
        return f"the sync “{known}”" if known else ""
