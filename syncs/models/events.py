"""Inbound events: who may post them, which are known, and each one as it came."""

from __future__ import annotations

import json
import uuid

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from syncs.events import reading as event_reading
from syncs.events import schema as event_schema


class Proof(models.TextChoices):
    HMAC = "hmac", "Signature (HMAC-SHA256 over time and body)"
    BEARER = "bearer", "Bearer token"


class EventSource(models.Model):
    """A product or system that posts events. Paths are dotted, from the top of the event's JSON object."""

    key = models.SlugField(unique=True, help_text="Short stable name; it is part of the address.")
    name = models.CharField(max_length=100)
    enabled = models.BooleanField(default=True, help_text="Off: its events are refused with 403.")
    proof = models.CharField("proves itself by", max_length=10, choices=Proof.choices, default=Proof.HMAC)
    window_seconds = models.PositiveIntegerField(
        "replay window (seconds)",
        default=300,
        validators=[MinValueValidator(1), MaxValueValidator(86_400)],
        help_text="A signature whose time is further off than that is refused.",
    )
    name_path = models.CharField("event name in", max_length=200, default="event")
    idempotency_path = models.CharField(
        max_length=200,
        blank=True,
        help_text="The field that tells a repeat, such as id. With tokens the header Idempotency-Key goes before it; "
        "with signatures the field does, for the header is not signed.",
    )
    max_bytes = models.PositiveIntegerField(
        "largest body (bytes)",
        default=262_144,
        validators=[MinValueValidator(100), MaxValueValidator(5_000_000)],
    )
    per_minute = models.PositiveIntegerField(
        "events a minute",
        null=True,
        blank=True,
        default=6_000,
        validators=[MinValueValidator(1)],
        help_text="More in one minute of the clock are refused with 429. Empty: any.",
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def address(self) -> str:
        return f"/events/{self.key}/"

    def clean(self) -> None:
        for name in ("name_path", "idempotency_path"):
            path = getattr(self, name)
            if path and not all(path.split(".")):
                raise ValidationError({name: "Write it as names with dots between them, such as meta.id."})


class EventSecret(models.Model):
    """One of a source's active secrets: during a rotation there are two. `kept` is as `syncs.secrets` stores it."""

    source = models.ForeignKey(EventSource, on_delete=models.CASCADE, related_name="secrets")
    label = models.CharField(max_length=100, help_text="Where it is used, or since when.")
    kept = models.JSONField(editable=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="From then on it is refused. Empty: never."
    )

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["source", "label"], name="one_event_secret_per_label")]

    def __str__(self) -> str:
        return self.label


class EventType(models.Model):
    """An event name that a source may post; others are refused."""

    source = models.ForeignKey(EventSource, on_delete=models.CASCADE, related_name="types")
    name = models.CharField(max_length=100, help_text="As it stands in the event, such as register.")
    description = models.CharField(max_length=300, blank=True)
    schema = models.JSONField(
        "JSON Schema", null=True, blank=True, help_text="What the event must look like. Empty: anything goes."
    )
    sample = models.JSONField(
        null=True, blank=True, help_text="An example; flows are checked and tried with it."
    )

    stream = models.ForeignKey(
        "syncs.Stream",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="event_types",
        help_text="The stream that it is a change of: syncs and rules of the stream hear of it. Flows do anyway.",
    )
    record_path = models.CharField(
        "record in",
        max_length=200,
        blank=True,
        help_text="Where the record's values stand. Empty: the event.",
    )
    id_path = models.CharField("record id in", max_length=200, blank=True, help_text="Such as customer.id.")
    modified_path = models.CharField(
        "changed at in",
        max_length=200,
        blank=True,
        help_text="The time of the change, as ISO 8601 or seconds or milliseconds since 1970. "
        "Empty: when the event came.",
    )
    is_deletion = models.BooleanField("says that the record was deleted", default=False)
    completed_by_read = models.BooleanField(
        "complete it by a read",
        default=False,
        help_text="Only the id is taken from it; the record is read from the stream's connection.",
    )

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["source", "name"], name="one_event_type_per_name")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        for name in ("record_path", "id_path", "modified_path"):
            path = getattr(self, name)
            if path and not all(path.split(".")):
                raise ValidationError({name: "Write it as names with dots between them, such as order.id."})
        if self.stream_id and not self.id_path:
            raise ValidationError({"id_path": "Say where the record's id stands, such as order.id."})
        if self.schema is not None and (wrong := event_schema.problem_of(self.schema)):
            raise ValidationError({"schema": wrong})
        if self.sample is not None and (complaints := self.complaints()):
            raise ValidationError({"sample": complaints})

    def complaints(self) -> list[str]:
        """Return why the sample would be refused if it were posted."""
        if not isinstance(self.sample, dict):
            return ["An event is a JSON object."]
        path = tuple(self.source.name_path.split("."))
        if event_reading.at(self.sample, path) != self.name:
            return [f"Its {'.'.join(path)} must be “{self.name}”, the name of the event."]
        if self.schema is None:
            return []
        return event_schema.complaints(event_schema.compiled(json.dumps(self.schema)), self.sample)


