"""Runs: one execution of a poll, a route or a push, with counts that must balance."""

from __future__ import annotations

from django.db import models

from syncs.models.connections import Connection
from syncs.models.streams import Stream


class RunKind(models.TextChoices):
    POLL = "poll", "Poll"
    BASELINE = "baseline", "Baseline"
    ROUTE = "route", "Route"
    PUSH = "push", "Push"
    NOTICE = "notice", "Change notices"
    DIRECTORY = "directory", "Directory refresh"
    BACKFILL = "backfill", "Backfill"
    RECONCILE = "reconcile", "Reconciliation"


class RunState(models.TextChoices):
    RUNNING = "running", "Running"
    OK = "ok", "OK"
    FAILED = "failed", "Failed"
    UNBALANCED = "unbalanced", "Counts do not balance"


class SyncRun(models.Model):
    """read = delivered + unchanged + skipped + waiting + dead; a run that does not balance is not OK.

    poll: records read are new (waiting to be routed) or known already (unchanged). baseline: new ones are skipped,
    as learned. route: changes that led to a message wait for their push, the others are skipped, each with a reason.
    push: what was claimed.
    """

    kind = models.CharField(max_length=10, choices=RunKind.choices)
    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, null=True, related_name="runs")
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, null=True, related_name="runs")
    state = models.CharField(max_length=10, choices=RunState.choices, default=RunState.RUNNING)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    read = models.PositiveIntegerField(default=0)
    delivered = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    waiting = models.PositiveIntegerField(default=0)
    dead = models.PositiveIntegerField(default=0)
    reasons = models.JSONField(default=dict, help_text="Skipped, by reason.")
    calls = models.PositiveIntegerField(default=0, help_text="Calls made to the vendor.")
    error = models.TextField(blank=True)

    class Meta:
        verbose_name = "run"
        indexes = [
            models.Index(fields=["kind", "started_at"], name="run_by_kind"),
            models.Index(fields=["started_at"], name="run_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.started_at:%Y-%m-%d %H:%M:%S} UTC"

    @property
    def accounted(self) -> int:
        return self.delivered + self.unchanged + self.skipped + self.waiting + self.dead

    @property
    def balances(self) -> bool:
        return self.read == self.accounted
