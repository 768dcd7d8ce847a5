"""Reconciliations: what the source has, beside what the hub knows of it and what stands at the destination."""

from __future__ import annotations

from typing import Any

from django.db import models

from syncs.models.runs import SyncRun
from syncs.models.syncs import Sync


class Reconciliation(models.Model):
    """One comparison of a sync's records modified in [since, until); `since` None: of all that there are.

    Its state is that of `run`, and it goes when that run is pruned. `progress` is where it stands: any process
    may go on with it.
    """

    sync = models.ForeignKey(Sync, on_delete=models.CASCADE, related_name="reconciliations")
    run = models.OneToOneField(SyncRun, on_delete=models.CASCADE, related_name="reconciliation")
    since = models.DateTimeField(null=True)
    until = models.DateTimeField()
    sample = models.PositiveIntegerField(default=0, help_text="Records to compare with the destination.")
    days = models.JSONField(default=dict, help_text="By day of modification, UTC: how many of each kind.")
    counts = models.JSONField(default=dict, help_text="How many of each kind.")
    examples = models.JSONField(default=dict, help_text="By kind: record id, what is wrong, repaired or not.")
    warnings = models.JSONField(default=list)
    repaired = models.PositiveIntegerField(default=0, help_text="Records queued to be written again.")
    progress = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["sync", "-id"], name="reconciliation_newest")]

    def __str__(self) -> str:
        return f"Reconciliation of {self.sync}, {self.until:%Y-%m-%d %H:%M} UTC"

    @property
    def at_source(self) -> int:
        """How many records the source has; each is counted as one kind."""
        return sum(self.count(kind) for kind in AT_SOURCE)

    @property
    def differences(self) -> int:
        return sum(self.count(kind) for kind in DIFFERENCES)

    def count(self, kind: str) -> int:
        return int(self.counts.get(kind, 0))

    def left(self, kind: str) -> list[dict[str, Any]]:
        """Return the examples of this kind that were not repaired yet."""
        return [one for one in self.examples.get(kind, []) if not one.get("repaired")]


class MetRecord(models.Model):
    """A record that a running reconciliation has read, at a source that lists in no order of ids.

    What is linked and was not met is gone there. They go when all is read.
    """

    reconciliation = models.ForeignKey(Reconciliation, on_delete=models.CASCADE, related_name="met")
    record_id = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["reconciliation", "record_id"], name="met_once")]

    def __str__(self) -> str:
        return self.record_id


class Kind(models.TextChoices):
    WRITTEN = "written", "As it should be"
    SKIPPED = "skipped", "Skipped, with a reason"
    REFUSED = "refused", "Refused there"
    WAITING = "waiting", "On its way"
    MISSING = "missing", "Missing"
    STALE = "stale", "Stale"
    EXTRA = "extra", "Extra"
    DIFFERENT = "different", "Different there"


AT_SOURCE = (Kind.WRITTEN, Kind.SKIPPED, Kind.REFUSED, Kind.WAITING, Kind.MISSING, Kind.STALE)
DIFFERENCES = (Kind.MISSING, Kind.STALE, Kind.DIFFERENT, Kind.EXTRA)
"""What a repair can put right, in the order in which it does."""
SAMPLED = "sampled"
"""In the counts, how many were compared with the destination."""
