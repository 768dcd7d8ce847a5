"""The first page: is everything running, and if not, where to look."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count
from django.db.models.functions import TruncHour
from django.http import HttpRequest
from django.utils import timezone

from integration_hub.console import checklist, pills
from routing import sla
from routing.flows import counts as flow_counts
from routing.models import Flow
from syncs.admin.connections import in_words
from syncs.models import Change, Connection, Delivery, Heartbeat, HubSettings, Incident
from syncs.models.changes import ChangeState
from syncs.models.deliveries import DeliveryState

LATE = timedelta(minutes=3)
"""A queue without a heartbeat for so long stands still."""
SHOWN = 8
COLORS = {"sent": "#16a34a", "expired": "#f59e0b", "dead": "#dc2626"}
_STATES = {
    DeliveryState.DELIVERED: "sent",
    DeliveryState.EXPIRED: "expired",
    DeliveryState.DEAD: "dead",
}


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what the dashboard shows."""
    now = timezone.now()
    may = request.user.has_perm
    open_incidents = (
        Incident.objects.filter(closed_at=None).select_related("connection").order_by("-last_seen_at")
    )
    rules = sla.latest(24, now=now) if may("routing.view_alert") else []
    return {
        **context,
        "hub": HubSettings.get(),
        "steps": checklist.steps() if may("syncs.add_connection") else [],
        "numbers": [one for one in numbers(now) if may(f"syncs.view_{one['model']}")],
        "connections": [
            {
                "row": one,
                "state": pills.state(one, now),
                "mark": pills.environment(one),
                "words": in_words(one, now),
            }
            for one in Connection.objects.all()
        ],
        "incidents": list(open_incidents[:SHOWN]),
        "incident_count": open_incidents.count(),
        "rules": rules,
        "queues": queues(now),
        "flows": flows(now) if may("routing.view_flowrun") else [],
        "chart": json.dumps(chart(now)) if rules else "",
    }


def numbers(now: datetime) -> list[dict[str, Any]]:
    """Return today's alerts by fate, and what waits."""
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    settled = _alerts().filter(state__in=_STATES, settled_at__gte=midnight)
    fates = Counter(dict(settled.values_list("state").annotate(Count("pk"))))
    waiting = _alerts().filter(state=DeliveryState.WAITING)
    held = waiting.filter(due_at__gt=now).count()
    return [
        _number("Sent today", fates[DeliveryState.DELIVERED], "green", "state__exact=delivered"),
        _number("Held or to be repeated", held, "blue", "state__exact=waiting"),
        _number("Expired today", fates[DeliveryState.EXPIRED], "amber", "state__exact=expired"),
        _number("Dead letters today", fates[DeliveryState.DEAD], "red", "state__exact=dead"),
        {
            "label": "Changes to be routed",
            "value": Change.objects.filter(state=ChangeState.WAITING).count(),
            "tone": "gray",
            "model": "change",
            "query": "waiting=yes",
        },
    ]


def flows(now: datetime) -> list[dict[str, Any]]:
    """Return today's runs of flows and what is open; [] in a hub without flows."""
    if not Flow.objects.exists():
        return []
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    found = flow_counts.today(midnight)
    return [
        {"label": "Flow runs started today", "value": found.started, "tone": "blue", "query": "hours=24"},
        {
            "label": "Of these done",
            "value": found.done,
            "tone": "green",
            "query": "hours=24&stage__exact=done",
        },
        {"label": "Open now", "value": found.open, "tone": "gray", "query": "stage__in=ready,sending"},
        {
            "label": "Parked now",
            "value": found.parked,
            "tone": "red" if found.parked else "gray",
            "query": "stage__exact=parked",
        },
    ]


def queues(now: datetime) -> list[dict[str, Any]]:
    """Return how long ago a task last went through each queue."""
    found = []
    for beat in Heartbeat.objects.order_by("queue"):
        age = now - beat.beaten_at
        found.append({"name": beat.queue, "seconds": int(age.total_seconds()), "late": age > LATE})
    return found


def chart(now: datetime) -> dict[str, Any]:
    """Return the alerts of the last 24 hours by hour and fate, for a stacked bar chart."""
    last = now.replace(minute=0, second=0, microsecond=0)
    hours = [last - timedelta(hours=back) for back in range(23, -1, -1)]
    counted = (
        _alerts()
        .filter(state__in=_STATES, settled_at__gte=hours[0])
        .annotate(hour=TruncHour("settled_at"))
        .values_list("state", "hour")
        .annotate(Count("pk"))
    )
    by_hour = {(_STATES[DeliveryState(state)], hour): count for state, hour, count in counted}
    return {
        "labels": [f"{timezone.localtime(hour):%H:00}" for hour in hours],
        "datasets": [
            {
                "label": name.capitalize(),
                "data": [by_hour.get((name, hour), 0) for hour in hours],
                "backgroundColor": color,
                "stack": "alerts",
                "displayYAxis": True,
            }
            for name, color in COLORS.items()
        ],
    }


def _alerts() -> Any:
    return Delivery.objects.filter(origin__startswith="rule:")


def _number(label: str, value: int, tone: str, query: str) -> dict[str, Any]:
    return {"label": label, "value": value, "tone": tone, "model": "delivery", "query": query}
