"""`manage.py install_schedules`: put the hub's schedules into the task queue."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from syncs import schedules


class Command(BaseCommand):
    help = "Make the schedules as they are planned (migrate does it too). Again is no harm."

    def handle(self, *args: Any, **options: Any) -> None:
        changed = schedules.install()
        self.stdout.write(f"{changed} schedules changed." if changed else "All schedules are as planned.")
