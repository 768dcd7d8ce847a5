"""Waking workers through django-q2: ids only, results not kept."""

from __future__ import annotations

from typing import Any

from django_q.brokers import get_broker
from django_q.tasks import async_task

from syncs.models import Connection
from syncs.schedules import ALERTS, SYNC


def wake(function: str, *args: Any, queue: str) -> None:
    """Have a worker of the queue call `function`, a dotted path, soon; losing or doubling it changes nothing."""
    async_task(function, *args, q_options={"cluster": queue, "save": False})


LONG = 500


def is_long(queue: str) -> bool:
    """Say whether so many tasks wait there that more would not help: it is far behind, or nobody serves it."""
    return bool(get_broker(queue).queue_size() >= LONG)


def queue_for(connection: Connection) -> str:
    """Messages to people never wait behind bulk work."""
    return ALERTS if connection.sends_messages else SYNC
