"""`manage.py notices`: where vendors post change notices to, what came, and taking some up once more."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Sum
from django.utils import timezone

from syncs import connect
from syncs.events import sources as event_sources
from syncs.management import reporting
from syncs.models import Connection, Notice
from syncs.models.notices import NoticeState
from syncs.notices import intake as notices


class Command(BaseCommand):
    help = "List the addresses of change notices and what came; take notices up once more; make a token."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listed = verbs.add_parser("list", help="the addresses, and what came in the last 24 hours")
        listed.add_argument("--json", action="store_true")
        again = verbs.add_parser("reprocess", help="take these notices up once more")
        again.add_argument("ids", metavar="ID", nargs="*", type=int)
        again.add_argument(
            "--quarantined", metavar="CONNECTION", help="all that could not be read, of this connection"
        )
        token = verbs.add_parser(
            "token", help="give a connection a new token and print its address, this once"
        )
        token.add_argument("connection", metavar="CONNECTION", help="the key of the connection")

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"_{options['verb']}")(options)

    def _list(self, options: dict[str, Any]) -> None:
        rows = [_facts(one) for one in Connection.objects.all() if notices.path_of(one)]
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=2))
            return
        for row in rows:
            came = ", ".join(f"{n:,} {state}" for state, n in row["last_day"].items()) or "nothing"
            self.stdout.write(f"{row['key']}: {row['address']}; in 24 hours: {came}.")
            for stream in row["streams"]:
                self.stdout.write(
                    f"  {stream['key']}: last notice {stream['noticed_at'] or 'never'}, "
                    f"{stream['missed']:,} found only by polls."
                )
        if not rows:
            self.stdout.write("No connection is of a kind that posts change notices.")

    def _reprocess(self, options: dict[str, Any]) -> None:
        rows = Notice.objects.filter(pk__in=options["ids"])
        missing = set(options["ids"]) - set(rows.values_list("pk", flat=True))
        if missing:
            raise CommandError(f"There is no notice {min(missing)}.")
        if options["quarantined"]:
            of = reporting.by_key(Connection.objects.all(), options["quarantined"])
            rows |= Notice.objects.filter(connection=of, state=NoticeState.QUARANTINED)
        elif not options["ids"]:
            raise CommandError("Name notices by their ids, or a connection with --quarantined.")
        self.stdout.write(f"{notices.again(rows.only('pk'))} to be taken up once more.")

    def _token(self, options: dict[str, Any]) -> None:
        connection = reporting.by_key(Connection.objects.all(), options["connection"])
        if notices.TOKEN not in notices.path_of(connection):
            raise CommandError(f"The notices of {connection} prove themselves without a token.")
        value = event_sources.generated()
        with reporting.as_sentences():
            connect.set_secret(connection, "notice_token", value)
            connection.save(update_fields=["secrets", "kept"])
        self.stdout.write(notices.address_of(connection).replace(notices.TOKEN, value))


def _facts(connection: Connection) -> dict[str, Any]:
    since = timezone.now() - timedelta(days=1)
    came = Notice.objects.filter(connection=connection, received_at__gte=since)
    return {
        "key": connection.key,
        "address": notices.address_of(connection),
        "last_day": dict(came.values_list("state").annotate(Sum("count"))),
        "streams": [
            {
                "key": one.key,
                "noticed_at": one.noticed_at.isoformat(timespec="seconds") if one.noticed_at else None,
                "missed": one.missed_by_notices,
            }
            for one in connection.streams.all()
        ],
    }
