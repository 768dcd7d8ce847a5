"""Incidents: one open problem, however many failures."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from syncs.models.connections import Connection


class IncidentKind(models.TextChoices):
    HELD = "held", "Connection on hold"
    UNREACHABLE = "unreachable", "Vendor not answering"
    BUDGET = "budget", "Call budget used up"
    STREAM = "stream", "Stream cannot be read"
    DEAD_LETTERS = "dead_letters", "Dead letters"
    EXPIRED = "expired", "Alerts expired"
    ERRORS = "errors", "Rule cannot be evaluated"
    PARKED = "parked", "Flow runs parked"
    EVENTS = "events", "Events refused"
    NOTICES = "notices", "Change notices fail"
    DIFFERENCES = "differences", "Reconciliation found differences"
    LOOPS = "loops", "Records parked"
    SCHEMA = "schema", "Fields or values missing"
    INTERNAL = "internal", "Internal error"


class Incident(models.Model):
    """`key` is the problem's identity: while one is open, further failures only raise its count."""

    key = models.CharField(max_length=200)
    kind = models.CharField(max_length=20, choices=IncidentKind.choices)
    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, null=True, blank=True, related_name="incidents"
    )
    origin = models.CharField(max_length=100, blank=True)
    title = models.CharField(max_length=200)
    detail = models.TextField(blank=True)
    remedy = models.TextField(blank=True)
    count = models.PositiveIntegerField(default=1)
    opened_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    reminded_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["key"], condition=Q(closed_at=None), name="one_open_incident_per_key"
            )
        ]
        indexes = [models.Index(fields=["opened_at"], name="incident_by_age")]

    def __str__(self) -> str:
        return self.title
