"""Ties: which records of one sync belong to which of another, and how far that is done at the destination."""

from __future__ import annotations

from django.db import models

from syncs.models.syncs import Sync


class SyncTie(models.Model):
    """`source_path` holds, in a record of `sync`, the id of the record of `partner`'s stream that it belongs to."""

    sync = models.ForeignKey(Sync, on_delete=models.CASCADE, related_name="ties")
    source_path = models.CharField(
        "id of the other record",
        max_length=200,
        help_text="The source field that names the other record, such as customer_id.",
    )
    partner = models.ForeignKey(
        Sync,
        on_delete=models.PROTECT,
        related_name="partner_ties",
        verbose_name="other sync",
        help_text="The sync that writes the other record to the same connection.",
    )
    label = models.CharField(
        max_length=100,
        blank=True,
        help_text="An association label there; empty: just tied. Primary: primary.",
    )

    class Meta:
        verbose_name = "tie"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["sync", "source_path", "partner", "label"], name="tie_once")
        ]

    def __str__(self) -> str:
        return f"{self.source_path} → {self.partner}"


class TieState(models.TextChoices):
    WAITING = "waiting", "Waits for the other record"
    SENDING = "sending", "On its way"
    TIED = "tied", "Tied"
    REFUSED = "refused", "Refused there"
    NONE = "none", "Names no other record"


class RecordTie(models.Model):
    """One tie of one record. `from_id` and `to_id` are the ids there that are tied, or on their way to be.

    `turn` counts how often the other record changed: an answer to an earlier turn says nothing of this one.
    """

    tie = models.ForeignKey(SyncTie, on_delete=models.CASCADE, related_name="records")
    record_id = models.CharField(max_length=64)
    foreign_id = models.CharField("other record", max_length=64, blank=True)
    state = models.CharField(max_length=10, choices=TieState.choices, default=TieState.WAITING)
    reason = models.CharField(max_length=300, blank=True)
    from_id = models.CharField(max_length=200, blank=True)
    to_id = models.CharField(max_length=200, blank=True)
    turn = models.PositiveIntegerField(default=1)
    changed_at = models.DateTimeField()

    class Meta:
        verbose_name = "tie of a record"
        verbose_name_plural = "ties of records"
        constraints = [models.UniqueConstraint(fields=["tie", "record_id"], name="one_tie_per_record")]
        indexes = [
            models.Index(fields=["tie", "foreign_id"], name="tie_by_other_record"),
            models.Index(fields=["state", "changed_at"], name="tie_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.record_id} → {self.foreign_id}"
