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
    another record has it, or it was removed. `remote_id` is the record's id there, where the destination gives ids
    of its own: a known one is written to without a look-up; it is null, not empty, so that only those with one are
    in its index. The database does not check the keys `sync` and `run`: a backfill stores
    a row for every record, and the checking took as long as the storing.
    """

    sync = models.ForeignKey(Sync, on_delete=models.CASCADE, related_name="links", db_constraint=False)
    record_id = models.CharField(max_length=64)
    match_value = models.CharField(max_length=254, blank=True, help_text="Under which it was last written.")
    remote_id = models.CharField(  # noqa: DJ001 - SQLite uses an index of those that have one only if the rest is null
        max_length=200, null=True, blank=True, help_text="Its id there."
    )
    payload_hash = models.CharField(max_length=32, blank=True)
    version_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=LinkState.choices)
    reason = models.CharField(max_length=300, blank=True)
    problem = models.CharField(  # noqa: DJ001 - null for most, as with remote_id
        max_length=100, null=True, blank=True, help_text="The code, if its data is why it was not written."
    )
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
            models.Index(
                fields=["sync", "remote_id"],
                name="link_by_remote_id",
                condition=models.Q(remote_id__isnull=False),
            ),
            models.Index(
                fields=["sync", "problem", "reason"],
                name="link_by_problem",
                condition=models.Q(problem__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.record_id} → {self.match_value}"
