"""What a change can come to under a sync."""

from __future__ import annotations

from typing import NamedTuple


class Fate(NamedTuple):
    """What one change came to under one sync: waiting, unchanged or skipped."""

    outcome: str
    code: str = ""
    reason: str = ""


WAITING = Fate("waiting")
UNCHANGED = Fate("unchanged", "unchanged", "What would be written stands there already.")
SUPERSEDED = Fate("skipped", "superseded", "A newer version of the record was decided together with it.")
OLDER = Fate("skipped", "older", "A newer version of the record was decided before.")
IGNORED = Fate("skipped", "deletion_ignored", "The sync leaves deleted records there as they are.")
NOT_THERE = Fate("skipped", "not_there", "The deleted record was never written there.")
CONVERTED_FATE = Fate("skipped", "converted", "The lead was converted: its contact is synced in its place.")
ONLY_CREATES = Fate("skipped", "only_creates", "It is there, and the sync only creates.")
REPEATED = Fate("skipped", "already_queued", "This version was queued before.")
