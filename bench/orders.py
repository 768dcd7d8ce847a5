"""The first load from an order system, then edits on both sides. `python -m bench.orders CUSTOMERS DATABASE…`

The load is by backfill from the order system's database; the edits are told by HubSpot's notices, with polls as the
net, while calls fail at both. One process does all of the hub's work, besides gunicorn, which takes the notices in.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings
from django.utils import timezone

from bench import orders_rows, orders_script, staging
from bench.events import web
from bench.orders_world import COMPANY_OF, ORDERS_EACH
from integration_hub.configuration import apply, reading
from integration_hub.simulator.hubspot import ACCESS_TOKEN
from integration_hub.simulator.hubspot.access import CLIENT_SECRET
from integration_hub.simulator.order_system import TOKEN
from routing import work
from syncs import connect
from syncs.engine import poll, push
from syncs.engine.backfill import engine as backfill
from syncs.engine.backfill import plan as backfill_plan
from syncs.models import Change, Conflict, Connection, Delivery, RecordTie, Stream, Sync, SyncRun
from syncs.models.pairs import Choice
from syncs.models.syncs import WhenNew
from syncs.outbox import SUPERSEDED
from syncs.twoway import conflicts
from tests.factories import make_connection
from tests.stories.processes import ROOT

EDITS, PACE = 1_000, 60.0
"""So many edits in so many seconds."""
PLAIN = 100
"""The plain script brings a hundredth over: even that takes minutes."""
FEWEST_EDITS = 50
AT_MOST = 900.0
LOADED = ("customers-to-companies", "customers-to-contacts", "orders-to-deals")
TABLES = """
customers: {table: customers, updated: updated_at, title: name, email: email, deleted: is_deleted}
orders: {table: orders, updated: updated_at, title: id, deleted: is_deleted}
"""


class World:
    """Both systems and the people who edit them, in a process of their own."""

    def __init__(self, customers: int) -> None:
        command = [sys.executable, "-m", "bench.orders_world", str(customers)]
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.urls: dict[str, str] = self._read()

    def ask(self, *what: object) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, what)) + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def configure(world: World) -> None:
    """Import the example as it is shipped and lead it to the pretend systems."""
    content = (settings.BASE_DIR / "examples" / "order-system.yaml").read_bytes()
    apply.run(reading.parse(content), now=timezone.now())
    hubspot, orders = (Connection.objects.get(key=key) for key in ("hubspot", "orders"))
    connect.set_secret(hubspot, "access_token", ACCESS_TOKEN)
    connect.set_secret(hubspot, "client_secret", CLIENT_SECRET)
    hubspot.base_url = world.urls["hubspot"]
    hubspot.save()
    connect.set_secret(orders, "token", TOKEN)
    orders.settings = orders.settings | {"address": world.urls["orders"]}
    orders.save()
    Stream.objects.update(interval_seconds=10, overlap_seconds=60)
    Sync.objects.filter(key__in=LOADED).update(enabled=True)


def load(world: World) -> dict[str, Any]:
    """Quote and backfill one sync after the other, as the command does, and tie what belongs together."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "orders.sqlite3"
        world.ask("tables", path)
        tables = {"driver": "sqlite", "database": str(path), "objects": TABLES}
        database = make_connection("sql", key="tables", settings=tables)
        own = Stream.objects.filter(key__in=("customers", "orders"))
        own.update(connection=database)
        begun, spent = time.perf_counter(), time.process_time()
        done = [_backfilled(key) for key in LOADED]
        _push()
        seconds, cpu = time.perf_counter() - begun, time.process_time() - spent
        own.update(connection=Connection.objects.get(key="orders"), described_at=None)
    ties = RecordTie.objects.filter(state="tied").count()
    return {
        "seconds": seconds, "cpu": cpu, "megabytes": staging.peak_megabytes(), "ties": ties,
        "records": sum(one.run.read for one in done), "balances": all(one.run.balances for one in done),
        "dead": sum(one.run.dead for one in done) + Delivery.objects.dead().count(),
    }  # fmt: skip


