"""`manage.py preview_sync`: a sync's mapping on one live record. Nothing is written."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from syncs.management import reporting
from syncs.mappings import preview as mapping_preview
from syncs.mappings.preview import MappingPreview, PreviewError
from syncs.models import Sync


class Command(BaseCommand):
    help = "Show what a sync reads of a record, what it would send, and what that would change. Nothing is written."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("sync", metavar="SYNC", help="the key of the sync")
        parser.add_argument(
            "record", metavar="RECORD_ID", nargs="?", default="", help="without it: the newest change"
        )
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        rows = Sync.objects.select_related("stream__connection", "destination")
        sync = reporting.by_key(rows, options["sync"])
        try:
            with reporting.as_sentences():
                found = mapping_preview.preview(sync, options["record"], timezone.now())
        except PreviewError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(mapping_preview.facts(found), indent=2, ensure_ascii=False))
        else:
            self._tell(found)

    def _tell(self, found: MappingPreview) -> None:
        self.stdout.write(f"{found.record.title or found.record.remote_id} ({found.record.remote_id})")
        for name, value in found.sources:
            self.stdout.write(f"  {name}: {_shown(value)}")
        for problem in found.problems:
            self.stdout.write(f"Refused: {problem}")
        if not found.problems:
            where = {True: "is there", False: "would be created", None: "could not be looked up"}
            self.stdout.write(f"{found.mapped.match_value} {where[found.there]}.")
        for step in found.steps:
            self.stdout.write(f"  {step.path}: {_shown(step.before)} → {_shown(step.after)} ({step.what})")
        if found.warning:
            self.stdout.write(found.warning)


def _shown(value: Any) -> str:
    return "empty" if value is None else json.dumps(value, ensure_ascii=False)
