"""`manage.py check_schemas`: is what syncs, rules and flows use still there?"""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from routing import schema_check


class Command(BaseCommand):
    help = (
        "Describe every object that is used, anew, and say what would break for lack of a field or a value. "
        "Exit code 1: something is missing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        report = schema_check.run(timezone.now())
        broken = {origin: [one.text for one in found] for origin, found in report.problems.items() if found}
        if options["json"]:
            facts = {"checked": len(report.problems), "broken": broken, "unasked": report.unasked}
            self.stdout.write(json.dumps(facts, indent=2, ensure_ascii=False))
        else:
            for origin, texts in broken.items():
                self.stdout.write(origin)
                for text in texts:
                    self.stdout.write(f"  ! {text}")
            for why in report.unasked:
                self.stdout.write(f"Not asked: {why}")
            self.stdout.write(f"Checked: {len(report.problems)}. To break: {len(broken)}.")
        if broken:
            raise CommandError("What is missing is named above.")
