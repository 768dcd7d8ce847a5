"""How fast a backfill is, on the simulator, beside the plain script that does one thing after the other.

`python bench/backfill.py [--records 40000] [--database postgres|sqlite] [--fast]`; --fast: latency and limits off.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import backfill_script, staging  # noqa: E402 - run as a script, it must first find the project
from bench.backfill_world import World  # noqa: E402
from tests.stories import processes  # noqa: E402

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

    from syncs.engine.backfill import engine as backfill
    from syncs.engine.backfill import plan as backfill_plan
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
    with staging.scratch(database):
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
    from syncs.models import Backfill

    with staging.scratch(database) as scratch:
        world = World(records, slow=True)
        try:
            sync = make_sync(world)
            command = [sys.executable, "manage.py", "backfill", sync.key]
            environment = processes.environment(scratch.url, LOG_LEVEL="ERROR")
            done = 0
            while done < kills and _killed_once([*command, *_resuming(sync)], environment):
                done += 1
            if Backfill.objects.get(sync=sync).state != "done":
                subprocess.run(  # noqa: S603 - ourselves
                    [*command, *_resuming(sync)], cwd=ROOT, env=environment, stdout=sys.stderr, check=True
                )
            return {**world.ask("compare"), **_counted(sync), "kills": done}
        finally:
            world.close()


def _killed_once(command: list[str], environment: dict[str, str]) -> bool:
    """Kill the command at a random moment. False: it had ended by itself."""
    process = subprocess.Popen(  # noqa: S603 - ourselves
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(random.uniform(3.0, 6.0))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


def _resuming(sync: Any) -> list[str]:
    from syncs.models import Backfill

    found = Backfill.objects.filter(sync=sync).first()
    return ["--resume", str(found.run_id)] if found else ["--yes"]


def _counted(sync: Any) -> dict[str, int]:
    from syncs.models import Backfill

    run = Backfill.objects.get(sync=sync).run
    return {"read": run.read, "delivered": run.delivered, "balances": int(run.balances)}


def _lift_our_own_limit() -> None:
    """Without the vendor's limit ours would be all that is measured."""
    from integration_hub.connectors.iterable.connector import Iterable

    Iterable.rates = {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=40_000)
    parser.add_argument("--database", choices=("postgres", "sqlite"), default="postgres")
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--no-baseline", action="store_true")
    parser.add_argument("--kills", type=int, help="kill it so often, and resume it")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.kills:
        print(json.dumps(killed(options.records, options.database, options.kills)))
        return
    found = run(options.records, options.database, slow=not options.fast, baseline=not options.no_baseline)
    if options.json:
        print(json.dumps({who: asdict(measured) for who, measured in found.items()}))
        return
    for who, measured in found.items():
        print(measured.line(who))


if __name__ == "__main__":
    main()
