"""How things stand, as plain values: for the command, the dashboard and the probes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Count, Min, Q

from syncs.models import Change, Connection, Delivery, Heartbeat, HubSettings, Incident, Stream
from syncs.models.changes import ChangeState
from syncs.models.deliveries import DeliveryState
from syncs.schedules import QUEUES


def summary(now: datetime) -> dict[str, Any]:
    """Return switches, connections, streams, waiting work, open incidents and queues; ages are in seconds."""
    return {
        "hub": "on" if HubSettings.get().enabled else "off",
        "connections": [_connection(connection, now) for connection in Connection.objects.all()],
        "streams": [_stream(stream, now) for stream in Stream.objects.select_related("connection")],
        "deliveries": deliveries(now),
        "incidents": [
            {"title": incident.title, "open_seconds": _age(incident.opened_at, now), "count": incident.count}
            for incident in Incident.objects.filter(closed_at=None).order_by("opened_at")
        ],
        "queues": queues(now),
    }


def deliveries(now: datetime) -> dict[str, Any]:
    """Count what is open or dead, and the age of the oldest that should have been sent by now."""
    open_ones = Delivery.objects.filter(
        state__in=(DeliveryState.WAITING, DeliveryState.SENDING, DeliveryState.DEAD)
    )
    counted = open_ones.aggregate(
        waiting=Count("pk", filter=Q(state=DeliveryState.WAITING)),
        sending=Count("pk", filter=Q(state=DeliveryState.SENDING)),
        dead=Count("pk", filter=Q(state=DeliveryState.DEAD)),
        oldest=Min("due_at", filter=Q(state=DeliveryState.WAITING, due_at__lte=now)),
    )
    oldest = counted.pop("oldest")
    return {
        **counted,
        "oldest_due_seconds": _age(oldest, now) if oldest else 0,
        "changes_waiting": Change.objects.filter(state=ChangeState.WAITING).count(),
    }


def queues(now: datetime) -> dict[str, int | None]:
    """Return, by queue, the age of its last heartbeat in seconds; None: there was none yet."""
    beats = dict(Heartbeat.objects.values_list("queue", "beaten_at"))
    return {queue: _age(beats[queue], now) if queue in beats else None for queue in QUEUES}


def _connection(connection: Connection, now: datetime) -> dict[str, Any]:
    return {
        "key": connection.key,
        "environment": connection.environment,
        "state": connection.state(now).value,
        "reason": connection.held_reason or (connection.pause_reason if connection.paused_until else ""),
    }


def _stream(stream: Stream, now: datetime) -> dict[str, Any]:
    return {
        "key": stream.key,
        "enabled": stream.enabled,
        "polled_seconds_ago": _age(stream.polled_at, now) if stream.polled_at else None,
    }


def _age(at: datetime, now: datetime) -> int:
    return int((now - at).total_seconds())
