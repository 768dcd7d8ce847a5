"""`manage.py simulate_rule`: what a rule would have said of the changes of the last days. Nothing is sent."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from routing import preview, rulebook
from routing.decide import Proposal
from routing.models import Rule
from routing.models.decisions import Reason, Verdict
from syncs.management import reporting
from syncs.models import Change
from syncs.wording import counted


class Command(BaseCommand):
    help = "Say what a rule, on or off, would have decided on the stored changes. Nothing is sent or stored."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("rule", metavar="RULE", help="the key of the rule")
        parser.add_argument("--days", type=int, default=7, metavar="N", help="how far back (7)")
        parser.add_argument("--json", action="store_true", help="every change, as one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["days"] < 1:
            raise CommandError("--days: give a number of days from 1 on.")
        rules = Rule.objects.select_related("template", "destination", "stream__connection")
        rule = reporting.by_key(rules, options["rule"])
        booked = rulebook.booked(rule, rule.stream, list(rule.criteria.all()))
        said: Counter[str] = Counter()
        for change, proposal in preview.replay(
            booked, rule.stream, rule.destination, timezone.now(), days=options["days"]
        ):
            said[Reason(proposal.reason).label] += 1
            if options["json"]:
                self.stdout.write(json.dumps(_facts(change, proposal)))
            elif proposal.verdict != Verdict.SKIP:
                self.stdout.write(f"{change}: {proposal.text}")
        if not options["json"]:
            counts = ", ".join(f"{count} {label}" for label, count in said.most_common())
            changes, days = counted(said.total(), "change"), counted(options["days"], "day")
            self.stdout.write(f"{changes} in {days}: {counts or 'nothing to judge'}.")


def _facts(change: Change, proposal: Proposal) -> dict[str, Any]:
    return {
        "record": change.record_id,
        "title": change.title,
        "version": change.version,
        "verdict": proposal.verdict,
        "reason": proposal.reason,
        "text": proposal.text,
        "rows": proposal.rows,
        "channels": [message.channel for message in proposal.messages],
    }
