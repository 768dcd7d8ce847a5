"""The directory: who is who in which system."""

from __future__ import annotations

from django.db import models

from routing.models.hours import WorkingHours, check_zone
from syncs.models import Connection


class Person(models.Model):
    """Somebody of the company, whatever the systems call them."""

    name = models.CharField(max_length=200)
    email = models.EmailField(
        unique=True, null=True, blank=True, help_text="Lower case; how systems are matched."
    )
    time_zone = models.CharField(
        "time zone override",
        max_length=64,
        blank=True,
        validators=[check_zone],
        help_text="Empty: the one their Slack profile says.",
    )
    working_hours = models.ForeignKey(
        WorkingHours,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        help_text="Empty: the default schedule.",
    )
    looked_up_at = models.DateTimeField(
        null=True, editable=False, help_text="The last single look-up at a messenger, found or not."
    )

    class Meta:
        verbose_name_plural = "people"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class DirectoryLink(models.Model):
    """An account (or a queue) at a connection, and whose it is.

    A manual link is never changed by a refresh. `candidates` holds the people it might be when that is in doubt.
    """

    class State(models.TextChoices):
        MATCHED = "matched", "Matched"
        UNMATCHED = "unmatched", "Unmatched"
        DOUBTFUL = "doubtful", "Doubtful"

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="directory_links")
    remote_id = models.CharField(max_length=64)
    name = models.CharField(max_length=200, blank=True)
    email = models.CharField(max_length=254, blank=True)
    active = models.BooleanField(default=True)
    time_zone = models.CharField(max_length=64, blank=True)
    is_group = models.BooleanField("queue", default=False)
    members = models.JSONField(default=list, blank=True, help_text="A queue's members: their ids there.")
    person = models.ForeignKey(Person, on_delete=models.SET_NULL, null=True, blank=True, related_name="links")
    manual = models.BooleanField(default=False, help_text="Set by hand; refreshes leave it alone.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.UNMATCHED)
    candidates = models.JSONField(default=list, blank=True)
    refreshed_at = models.DateTimeField(null=True)
    looked_up_at = models.DateTimeField(null=True, help_text="The last look-up of an unknown id.")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["connection", "remote_id"], name="one_link_per_account")
        ]
        indexes = [models.Index(fields=["person", "connection"], name="link_by_person")]

    def __str__(self) -> str:
        return f"{self.name or self.email or self.remote_id} at {self.connection}"
