"""`manage.py backfill`: read all records of a sync, or a part of them, and write them to its destination."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from syncs import backfill_ids, backfill_queue, backfill_words, record_ids
from syncs.engine.backfill import engine as backfill
from syncs.engine.backfill import plan as backfill_plan
from syncs.engine.backfill.engine import BackfillError, Tell
from syncs.engine.backfill.fates import Tally
from syncs.engine.backfill.plan import Quote, Wanted
from syncs.engine.backfill.reading import Reading
from syncs.engine.backfill.team import WRITERS
from syncs.management import reporting
from syncs.models import Backfill, Sync
from syncs.models.backfills import BackfillState
from syncs.wording import counted


class Command(BaseCommand):
    help = (
        "Bring the records of a sync to its destination: first a quote, then reading and writing side by side. "
        "What stands there already is not sent. A run that was stopped or killed goes on with --resume."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("sync", metavar="SYNC", help="the key of the sync")
        parser.add_argument(
            "--ids", metavar="FILE", help="only these: an id a line, or a CSV file; - is stdin"
        )
        parser.add_argument("--where", default="", metavar="SOQL", help="only records that meet this, too")
        parser.add_argument("--since", type=_instant, metavar="TIME", help="only those modified from then on")
        parser.add_argument("--until", type=_instant, metavar="TIME", help="only those modified before")
        parser.add_argument("--limit", type=_positive, metavar="N", help="at most so many")
        parser.add_argument(
            "--read",
            type=Reading,
            choices=list(Reading),
            metavar="rest|bulk",
            help="instead of what costs less",
        )
        parser.add_argument("--dry-run", action="store_true", help="write nothing; say what would be done")
        parser.add_argument(
            "--detach", action="store_true", help="leave the work to the workers of the queue"
        )
        parser.add_argument("--resume", type=int, metavar="RUN", help="go on with this one")
        parser.add_argument("--workers", type=_positive, default=WRITERS, metavar="N", help="writers at once")
        parser.add_argument("--yes", action="store_true", help="do not ask after the quote")

    def handle(self, *args: Any, **options: Any) -> None:
        reporting.require_hub_on()
        sync = reporting.by_key(
            Sync.objects.select_related("stream__connection", "destination"), options["sync"]
        )
        try:
            with reporting.as_sentences():
                if options["resume"]:
                    self._resume(sync, options)
                else:
                    self._start(sync, options)
        except BackfillError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError(f"Interrupted. Go on with: {_resume_hint(sync)}") from None

    def _start(self, sync: Sync, options: dict[str, Any]) -> None:
        ids = self._ids(sync, options["ids"]) if options["ids"] else ()
        wanted = Wanted(
            sync, options["where"], options["since"], options["until"], options["limit"], options["dry_run"],
            ids, options["read"],
        )  # fmt: skip
        quote = backfill_plan.quote(wanted, timezone.now())
        for line in backfill_words.of_quote(quote):
            self.stdout.write(line)
        if not (options["yes"] or options["dry_run"]):
            _confirm()
        started = backfill.start(wanted, quote, timezone.now())
        self._go_on(started, options, quote)

    def _ids(self, sync: Sync, file: str) -> tuple[str, ...]:
        crm = sync.stream.connection
        try:
            found = record_ids.sort_ids(sys.stdin, crm) if file == "-" else record_ids.read_ids(file, crm)
            chosen = backfill_ids.choose(found, sync)
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise CommandError(f"{file} is no text in UTF-8.") from error
        except ValueError as error:
            raise CommandError(str(error)) from error
        for remark in chosen.remarks:
            self.stdout.write(remark)
        return chosen.ids

    def _resume(self, sync: Sync, options: dict[str, Any]) -> None:
        rows = Backfill.objects.select_related("sync__stream__connection", "sync__destination", "run")
        found = rows.filter(sync=sync, run_id=options["resume"]).first()
        if found is None:
            numbers = rows.filter(sync=sync).order_by("-pk").values_list("run_id", flat=True)[:5]
            listed = ", ".join(map(str, numbers)) or "none"
            raise CommandError(f"There is no backfill {options['resume']} of {sync}. There are: {listed}.")
        backfill.resume(found, timezone.now(), options["read"])
        self._go_on(found, options, None)

    def _go_on(self, started: Backfill, options: dict[str, Any], quote: Quote | None) -> None:
        self.stdout.write(f"Backfill {started.run_id} of {started.sync}.")
        if options["detach"] and not started.dry_run:
            if backfill_queue.has_workers(timezone.now()):
                woken = backfill_queue.wake(started, timezone.now())
                self.stdout.write(
                    f"{counted(woken, 'part')} handed to the workers. "
                    "Its page in the admin shows how far it is."
                )
                return
            self.stdout.write("No worker of the queue “sync” is running: it is done here.")
        with _progress(started) as tell:
            first = quote.first if quote else None
            done = backfill.work(started, writers=options["workers"], first=first, tell=tell)
        self._report(done)

    def _report(self, done: Backfill) -> None:
        self.stdout.write(backfill_words.of_backfill(done))
        for line in backfill_words.reasons(done.run):
            self.stdout.write(f"  {line}")
        for title, kept in backfill_words.samples(done):
            self.stdout.write(f"Samples of what {title}:")
            for sample in kept:
                self.stdout.write(f"  {json.dumps(sample, ensure_ascii=False, default=str)}")
        if done.state == BackfillState.PAUSED:
            if done.resume_at and not backfill_queue.has_workers(timezone.now()):
                self.stdout.write("That takes a worker of the queue “sync”, and none is running.")
            self.stdout.write(f"Go on with: {_resume_hint(done.sync, done)}")
        elif done.state == BackfillState.FAILED:
            raise CommandError(f"It failed. When that is put right: {_resume_hint(done.sync, done)}")


@contextmanager
def _progress(started: Backfill) -> Iterator[Tell]:
    before = started.run.read
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        total = max(started.expected, before) or None
        task = progress.add_task("Records", total=total, completed=before, rate="")

        told = ""

        def tell(tally: Tally, words: str) -> None:
            nonlocal told
            if words != told:
                told = words
                line = words or "The vendor answers again: it goes on."
                progress.console.print(
                    f"{timezone.now():%H:%M:%S} UTC: {line}", markup=False, highlight=False
                )
            speed = progress.tasks[0].finished_speed or progress.tasks[0].speed
            rate = f"{speed:,.0f}/s" if speed else ""
            progress.update(task, completed=before + tally.read, rate=rate)

        yield tell


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise CommandError("Nobody is there to confirm. Add --yes to start without asking.")
    if input("Start? [y/N] ").strip().casefold() not in ("y", "yes"):
        raise CommandError("Not started.")


def _resume_hint(sync: Sync, done: Backfill | None = None) -> str:
    found = done or Backfill.objects.filter(sync=sync).order_by("-pk").first()
    return f"manage.py backfill {sync.key} --resume {found.run_id}" if found else "the same command"


def _instant(text: str) -> datetime:
    """Read a time; one without a zone is meant in UTC."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number
