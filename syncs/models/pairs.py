"""Record pairs: two records that two opposite syncs keep alike, what they agreed on last, and what they disagree on."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from syncs.models.syncs import Sync


class Gone(models.TextChoices):
    NONE = "", "Both are there"
    LEFT = "left", "The source's record was deleted"
    RIGHT = "right", "The destination's record was deleted"


class RecordPair(models.Model):
    """One record of the forward sync's source, and the one at its destination that is kept alike.

    `left_id` or `right_id` is empty while that record is still being made; `match` then tells which one it is.
    `agreed` holds by field what each side had when they last agreed, as `syncs.twoway.merge.State`. `recent` are the
    times of its last writes in either direction: too many of them park it.
    """

    sync = models.ForeignKey(Sync, on_delete=models.CASCADE, related_name="pairs")
    left_id = models.CharField("record", max_length=64, blank=True)
    right_id = models.CharField("record there", max_length=64, blank=True)
    match = models.CharField(max_length=254, blank=True)
    title = models.CharField(max_length=255, blank=True)
    agreed = models.JSONField(default=dict)
    recent = models.JSONField(default=list)
    gone = models.CharField(max_length=5, choices=Gone.choices, blank=True, default=Gone.NONE)
    parked_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["sync", "left_id"], condition=~Q(left_id=""), name="one_pair_per_left_record"
            ),
            models.UniqueConstraint(
                fields=["sync", "right_id"], condition=~Q(right_id=""), name="one_pair_per_right_record"
            ),
        ]
        indexes = [
            models.Index(fields=["sync", "match"], name="pair_by_match"),
            models.Index(fields=["gone", "id"], name="pair_by_gone"),
            models.Index(fields=["parked_at"], name="pair_parked", condition=Q(parked_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.title or f"{self.left_id or '…'} ↔ {self.right_id or '…'}"


class ConflictKind(models.TextChoices):
    FIELD = "field", "Both sides changed a field"
    NEW = "new", "New at the destination"


class ConflictState(models.TextChoices):
    OPEN = "open", "Open"
    RESOLVED = "resolved", "Resolved"
    OBSOLETE = "obsolete", "Settled by itself"


class Choice(models.TextChoices):
    NONE = "", "–"
    SOURCE = "source", "Source wins"
    DESTINATION = "destination", "Destination wins"
    VALUE = "value", "A value of its own"


class Conflict(models.Model):
    """Two values of one field between which a person decides; or a new record, which a person lets in or not.

    `left_by` and `right_by` say who changed it, where the vendor tells.
    """

    sync = models.ForeignKey(Sync, on_delete=models.CASCADE, related_name="conflicts")
    pair = models.ForeignKey(RecordPair, on_delete=models.CASCADE, null=True, related_name="conflicts")
    kind = models.CharField(max_length=5, choices=ConflictKind.choices, default=ConflictKind.FIELD)
    left_id = models.CharField(max_length=64, blank=True)
    right_id = models.CharField(max_length=64, blank=True)
    title = models.CharField(max_length=255, blank=True)
    field = models.CharField(max_length=405, blank=True)
    label = models.CharField("field", max_length=200, blank=True)
    left_value = models.TextField("at the source", blank=True)
    right_value = models.TextField("at the destination", blank=True)
    agreed_value = models.TextField("agreed before", blank=True)
    left_at = models.DateTimeField(null=True)
    right_at = models.DateTimeField(null=True)
    left_by = models.CharField(max_length=100, blank=True)
    right_by = models.CharField(max_length=100, blank=True)
    state = models.CharField(max_length=10, choices=ConflictState.choices, default=ConflictState.OPEN)
    choice = models.CharField(max_length=12, choices=Choice.choices, blank=True, default=Choice.NONE)
    chosen_value = models.TextField(blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    opened_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["pair", "field"],
                condition=Q(state="open", kind="field"),
                name="one_open_conflict_per_field",
            ),
            models.UniqueConstraint(
                fields=["sync", "right_id"],
                condition=Q(state="open", kind="new"),
                name="one_open_question_per_record",
            ),
        ]
        indexes = [
            models.Index(fields=["sync", "state"], name="conflict_by_state"),
            models.Index(fields=["left_id"], name="conflict_by_left"),
            models.Index(fields=["right_id"], name="conflict_by_right"),
        ]

    def __str__(self) -> str:
        return f"{self.title or self.right_id}: {self.label or 'new record'}"
