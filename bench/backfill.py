"""How fast a backfill is, on the simulator, beside the plain script that does one thing after the other.

`python bench/backfill.py [--records 40000] [--database postgres|sqlite] [--fast]`; --fast: latency and limits off.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import backfill_script  # noqa: E402 - run as a script, it must first find the project
from bench.backfill_world import World  # noqa: E402

POSTGRES = os.environ.get("BENCH_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres")
SCRATCH = "hub_bench_backfill"
MAPPING = (
    ("Email", "email"),
    ("FirstName", "dataFields.Name.First"),
    ("LastName", "dataFields.Name.Last"),
    ("Id", "dataFields.Salesforce.Id"),
    ("Status", "dataFields.Status"),
    ("LeadSource", "dataFields.Source"),
    ("Company", "dataFields.Company.Name"),
    ("Title", "dataFields.Title"),
    ("Owner.Email", "dataFields.Owner.Email"),
    ("Owner.Name", "dataFields.Owner.Name"),
    ("Owner.IsActive", "dataFields.Owner.IsActive"),
    ("Owner.Id", "dataFields.Owner.Salesforce.Id"),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one backfill took; `cpu` is that of our process alone, `their_cpu` that of the pretend vendors."""

    records: int
    seconds: float
    cpu: float
    salesforce_calls: int
    iterable_calls: int
    megabytes: float
    written: int
    stored: int
    their_cpu: float = 0.0

    def line(self, who: str) -> str:
        each = self.cpu / max(self.records, 1) * 1e6
        return (
            f"{who:<24} {self.seconds:7.2f} s {self.records / self.seconds:9,.0f}/s {each:6.1f} µs CPU "
            f"{self.salesforce_calls:4d} + {self.iterable_calls:3d} calls {self.megabytes:5.0f} MB "
            f"{self.written:,} there, {self.stored:,} stored; vendors' CPU {self.their_cpu:.1f} s"
        )


@contextmanager
def scratch(kind: str) -> Iterator[None]:
    """Set Django up on a database of our own, which is dropped at the end."""
    import psycopg

    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/hub.sqlite3"
        if kind == "postgres":
            url = POSTGRES.rpartition("/")[0] + f"/{SCRATCH}"
            with psycopg.connect(POSTGRES, autocommit=True) as server:
                server.execute(f"DROP DATABASE IF EXISTS {SCRATCH}")
                server.execute(f"CREATE DATABASE {SCRATCH}")
        os.environ["DATABASE_URL"] = url
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        call_command("migrate", verbosity=0)
        try:
            yield
        finally:
            connections.close_all()
            if kind == "postgres":
                with psycopg.connect(POSTGRES, autocommit=True) as server:
                    server.execute(f"DROP DATABASE {SCRATCH}")


def make_sync(world: World) -> Any:
    from tests.factories import make_iterable, make_salesforce, make_stream
    from tests.factories import make_sync as make

    crm = make_salesforce(base_url=world.urls["salesforce"])
    stream = make_stream(crm, described_at=None)
    destination = make_iterable(base_url=world.urls["iterable"])
    from django.utils import timezone

    from syncs import connect, streams

    connect.check(crm, timezone.now())
    streams.describe(stream, timezone.now())
    return make(*MAPPING, stream=stream, destination=destination)


def hub(sync: Any, world: World) -> Measured:
    """Quote and backfill, as the command does."""
    from django.utils import timezone

    from syncs.engine import backfill, backfill_plan
    from syncs.models import RecordLink

    before, begun, cpu = world.ask("stats"), time.perf_counter(), time.process_time()
    wanted = backfill_plan.Wanted(sync)
    quote = backfill_plan.quote(wanted, timezone.now())
    started = backfill.start(wanted, quote, timezone.now())
    done = backfill.work(started, first=quote.first)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    after = world.ask("stats")
    assert done.run.balances, done.run
    if done.state != "done":
        raise SystemExit(f"The backfill is {done.state}: {done.reason}")
    return Measured(
        done.run.read, seconds, cpu, after[0] - before[0], after[1] - before[1], peak_megabytes(), after[2],
        RecordLink.objects.filter(sync=sync, state="written").count(), after[3] - before[3],
    )  # fmt: skip


def script(world: World) -> Measured:
    """The same work by the bare script."""
    before, begun, cpu = world.ask("stats"), time.perf_counter(), time.process_time()
    fields = [source for source, _ in MAPPING]
    count = backfill_script.run(world.urls["salesforce"], world.urls["iterable"], fields)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    after = world.ask("stats")
    return Measured(
        count, seconds, cpu, after[0] - before[0], after[1] - before[1], peak_megabytes(), after[2], 0,
        after[3] - before[3],
    )  # fmt: skip


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(records: int, database: str, *, slow: bool, baseline: bool = True) -> dict[str, Measured]:
    """Measure the hub, then the script, each on a world of its own."""
    found = {}
    with scratch(database):
        if not slow:
            _lift_our_own_limit()
        world = World(records, slow=slow)
        try:
            sync = make_sync(world)
            found["hub"] = hub(sync, world)
            if not slow:
                found["hub, all unchanged"] = hub(sync, world)
        finally:
            world.close()
    if baseline:
        world = World(records, slow=slow)
        try:
            found["bare script"] = script(world)
        finally:
            world.close()
    return found


def killed(records: int, database: str, kills: int) -> dict[str, int]:
    """Kill the command (-9) at random moments, resume it each time, and compare at the end."""
    with scratch(database):
        world = World(records, slow=True)
        try:
            sync = make_sync(world)
            command = [sys.executable, "manage.py", "backfill", sync.key]
            run: list[str] = ["--yes"]
            for _ in range(kills):
                process = subprocess.Popen(  # noqa: S603 - ourselves
                    [*command, *run], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
                time.sleep(random.uniform(3.0, 6.0))
                process.kill()
                process.wait()
                run = _resuming(sync) or run
            subprocess.run([*command, *run], cwd=ROOT, check=True)  # noqa: S603 - ourselves
            return {**world.ask("compare"), **_counted(sync)}
        finally:
            world.close()


def _resuming(sync: Any) -> list[str]:
    from syncs.models import Backfill

    found = Backfill.objects.filter(sync=sync).first()
    return ["--resume", str(found.run_id)] if found else []


def _counted(sync: Any) -> dict[str, int]:
    from syncs.models import Backfill

    run = Backfill.objects.get(sync=sync).run
    return {"read": run.read, "delivered": run.delivered, "balances": int(run.balances)}


def _lift_our_own_limit() -> None:
    """Without the vendor's limit ours would be all that is measured."""
    from integration_hub.connectors.iterable import Iterable

    Iterable.rates = {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=40_000)
    parser.add_argument("--database", choices=("postgres", "sqlite"), default="postgres")
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--no-baseline", action="store_true")
    parser.add_argument("--kills", type=int, help="kill it so often, and resume it")
    options = parser.parse_args()
    if options.kills:
        print(killed(options.records, options.database, options.kills))
        return
    found = run(options.records, options.database, slow=not options.fast, baseline=not options.no_baseline)
    for who, measured in found.items():
        print(measured.line(who))


if __name__ == "__main__":
    main()
