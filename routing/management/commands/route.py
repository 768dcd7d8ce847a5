"""`manage.py route`: decide on waiting changes, now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from routing import router
from syncs.management import reporting
from syncs.models import Stream


class Command(BaseCommand):
    help = "Decide what the rules say of the changes that wait, and enqueue their messages."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--stream", metavar="KEY", help="only this one")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        reporting.require_hub_on()
        if options["stream"]:
            stream = reporting.by_key(Stream.objects.select_related("connection"), options["stream"])
            runs = [(stream.key, router.run(stream, timezone.now()))]
        else:
            runs = [(run.stream.key if run.stream else "", run) for run in router.run_all(timezone.now())]
        reporting.report(self.stdout, runs, as_json=options["json"])
