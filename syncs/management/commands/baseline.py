"""`manage.py baseline`: learn the current values of a stream's records."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from syncs.engine import poll
from syncs.management import reporting
from syncs.models import Stream


class Command(BaseCommand):
    help = (
        "Read all records of a stream once, so that later changes have something to be compared with. "
        "Nothing is decided and nothing is sent."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("stream", metavar="STREAM", help="the key of the stream")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        stream = reporting.by_key(Stream.objects.select_related("connection"), options["stream"])
        with reporting.as_sentences():
            run = poll.baseline(stream, timezone.now())
        reporting.report(self.stdout, [(stream.key, run)], as_json=options["json"])
