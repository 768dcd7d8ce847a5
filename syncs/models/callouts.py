"""Calls to vendors: the log of exchanges, the count a day, and the shared rate limits."""

from __future__ import annotations

from django.db import models

from syncs.models.connections import Connection
from syncs.models.deliveries import Priority


class CalloutLog(models.Model):
    """One HTTP exchange: the address without its query, no headers, no bodies."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="callouts")
    at = models.DateTimeField()
    method = models.CharField(max_length=10)
    url = models.CharField(max_length=300)
    purpose = models.CharField(max_length=60, blank=True)
    status = models.PositiveSmallIntegerField(null=True)
    milliseconds = models.PositiveIntegerField()
    bytes_out = models.PositiveIntegerField()
    bytes_in = models.PositiveIntegerField()
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = "callout"
        indexes = [
            models.Index(fields=["connection", "at"], name="callout_by_connection"),
            models.Index(fields=["at"], name="callout_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.url}"


class ConnectionUsage(models.Model):
    """Calls this hub made in one hour of a day (UTC), by priority and by who wanted them, such as `sync:leads`."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="usage")
    day = models.DateField()
    hour = models.PositiveSmallIntegerField(default=0)
    user = models.CharField(max_length=100, blank=True, default="")
    priority = models.PositiveSmallIntegerField(choices=Priority.choices)
    calls = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "day", "hour", "priority", "user"], name="usage_once_an_hour"
            )
        ]
        indexes = [models.Index(fields=["day"], name="usage_by_day")]

    def __str__(self) -> str:
        return f"{self.calls} calls on {self.day}"


class RateLimit(models.Model):
    """Where a shared rate limit stands: microseconds since the epoch, so that comparing them is exact."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="rate_limits")
    scope = models.CharField(max_length=60)
    spent_until = models.BigIntegerField(default=0)
    blocked_until = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "scope"], name="rate_limit_once_per_scope")
        ]

    def __str__(self) -> str:
        return f"{self.connection}: {self.scope}"
