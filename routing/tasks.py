"""django-q2 entry points of routing; each takes ids and calls one function."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from integration_hub.configuration import history
from routing import reroute, schema_check, work
from syncs import leases, queues
from syncs.engine import push
from syncs.isolation import isolated
from syncs.models import HubSettings
from syncs.schedules import ALERTS

LOOK_AROUND = 1.0
"""Seconds between two looks for what is due; with it a poll interval of 10 s is kept, though the scheduler
of django-q2 ticks only every 30 s."""


def pump() -> None:
    """Wake workers for whatever is due, for TASK_SECONDS, then hand on to the next pump.

    Only one runs at a time; the one started each minute by the schedule is the spare.
    """
    now = timezone.now()
    with leases.held("pump", settings.LEASE_SECONDS, now) as lease:
        if lease is None:
            return
        woken: dict[str, datetime] = {}
        end = now + timedelta(seconds=settings.TASK_SECONDS)
        while timezone.now() < end:
            isolated("dispatch", lambda: work.dispatch(timezone.now(), woken), [], timezone.now())
            isolated("expire", lambda: push.expire(timezone.now()), [], timezone.now())
            isolated("reroute", lambda: reroute.run(timezone.now()), [], timezone.now())
            time.sleep(LOOK_AROUND)
    queues.wake("routing.tasks.pump", queue=ALERTS)


def poll_and_route(stream_id: int) -> None:
    work.poll_and_route(stream_id, timezone.now())


def route(stream_id: int) -> None:
    work.route(stream_id, timezone.now())


def take_notices(connection_id: int) -> None:
    work.take_notices(connection_id, timezone.now())


def move_flows() -> None:
    work.move_flows()


def check_schemas() -> None:
    """Ask whether the fields and values that are used are still there."""
    if HubSettings.get().enabled:
        schema_check.run(timezone.now())


def keep_versions() -> None:
    """Keep what was changed in the configuration by a way that tells nobody."""
    history.record(history.SECTION_NAMES, timezone.now())


def refresh_directory() -> None:
    work.refresh_directory(timezone.now())
