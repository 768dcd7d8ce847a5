"""`manage.py flows`: start and move runs once, list them, and resume, retry, skip or cancel one."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from routing.flows import engine as flows
from routing.flows import verbs as flow_verbs
from routing.flows.verbs import VerbError
from routing.models import FlowRun
from routing.models.flows import RunStage
from syncs.management import reporting

STAGES = ("open", *RunStage.values)


class Command(BaseCommand):
    help = "Start and move the runs of flows, once. With a verb: list runs, or resume, retry, skip or cancel one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print as JSON")
        verbs = parser.add_subparsers(dest="verb", metavar="VERB")
        listing = verbs.add_parser("list", help="list runs, newest first")
        listing.add_argument("--flow", default="", metavar="KEY", help="only those of this flow")
        listing.add_argument("--stage", choices=STAGES, default="open", help="which ones (open)")
        listing.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many (50)")
        for verb, text in (
            ("resume", "let a parked run go on where it stands"),
            ("retry", "do a parked run's step again, prepared anew"),
            ("cancel", "end a run where it stands"),
        ):
            verbs.add_parser(verb, help=text).add_argument(
                "run", type=int, metavar="RUN", help="the run's id"
            )
        skipping = verbs.add_parser("skip", help="let a run go on with another step")
        skipping.add_argument("run", type=int, metavar="RUN", help="the run's id")
        skipping.add_argument("step", metavar="STEP", help="the key of the step")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["verb"] is None:
            self._run(as_json=options["json"])
        elif options["verb"] == "list":
            self._list(options)
        else:
            self._do(options)

    def _run(self, *, as_json: bool) -> None:
        reporting.require_hub_on()
        moved = flows.run(timezone.now())
        if moved is None:
            raise CommandError("Another process is moving the flows on. Try again in a moment.")
        if as_json:
            self.stdout.write(json.dumps(asdict(moved)))
        else:
            self.stdout.write(
                f"{moved.started} started, {moved.moved} moved, {moved.ended} ended, {moved.parked} parked."
            )

    def _list(self, options: dict[str, Any]) -> None:
        runs = FlowRun.objects.select_related("flow", "step").order_by("-pk")
        runs = runs.open() if options["stage"] == "open" else runs.filter(stage=options["stage"])
        if options["flow"]:
            runs = runs.filter(flow__key=options["flow"])
        for run in runs[: options["limit"]]:
            step = run.step.key if run.step else ""
            if options["json"]:
                facts = {"run": run.pk, "flow": run.flow.key, "subject": run.subject, "stage": run.stage}
                more = {"step": step, "code": run.code, "reason": run.reason, "remedy": run.remedy}
                self.stdout.write(json.dumps({**facts, **more, "started_at": run.started_at.isoformat()}))
            else:
                about = f" {run.subject}" if run.subject else ""
                self.stdout.write(
                    f"{run.pk} {run.flow.key}{about}: {run.stage} at {step}. {run.reason}".rstrip()
                )

    def _do(self, options: dict[str, Any]) -> None:
        run = FlowRun.objects.select_related("flow").filter(pk=options["run"]).first()
        if run is None:
            raise CommandError(f"There is no run {options['run']}.")
        now = timezone.now()
        try:
            if options["verb"] == "skip":
                flow_verbs.skip(run, reporting.by_key(run.flow.steps.all(), options["step"]), None, now)
            else:
                verb = {
                    "resume": flow_verbs.resume, "retry": flow_verbs.retry, "cancel": flow_verbs.cancel,
                }[options["verb"]]  # fmt: skip
                verb(run, None, now)
        except VerbError as error:
            raise CommandError(str(error)) from None
        run.refresh_from_db()
        self.stdout.write(f"Run {run.pk}: {RunStage(run.stage).label}.")
