"""Switchings: who switched what on or off, and what was to become of the work that had waited."""

from __future__ import annotations

from django.db import models


class WaitingWork(models.TextChoices):
    ALL = "all", "Process all"
    FRESH = "fresh", "Only what is younger"
    DROP = "drop", "Drop it"


class Switching(models.Model):
    """`target` is what the deliveries' origins say too, such as `sync:leads`; the hub is `hub`.

    `counts` is what waited when it was switched on or released, and how much of it was dropped.
    """

    target = models.CharField(max_length=100, db_index=True)
    name = models.CharField(max_length=120)
    on = models.BooleanField()
    choice = models.CharField(max_length=10, choices=WaitingWork.choices, blank=True)
    younger_than = models.DurationField(null=True)
    counts = models.JSONField(default=dict)
    made_by = models.CharField(max_length=150)
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.name} {self.verb.lower()}"

    @property
    def verb(self) -> str:
        """Say in a word what was done; a connection that is released was on all the time."""
        if "released" in self.counts:
            return "Released"
        return "On" if self.on else "Off"
