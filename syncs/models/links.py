"""Record links: which record here is which record there, what was last written, and what became of it."""

from __future__ import annotations

from django.db import models

from syncs.models.runs import SyncRun
from syncs.models.syncs import Sync


class LinkState(models.TextChoices):
    WRITTEN = "written", "Written"
    SKIPPED = "skipped", "Skipped"
    REFUSED = "refused", "Refused there"
    REMOVED = "removed", "Removed there"


class RecordLink(models.Model):
    """One source record under one sync: its fate, and the hash that tells an unchanged payload without a call.

    `version_at` is the source's modification time of what was last decided; an older version never overwrites it.
    With `written_at` the record is there, under `match_value`. Without it, `match_value` is the one it would have had:
    another record has it, or it was removed. The database does not check the keys `sync` and `run`: a backfill stores
    a row for every record, and the checking took as long as the storing.
    """

    sync = models.ForeignKey(Sync, on_delete=models.CASCADE, related_name="links", db_constraint=False)
    record_id = models.CharField(max_length=64)
    match_value = models.CharField(max_length=254, blank=True, help_text="Under which it was last written.")
    payload_hash = models.CharField(max_length=32, blank=True)
    version_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=LinkState.choices)
    reason = models.CharField(max_length=300, blank=True)
    written_at = models.DateTimeField(null=True)
    run = models.ForeignKey(
        SyncRun,
        on_delete=models.SET_NULL,
        null=True,
        related_name="links",
        db_constraint=False,
        help_text="The last backfill that met it.",
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sync", "record_id"], name="one_link_per_record")]
        indexes = [
            models.Index(fields=["sync", "match_value"], name="link_by_match_value"),
            models.Index(fields=["sync", "state"], name="link_by_state"),
            models.Index(fields=["run", "state"], name="link_by_run"),
        ]

    def __str__(self) -> str:
        return f"{self.record_id} → {self.match_value}"
