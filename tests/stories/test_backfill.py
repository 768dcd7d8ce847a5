"""Backfills from one end to the other: a pretend Salesforce, a pretend Iterable, threads as in earnest."""

import math
import os
import socket
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from integration_hub.connectors.errors import RejectedError
from integration_hub.connectors.iterable import errors as iterable_errors
from integration_hub.connectors.iterable.connector import Iterable
from syncs import backfill_queue
from syncs.engine import retry
from syncs.engine.backfill import engine as backfill
from syncs.engine.backfill import plan as backfill_plan
from syncs.engine.backfill.ledger import Ledger
from syncs.engine.backfill.plan import Wanted
from syncs.models import Backfill, Connection, Heartbeat, Incident, RecordLink, Sync
from tests.factories import make_iterable, make_salesforce, make_stream, make_sync
from tests.stories.backfill_world import (
    PAGE,
    Killed,
    add_leads,
    again,
    bulk_calls,
    counts,
    kill_at,
    names,
    run,
    wanted_names,
)

BATCH = 10


@pytest.fixture(autouse=True)
def _hurried(monkeypatch):
    """No waits, small pages and batches; the page size is the simulator's to force."""
    monkeypatch.setattr(Iterable, "rates", {})
    monkeypatch.setattr(Iterable, "batch_size", BATCH)
    monkeypatch.setattr(retry, "FIRST", 0.01)
    monkeypatch.setattr(iterable_errors, "SHORT_WAIT", 0.01)
    monkeypatch.setattr(backfill_plan, "SMALL", 50)


@pytest.fixture
def sync(simulator, db):
    simulator.salesforce.rest.page_size = PAGE
    stream = make_stream(make_salesforce(simulator), described_at=None)
    return make_sync(
        ("Email", "email"),
        ("LastName", "dataFields.Name"),
        ("Owner.Name", "dataFields.Owner.Name"),
        stream=stream,
        destination=make_iterable(simulator),
    )


@pytest.mark.parametrize("count", [0, 1, PAGE, PAGE + 1, 49, 137])
def test_everything_arrives_and_every_fate_is_stored(simulator, sync, count):
    add_leads(simulator, count)

    done = run(sync)

    assert done.state == "done"
    assert done.run.state == "ok"
    assert counts(done) == {"read": count, "delivered": count, "unchanged": 0, "skipped": 0, "dead": 0}
    assert names(simulator) == wanted_names(count)
    assert RecordLink.objects.filter(run=done.run, state="written").count() == count


def test_many_are_read_by_several_readers_and_sent_in_full_batches(simulator, sync, monkeypatch):
    monkeypatch.setattr(Iterable, "batch_size", 15)
    add_leads(simulator, 200)
    simulator.salesforce.requests.clear()

    done = run(sync)

    reads = [one for one in simulator.salesforce.requests if "/query" in one.path]
    assert done.partitions.count() > 2
    assert len(reads) <= 200 / PAGE + 3
    assert len(bulk_calls(simulator)) == math.ceil(200 / 15)


def test_what_fits_into_the_page_of_the_quote_is_not_asked_for_again(simulator, sync):
    add_leads(simulator, PAGE)
    simulator.salesforce.requests.clear()

    run(sync)

    assert sum("/query" in one.path for one in simulator.salesforce.requests) == 2


def test_what_stands_there_already_is_not_sent_again(simulator, sync):
    add_leads(simulator, 60)
    run(sync)
    simulator.iterable.requests.clear()

    done = run(sync)

    assert counts(done) == {"read": 60, "delivered": 0, "unchanged": 60, "skipped": 0, "dead": 0}
    assert not bulk_calls(simulator)


def test_only_what_is_asked_for_is_read(simulator, sync):
    add_leads(simulator, 30)
    add_leads(simulator, 5, LastName="O'Neil (Jr", Rating="Hot")

    done = run(sync, where="Rating = 'Hot' AND LastName = 'O\\'Neil (Jr'", limit=3)

    assert done.run.read == 3


def test_a_condition_cannot_leave_its_parentheses(sync):
    with pytest.raises(Exception, match="not closed"):
        run(sync, where="Rating = 'Hot') OR (Rating = 'Cold'")


