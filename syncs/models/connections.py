"""Connections: configured accounts at vendors, and their state."""

from __future__ import annotations

from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import models

from integration_hub.connectors import registry
from integration_hub.connectors.contract import Connector, Destination, Setting
from integration_hub.connectors.errors import ConfigError
from integration_hub.connectors.transport import check_base_url


class Environment(models.TextChoices):
    SANDBOX = "sandbox", "Sandbox"
    PRODUCTION = "production", "Production"


class ConnectionState(models.TextChoices):
    OK = "ok", "OK"
    OFF = "off", "Switched off"
    HELD = "held", "On hold"
    PAUSED = "paused", "Paused"


class ConnectionQuerySet(models.QuerySet["Connection"]):
    def usable(self, now: datetime) -> ConnectionQuerySet:
        """Those that may be called now: on, not on hold, not paused."""
        return self.filter(enabled=True, held_at=None).exclude(paused_until__gt=now)


class Connection(models.Model):
    """An account at a vendor. Secrets are stored encrypted and read only by `syncs.connect`."""

    key = models.SlugField(
        unique=True,
        help_text="Short stable name; configuration files refer to the connection by it.",
    )
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=30, choices=registry.kinds)
    environment = models.CharField(max_length=10, choices=Environment.choices, default=Environment.SANDBOX)
    base_url = models.CharField(
        "base URL override",
        max_length=200,
        blank=True,
        help_text="Only for a simulator or a gateway. Leave empty to call the vendor. "
        "https, except on this machine (http://127.0.0.1:…).",
    )
    settings = models.JSONField(default=dict, blank=True, editable=False)
    secrets = models.JSONField(default=dict, blank=True, editable=False)
    kept = models.TextField(blank=True, editable=False)
    enabled = models.BooleanField(
        default=True, help_text="Off: nothing is read from it or written to it. Its work waits."
    )

    daily_budget = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Calls a day this hub may spend. Empty: as many as the vendor allows.",
    )
    reserve_live = models.PositiveSmallIntegerField(
        "reserve for live work (%)",
        default=20,
        help_text="Share of the budget that only live alerts and syncs may use.",
    )
    reserve_flows = models.PositiveSmallIntegerField(
        "reserve for flows (%)",
        default=10,
        help_text="Further share that backfills may not use.",
    )
    vendor_used = models.PositiveIntegerField(null=True, editable=False)
    vendor_limit = models.PositiveIntegerField(null=True, editable=False)
    vendor_reported_at = models.DateTimeField(null=True, editable=False)

    held_at = models.DateTimeField(null=True, editable=False)
    held_code = models.CharField(max_length=100, blank=True, editable=False)
    held_reason = models.TextField(blank=True, editable=False)
    paused_until = models.DateTimeField(null=True, editable=False)
    pause_reason = models.TextField(blank=True, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)

    checked_at = models.DateTimeField(null=True, editable=False)
    check_ok = models.BooleanField(null=True, editable=False)
    check_result = models.JSONField(default=dict, editable=False)
    key_prefixes = models.JSONField(default=dict, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ConnectionQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.base_url:
            try:
                check_base_url(self.base_url)
            except ConfigError as error:
                raise ValidationError({"base_url": error.message}) from error
        if self.reserve_live + self.reserve_flows > 100:
            raise ValidationError({"reserve_flows": "The two reserves together are more than 100 %."})

    @property
    def connector_class(self) -> type[Connector]:
        return registry.connector_class(self.kind)

    @property
    def setting_fields(self) -> tuple[Setting, ...]:
        return tuple(self.connector_class.settings)

    @property
    def sends_messages(self) -> bool:
        return issubclass(self.connector_class, Destination) and self.connector_class.sends_messages

    def state(self, now: datetime) -> ConnectionState:
        if not self.enabled:
            return ConnectionState.OFF
        if self.held_at:
            return ConnectionState.HELD
        if self.paused_until and self.paused_until > now:
            return ConnectionState.PAUSED
        return ConnectionState.OK
