"""Change notices: what vendors posted, as it came, and the records that are to be read because of it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from syncs.models.connections import Connection
from syncs.models.streams import Stream


class NoticeState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    TAKEN = "taken", "Taken up"
    QUARANTINED = "quarantined", "Cannot be read"
    REFUSED = "refused", "Refused"


class Notice(models.Model):
    """One post of a vendor. What proved itself is kept to the byte before it is answered.

    Of all else one row a minute and reason counts the posts and keeps no body: strangers must not fill the database.
    """

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="notices", db_index=False
    )
    received_at = models.DateTimeField()
    content_type = models.CharField(max_length=100, blank=True)
    body = models.BinaryField(default=b"")
    verified = models.BooleanField("proved itself", default=False)
    state = models.CharField(max_length=12, choices=NoticeState.choices, default=NoticeState.WAITING)
    problem = models.TextField(blank=True)
    count = models.PositiveIntegerField(default=1, help_text="Posts that this row stands for.")
    events = models.PositiveIntegerField(default=0, help_text="Events in it.")
    repeated = models.PositiveIntegerField(default=0, help_text="Events in it that were known already.")
    unheard = models.PositiveIntegerField(
        default=0, help_text="Events of object types without a stream, or of another account."
    )
    taken_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "change notice"
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "received_at", "problem"],
                condition=Q(state="refused"),
                name="one_refused_notice_a_minute",
            )
        ]
        indexes = [
            models.Index(fields=["id"], name="notice_waiting", condition=Q(state="waiting")),
            models.Index(fields=["connection", "received_at"], name="notice_by_connection"),
            models.Index(fields=["received_at"], name="notice_by_age"),
        ]

    def __str__(self) -> str:
        return f"notice {self.pk}"


class MentionState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    READ = "read", "Read"
    GONE = "gone", "Deleted there"
    MISSING = "missing", "Not found there"
    REFUSED = "refused", "Refused"


class NoticedRecord(models.Model):
    """One event: a record that may have changed. `key` is the vendor's event, so that a repeat is known."""

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="noticed")
    notice = models.ForeignKey(Notice, on_delete=models.SET_NULL, null=True, related_name="records")
    key = models.CharField(max_length=64)
    record_id = models.CharField(max_length=64)
    gone = models.BooleanField(default=False, help_text="The vendor says that it was deleted or merged.")
    happened_at = models.DateTimeField(help_text="At the vendor, as far as it says so.")
    received_at = models.DateTimeField()
    due_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=MentionState.choices, default=MentionState.WAITING)
    read_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stream", "key"], name="noticed_once_per_event")]
        indexes = [
            models.Index(fields=["stream", "due_at"], name="noticed_waiting", condition=Q(state="waiting")),
            models.Index(fields=["stream", "record_id", "received_at"], name="noticed_by_record"),
            models.Index(fields=["received_at"], name="noticed_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.record_id} noticed at {self.received_at:%Y-%m-%d %H:%M:%S} UTC"
