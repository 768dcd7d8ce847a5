"""`manage.py reconcile`: what the source has, beside what the hub knows and what stands at the destination."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from syncs import reconciliation_words
from syncs.engine.reconcile import engine as reconcile
from syncs.engine.reconcile import repair
from syncs.engine.reconcile.engine import ReconcileError
from syncs.management import reporting
from syncs.models import Reconciliation, Sync
from syncs.models.reconciliations import DIFFERENCES
from syncs.models.runs import RunState
from syncs.wording import counted

SHOWN = 10


class Command(BaseCommand):
    help = "Compare a sync's records with what was written of them. Nothing is written, except by --repair."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("sync", metavar="SYNC", help="the key of the sync")
        parser.add_argument(
            "--days",
            type=int,
            default=reconcile.DAYS,
            help="records modified in these last days; 0: all records (default: %(default)s)",
        )
        parser.add_argument(
            "--sample",
            type=int,
            default=reconcile.SAMPLE,
            help="records to compare with the destination, a call each (default: %(default)s)",
        )
        parser.add_argument(
            "--repair", type=int, metavar="N", default=0, help="queue N of them to be written"
        )
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        reporting.require_hub_on()
        if min(options["days"], options["sample"], options["repair"]) < 0:
            raise CommandError("--days, --sample and --repair take numbers from 0 on.")
        rows = Sync.objects.select_related("stream__connection", "destination")
        sync = reporting.by_key(rows, options["sync"])
        try:
            one = reconcile.start(sync, timezone.now(), days=options["days"], sample=options["sample"])
            while not reconcile.work(one):
                if not options["json"]:
                    self.stdout.write(f"{counted(one.at_source, 'record')} compared …")
            done = None
            if options["repair"] and one.run.state == RunState.OK:
                with reporting.as_sentences():
                    done = repair.repair(one, options["repair"], timezone.now())
        except ReconcileError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(reconciliation_words.facts(one), indent=2))
        else:
            self._tell(one)
            if done:
                self.stdout.write(reconciliation_words.of_repair(done))
        if one.run.state != RunState.OK:
            raise CommandError(one.run.error or "The counts do not balance.")

    def _tell(self, one: Reconciliation) -> None:
        self.stdout.write(f"{one.sync}, {reconciliation_words.span(one)}")
        for day in reconciliation_words.by_day(one):
            self.stdout.write(f"  {day.day}: {day.words}")
        for sentence in (*reconciliation_words.sentences(one), *one.warnings):
            self.stdout.write(sentence)
        for kind in DIFFERENCES:
            for entry in one.left(kind)[:SHOWN]:
                self.stdout.write(f"  {kind.label}: {entry['record']}: {entry['words']}")