class EventState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    ROUTED = "routed", "Routed"
    REFUSED = "refused", "Refused"


class EventOrigin(models.TextChoices):
    POSTED = "posted", "Posted"
    SAMPLE = "sample", "Sample"
    REPLAY = "replay", "Replay"
    EMITTED = "emitted", "Emitted by a flow"


class InboundEvent(models.Model):
    """One event as it came. `body` is what was posted, byte for byte, kept before anything is made of it.

    A refused one is kept too, with the problem that was answered; only what proved itself is waiting or routed.
    """

    uid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    source = models.ForeignKey(EventSource, on_delete=models.CASCADE, related_name="events", db_index=False)
    name = models.CharField(max_length=100, blank=True)
    idempotency_key = models.CharField(max_length=200, null=True)  # noqa: DJ001 - null: none, and none are alike
    received_at = models.DateTimeField()
    content_type = models.CharField(max_length=100, blank=True)
    body = models.BinaryField()
    data = models.JSONField(null=True)
    origin = models.CharField(max_length=10, choices=EventOrigin.choices, default=EventOrigin.POSTED)
    cause = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, related_name="+", help_text="Which event it comes of."
    )
    state = models.CharField(max_length=10, choices=EventState.choices, default=EventState.WAITING)
    status = models.PositiveSmallIntegerField(default=202, help_text="The HTTP status that was answered.")
    problem_code = models.CharField(max_length=50, blank=True)
    problem = models.TextField(blank=True)
    routed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "idempotency_key"],
                condition=~Q(state="refused"),
                name="event_once_per_idempotency_key",
            )
        ]
        indexes = [
            models.Index(fields=["id"], name="event_waiting", condition=Q(state="waiting")),
            models.Index(fields=["source", "received_at"], name="event_by_source"),
            models.Index(fields=["received_at"], name="event_by_age"),
            models.Index(fields=["name", "received_at"], name="event_by_name"),
            models.Index(
                fields=["source", "received_at"], name="event_refused", condition=Q(state="refused")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name or 'event'} {self.uid}"


class EventTally(models.Model):
    """How many events of a source met this in one minute: a refusal by its code, or `TAKEN` of the rate limit."""

    TAKEN = "taken"

    source = models.ForeignKey(EventSource, on_delete=models.CASCADE, related_name="tallies", db_index=False)
    minute = models.DateTimeField()
    code = models.CharField(max_length=50)
    count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "minute", "code"], name="one_event_tally_a_minute")
        ]
        indexes = [models.Index(fields=["minute"], name="event_tally_by_age")]

    def __str__(self) -> str:
        return f"{self.count} × {self.code} at {self.minute:%H:%M}"
