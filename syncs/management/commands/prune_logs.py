"""`manage.py prune_logs`: delete what is past its retention."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from syncs import pruning


class Command(BaseCommand):
    help = "Delete what is older than the hub settings say. The newest version of each record is kept."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seconds", type=float, help="stop after so long; the rest goes the next time")

    def handle(self, *args: Any, **options: Any) -> None:
        pruned = pruning.prune(timezone.now(), seconds=options["seconds"])
        for kind, rows in pruned.rows.items():
            self.stdout.write(f"{kind}: {rows:,} deleted")
        if not pruned.finished:
            self.stdout.write("The time is up. Run it again for the rest.")
