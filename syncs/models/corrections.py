"""Corrections: what a person decided about one value of one record that could not be written."""

from __future__ import annotations

from django.db import models

from syncs.models.syncs import Sync


class CorrectionKind(models.TextChoices):
    VALUE = "value", "Another value in its place"
    IGNORE = "ignore", "Leave the record out"


class Correction(models.Model):
    """It holds as long as the source's value is the one that was `seen`, kept as a hash.

    `source` is the source's path; empty (only if ignored): all that the sync reads of the record.
    """

    sync = models.ForeignKey(Sync, on_delete=models.CASCADE, related_name="corrections")
    record_id = models.CharField(max_length=64)
    source = models.CharField(max_length=200, blank=True)
    seen = models.CharField(max_length=32)
    kind = models.CharField(max_length=10, choices=CorrectionKind.choices)
    value = models.CharField(max_length=1000, blank=True)
    note = models.CharField(max_length=300, blank=True)
    made_by = models.CharField(max_length=150)
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sync", "record_id", "source"], name="one_correction_per_value")
        ]

    def __str__(self) -> str:
        return f"{self.source or 'all'} of {self.record_id}"
