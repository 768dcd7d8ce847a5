"""`manage.py push`: write due deliveries out, now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from syncs.engine import push
from syncs.management import reporting
from syncs.models import Connection, Delivery


class Command(BaseCommand):
    help = "Send what is due, at all connections or at one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--connection", metavar="KEY", help="only at this one")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        reporting.require_hub_on()
        now = timezone.now()
        if options["connection"]:
            chosen = [reporting.by_key(Connection.objects.all(), options["connection"])]
        else:
            due = Delivery.objects.due(now).values("connection")
            chosen = list(Connection.objects.usable(now).filter(pk__in=due))
        runs = ((connection.key, push.run(connection, timezone.now())) for connection in chosen)
        reporting.report(self.stdout, runs, as_json=options["json"])
