"""Backfills: a bounded re-read of a sync's records, in partitions that any worker may take."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from syncs.models.runs import SyncRun
from syncs.models.syncs import Sync


class BackfillState(models.TextChoices):
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"
    FAILED = "failed", "Failed"


class Backfill(models.Model):
    """`plan` is the quote it was started with; its counts are those of `run`, brought up to date page by page."""

    sync = models.ForeignKey(Sync, on_delete=models.CASCADE, related_name="backfills")
    run = models.OneToOneField(SyncRun, on_delete=models.CASCADE, related_name="backfill")
    state = models.CharField(max_length=10, choices=BackfillState.choices, default=BackfillState.RUNNING)
    where = models.TextField(blank=True, help_text="Further condition, in the source's query language.")
    since = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    limit = models.PositiveIntegerField(null=True)
    dry_run = models.BooleanField(default=False)
    plan = models.JSONField(default=dict)
    samples = models.JSONField(default=dict, help_text="Of a dry run: some payloads by outcome.")
    expected = models.PositiveIntegerField(default=0)
    resume_at = models.DateTimeField(null=True)
    reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["sync"],
                condition=Q(state__in=("running", "paused"), dry_run=False),
                name="one_backfill_per_sync",
            )
        ]

    def __str__(self) -> str:
        return f"Backfill of {self.sync}"


class Partition(models.Model):
    """The ids in (after, up_to]; `after` moves with each page that is settled, so a restart goes on there.

    `ids`, one a line in their order, are those of a list that an operator gave: of these alone. Read `in_bulk`,
    `after` is how far the result of the job was read; of a source without an order of ids, the mark of its last page.
    """

    backfill = models.ForeignKey(Backfill, on_delete=models.CASCADE, related_name="partitions")
    number = models.PositiveIntegerField()
    after = models.TextField(blank=True)
    up_to = models.CharField(max_length=64, blank=True)
    ids = models.TextField(blank=True)
    in_bulk = models.BooleanField(default=False)
    done = models.BooleanField(default=False)
    lease_owner = models.CharField(max_length=40, blank=True)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["backfill", "number"], name="partition_number_once")]

    def __str__(self) -> str:
        return f"Part {self.number} of {self.backfill}"
