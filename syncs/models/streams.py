"""Streams: one object type watched at one connection."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from integration_hub.connectors.schema import FieldSchema, FieldType, ObjectSchema
from syncs.models.connections import Connection


class StreamQuerySet(models.QuerySet["Stream"]):
    def due(self, now: datetime) -> StreamQuerySet:
        """Those whose next poll has come, at connections that may be called."""
        return self.filter(
            Q(next_poll_at=None) | Q(next_poll_at__lte=now),
            enabled=True,
            interval_seconds__isnull=False,
            connection__in=Connection.objects.usable(now),
        )


class Stream(models.Model):
    """`watermark` is the newest change that is stored; a poll steps back from it by the overlap.

    `missed_by_notices` counts the changes that polls found and no notice told of, since notices come at all.
    `resume_at` is set while there is more to read than one poll can: the next one goes on exactly there.
    """

    key = models.SlugField(unique=True, help_text="Short stable name; configuration files use it.")
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="streams")
    object_type = models.CharField(
        max_length=80, help_text="The vendor's own name for it, such as Lead or Opportunity."
    )
    enabled = models.BooleanField(default=True, help_text="Off: no polls. Stored changes are kept.")
    interval_seconds = models.PositiveIntegerField(
        "poll every (seconds)",
        null=True,
        blank=True,
        default=60,
        validators=[MinValueValidator(10)],
        help_text="Empty: never. Only for a stream that events alone feed.",
    )
    overlap_seconds = models.PositiveIntegerField(
        "read again (seconds)",
        default=600,
        help_text="Vendors show some changes late. Each poll reads this much again; what is known costs nothing.",
    )
    watermark = models.DateTimeField(null=True, blank=True, editable=False)
    resume_at = models.DateTimeField(null=True, blank=True, editable=False)
    started_at = models.DateTimeField(
        null=True, editable=False, help_text="The first poll: older changes were never seen."
    )
    baseline_at = models.DateTimeField(null=True, editable=False)
    next_poll_at = models.DateTimeField(null=True, editable=False, db_index=True)
    polled_at = models.DateTimeField(null=True, editable=False)
    noticed_at = models.DateTimeField(null=True, editable=False)
    missed_by_notices = models.PositiveIntegerField(default=0, editable=False)
    missed_in_a_row = models.PositiveIntegerField(default=0, editable=False)
    notices_watched_to = models.DateTimeField(null=True, editable=False)
    schema = models.JSONField(default=dict, editable=False)
    described_at = models.DateTimeField(null=True, editable=False)

    objects = StreamQuerySet.as_manager()

    class Meta:
        ordering = ["key"]
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "object_type"],
                name="one_stream_per_object_type",
                violation_error_message="This connection already has a stream for that object type. "
                "Add your rule to that stream: one read serves them all.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.object_type} at {self.connection.name}"

    def next_poll(self, now: datetime) -> datetime | None:
        """Return when it is to be polled after a poll now; None: it is not polled by itself."""
        return now + timedelta(seconds=self.interval_seconds) if self.interval_seconds else None

    @property
    def object_schema(self) -> ObjectSchema | None:
        """What the vendor said of the object when last asked; None: never asked yet."""
        if not self.schema:
            return None
        fields = {
            name: FieldSchema(name, label, FieldType(type_), tuple(options), *flags)
            for name, label, type_, options, *flags in self.schema["fields"]
        }
        return ObjectSchema(self.object_type, self.schema["label"], fields)

    @object_schema.setter
    def object_schema(self, described: ObjectSchema) -> None:
        self.schema = {
            "label": described.label,
            "fields": [
                [
                    *(f.name, f.label, f.type.value, list(f.options), f.filterable, f.read_only, f.unique),
                    *(f.longest, f.required, f.any_value),
                ]
                for f in described.fields.values()
            ],
        }
