"""The order system's REST API from end to end: backfilled with kill and resume, and compared by reconciliations."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from integration_hub.connectors.hubspot.connector import HubSpot
from integration_hub.simulator.hubspot import ACCESS_TOKEN
from integration_hub.simulator.order_system import TOKEN
from syncs import leases
from syncs.engine import retry
from syncs.engine.backfill import engine as backfill
from syncs.engine.backfill import plan as backfill_plan
from syncs.engine.backfill.ledger import Ledger
from syncs.engine.backfill.plan import Wanted
from syncs.engine.reconcile import engine as reconcile
from syncs.models import Backfill, MetRecord, Partition, RecordLink, SyncRun
from syncs.models.runs import RunState
from tests.factories import make_connection, make_stream, make_sync
from tests.stories.backfill_world import Killed, again, counts

PAGINGS = {
    "cursor": "paging: cursor, cursor: next_cursor, cursor_parameter: cursor, since: updated_since, sorted: true",
    "page": "paging: page, page_parameter: page, total: total, by_id: {sort: id}",
    "offset": "paging: offset, offset_parameter: offset, total: total, by_id: {sort: id}",
}
OBJECTS = """
customers:
  modified: updated_at
  title: name
  email: email
  list: {path: /customers, records: data, size_parameter: limit, size: 10, %s}
  get_several: {path: "/customers?ids={ids}&limit=50", records: data}
  deleted: {path: /customers/deleted, records: data, since: since, id: id, at: deleted_at}
