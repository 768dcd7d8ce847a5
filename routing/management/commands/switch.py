"""`manage.py switch`: turn a switch or release a connection, and say what becomes of the work that waits."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from routing import switching
from routing.switching import SwitchError, Target
from syncs.models.switches import WaitingWork

WHO = "manage.py"
SAY = "Say --process all, fresh or drop."


class Command(BaseCommand):
    help = (
        "Switch the hub, a connection, a sync, a flow or a rule on or off, or release a connection that is on hold "
        "or paused. Intake goes on while it is off."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("state", choices=["on", "off", "release"])
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
            age = timedelta(hours=options["hours"]) if options["hours"] else None
            if options["state"] == "release":
                self._release(target, options["process"], age, now)
            else:
                self._switch_on(target, options["process"], age, now)
        except SwitchError as error:
            raise CommandError(str(error)) from error

    def _switch_on(self, target: Target, process: str | None, age: timedelta | None, now: datetime) -> None:
        found = switching.waiting(target, now)
        if found and not process:
            raise CommandError(f"{_in_words(found)} {SAY}")
        counts = switching.switch_on(
            target, WaitingWork(process or WaitingWork.ALL), WHO, now, younger_than=age
        )
        self.stdout.write(
            f"{target.row} is on. {counts['waited']} waited, {counts['dropped']} dropped, "
            f"{counts['queued']} changed records decided anew."
        )

    def _release(self, target: Target, process: str | None, age: timedelta | None, now: datetime) -> None:
        held = switching.kept_back(target, now)
        if held is None:
            raise CommandError(f"{target.row} is no connection that is on hold or paused.")
        if not process and switching.is_worth_asking(held, now):
            raise CommandError(f"{_in_words(switching.waiting(held, now))} {SAY}")
        counts = switching.release(held, WaitingWork(process or WaitingWork.ALL), WHO, now, younger_than=age)
        self.stdout.write(
            f"{target.row} is released. {counts['waited']} waited, {counts['dropped']} dropped."
        )


def _in_words(found: switching.Waiting) -> str:
    ages = ", ".join(f"{count:,} {words}" for words, count in found.by_age.items())
    kinds = ", ".join(f"{count:,} of {words}" for words, count in found.by_kind.items())
    missed = f" {found.missed:,} records changed meanwhile." if found.missed else ""
    return f"{found.total:,} waiting ({ages or 'none'}; {kinds or 'of nobody'}).{missed}"