def test_a_record_that_cannot_be_mapped_is_skipped_with_its_reason(simulator, sync):
    add_leads(simulator, 15)
    [lead] = add_leads(simulator, 1, Email="lee@nowhere..com")

    done = run(sync)

    assert counts(done)["delivered"] == 15
    assert done.run.reasons == {"invalid_email": 1}
    assert RecordLink.objects.get(record_id=lead).state == "skipped"


def test_a_refused_record_does_not_hold_up_its_neighbours(simulator, sync):
    leads = add_leads(simulator, 25)
    simulator.iterable.forget("lee7@example.com")

    done = run(sync)

    link = RecordLink.objects.get(record_id=leads[7])
    assert counts(done) == {"read": 25, "delivered": 24, "unchanged": 0, "skipped": 0, "dead": 1}
    assert (link.state, link.reason) == (
        "refused",
        "Iterable has forgotten this person on request and takes no more data.",
    )


def test_of_two_records_with_one_email_the_newest_wins(simulator, sync):
    start = timezone.now() - timedelta(days=1)
    simulator.set_clock(start + timedelta(minutes=5))
    [newer] = add_leads(simulator, 1, LastName="Newer", Email="twin@example.com")
    add_leads(simulator, 40)
    simulator.set_clock(start)
    [older] = add_leads(simulator, 1, LastName="Older", Email="twin@example.com")
    simulator.set_clock(None)

    done = run(sync)

    assert names(simulator)["twin@example.com"] == "Newer"
    assert RecordLink.objects.get(record_id=older).reason == (
        f"{sync.name} {newer} has the same email and goes first."
    )
    assert (done.run.delivered, done.run.reasons) == (41, {"collapsed": 1})


@pytest.mark.parametrize("order", [("Older", "Newer"), ("Newer", "Older")])
def test_of_two_on_their_way_at_once_the_newest_wins_in_whatever_order_they_come(simulator, sync, order):
    start = timezone.now() - timedelta(days=1)
    for name in order:
        simulator.set_clock(start + timedelta(minutes=5 if name == "Newer" else 0))
        add_leads(simulator, 1, LastName=name, Email="twin@example.com")
    simulator.set_clock(None)

    done = run(sync)

    assert names(simulator)["twin@example.com"] == "Newer"
    assert done.run.read == 2
    assert RecordLink.objects.get(state="written").match_value == "twin@example.com"


def test_a_batch_that_is_refused_as_a_whole_is_split_until_the_bad_record_stands_alone(
    simulator, sync, monkeypatch
):
    leads = add_leads(simulator, 20)
    write = Iterable.write

    def choosy(self, request):
        if any(one.ref == leads[13] for one in request.writes):
            raise RejectedError("Something in it is wrong.")
        return write(self, request)

    monkeypatch.setattr(Iterable, "write", choosy)

    done = run(sync)

    assert (done.run.delivered, done.run.dead) == (19, 1)
    assert RecordLink.objects.get(record_id=leads[13]).reason == "Something in it is wrong."


def test_a_dry_run_writes_nothing_and_says_what_it_would_do(simulator, sync):
    add_leads(simulator, 55)
    run(sync, limit=5)
    simulator.salesforce.update(RecordLink.objects.first().record_id, LastName="Other")
    add_leads(simulator, 1, Email="nobody")
    simulator.iterable.requests.clear()
    before = list(RecordLink.objects.values_list())

    done = run(sync, dry_run=True)

    assert done.state == "done"
    assert done.run.reasons == {"would_create": 50, "would_update": 1, "invalid_email": 1}
    assert done.run.unchanged == 4
    assert set(done.samples) == {"would_create", "would_update", "not_sent"}
    assert list(RecordLink.objects.values_list()) == before
    assert not simulator.iterable.requests


@pytest.mark.parametrize("point", [1, 2, 5, 9])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_killed_run_resumes_without_loss_and_repeats_a_batch_at_most_once(
    simulator, sync, monkeypatch, point, moment
):
    add_leads(simulator, 130)
    kill_at(monkeypatch, point, moment)
    with pytest.raises(Killed):
        run(sync, writers=2)

    done = again(Backfill.objects.get())

    sent = [user["email"] for call in bulk_calls(simulator) for user in call.body["users"]]
    assert done.state == "done"
    assert names(simulator) == wanted_names(130)
    assert counts(done) == {"read": 130, "delivered": 130, "unchanged": 0, "skipped": 0, "dead": 0}
    assert max(sent.count(email) for email in set(sent)) <= 2
    assert len(sent) <= 130 + 3 * BATCH


