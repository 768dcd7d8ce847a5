"""The outbox: one intended write to one destination, waiting or done."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q

from integration_hub.connectors.records import Operation
from syncs.models.changes import Change
from syncs.models.connections import Connection
from syncs.models.syncs import Sync


class Priority(models.IntegerChoices):
    LIVE = 10, "Live"
    FLOW = 20, "Flow"
    BACKFILL = 30, "Backfill"


class DeliveryState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    SENDING = "sending", "Sending"
    DELIVERED = "delivered", "Delivered"
    EXPIRED = "expired", "Expired"
    DEAD = "dead", "Dead letter"
    DISMISSED = "dismissed", "Dismissed"


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def due(self, now: datetime) -> DeliveryQuerySet:
        """Waiting ones whose time has come, and those whose worker was lost while sending."""
        return self.filter(
            Q(state=DeliveryState.WAITING, due_at__lte=now)
            | Q(state=DeliveryState.SENDING, lease_until__lt=now),
            settled_at=None,
        )

    def dead(self) -> DeliveryQuerySet:
        return self.filter(state=DeliveryState.DEAD)

    def open(self) -> DeliveryQuerySet:
        return self.filter(state__in=(DeliveryState.WAITING, DeliveryState.SENDING))


class Delivery(models.Model):
    """`lane` names the target record or conversation: of one lane at most one delivery is in flight.

    `dedup_key` makes enqueueing the same effect twice a no-op. `unanswered_at` is set while it is unknown whether
    the last try landed; such a delivery is recalled before it is sent again. A sync's delivery names its record and
    that record's modification time, `version_at`; the shape of its payload stands in `syncs.writes`.
    """

    connection = models.ForeignKey(
        Connection, on_delete=models.PROTECT, related_name="deliveries", db_index=False
    )
    origin = models.CharField(max_length=100, help_text="Who wants it, such as rule:hot-leads.")
    change = models.ForeignKey(
        Change, on_delete=models.SET_NULL, null=True, blank=True, related_name="deliveries"
    )
    sync = models.ForeignKey(
        Sync, on_delete=models.PROTECT, null=True, blank=True, related_name="deliveries", db_index=False
    )
    record_id = models.CharField(max_length=64, blank=True)
    version_at = models.DateTimeField(null=True)
    object_type = models.CharField(max_length=80)
    operation = models.CharField(max_length=10, choices=[(o.value, o.value) for o in Operation])
    lane = models.CharField(max_length=200)
    dedup_key = models.CharField(max_length=250, unique=True)
    payload = models.JSONField()
    priority = models.PositiveSmallIntegerField(choices=Priority.choices, default=Priority.LIVE)
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    due_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    fresh_for = models.DurationField(
        null=True, editable=False, help_text="From when it was first due until it expired; again if requeued."
    )
    attempts = models.PositiveIntegerField(default=0)
    attempted_at = models.DateTimeField(null=True)
    unanswered_at = models.DateTimeField(null=True)
    lease_owner = models.CharField(max_length=40, blank=True)
    lease_until = models.DateTimeField(null=True)
    remote_id = models.CharField(max_length=200, blank=True)
    outcome = models.CharField(
        max_length=10, blank=True, help_text="The vendor's word for it, such as created."
    )
    status = models.PositiveSmallIntegerField(null=True, help_text="The HTTP status of the last answer.")
    answer = models.JSONField(
        null=True, help_text="What the vendor said of the record, for the flow that waits."
    )
    error_code = models.CharField(max_length=100, blank=True)
    error = models.TextField(blank=True)
    remedy = models.TextField(blank=True)
    unreachable = models.BooleanField(
        default=False, help_text="Dead because the addressee cannot be reached: another recipient might be."
    )
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "lane"],
                condition=Q(state="sending"),
                name="one_in_flight_per_lane",
            )
        ]
        indexes = [
            # Open is what is not settled. A condition with a value in it SQLite would not recognize in a query.
            models.Index(
                fields=["connection", "priority", "due_at"],
                name="delivery_due",
                condition=Q(settled_at=None),
            ),
            models.Index(fields=["lease_until"], name="delivery_lost", condition=Q(state="sending")),
            models.Index(fields=["origin", "state", "settled_at"], name="delivery_by_origin"),
            models.Index(fields=["connection", "lane", "settled_at"], name="delivery_by_lane"),
            models.Index(fields=["state", "settled_at"], name="delivery_by_state"),
            models.Index(fields=["sync", "record_id"], name="delivery_by_record"),
            models.Index(fields=["remote_id"], name="delivery_by_remote_id"),
        ]

    def __str__(self) -> str:
        return f"Delivery {self.pk}"
