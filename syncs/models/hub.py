"""What the hub keeps about itself: its switch and settings, leases and heartbeats."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models

from syncs.models.connections import Connection


class HubSettings(models.Model):
    """One row, made by the migration; operators change it in the admin."""

    enabled = models.BooleanField(
        "hub is on", default=True, help_text="Off: nothing is read and nothing is sent. Waiting work is kept."
    )
    escalation_connection = models.ForeignKey(
        Connection,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Where incidents are reported: a Slack or an e-mail connection.",
    )
    escalation_address = models.CharField(
        max_length=200, blank=True, help_text="A Slack channel (its id, or #name) or an e-mail address."
    )
    reminder_hours = models.PositiveSmallIntegerField(
        default=4, help_text="An open incident is reported again after so many hours."
    )
    keep_history_days = models.PositiveSmallIntegerField(
        default=90, help_text="Changes, decisions, settled deliveries, closed incidents, routed events."
    )
    keep_runs_days = models.PositiveSmallIntegerField(default=30)
    keep_callouts_days = models.PositiveSmallIntegerField(default=7)

    class Meta:
        verbose_name = "hub settings"
        verbose_name_plural = "hub settings"
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_row_of_hub_settings")]

    def __str__(self) -> str:
        return "Hub settings"

    def clean(self) -> None:
        if self.escalation_connection and not self.escalation_address:
            raise ValidationError(
                {"escalation_address": "Say which channel or e-mail address incidents go to."}
            )
        if self.escalation_connection and not self.escalation_connection.sends_messages:
            raise ValidationError(
                {"escalation_connection": "Choose a connection that can send messages: Slack or e-mail."}
            )

    @classmethod
    def get(cls) -> HubSettings:
        return cls.objects.get_or_create(pk=1)[0]


class Lease(models.Model):
    """A named right to do something alone, until `until`; `fence` grows with each holder."""

    name = models.CharField(max_length=100, unique=True)
    owner = models.CharField(max_length=40, blank=True)
    until = models.DateTimeField()
    fence = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return self.name


class Heartbeat(models.Model):
    """When a task last went through this queue from end to end."""

    queue = models.CharField(max_length=30, unique=True)
    beaten_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.queue
