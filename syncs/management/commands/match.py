"""`manage.py match`: link the records that existed on both sides of a sync before."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from integration_hub.connectors.errors import ConnectorError
from syncs import matchup
from syncs.management import reporting
from syncs.matchup import MatchingError
from syncs.models import MatchCandidate, Sync
from syncs.models.matchings import CandidateState
from syncs.wording import counted

COLUMNS = ("source_id", "remote_id", "decision")
SIDES = (("here", "source"), ("there", "destination"))


class Command(BaseCommand):
    help = "Link records that existed on both sides of a sync before, by its match key. Nothing is written there."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("sync", metavar="SYNC", help="the key of the sync")
        parser.add_argument("--dry-run", action="store_true", help="count and list, link nothing")
        parser.add_argument(
            "--compare",
            metavar="PATH",
            default="",
            help="a second destination path: where it differs, a pair is doubtful",
        )
        parser.add_argument(
            "--confirm",
            metavar="FILE",
            help=f"decide doubtful pairs: lines of {','.join(COLUMNS)}, decision same or different",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        rows = Sync.objects.select_related("stream__connection", "destination")
        sync = reporting.by_key(rows, options["sync"])
        if options["confirm"]:
            self._confirm(sync, Path(options["confirm"]))
            return
        reporting.require_hub_on()
        try:
            counts = matchup.run(
                sync, timezone.now(), dry_run=options["dry_run"], compare_path=options["compare"],
                tell=self.stdout.write,
            )  # fmt: skip
        except (MatchingError, ConnectorError) as error:
            raise CommandError(str(error)) from error
        for name, label in SIDES:
            found = getattr(counts, name)
            parts = ", ".join(f"{number} {what}" for what, number in sorted(found.items()) if number)
            self.stdout.write(f"{label}: {counted(sum(found.values()), 'record')}: {parts or 'none'}")
        self._list(sync)

    def _list(self, sync: Sync) -> None:
        """Write the doubtful pairs as lines that --confirm takes, once they are decided."""
        waiting = MatchCandidate.objects.filter(sync=sync, state=CandidateState.OPEN).order_by("key", "pk")
        if not waiting.exists():
            return
        self.stdout.write("To be decided:")
        self.stdout.write(",".join(COLUMNS))
        for one in waiting:
            self.stdout.write(f"{one.source_id},{one.remote_id},")

    def _confirm(self, sync: Sync, path: Path) -> None:
        try:
            with path.open(newline="") as file:
                lines = [line for line in csv.DictReader(file) if (line.get("decision") or "").strip()]
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
        decided = 0
        for line in lines:
            word = line["decision"].strip().lower()
            if word not in (CandidateState.SAME, CandidateState.DIFFERENT):
                raise CommandError(f"“{word}” is no decision. Write same or different.")
            found = MatchCandidate.objects.select_related("sync").filter(
                sync=sync, source_id=line["source_id"], remote_id=line["remote_id"], state=CandidateState.OPEN
            )
            decided += matchup.decide(found, CandidateState(word), timezone.now())
        self.stdout.write(f"{counted(decided, 'pair')} decided.")
