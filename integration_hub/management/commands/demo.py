"""`manage.py demo`: a pretend Salesforce on its way to a pretend Slack and a pretend Iterable."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from integration_hub.demo import run
from integration_hub.demo.report import Report


class Command(BaseCommand):
    help = "Show the hub at work on pretend vendors, with an admin to look at, until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="Play the scenes, print their ends; exit 0 if all are right."
        )
        parser.add_argument("--port", type=int, default=8000, help="Of the admin pages.")
        parser.add_argument("--seconds", type=float, default=60, help="The most that the scenes may take.")

    def handle(self, *_args: Any, **options: Any) -> None:
        report = Report()
        if options["once"]:
            if not run.once(options["seconds"], report):
                raise SystemExit(1)
            return
        try:
            run.going_on(options["port"], options["seconds"], report)
        except KeyboardInterrupt:
            report.say("Ended.")
