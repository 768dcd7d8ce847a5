"""Do everything that is due now, once, in this process: for cron, tests, and installations without a cluster."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from routing import work


class Command(BaseCommand):
    help = "Poll, route and push whatever is due now, once. Exit code 1: a step failed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print the report as JSON.")

    def handle(self, *_args: Any, **options: Any) -> None:
        report = work.tick(timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps(report, indent=2))
        else:
            for group in ("polls", "routes", "pushes"):
                for run in report[group]:
                    counts = ", ".join(f"{run[n]} {n}" for n in work.COUNTED if run[n])
                    self.stdout.write(f"{group[:-1]} {run['name']}: {counts or 'nothing'} ({run['state']})")
            for done in report["flows"]:
                counts = ", ".join(f"{n} {name}" for name, n in done.items() if n)
                self.stdout.write(f"flows: {counts}")
            self.stdout.write(f"expired: {report['expired']}, rerouted: {report['rerouted']}")
        if report["errors"]:
            self.stderr.write(f"Failed: {', '.join(report['errors'])}. The log has the details.")
            raise SystemExit(1)
