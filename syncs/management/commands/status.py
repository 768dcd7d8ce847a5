"""Tell how things stand."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from syncs import status


class Command(BaseCommand):
    help = "Show switches, connections, streams, waiting work, incidents and queues."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print it as JSON.")

    def handle(self, *_args: Any, **options: Any) -> None:
        summary = status.summary(timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps(summary, indent=2))
            return
        self.stdout.write(f"hub: {summary['hub']}")
        for one in summary["connections"]:
            reason = f": {one['reason']}" if one["reason"] else ""
            self.stdout.write(f"connection {one['key']} ({one['environment']}): {one['state']}{reason}")
        for one in summary["streams"]:
            ago = one["polled_seconds_ago"]
            polled = "never polled" if ago is None else f"polled {ago} s ago"
            self.stdout.write(f"stream {one['key']}: {polled if one['enabled'] else 'off'}")
        for name, value in summary["deliveries"].items():
            self.stdout.write(f"{name.replace('_', ' ')}: {value}")
        for one in summary["incidents"]:
            self.stdout.write(f"incident: {one['title']} ({one['count']} failures)")
        for queue, age in summary["queues"].items():
            beat = "no heartbeat yet" if age is None else f"last heartbeat {age} s ago"
            self.stdout.write(f"queue {queue}: {beat}")
