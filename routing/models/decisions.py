"""Decisions: what a rule said about a change, and the messages that came of it."""

from __future__ import annotations

from django.db import models

from routing.models.directory import Person
from routing.models.rules import Rule
from syncs.models import Change, Delivery


class Verdict(models.TextChoices):
    DELIVER = "deliver", "Sent on"
    HOLD = "hold", "Held"
    SKIP = "skip", "Skipped"
    ERROR = "error", "Error"


class Reason(models.TextChoices):
    """Why, in one word; `Decision.text` says it in a sentence."""

    MATCHED = "matched", "Matched"
    OUTSIDE_HOURS = "outside_hours", "Outside working hours"
    NO_MATCH = "no_match", "Criteria not met"
    NOT_TRIGGERED = "not_triggered", "Trigger did not fire"
    UNKNOWN_BEFORE = "unknown_before", "Earlier values unknown"
    TOO_OLD = "too_old", "Too old"
    BEFORE_RULE = "before_rule", "Before the rule was switched on"
    ALREADY_SENT = "already_sent", "Already sent"
    NO_RECIPIENT = "no_recipient", "Nobody to send it to"
    CANNOT_EVALUATE = "cannot_evaluate", "Cannot be evaluated"


class Decision(models.Model):
    """`rows` holds each criterion's verdict: [number, matched, text]."""

    change = models.ForeignKey(Change, on_delete=models.CASCADE, related_name="decisions")
    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="decisions")
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    reason = models.CharField(max_length=20, choices=Reason.choices)
    text = models.TextField(help_text="The reason, in a sentence.")
    rows = models.JSONField(default=list)
    matched = models.BooleanField(null=True, help_text="Did the values meet the criteria?")
    trigger_at = models.DateTimeField(help_text="The event at the vendor from which the age counts.")
    decided_at = models.DateTimeField()
    hold_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["change", "rule"], name="one_decision_per_change")]
        indexes = [
            models.Index(fields=["rule", "decided_at"], name="decision_by_rule"),
            models.Index(fields=["decided_at"], name="decision_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.get_verdict_display()}: {self.text}"


class Role(models.TextChoices):
    RECIPIENT = "recipient", "Recipient"
    COPY = "copy", "Copy"
    FALLBACK = "fallback", "Fallback"


class Alert(models.Model):
    """One message of one decision to one recipient; its fate is its delivery's."""

    decision = models.ForeignKey(Decision, on_delete=models.CASCADE, related_name="alerts")
    delivery = models.OneToOneField(Delivery, on_delete=models.CASCADE, related_name="alert")
    person = models.ForeignKey(Person, on_delete=models.SET_NULL, null=True, related_name="alerts")
    role = models.CharField(max_length=10, choices=Role.choices)

    def __str__(self) -> str:
        return f"{self.get_role_display()} of {self.decision}"
