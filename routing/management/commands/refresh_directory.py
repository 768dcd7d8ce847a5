"""`manage.py refresh_directory`: read who is who at the connections, now."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from integration_hub.connectors.contract import People
from routing import directory
from syncs.models import Connection


class Command(BaseCommand):
    help = "Read the users, members and queues of the connections and match them to people."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--connection", metavar="KEY", help="Only this connection.")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        chosen = [_connection(options["connection"])] if options["connection"] else None
        reports = directory.refresh_all(now, chosen)
        for report in reports:
            self.stdout.write(_line(report))
        failed = [report.connection for report in reports if not report.ok]
        if failed:
            raise CommandError(f"Not refreshed: {', '.join(failed)}.")
        if not reports:
            self.stdout.write("There is no connection in use that knows people.")


def _connection(key: str) -> Connection:
    connection = Connection.objects.filter(key=key).first()
    if connection is None:
        raise CommandError(f"There is no connection “{key}”.")
    if not issubclass(connection.connector_class, People):
        raise CommandError(f"The connection “{key}” knows no people.")
    if not connection.enabled:
        raise CommandError(f"The connection “{key}” is switched off.")
    return connection


def _line(report: directory.DirectoryReport) -> str:
    if report.error:
        return f"{report.connection}: {report.error}"
    people = "person" if report.new_people == 1 else "people"
    return (
        f"{report.connection}: {report.read} read, {report.created} new, {report.updated} updated, "
        f"{report.unchanged} unchanged, {report.deactivated} gone; {report.unmatched} unmatched, "
        f"{report.doubtful} doubtful, {report.inactive} inactive; {report.new_people} new {people}"
    )
