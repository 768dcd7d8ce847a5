"""`manage.py check_queue`: does a queue move? For supervisors that restart a cluster when it does not."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from integration_hub import health
from syncs.models import Heartbeat
from syncs.schedules import QUEUES


class Command(BaseCommand):
    help = "Look whether work passes through a queue. Exit code 3: none did for minutes. Other codes say nothing of it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("queue", choices=QUEUES)

    def handle(self, *args: Any, **options: Any) -> None:
        queue = options["queue"]
        beaten_at = Heartbeat.objects.filter(queue=queue).values_list("beaten_at", flat=True).first()
        problem = health.queue_problem(queue, beaten_at, timezone.now())
        if problem:
            raise CommandError(problem, returncode=3)
        self.stdout.write(f"The queue {queue} moves.")
