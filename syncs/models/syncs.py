"""Syncs: one stream to one object at a destination, by one mapping and one match key."""

from __future__ import annotations

from typing import Any

from django.db import models, transaction
from django.utils import timezone

from integration_hub.connectors.records import Operation
from syncs.models.connections import Connection
from syncs.models.streams import Stream


class WhenDeleted(models.TextChoices):
    IGNORE = "ignore", "Leave the record there as it is"
    MARK = "mark", "Mark it there"
    REMOVE = "remove", "Remove it there"


class WhenNew(models.TextChoices):
    CREATE = "create", "Create it here as well"
    IGNORE = "ignore", "Leave it alone"
    ASK = "ask", "Ask in the conflict inbox"


class Policy(models.TextChoices):
    BOTH = "both", "Create and update"
    UPDATE = "update", "Only update what is there"
    CREATE = "create", "Only create what is not there"


class Sync(models.Model):
    """`match_path` is the destination path whose value finds the record there, such as email."""

    key = models.SlugField(unique=True, help_text="Short stable name; configuration files use it.")
    name = models.CharField(max_length=100)
    enabled = models.BooleanField(
        default=False, help_text="Off: nothing new is sent, and what waits stays where it is."
    )
    stream = models.ForeignKey(Stream, on_delete=models.PROTECT, related_name="syncs")
    destination = models.ForeignKey(
        Connection, on_delete=models.PROTECT, related_name="+", verbose_name="write to"
    )
    object_type = models.CharField(max_length=80, default="user")
    match_path = models.CharField(
        "match key",
        max_length=200,
        default="email",
        help_text="The destination field that finds the record there: email or userId at Iterable, a unique property "
        "at HubSpot, an external id at Salesforce.",
    )
    precedence = models.PositiveSmallIntegerField(
        default=50,
        help_text="Of two syncs whose records have one match key, the lower number writes (Contacts 10, Leads 20).",
    )
    policy = models.CharField("writes", max_length=10, choices=Policy.choices, default=Policy.BOTH)
    external_id_path = models.CharField(
        "write the source id to",
        max_length=200,
        blank=True,
        help_text="A destination field that takes the id of the source record, such as order_system_id.",
    )
    when_deleted = models.CharField(max_length=10, choices=WhenDeleted.choices, default=WhenDeleted.IGNORE)
    deleted_path = models.CharField(
        "mark deleted in",
        max_length=200,
        blank=True,
        help_text="The destination field that is set to true, such as is_deleted, or dataFields.Salesforce.IsDeleted "
        "at Iterable.",
    )

    counterpart = models.OneToOneField(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="way_back",
        verbose_name="way back of",
        help_text="The sync that writes the other way. The two then keep their records alike, field by field.",
    )
    when_new = models.CharField(
        "new records",
        max_length=10,
        choices=WhenNew.choices,
        default=WhenNew.IGNORE,
        help_text="Records that came into being at the end of the forward way, such as a contact typed in HubSpot.",
    )
    most_writes = models.PositiveSmallIntegerField(
        "writes of one record at most",
        default=10,
        help_text="More than so many within the minutes below, and the record is parked: two systems quarrel.",
    )
    within_minutes = models.PositiveSmallIntegerField("within minutes", default=10)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store it. Led elsewhere, nothing is known any more of what stands there, and what waits is given up.

        Where it writes otherwise, the next backfill writes all records once.
        """
        target, manner = ("destination_id", "object_type", "match_path"), ("policy", "external_id_path")
        stored = Sync.objects.filter(pk=self.pk)
        before = stored.values(*target).first() if self.pk else None
        asked = stored.values(*manner).first() if self.pk else None
        with transaction.atomic():
            super().save(*args, **kwargs)
            if asked and any(getattr(self, name) != value for name, value in asked.items()):
                self.links.exclude(payload_hash="").update(payload_hash="")
            if before and any(getattr(self, name) != value for name, value in before.items()):
                self.links.all().delete()
                for tie in self.ties.all():
                    tie.records.all().delete()
                for tie in self.partner_ties.all():
                    tie.records.exclude(foreign_id="").update(state="waiting", from_id="", to_id="")
                self.deliveries.filter(state="waiting", settled_at=None).update(
                    state="dismissed",
                    settled_at=timezone.now(),
                    error="The sync was led to another destination or match key: backfill it.",
                    error_code="led_elsewhere",
                )

    def operation(self) -> Operation:
        """Return what a write of a living record is."""
        by_policy = {Policy.UPDATE: Operation.UPDATE, Policy.CREATE: Operation.CREATE}
        return by_policy.get(Policy(self.policy), Operation.UPSERT)

    @property
    def origin(self) -> str:
        """How its deliveries and incidents name it."""
        return f"sync:{self.key}"
