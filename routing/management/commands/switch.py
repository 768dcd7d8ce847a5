"""`manage.py switch`: turn a switch, and say what becomes of the work that waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from routing import switching
from routing.switching import SwitchError
from syncs.models.switches import WaitingWork

WHO = "manage.py"


class Command(BaseCommand):
    help = "Switch the hub, a connection, a sync, a flow or a rule on or off. Intake goes on while it is off."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("state", choices=["on", "off"])
        parser.add_argument("target", help="hub, connection:KEY, sync:KEY, flow:KEY or rule:KEY")
        parser.add_argument("--process", choices=WaitingWork.values, help="what becomes of work that waits")
        parser.add_argument("--hours", type=float, help="with --process fresh: only work younger than this")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        try:
            target = switching.find(options["target"])
            if options["state"] == "off":
                switching.switch_off(target, WHO, now)
                self.stdout.write(f"{target.row} is off. What waits and what comes in is kept.")
                return
            found = switching.waiting(target, now)
            if found and not options["process"]:
                raise CommandError(f"{_in_words(found)} Say --process all, fresh or drop.")
            age = timedelta(hours=options["hours"]) if options["hours"] else None
            chosen = WaitingWork(options["process"] or WaitingWork.ALL)
            counts = switching.switch_on(target, chosen, WHO, now, younger_than=age)
        except SwitchError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{target.row} is on. {counts['waited']} waited, {counts['dropped']} dropped, "
            f"{counts['queued']} changed records decided anew."
        )


def _in_words(found: switching.Waiting) -> str:
    ages = ", ".join(f"{count:,} {words}" for words, count in found.by_age.items())
    kinds = ", ".join(f"{count:,} of {words}" for words, count in found.by_kind.items())
    missed = f" {found.missed:,} records changed meanwhile." if found.missed else ""
    return f"{found.total:,} waiting ({ages or 'none'}; {kinds or 'of nobody'}).{missed}"
