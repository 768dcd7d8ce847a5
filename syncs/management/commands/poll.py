"""`manage.py poll`: read changes in, now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from syncs.engine import poll
from syncs.management import reporting
from syncs.models import Stream


class Command(BaseCommand):
    help = "Read the streams whose poll is due, or one stream whether due or not."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--stream", metavar="KEY", help="only this one, now")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        reporting.require_hub_on()
        now = timezone.now()
        streams = Stream.objects.select_related("connection")
        if options["stream"]:
            chosen = [reporting.by_key(streams, options["stream"])]
            _require_readable(chosen[0])
        else:
            chosen = list(streams.due(now))
        runs = ((stream.key, poll.run(stream, timezone.now())) for stream in chosen)
        reporting.report(self.stdout, runs, as_json=options["json"])


def _require_readable(stream: Stream) -> None:
    state = stream.connection.state(timezone.now())
    if not stream.enabled:
        raise CommandError(f"The stream {stream.key} is switched off. Switch it on in the admin.")
    if state != "ok":
        raise CommandError(f"The connection of {stream.key} cannot be used: {state.label}.")
