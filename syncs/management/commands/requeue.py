"""`manage.py requeue`: revive dead letters or expired deliveries."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet
from django.utils import timezone

from syncs import outbox
from syncs.management import reporting
from syncs.models import Connection, Delivery
from syncs.models.deliveries import DeliveryState


class Command(BaseCommand):
    help = "Send dead letters, or expired deliveries, once more."

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--rule", metavar="KEY", help="those of this rule")
        which.add_argument("--connection", metavar="KEY", help="those to this connection")
        which.add_argument("--id", type=int, nargs="+", metavar="N", help="these")
        which.add_argument("--all", action="store_true")
        parser.add_argument("--code", help="only those that failed with this code")
        parser.add_argument(
            "--state", choices=[DeliveryState.DEAD, DeliveryState.EXPIRED], default=DeliveryState.DEAD
        )
        parser.add_argument("--dry-run", action="store_true", help="only count them")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = _chosen(options)
        if options["dry_run"]:
            self.stdout.write(f"{chosen.count()} would be requeued.")
        else:
            self.stdout.write(f"{outbox.requeue(chosen, timezone.now())} requeued.")


def _chosen(options: dict[str, Any]) -> QuerySet[Delivery]:
    chosen = Delivery.objects.filter(state=options["state"])
    if options["rule"]:
        chosen = chosen.filter(origin=f"rule:{options['rule']}")
        if not Delivery.objects.filter(origin=f"rule:{options['rule']}").exists():
            raise CommandError(f"No delivery comes from a rule “{options['rule']}”.")
    elif options["connection"]:
        chosen = chosen.filter(connection=reporting.by_key(Connection.objects.all(), options["connection"]))
    elif options["id"]:
        chosen = chosen.filter(pk__in=options["id"])
    return chosen.filter(error_code=options["code"]) if options["code"] else chosen
