"""Syncs: one stream to one object at a destination, by one mapping and one match key."""

from __future__ import annotations

from typing import Any

from django.db import models, transaction
from django.utils import timezone

from syncs.models.connections import Connection
from syncs.models.streams import Stream


class WhenDeleted(models.TextChoices):
    IGNORE = "ignore", "Leave the record there as it is"
    MARK = "mark", "Mark it there"
    REMOVE = "remove", "Remove it there"


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
        help_text="The destination path that finds the record there: email, or userId.",
    )
    precedence = models.PositiveSmallIntegerField(
        default=50,
        help_text="Of two syncs whose records have one match key, the lower number writes (Contacts 10, Leads 20).",
    )
    when_deleted = models.CharField(max_length=10, choices=WhenDeleted.choices, default=WhenDeleted.IGNORE)
    deleted_path = models.CharField(
        "mark deleted in",
        max_length=200,
        blank=True,
        help_text="The destination path that is set to true, such as dataFields.Salesforce.IsDeleted.",
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store it. Led elsewhere, nothing is known any more of what stands there, and what waits is given up."""
        target = ("destination_id", "object_type", "match_path")
        before = Sync.objects.filter(pk=self.pk).values(*target).first() if self.pk else None
        with transaction.atomic():
            super().save(*args, **kwargs)
            if before and any(getattr(self, name) != value for name, value in before.items()):
                self.links.all().delete()
                self.deliveries.filter(state="waiting", settled_at=None).update(
                    state="dismissed",
                    settled_at=timezone.now(),
                    error="The sync was led to another destination or match key: backfill it.",
                    error_code="led_elsewhere",
                )

    @property
    def origin(self) -> str:
        """How its deliveries and incidents name it."""
        return f"sync:{self.key}"
