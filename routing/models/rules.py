"""Rules: when a change of a record becomes a message, to whom, and how it reads."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from integration_hub.connectors.filters import Operator
from routing.conditions import OPERATOR_LABELS
from routing.models.directory import Person
from syncs.models import Connection, Stream


class MessageTemplate(models.Model):
    """Liquid texts. `header` and labels are plain; the others may use Slack's *bold* and _italic_."""

    key = models.SlugField(unique=True)
    name = models.CharField(max_length=100)
    header = models.CharField(max_length=500, default="{{ record.Name }}")
    body = models.TextField(blank=True)
    link_label = models.CharField(
        max_length=75, blank=True, default="Open record", help_text="The button to the record. Empty: none."
    )
    context = models.TextField(
        blank=True,
        help_text="The small line below. When it happened, and how old that is, is added by itself.",
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class TemplateField(models.Model):
    """One "label: value" pair of a message."""

    template = models.ForeignKey(MessageTemplate, on_delete=models.CASCADE, related_name="fields")
    position = models.PositiveSmallIntegerField(default=1)
    label = models.CharField(max_length=100)
    value = models.CharField(max_length=500)

    class Meta:
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return self.label


class Trigger(models.TextChoices):
    CREATED = "created", "A record is created"
    ENTERS = "enters", "A record enters the criteria"
    CHANGED = "changed", "A watched field changes"


class OutsideHours(models.TextChoices):
    SKIP = "skip", "Do not send"
    HOLD = "hold", "Hold until they are at work"
    CHANNEL = "channel", "Send to a channel instead"
    SEND = "send", "Send anyway"


class Recipient(models.TextChoices):
    OWNER = "owner", "The record's owner"
    PERSON = "person", "A named person"
    CHANNEL = "channel", "A channel"


class QueueHandling(models.TextChoices):
    CHANNEL = "channel", "Post to the queue channel"
    MEMBERS = "members", "Message each member of the queue"


class RuleQuerySet(models.QuerySet["Rule"]):
    def complete(self) -> RuleQuerySet:
        """With all that deciding and rendering read."""
        return self.select_related(
            "template", "destination", "recipient_person", "fallback_person", "stream"
        ).prefetch_related("criteria", "template__fields")

    def for_routing(self) -> RuleQuerySet:
        """Enabled ones, most urgent first."""
        return self.complete().filter(enabled=True).order_by("priority", "key")


class Rule(models.Model):
    key = models.SlugField(unique=True, help_text="Short stable name; configuration files use it.")
    name = models.CharField(max_length=100)
    enabled = models.BooleanField(
        default=False, help_text="Off: it decides nothing, and its waiting messages stay where they are."
    )
    priority = models.PositiveSmallIntegerField(
        default=50, validators=[MinValueValidator(1), MaxValueValidator(99)], help_text="1 is decided first."
    )
    stream = models.ForeignKey(Stream, on_delete=models.PROTECT, related_name="rules")
    trigger = models.CharField(max_length=10, choices=Trigger.choices, default=Trigger.CREATED)
    watched_field = models.CharField(max_length=120, blank=True)
    filter_logic = models.CharField(
        max_length=500, blank=True, help_text="Such as 1 AND (2 OR 3). Empty: all rows must hold."
    )
    max_age_seconds = models.PositiveIntegerField(
        "maximum age (seconds)",
        default=300,
        validators=[MinValueValidator(30), MaxValueValidator(30 * 86_400)],
        help_text="Older than this, counted from the event at the vendor, it is not sent any more.",
    )
    destination = models.ForeignKey(
        Connection, on_delete=models.PROTECT, related_name="+", verbose_name="send with"
    )
    recipient = models.CharField(max_length=10, choices=Recipient.choices, default=Recipient.OWNER)
    recipient_person = models.ForeignKey(
        Person, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    recipient_channel = models.CharField(max_length=100, blank=True)
    copy_channel = models.CharField(
        max_length=100, blank=True, help_text="Each message also goes to this channel, at any hour."
    )
    outside_hours = models.CharField(max_length=10, choices=OutsideHours.choices, default=OutsideHours.HOLD)
    outside_channel = models.CharField(max_length=100, blank=True)
    queue_handling = models.CharField(
        "if a queue owns it", max_length=10, choices=QueueHandling.choices, default=QueueHandling.MEMBERS
    )
    queue_channel = models.CharField(max_length=100, blank=True)
    fallback_person = models.ForeignKey(
        Person, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    fallback_channel = models.CharField(
        max_length=100,
        blank=True,
        help_text="Used when the owner is inactive, unknown, or cannot be reached.",
    )
    template = models.ForeignKey(MessageTemplate, on_delete=models.PROTECT, related_name="rules")
    active_from = models.DateTimeField(
        null=True,
        editable=False,
        help_text="When it was last switched on; older events are not its business.",
    )

    objects = RuleQuerySet.as_manager()

    class Meta:
        ordering = ["priority", "key"]

    def __str__(self) -> str:
        return self.name

    @property
    def origin(self) -> str:
        """How its deliveries and incidents name it."""
        return f"rule:{self.key}"


class RuleCriterion(models.Model):
    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="criteria")
    number = models.PositiveSmallIntegerField(help_text="How the filter logic names the row.")
    field = models.CharField(max_length=120)
    operator = models.CharField(max_length=20, choices=[(o.value, OPERATOR_LABELS[o]) for o in Operator])
    value = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "criteria"
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["rule", "number"], name="criterion_number_once")]

    def __str__(self) -> str:
        return f"{self.number}. {self.field} {self.get_operator_display()} {self.value}".rstrip()