"""
COUNT = 37


@pytest.fixture(autouse=True)
def _hurried(monkeypatch):
    monkeypatch.setattr(retry, "FIRST", 0.01)
    monkeypatch.setattr(HubSpot, "rates", {})
    monkeypatch.setattr(HubSpot, "batch_size", 10)


@pytest.fixture(params=["cursor", "page"])
def sync(simulator, db, request):
    yield sync_of(simulator, PAGINGS[request.param])
    assert not SyncRun.objects.filter(state=RunState.UNBALANCED).exists()


def sync_of(simulator, paging):
    settings = {"address": simulator.order_system.url, "auth": "bearer", "objects": OBJECTS % paging}
    api = make_connection("http_json", settings=settings, secrets={"token": TOKEN})
    hubspot = make_connection(
        "hubspot",
        base_url=simulator.hubspot.url,
        settings={"credential": "token", "api_version": "v3"},
        secrets={"access_token": ACCESS_TOKEN},
    )
    stream = make_stream(api, object_type="customers", described_at=None)
    lines = [("email", "email"), ("name", "firstname"), ("city", "city")]
    return make_sync(*lines, key="contacts", stream=stream, destination=hubspot, object_type="contacts")


def fill(simulator, count=COUNT):
    """Let customers be there since hours, so that none of them is on its way."""
    simulator.set_clock(timezone.now() - timedelta(hours=3))
    ids = [simulator.order_system.add_customer(f"c{n}@x.test", name=f"C {n}") for n in range(count)]
    simulator.set_clock(timezone.now())
    return ids


def start(sync, **options):
    wanted = Wanted(sync, **options)
    quote = backfill_plan.quote(wanted, timezone.now())
    return backfill.start(wanted, quote, timezone.now()), quote.first


def emails(simulator):
    return sorted(one["email"] for one in simulator.hubspot.records("contacts"))


def killed(sync, monkeypatch, *, after):
    """Let the process die once so many pages or batches are settled, as by kill -9."""
    settle, calls = Ledger._settled, []

    def dying(self, rows, tally):
        settle(self, rows, tally)
        calls.append(1)
        if len(calls) == after:
            raise Killed

    started, first = start(sync)
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "_settled", dying)
        patch.setattr(Ledger, "release", lambda self: None)
        with pytest.raises(Killed):
            backfill.work(started, first=first, writers=2)
    return Backfill.objects.get()


def test_everybody_comes_over_and_nobody_twice_after_a_kill(simulator, sync, monkeypatch):
    fill(simulator)
    dead = killed(sync, monkeypatch, after=2)
    assert 0 < dead.run.read < COUNT

    done = again(dead)

    assert done.state == "done"
    assert counts(done) == {"read": COUNT, "delivered": COUNT, "unchanged": 0, "skipped": 0, "dead": 0}
    assert emails(simulator) == sorted(f"c{n}@x.test" for n in range(COUNT))


def test_what_changes_and_goes_while_the_process_is_dead_passes_nobody_over(simulator, sync, monkeypatch):
    ids = fill(simulator)
    dead = killed(sync, monkeypatch, after=2)
    for one in ids[:12]:
        simulator.order_system.delete(one)
    simulator.order_system.update(ids[20], {"city": "Bonn"})

    done = again(dead)

    assert done.state == "done"
    assert set(emails(simulator)) >= {f"c{n}@x.test" for n in range(12, COUNT)}
    assert RecordLink.objects.filter(state="written", record_id__in=ids[12:]).count() == COUNT - 12


def test_trouble_while_reading_costs_nobody(simulator, sync):
    fill(simulator)
    started, first = start(sync)
    simulator.order_system.faults.fail_next(2, "server_error")
    simulator.order_system.faults.fail_next(1, "malformed")

    done = backfill.work(started, first=first)

    assert counts(done)["delivered"] == COUNT


def test_a_reconciliation_finds_what_is_missing_and_what_is_gone_by_stretches(simulator, sync):
    ids = fill(simulator)
    started, first = start(sync)
    backfill.work(started, first=first)
    RecordLink.objects.filter(record_id=ids[3]).delete()
    del simulator.order_system.shop.rows["customer"][ids[5]]

    one = reconcile.start(sync, timezone.now(), days=0, sample=5)
    stretches = 1
    while not reconcile.work(one, seconds=0):
        stretches += 1

    assert one.run.error == ""
    assert one.count("missing") == 1
    assert [found["record"] for found in one.left("extra")] == [ids[5]]
    assert one.at_source == COUNT - 1
    assert stretches > 3
    assert not MetRecord.objects.exists()


def test_a_stretch_that_dies_counts_nobody_twice(simulator, sync, monkeypatch):
    fill(simulator)
    started, first = start(sync)
    backfill.work(started, first=first)
    one = reconcile.start(sync, timezone.now(), days=0, sample=0)
    reconcile.work(one, seconds=0)

    def dying(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(reconcile, "store_met", dying)
        with pytest.raises(Killed):
            reconcile.work(one, seconds=0)
    leases.Lease.objects.all().delete()
    one.refresh_from_db()
    while not reconcile.work(one, seconds=0):
        pass

    assert (one.at_source, one.differences) == (COUNT, 0)


def test_the_commands_say_what_is_known_and_what_is_not(simulator, db, capsys):
    sync = sync_of(simulator, PAGINGS["cursor"])
    fill(simulator)
    out = StringIO()

    call_command("backfill", sync.key, "--yes", stdout=out)
    call_command("reconcile", sync.key, "--days", "0", stdout=out)

    said = out.getvalue()
    assert "How many records there are is not told before they are read." in said
    assert "For each 1,000 of them:" in said
    assert f"Done: {COUNT} read, of these {COUNT} delivered." in said
    assert Backfill.objects.get().expected == 0
    assert not MetRecord.objects.exists()


def test_the_commands_count_where_the_list_tells(simulator, db):
    sync = sync_of(simulator, PAGINGS["offset"])
    fill(simulator)
    out = StringIO()

    call_command("backfill", sync.key, "--dry-run", stdout=out)

    assert f"{COUNT} records. REST: one reader, page by page." in out.getvalue()


def test_a_part_left_behind_is_taken_up_from_its_mark(simulator, db, monkeypatch):
    sync = sync_of(simulator, PAGINGS["offset"])
    fill(simulator)
    dead = killed(sync, monkeypatch, after=3)
    mark = Partition.objects.get().after
    simulator.order_system.requests.clear()

    again(dead)

    assert mark.startswith('{"at"')
    assert len(simulator.order_system.requests) < COUNT / 10 + 2
