"""Second tries: an alert whose recipient could not be reached goes to the rule's fallback, once."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from routing import directory, recipients, rulebook
from routing.decide import fallback_key
from routing.models import Alert
from routing.models.decisions import Role
from routing.recipients import Message
from routing.snapshot import Directory
from syncs import outbox
from syncs.models import Delivery
from syncs.models.deliveries import DeliveryState

AT_ONCE = 200
TRIED_FOR = timedelta(minutes=10)
"""A fallback that is not at work now may be soon; after so long it is given up."""


def run(now: datetime) -> int:
    """Enqueue the fallback of alerts that are dead for want of a recipient and still fresh; return how many.

    One fallback a decision, however many of its recipients failed. Without a fallback the dead letter stays all
    there is, and its incident tells.
    """
    directories: dict[int, Directory] = {}
    seen: set[int] = set()
    rerouted = 0
    for alert in _unreached(now):
        if alert.decision_id in seen:
            continue
        seen.add(alert.decision_id)
        destination = alert.decision.rule.destination
        if destination.pk not in directories:
            directories[destination.pk] = directory.snapshot(now, destination)
        rerouted += _reroute(alert, directories[destination.pk], now)
    return rerouted


def _unreached(now: datetime) -> list[Alert]:
    has_fallback = Q(decision__rule__fallback_person__isnull=False) | ~Q(decision__rule__fallback_channel="")
    tried = Alert.objects.filter(decision=OuterRef("decision"), role=Role.FALLBACK)
    return list(
        Alert.objects.filter(
            has_fallback,
            ~Exists(tried),
            role=Role.RECIPIENT,
            decision__rule__enabled=True,
            delivery__state=DeliveryState.DEAD,
            delivery__unreachable=True,
            delivery__expires_at__gt=now,
            delivery__settled_at__gt=now - TRIED_FOR,
        )
        .select_related(
            "delivery",
            "decision__change",
            "decision__rule__destination",
            "decision__rule__template",
            "decision__rule__stream__connection",
        )
        .order_by("pk")[:AT_ONCE]
    )


def _reroute(alert: Alert, known: Directory, now: datetime) -> int:
    """Send the same message to the fallback, with what is left of its time."""
    decision, failed = alert.decision, alert.delivery
    rule = rulebook.booked(decision.rule, decision.rule.stream, ())
    plan = recipients.fallback(rule, known, trigger_at=decision.trigger_at, now=now)
    message = next((message for message in plan.messages if message.channel != failed.lane), None)
    if message is None:
        return 0
    with transaction.atomic():
        stored = outbox.enqueue([_draft(failed, message, now)], now)
        for delivery in stored:  # another process may just have stored the same one, with its alert
            fallback = {"decision": decision, "person_id": message.person_id, "role": Role.FALLBACK}
            Alert.objects.get_or_create(delivery=delivery, defaults=fallback)
    return len(stored)


def _draft(failed: Delivery, message: Message, now: datetime) -> outbox.Draft:
    held = message.due_at > now
    return outbox.Draft(
        connection_id=failed.connection_id,
        origin=failed.origin,
        change_id=failed.change_id,
        lane=message.lane,
        dedup_key=fallback_key(failed.dedup_key),
        payload={**failed.payload, "channel": message.channel},
        due_at=message.due_at,
        expires_at=message.expires_at if held else failed.expires_at,
    )
