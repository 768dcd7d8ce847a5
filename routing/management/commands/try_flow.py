"""`manage.py try_flow`: an event walked through a flow with simulated answers. Nothing is stored or sent."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from routing.flows import book as flowbook
from routing.flows import trial as flow_trial
from routing.flows.outcomes import is_outcome
from routing.flows.trial import TrialStep
from routing.models import Flow
from syncs.management import reporting
from syncs.models import EventType


class Command(BaseCommand):
    help = "Say what a flow, on or off, would do with an event: each request, answer and transition. Nothing is sent."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("flow", metavar="FLOW", help="the key of the flow")
        parser.add_argument(
            "--event", metavar="FILE", help="the event as JSON, “-” for standard input (the sample)"
        )
        parser.add_argument(
            "--outcome", action="append", default=[], metavar="STEP=OUTCOME",
            help="how a step ends: ok, existing, unchanged, rejected, or a status such as 409 or 500 (ok)",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        flow = reporting.by_key(Flow.objects.select_related("source"), options["flow"])
        booked = flowbook.load(Flow.objects.filter(pk=flow.pk))[flow.pk]
        outcomes = _outcomes(options["outcome"], [step.key for step in booked.steps])
        trial = flow_trial.run(booked, _event(flow, options["event"]), outcomes, timezone.now())
        self.stdout.write(trial.starts)
        if trial.subject:
            self.stdout.write(f"Subject: {trial.subject}")
        for number, one in enumerate(trial.steps, start=1):
            self._tell(number, one)
        self.stdout.write(trial.end)
        if not trial.ended:
            raise CommandError("It came to no end.", returncode=1)

    def _tell(self, number: int, one: TrialStep) -> None:
        self.stdout.write(f"\n{number}. {one.step.name} ({one.step.key})")
        if one.request:
            verb = "would send" if one.leaves else "would do"
            self.stdout.write(f"   {verb}: {json.dumps(one.request, ensure_ascii=False)}")
        if one.answered and one.leaves:
            status = f" {one.answered.status}" if one.answered.status else ""
            self.stdout.write(f"   simulated answer:{status} {one.answered.outcome}".rstrip())
        if one.remembered:
            self.stdout.write(f"   remembers: {json.dumps(dict(one.remembered), ensure_ascii=False)}")
        if one.next_key:
            self.stdout.write(f"   next: {one.next_key} ({one.taken})")
        if one.problem:
            self.stdout.write(f"   {one.problem}")


def _outcomes(given: Iterable[str], known: list[str]) -> dict[str, str]:
    found = {}
    for text in given:
        step, _, outcome = text.partition("=")
        if step not in known:
            raise CommandError(
                f"--outcome: there is no step “{step}”. Known here: {', '.join(known) or 'none'}."
            )
        if outcome != "ok" and (outcome == "any" or not is_outcome(outcome) or outcome.endswith("xx")):
            raise CommandError(
                f"--outcome {step}: give a word such as ok or existing, or a status such as 409."
            )
        found[step] = outcome
    return found


def _event(flow: Flow, file: str | None) -> Any:
    if file is None:
        stored = EventType.objects.filter(source=flow.source, name=flow.event_name).first()
        if stored is None or stored.sample is None:
            raise CommandError(f"The event “{flow.event_name}” has no sample. Add one, or give --event FILE.")
        return stored.sample
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        return json.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"--event: {file} cannot be read ({type(error).__name__}).") from None
    except ValueError:
        raise CommandError(f"--event: {file} is not JSON.") from None
