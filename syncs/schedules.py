"""The table of schedules, and its installation; the schedules only wake workers, the tables are the truth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from django_q.models import Schedule

ALERTS, SYNC = "alerts", "sync"
QUEUES = (ALERTS, SYNC)


@dataclass(frozen=True, slots=True)
class Plan:
    name: str
    function: str
    queue: str
    minutes: int
    argument: str = ""


PLANS = (
    Plan("hub: wake the workers", "routing.tasks.pump", ALERTS, 1),
    Plan("hub: heartbeat of alerts", "syncs.tasks.beat", ALERTS, 1, ALERTS),
    Plan("hub: heartbeat of sync", "syncs.tasks.beat", SYNC, 1, SYNC),
    Plan("hub: incidents", "syncs.tasks.settle_incidents", SYNC, 1),
    Plan("hub: backfills", "syncs.tasks.wake_backfills", SYNC, 1),
    Plan("hub: directory", "routing.tasks.refresh_directory", SYNC, 5),
    Plan("hub: reconciliations", "syncs.tasks.reconcile_due", SYNC, 60),
    Plan("hub: versions", "routing.tasks.keep_versions", SYNC, 60),
    Plan("hub: schemas", "routing.tasks.check_schemas", SYNC, 24 * 60),
    Plan("hub: prune history", "syncs.tasks.prune", SYNC, 24 * 60),
)


def install() -> int:
    """Make the installed schedules equal to PLANS; return how many were made, changed or removed.

    A schedule that is as planned keeps its next run, so installing again does not delay it.
    """
    changed = 0
    with transaction.atomic():
        ours: dict[str, Schedule] = {}
        for schedule in Schedule.objects.select_for_update().filter(name__startswith="hub: ").order_by("pk"):
            if ours.setdefault(schedule.name, schedule) is not schedule:
                schedule.delete()  # two installations at once: names are not unique in the table
                changed += 1
        for plan in PLANS:
            wanted: dict[str, Any] = {
                "func": plan.function,
                "args": repr((plan.argument,)) if plan.argument else None,
                "cluster": plan.queue,
                "schedule_type": Schedule.MINUTES,
                "minutes": plan.minutes,
                "repeats": -1,
            }
            installed = ours.pop(plan.name, None)
            if installed and all(getattr(installed, name) == value for name, value in wanted.items()):
                continue
            Schedule.objects.filter(name=plan.name).delete()
            Schedule.objects.create(name=plan.name, next_run=timezone.now() + timedelta(seconds=5), **wanted)
            changed += 1
        for leftover in ours.values():
            leftover.delete()
            changed += 1
    return changed


def install_after_migrate(**_kwargs: object) -> None:
    """Receive post_migrate. The queue's own tables may come later in the same migrate."""
    if Schedule._meta.db_table in connection.introspection.table_names():
        install()
