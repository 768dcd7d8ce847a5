"""Backfills in bad hours: why one stands still is said at once, and it goes on from where it was."""

import time
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from integration_hub.connectors.iterable.connector import Iterable
from syncs import backfill_queue, holds
from syncs.engine.backfill import engine as backfill
from syncs.engine.backfill import plan as backfill_plan
from syncs.engine.backfill.plan import Wanted
from syncs.models import Backfill, Connection, Incident, RecordLink
from tests.stories import test_backfill as base
from tests.stories.backfill_world import add_leads, again, bulk_calls, counts, names, run, wanted_names

sync, _hurried = base.sync, base._hurried
WRITES = "bulkUpdate"
OUTAGES = ["server_error", "unavailable", "drop"]


class Watched:
    """What a run says while it stands still; the vendor comes back when it has said why."""

    def __init__(self, vendor):
        self.vendor = vendor
        self.said = []
        self.page = ""

    def __call__(self, tally, words):
        if words and not self.said:
            self.page = Backfill.objects.get().reason
            self.vendor.faults.clear()
        if words != (self.said or [""])[-1]:
            self.said.append(words)


def started(sync):
    wanted, now = Wanted(sync), timezone.now()
    quote = backfill_plan.quote(wanted, now)
    return backfill.start(wanted, quote, now), quote.first


@pytest.mark.parametrize("kind", OUTAGES)
def test_it_says_why_it_stands_still_and_goes_on_by_itself(simulator, sync, kind):
    add_leads(simulator, 120)
    simulator.iterable.faults.set(kind, 1.0, WRITES)
    one, first = started(sync)
    watched = Watched(simulator.iterable)

    done = backfill.work(one, first=first, tell=watched)

    assert watched.said[0].startswith(f"It stands still because of {sync.destination}: ")
    assert watched.page == watched.said[0]
    assert watched.said[-1] == ""
    assert (done.state, done.reason) == ("done", "")
    assert counts(done) == {"read": 120, "delivered": 120, "unchanged": 0, "skipped": 0, "dead": 0}
    assert names(simulator) == wanted_names(120)


@pytest.mark.parametrize("kind", ["unavailable", "drop"])
def test_it_says_so_when_the_source_is_away(simulator, sync, kind):
    add_leads(simulator, 120)
    one, first = started(sync)
    simulator.salesforce.faults.set(kind, 1.0, "/query")
    watched = Watched(simulator.salesforce)

    done = backfill.work(one, first=first, tell=watched)

    assert watched.page.startswith(f"It stands still because of {sync.stream.connection}: ")
    assert counts(done)["delivered"] == 120


def test_while_it_stands_still_it_keeps_its_place_and_costs_next_to_nothing(simulator, sync, monkeypatch):
    monkeypatch.setattr("syncs.engine.retry.FIRST", 0.3)
    add_leads(simulator, 60)
    run(sync, limit=20)
    simulator.iterable.faults.set("server_error", 1.0, WRITES)
    one, first = started(sync)
    simulator.iterable.requests.clear()
    cpu, begun = time.thread_time(), time.monotonic()

    paused = backfill.work(one, first=first, seconds=2.0)

    assert time.monotonic() - begun < 6
    assert time.thread_time() - cpu < 1.0
    assert len(bulk_calls(simulator)) <= 5 * 4
    assert paused.run.delivered == 0
    simulator.iterable.faults.clear()
    assert counts(again(paused)) == {"read": 60, "delivered": 40, "unchanged": 20, "skipped": 0, "dead": 0}


def test_a_task_pauses_it_and_the_schedule_goes_on(simulator, sync, monkeypatch):
    monkeypatch.setattr("syncs.queues.wake", lambda function, *args, queue: None)
    add_leads(simulator, 60)
    simulator.iterable.faults.set("unavailable", 1.0, WRITES)
    one, first = started(sync)

    paused = backfill.work(one, first=first, seconds=0.5)

    assert paused.state == "paused"
    assert paused.reason.startswith(f"It stands still because of {sync.destination}: Iterable answered 503.")
    simulator.iterable.faults.clear()
    assert backfill_queue.wake_due(paused.resume_at - timedelta(seconds=1)) == 0
    assert backfill_queue.wake_due(paused.resume_at) == 1
    assert counts(backfill.work(Backfill.objects.get()))["delivered"] == 60


def test_a_refused_key_ends_the_command_with_the_remedy_and_how_to_go_on(simulator, sync, capsys):
    add_leads(simulator, 120)
    simulator.iterable.revoke(True)

    call_command("backfill", sync.key, "--yes")

    said = capsys.readouterr().out
    paused = Backfill.objects.get()
    assert "Paused: 0 read. Iterable refused the API key." in said
    assert f"{sync.destination} is on hold: correct what is wrong, check it, and release it." in said
    assert f"Go on with: manage.py backfill {sync.key} --resume {paused.run_id}" in said
    assert Incident.objects.get().kind == "held"


def test_what_is_on_hold_is_left_alone_until_somebody_releases_it(simulator, sync):
    add_leads(simulator, 30)
    simulator.iterable.revoke(True)
    paused = run(sync)
    simulator.iterable.requests.clear()
    simulator.salesforce.requests.clear()

    assert backfill_queue.wake_due(paused.resume_at) == 0
    still = again(paused)
    assert (still.state, len(simulator.iterable.requests)) == ("paused", 0)
    assert not simulator.salesforce.requests
    simulator.iterable.revoke(False)
    holds.release(Connection.objects.get(pk=sync.destination_id), timezone.now())
    assert counts(again(still))["delivered"] == 30


def test_thousands_of_records_through_common_trouble_balance_and_alarm_once_at_most(
    simulator, sync, monkeypatch
):
    monkeypatch.setattr(Iterable, "batch_size", 25)
    simulator.salesforce.rest.page_size = 200
    add_leads(simulator, 5_000)
    one, first = started(sync)
    simulator.iterable.latency = {WRITES: 0.01}
    faults = simulator.iterable.faults
    faults.set("rate_limited", 0.05)
    faults.set("server_error", 0.02)
    faults.set("drop_after", 0.01)
    faults.fail_next(1, "malformed", WRITES)
    simulator.salesforce.faults.set("unavailable", 0.02, "/query")

    done = backfill.work(one, first=first)

    assert done.state == "done"
    assert counts(done) == {"read": 5_000, "delivered": 5_000, "unchanged": 0, "skipped": 0, "dead": 0}
    assert names(simulator) == wanted_names(5_000)
    assert RecordLink.objects.filter(run=done.run, state="written").count() == 5_000
    assert len(bulk_calls(simulator)) < 1.25 * 5_000 / 25
    assert Incident.objects.count() <= 1
