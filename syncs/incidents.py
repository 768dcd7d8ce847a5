"""Incidents: opened once, counted, reported, reminded of, closed with a recovery notice."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils.timesince import timesince

from integration_hub.connectors.mrkdwn import escape
from syncs import listeners, outbox
from syncs.models import Connection, Delivery, HubSettings, Incident
from syncs.models.deliveries import DeliveryState
from syncs.models.incidents import IncidentKind

ORIGIN = "incident"
QUIET = timedelta(minutes=10)
"""A problem has stopped when nothing more came of it for so long."""


def raise_incident(
    key: str,
    *,
    kind: IncidentKind,
    title: str,
    detail: str = "",
    remedy: str = "",
    connection: Connection | None = None,
    origin: str = "",
    count: int = 1,
    now: datetime,
) -> None:
    """Open the incident `key` and report it, or, while it is open, only count on."""
    with transaction.atomic():
        if _count_on(key, count, now):
            return
        try:
            with transaction.atomic():
                incident = Incident.objects.create(
                    key=key, kind=kind, title=title[:200], detail=detail, remedy=remedy, connection=connection,
                    origin=origin, count=count, opened_at=now, last_seen_at=now,
                )  # fmt: skip
        except IntegrityError:  # another process opened it between our two statements
            _count_on(key, count, now)
            return
        _report(incident, "opened", incident.title, now)


def close(key: str, now: datetime) -> None:
    """Close the incident, if it is open, and say that it is over."""
    for incident in Incident.objects.filter(key=key, closed_at=None):
        if Incident.objects.filter(pk=incident.pk, closed_at=None).update(closed_at=now):
            _report(incident, "closed", f"Over: {incident.title}", now)


def settle(now: datetime) -> None:
    """Close what is over by its own nature, and remind of what is not."""
    for incident in Incident.objects.filter(closed_at=None).select_related("connection"):
        if _is_over(incident, now):
            close(incident.key, now)
    hours = HubSettings.get().reminder_hours
    if not hours:
        return
    before = now - timedelta(hours=hours)
    stale = Q(reminded_at=None, opened_at__lte=before) | Q(reminded_at__lte=before)
    for incident in Incident.objects.filter(stale, closed_at=None):
        if Incident.objects.filter(stale, pk=incident.pk).update(reminded_at=now):
            age = timesince(incident.opened_at, now, depth=1)
            _report(incident, f"reminder:{now:%Y%m%d%H}", f"Still open after {age}: {incident.title}", now)


def for_origin(
    kind: IncidentKind,
    delivery: Delivery,
    *,
    title: str,
    detail: str,
    remedy: str,
    count: int,
    now: datetime,
    may_be_delay: bool = True,
) -> None:
    """Raise an incident about one rule's deliveries, or count it to its connection's, if that is the cause.

    What an outage delayed may fail some minutes after its end: that is no new problem. What the vendor refused
    (`may_be_delay` False) has nothing to do with it.
    """
    cause = may_be_delay and (
        Incident.objects.filter(
            Q(closed_at=None) | Q(closed_at__gt=now - QUIET),
            connection=delivery.connection_id,
            kind__in=(IncidentKind.HELD, IncidentKind.UNREACHABLE, IncidentKind.BUDGET),
        )
        .order_by("-opened_at")
        .first()
    )
    if cause:
        Incident.objects.filter(pk=cause.pk).update(count=F("count") + count)
        return
    raise_incident(
        f"{kind}:{delivery.origin}", kind=kind, title=title, detail=detail, remedy=remedy,
        origin=delivery.origin, count=count, now=now,
    )  # fmt: skip


def _count_on(key: str, count: int, now: datetime) -> bool:
    return bool(
        Incident.objects.filter(key=key, closed_at=None).update(count=F("count") + count, last_seen_at=now)
    )


def _is_over(incident: Incident, now: datetime) -> bool:
    if incident.kind == IncidentKind.DEAD_LETTERS:
        return not Delivery.objects.filter(origin=incident.origin, state=DeliveryState.DEAD).exists()
    if incident.kind == IncidentKind.ERRORS:
        return incident.origin in listeners.switched_off()
    if incident.kind in (IncidentKind.DIFFERENCES, IncidentKind.SCHEMA):
        return incident.origin in listeners.switched_off() or not listeners.name(incident.origin)
    refusals = incident.kind == IncidentKind.NOTICES and not incident.origin
    if refusals or incident.kind in (IncidentKind.EXPIRED, IncidentKind.EVENTS):
        return now - incident.last_seen_at >= QUIET
    return False


def _report(incident: Incident, moment: str, headline: str, now: datetime) -> None:
    hub = HubSettings.get()
    if hub.escalation_connection is None:
        return
    body = "\n".join(part for part in (incident.detail, f"What to do: {incident.remedy}") if part)
    times = "failure" if incident.count == 1 else "failures"
    payload: dict[str, Any] = {
        "channel": hub.escalation_address,
        "header": headline[:150],
        "body": escape(body) if moment != "closed" else "",
        "fields": [],
        "link": None,
        "context": f"{incident.count} {times} since {incident.opened_at:%Y-%m-%d %H:%M} UTC",
        "text": escape(headline),
    }
    outbox.enqueue(
        [
            outbox.Draft(
                connection_id=hub.escalation_connection.pk,
                origin=ORIGIN,
                change_id=None,
                lane=hub.escalation_address,
                dedup_key=f"incident:{incident.pk}:{moment}",
                payload=payload,
                due_at=now,
            )
        ],
        now,
    )
