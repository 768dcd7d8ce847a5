"""The change queue: "this record changed", kept with its values and waiting to be routed."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from syncs.models.streams import Stream


class ChangeOrigin(models.TextChoices):
    POLL = "poll", "Poll"
    BASELINE = "baseline", "Baseline"
    PARENT = "parent", "A parent changed"
    DELETED = "deleted", "Deleted"
    REPAIR = "repair", "Repair"
    SUCCESSION = "succession", "Its turn came"
    NOTICE = "notice", "Change notice"
    EVENT = "event", "Event"
    PAIR = "pair", "Its pair asks for it"


class ChangeState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    ROUTED = "routed", "Routed"


class Change(models.Model):
    """A version of a record as it was read. The newest one of a record is kept for good: rules compare with it."""

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="changes")
    record_id = models.CharField(max_length=64)
    version = models.CharField(max_length=80)
    modified_at = models.DateTimeField(help_text="At the vendor.")
    created_at = models.DateTimeField(null=True, help_text="The record's creation at the vendor.")
    captured_at = models.DateTimeField()
    title = models.CharField(max_length=255, blank=True)
    title_key = models.CharField(max_length=255, blank=True, help_text="The title, case-folded.")
    email = models.CharField(max_length=254, blank=True, help_text="Case-folded.")
    owner_id = models.CharField(max_length=64, blank=True)
    url = models.CharField(max_length=500, blank=True)
    values = models.JSONField(default=dict)
    origin = models.CharField(max_length=10, choices=ChangeOrigin.choices, default=ChangeOrigin.POLL)
    state = models.CharField(max_length=10, choices=ChangeState.choices, default=ChangeState.WAITING)
    routed_at = models.DateTimeField(null=True)
    synced = models.JSONField(
        default=dict, help_text="Of syncs that sent nothing, by key: the outcome, its code and the reason."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stream", "record_id", "version"], name="change_once_per_version")
        ]
        indexes = [
            models.Index(fields=["stream", "id"], name="change_waiting", condition=Q(state="waiting")),
            # PostgreSQL finds what begins with a text only by these operator classes; SQLite ignores them.
            models.Index(
                fields=["record_id", "modified_at"],
                name="change_by_record",
                opclasses=["varchar_pattern_ops", "timestamptz_ops"],
            ),
            models.Index(fields=["email"], name="change_by_email"),
            models.Index(fields=["title_key"], name="change_by_title", opclasses=["varchar_pattern_ops"]),
            models.Index(fields=["captured_at"], name="change_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.title or self.record_id} ({self.modified_at:%Y-%m-%d %H:%M:%S} UTC)"
