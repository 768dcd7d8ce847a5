"""Heartbeats: the stamp of each queue that work went through it from end to end."""

from __future__ import annotations

from datetime import datetime

from syncs.models import Heartbeat


def beat(queue: str, now: datetime) -> None:
    """Stamp the queue; only work that was really done there may call this."""
    Heartbeat.objects.update_or_create(queue=queue, defaults={"beaten_at": now})
