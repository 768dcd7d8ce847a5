"""How fast a backfill is, on the simulator, beside the plain script that does one thing after the other.

`python bench/backfill.py [--records 40000] [--database postgres|sqlite] [--fast]`; --fast: latency and limits off.
"""

from __future__ import annotations

import argparse
import json
import os
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
POSTGRES = os.environ.get("BENCH_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres")
SCRATCH = "hub_bench_backfill"
PAGE_LATENCY, WRITE_LATENCY = 1.2, 1.0
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


class World:
    """Salesforce and Iterable in a process of their own: their work is not ours."""

    def __init__(self, records: int, *, slow: bool) -> None:
        command = [
            sys.executable,
            __file__,
            "--serve",
            "--records",
            str(records),
            *([] if slow else ["--fast"]),
        ]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ourselves
        self.urls: dict[str, str] = self._read()

    def ask(self, what: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def serve(records: int, *, slow: bool) -> None:
    from integration_hub.simulator.server import Simulator

    with Simulator() as simulator:
        owners = [simulator.salesforce.add_user(f"Seller {n}", f"seller{n}@acme.test") for n in range(10)]
        for n in range(records):
            simulator.salesforce.add(
                "Lead", FirstName=f"Ann{n % 997}", LastName=f"Lee{n}", Email=f"ann.lee{n}@example{n % 50}.com",
                Company=f"Company {n % 5000}", Title="Head of Marketing", Status="Open - Not Contacted",
                LeadSource="Web", OwnerId=owners[n % 10],
            )  # fmt: skip
        if slow:
            simulator.salesforce.latency = PAGE_LATENCY
            simulator.iterable.latency = {"users/bulkUpdate": WRITE_LATENCY}
            simulator.iterable.enforce_limits = True
        print(
            json.dumps({"salesforce": simulator.salesforce.url, "iterable": simulator.iterable.url}),
            flush=True,
        )
        for line in sys.stdin:
            if line.strip() == "forget":
                simulator.salesforce.requests.clear()
                simulator.iterable.requests.clear()
            calls = [simulator.salesforce.requests, simulator.iterable.requests]
            facts = [*(len(one) for one in calls), len(simulator.iterable.users), time.process_time()]
            print(json.dumps(facts), flush=True)


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
    """The bare script: one page, then one push at a time; it records nothing and meets no trouble."""
    import requests

    from integration_hub.simulator import iterable, salesforce

    before, begun, cpu = world.ask("stats"), time.perf_counter(), time.process_time()
    session = requests.Session()
    crm, project = world.urls["salesforce"], world.urls["iterable"]
    grant = {
        "grant_type": "client_credentials",
        "client_id": salesforce.CLIENT_ID,
        "client_secret": salesforce.CLIENT_SECRET,
    }
    token = session.post(f"{crm}/services/oauth2/token", data=grant, timeout=60).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    fields = ", ".join(source for source, _ in MAPPING)
    answer = session.get(
        f"{crm}/services/data/v64.0/query",
        params={"q": f"SELECT {fields} FROM Lead ORDER BY Id"},
        headers=headers, timeout=60,
    ).json()  # fmt: skip
    count = 0
    while True:
        users = [plain_user(row) for row in answer["records"]]
        for start in range(0, len(users), 1000):
            pushed = session.post(
                f"{project}/api/users/bulkUpdate", json={"users": users[start : start + 1000]},
                headers={"Api-Key": iterable.API_KEY}, timeout=60,
            )  # fmt: skip
            assert pushed.json()["failCount"] == 0
        count += len(users)
        if answer["done"]:
            break
        answer = session.get(f"{crm}{answer['nextRecordsUrl']}", headers=headers, timeout=60).json()
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    after = world.ask("stats")
    return Measured(
        count,
        seconds,
        cpu,
        after[0] - before[0],
        after[1] - before[1],
        peak_megabytes(),
        after[2],
        0,
        after[3] - before[3],
    )


def plain_user(row: dict[str, Any]) -> dict[str, Any]:
    owner = row["Owner"] or {}
    return {
        "email": row["Email"],
        "dataFields": {
            "Name": {"First": row["FirstName"], "Last": row["LastName"]},
            "Salesforce": {"Id": row["Id"]},
            "Status": row["Status"],
            "Source": row["LeadSource"],
            "Company": {"Name": row["Company"]},
            "Title": row["Title"],
            "Owner": {
                "Email": owner.get("Email"),
                "Name": owner.get("Name"),
                "IsActive": owner.get("IsActive"),
                "Salesforce": {"Id": owner.get("Id")},
            },
        },
    }


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
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.records, slow=not options.fast)
        return
    found = run(options.records, options.database, slow=not options.fast, baseline=not options.no_baseline)
    for who, measured in found.items():
        print(measured.line(who))


if __name__ == "__main__":
    main()