def test_trouble_at_the_vendors_costs_no_record_and_rings_one_bell_at_most(simulator, sync):
    add_leads(simulator, 200)
    wanted = Wanted(sync)
    quote = backfill_plan.quote(wanted, timezone.now())
    faults = simulator.iterable.faults
    faults.set("rate_limited", 0.05)
    faults.set("server_error", 0.02)
    faults.set("drop_after", 0.01)
    faults.fail_next(1, "malformed")
    simulator.salesforce.faults.fail_next(2, "unavailable", "/query")

    done = backfill.work(backfill.start(wanted, quote, timezone.now()), first=quote.first)

    assert done.state == "done"
    assert counts(done) == {"read": 200, "delivered": 200, "unchanged": 0, "skipped": 0, "dead": 0}
    assert names(simulator) == wanted_names(200)
    assert Incident.objects.count() <= 1


def test_a_version_older_than_what_is_there_is_not_sent(simulator, sync):
    [lead] = add_leads(simulator, 1)
    RecordLink.objects.create(
        sync=sync, record_id=lead, match_value="lee0@example.com", payload_hash="newer", state="written",
        version_at=timezone.now() + timedelta(hours=1), written_at=timezone.now(),
    )  # fmt: skip

    done = run(sync)

    assert done.run.reasons == {"older": 1}
    assert not simulator.iterable.users


def test_what_a_live_change_overtook_on_the_way_is_read_and_sent_again(simulator, sync, monkeypatch):
    later = timezone.now().replace(microsecond=0)
    simulator.set_clock(later - timedelta(hours=1))
    leads = add_leads(simulator, 12)
    settle, calls = Ledger.answered, []

    def overtaken(self, *args):
        if not calls:
            simulator.set_clock(later)
            simulator.salesforce.update(leads[3], LastName="Live")
            RecordLink.objects.create(
                sync=sync, record_id=leads[3], match_value="lee3@example.com", payload_hash="live",
                state="written", version_at=later, written_at=timezone.now(),
            )  # fmt: skip
        calls.append(1)
        return settle(self, *args)

    monkeypatch.setattr(Ledger, "answered", overtaken)

    done = run(sync)

    assert names(simulator)["lee3@example.com"] == "Live"
    assert counts(done)["read"] == 12
    assert done.run.balances


def test_it_pauses_at_the_budget_line_and_goes_on_when_there_are_calls_again(simulator, sync):
    add_leads(simulator, 120)
    Connection.objects.filter(pk=sync.destination_id).update(
        daily_budget=10, reserve_live=50, reserve_flows=0
    )
    sync.destination.refresh_from_db()

    paused = run(sync)

    assert paused.state == "paused"
    assert "budget" in paused.reason
    assert paused.resume_at > timezone.now()
    assert paused.run.delivered == 5 * BATCH
    assert not Connection.objects.exclude(paused_until=None).exists()
    Connection.objects.filter(pk=sync.destination_id).update(daily_budget=1000)
    sync.destination.refresh_from_db()
    done = again(paused)
    assert counts(done)["delivered"] == 120
    assert names(simulator) == wanted_names(120)


def test_one_that_is_cancelled_stops_and_stays_stopped(simulator, sync, monkeypatch):
    add_leads(simulator, 150)
    settle = Ledger.answered
    monkeypatch.setattr("syncs.engine.backfill.pipeline.LOOK_EVERY", timedelta(0))

    def cancelling(self, *args):
        backfill.cancel(self.backfill, timezone.now())
        return settle(self, *args)

    monkeypatch.setattr(Ledger, "answered", cancelling)
    done = run(sync, writers=1)

    assert done.state == "cancelled"
    assert done.run.read < 150
    assert done.run.balances
    with pytest.raises(backfill.BackfillError, match="Start a new one"):
        backfill.resume(done, timezone.now())