def _backfilled(key: str) -> Any:
    wanted = backfill_plan.Wanted(Sync.objects.get(key=key))
    quote = backfill_plan.quote(wanted, timezone.now())
    done = backfill.work(backfill.start(wanted, quote, timezone.now()), first=quote.first)
    if done.state != "done":
        raise SystemExit(f"The backfill of {key} is {done.state}: {done.reason}")
    return done


def _push() -> None:
    """Send until nothing waits."""
    while Delivery.objects.open().exists():
        push.run(Connection.objects.get(key="hubspot"), timezone.now())
        time.sleep(0.1)


def edit(database: Any, world: World, edits: int) -> dict[str, Any]:
    """Let people edit on both sides, work at it until both sides are alike, and count what that took."""
    _meet()
    with web(database.url) as (port, _):
        versions = _versions_there()
        begun, spent = time.perf_counter(), time.process_time()
        world.ask("begin", port, edits, PACE * edits / EDITS)
        while world.ask("editing"):
            _tick()
        ended = time.perf_counter()
        world.ask("calm")
        asked = _until_alike(world, ended)
        now = time.perf_counter()
    return {
        "during": ended - begun, "after": now - ended, "cpu": time.process_time() - spent, "asked": asked,
        "versions": _versions_there() - versions, **_books(),
    }  # fmt: skip


def _meet() -> None:
    """Learn what stands on both sides, and switch the way back on."""
    for stream in Stream.objects.select_related("connection"):
        poll.baseline(stream, timezone.now())
    Sync.objects.filter(key="contacts-to-customers").update(enabled=True, when_new=WhenNew.CREATE)


def _tick() -> None:
    work.tick(timezone.now())
    time.sleep(0.2)


def _until_alike(world: World, ended: float) -> int:
    """Work until nothing is apart; questions are answered as a person would, once. Return how many there were."""
    asked = 0
    while True:
        _tick()
        facts = world.ask("facts")
        if not (
            facts["apart"] or facts["deals_apart"] or facts["untied"] or Delivery.objects.open().exists()
        ):
            return asked
        for one in Conflict.objects.filter(state="open"):
            conflicts.resolve(one, Choice.SOURCE, None, timezone.now())
            asked += 1
        if time.perf_counter() - ended > AT_MOST:
            raise SystemExit(f"Both sides are still apart: {facts}")


def _versions_there() -> int:
    return Change.objects.filter(stream__syncs__key="contacts-to-customers").count()


def _books() -> dict[str, Any]:
    undone = Delivery.objects.exclude(state="delivered").exclude(state="dismissed", error_code=SUPERSEDED)
    runs = SyncRun.objects.exclude(kind="poll")
    return {"undone": undone.count(), "unbalanced": sum(not run.balances for run in runs)}


def hub(kind: str, customers: int) -> dict[str, Any]:
    with staging.scratch(kind) as database:
        world = World(customers)
        try:
            configure(world)
            found = {"load": load(world), "loaded": world.ask("facts")}
            found["edits"] = edit(database, world, max(EDITS * customers // 10_000, FEWEST_EDITS))
            found["edited"] = world.ask("facts")
        finally:
            world.close()
    return {**found, "customers": customers, "orders": customers * ORDERS_EACH}


def plain(customers: int) -> dict[str, Any]:
    world = World(customers)
    try:
        begun, spent = time.perf_counter(), time.process_time()
        records = orders_script.Script(world.urls["orders"], world.urls["hubspot"]).run()
        return {
            "records": records, "seconds": time.perf_counter() - begun, "cpu": time.process_time() - spent,
            "loaded": world.ask("facts"),
        }  # fmt: skip
    finally:
        world.close()


def main(customers: int, kinds: list[str]) -> None:
    script = plain(max(customers // PLAIN, COMPANY_OF))
    lines: list[dict[str, Any]] = []
    for kind in kinds:
        found = hub(kind, customers)
        lines += [*orders_rows.of_load(found, kind, script), *orders_rows.of_edits(found, kind)]
    staging.say({"lines": lines})


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
