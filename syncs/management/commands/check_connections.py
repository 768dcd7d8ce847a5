"""`manage.py check_connections`: ask each vendor who we are."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from syncs import connect
from syncs.management import reporting
from syncs.models import Connection


class Command(BaseCommand):
    help = "Check all connections that are switched on, or one. Exit code 1: one of them does not work."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--connection", metavar="KEY", help="only this one")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["connection"]:
            chosen = [reporting.by_key(Connection.objects.all(), options["connection"])]
        else:
            chosen = list(Connection.objects.filter(enabled=True))
        failed = [connection.key for connection in chosen if not self._works(connection)]
        if failed:
            raise CommandError(f"Not working: {', '.join(failed)}.")
        if not chosen:
            self.stdout.write("There are no connections yet.")

    def _works(self, connection: Connection) -> bool:
        now = timezone.now()
        result = connect.check(connection, now)
        state = connection.state(now)
        self.stdout.write(f"{connection.key} ({connection.get_environment_display()}): {result.summary}")
        for fact, value in result.facts.items():
            self.stdout.write(f"  {fact}: {value}")
        for problem in result.problems:
            self.stdout.write(f"  ! {problem}")
        if state != "ok":
            self.stdout.write(
                f"  {state.label}. {connection.held_reason or connection.pause_reason}".rstrip()
            )
        return result.ok