def test_several_workers_share_the_partitions_and_the_last_one_closes_it(simulator, sync, monkeypatch):
    add_leads(simulator, 150)
    woken = []
    monkeypatch.setattr("syncs.queues.wake", lambda function, *args, queue: woken.append((function, args)))
    wanted = Wanted(sync)
    started = backfill.start(wanted, backfill_plan.quote(wanted, timezone.now()), timezone.now())
    free = backfill_queue.wake(started, timezone.now())

    while woken:
        function, args = woken.pop()
        assert function == "syncs.tasks.work_on_backfill"
        backfill_queue.work(*args, timezone.now())

    done = Backfill.objects.get()
    assert free > 2
    assert done.state == "done"
    assert counts(done)["delivered"] == 150


def test_one_left_alone_is_picked_up_by_the_schedule(simulator, sync, monkeypatch):
    add_leads(simulator, 30)
    woken = []
    monkeypatch.setattr("syncs.queues.wake", lambda function, *args, queue: woken.append(args))
    wanted = Wanted(sync)
    now = timezone.now()
    started = backfill.start(wanted, backfill_plan.quote(wanted, now), now)
    started.partitions.update(lease_owner="elsewhere:1:x", lease_until=now + timedelta(seconds=60))

    while_leased = backfill_queue.wake_due(now)
    afterwards = backfill_queue.wake_due(now + timedelta(seconds=61))

    assert (while_leased, afterwards) == (0, 1)
    assert woken == [(started.pk,)]


def test_partitions_of_a_process_that_died_on_this_machine_are_free_at_once(simulator, sync):
    wanted = Wanted(sync)
    now = timezone.now()
    started = backfill.start(wanted, backfill_plan.quote(wanted, now), now)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    lease = {"lease_until": now + timedelta(seconds=60)}
    host = socket.gethostname()[:20]

    started.partitions.update(lease_owner=f"{host}:{os.getpid()}:x", **lease)
    of_the_living = backfill.free_partitions(started, now)
    started.partitions.update(lease_owner=f"{host}:{gone.pid}:x", **lease)
    of_the_dead = backfill.free_partitions(started, now)

    assert (of_the_living, of_the_dead) == (0, 1)


def test_a_connection_that_lacks_its_secret_is_the_one_that_is_held(simulator, sync):
    add_leads(simulator, 3)
    Connection.objects.filter(pk=sync.destination_id).update(secrets={})
    sync.destination.refresh_from_db()

    paused = run(sync)

    assert paused.state == "paused"
    assert list(Connection.objects.exclude(held_at=None)) == [sync.destination]


def test_there_is_only_one_at_a_time_of_a_sync(simulator, sync):
    wanted = Wanted(sync)
    quote = backfill_plan.quote(wanted, timezone.now())
    backfill.start(wanted, quote, timezone.now())

    with pytest.raises(backfill.BackfillError, match="on its way already"):
        backfill.start(wanted, quote, timezone.now())


def test_a_sync_that_is_off_sends_nothing(simulator, sync):
    Sync.objects.filter(pk=sync.pk).update(enabled=False)
    sync.refresh_from_db()

    with pytest.raises(backfill.BackfillError, match="switched off"):
        run(sync)


def test_the_command_quotes_works_and_says_what_became_of_it(simulator, sync, capsys):
    add_leads(simulator, 30)
    add_leads(simulator, 1, Email="")

    call_command("backfill", sync.key, "--yes")

    said = capsys.readouterr().out
    assert "31 records. REST: one reader, page by page." in said
    assert "Expected time: about" in said
    assert "Done: 31 read, of these 30 delivered, 1 skipped." in said
    assert "no match value: 1" in said


def test_the_command_leaves_the_work_to_the_queue_or_resumes_it_here(simulator, sync, capsys, monkeypatch):
    add_leads(simulator, 30)
    woken = []
    monkeypatch.setattr("syncs.queues.wake", lambda function, *args, queue: woken.append(args))
    Heartbeat.objects.create(queue="sync", beaten_at=timezone.now())

    call_command("backfill", sync.key, "--yes", "--detach")
    run_number = str(Backfill.objects.get().run_id)
    detached = (list(woken), len(simulator.iterable.users))
    call_command("backfill", sync.key, "--resume", run_number)

    assert detached == ([(Backfill.objects.get().pk,)], 0)
    assert "Done: 30 read, of these 30 delivered." in capsys.readouterr().out


def test_the_command_asks_before_it_starts(simulator, sync):
    add_leads(simulator, 3)

    with pytest.raises(CommandError, match="--yes"):
        call_command("backfill", sync.key)

    assert not Backfill.objects.exists()
