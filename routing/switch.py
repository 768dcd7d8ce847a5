"""Switching a rule on and off, and taking it away."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from routing import validation
from routing.models import Rule
from routing.rulebook import draft_of
from syncs import incidents, outbox
from syncs.models import Delivery


def enable(rule: Rule, now: datetime) -> list[str]:
    """Switch the rule on for what happens from now; return what is in the way instead, in sentences."""
    in_the_way = in_the_way_of_enabling(rule, now)
    if not in_the_way:
        Rule.objects.filter(pk=rule.pk, enabled=False).update(enabled=True, active_from=now)
    return in_the_way


def in_the_way_of_enabling(rule: Rule, now: datetime) -> list[str]:
    """Return why it cannot be switched on, in sentences."""
    found = validation.problems(draft_of(rule, list(rule.criteria.all())), now)
    return [one.message for one in found if not one.warning]


def disable(rule: Rule) -> None:
    """Switch the rule off: it decides nothing, and its waiting messages stay where they are."""
    Rule.objects.filter(pk=rule.pk).update(enabled=False)


def remove(rule: Rule, now: datetime) -> None:
    """Delete the rule; what it held back to send later is given up, as nobody could stop it any more."""
    with transaction.atomic():
        outbox.dismiss(Delivery.objects.filter(origin=rule.origin), now)
        incidents.close(f"{rule.origin}:errors", now)
        rule.delete()
