"""Backfills by a bulk job: the same end as by REST, whatever happens on the way."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from integration_hub.connectors.errors import ConfigError
from integration_hub.connectors.iterable.connector import Iterable
from integration_hub.connectors.salesforce import bulk as salesforce_bulk
from syncs import backfill_queue
from syncs.engine import retry
from syncs.engine.backfill import engine as backfill
from syncs.engine.backfill import plan as backfill_plan
from syncs.engine.backfill import threads as backfill_threads
from syncs.engine.backfill.desk import Desk
from syncs.engine.backfill.ledger import Ledger
from syncs.engine.backfill.reading import Reading
from syncs.engine.backfill.troubles import MOST_BROKEN
from syncs.models import Backfill, Connection, Incident, Partition, RecordLink
from tests.factories import make_iterable, make_salesforce, make_stream, make_sync
from tests.stories.backfill_world import Killed, add_leads, again, counts, kill_at, names, run, wanted_names

PAGE, SLICE = 40, 15
COUNT = 137


@pytest.fixture(autouse=True)
def _hurried(monkeypatch):
    """No waits, small pages and batches."""
    monkeypatch.setattr(Iterable, "rates", {})
    monkeypatch.setattr(Iterable, "batch_size", 10)
    monkeypatch.setattr(retry, "FIRST", 0.01)
    monkeypatch.setattr(salesforce_bulk, "PAGE", PAGE)
    monkeypatch.setattr(salesforce_bulk, "SLICE", SLICE)
    monkeypatch.setattr(salesforce_bulk, "SHORTEST_WAIT", 0.01)


@pytest.fixture
def sync(simulator, db):
    stream = make_stream(make_salesforce(simulator), described_at=None)
    return make_sync(
        ("Email", "email"),
        ("LastName", "dataFields.Name"),
        ("Owner.Name", "dataFields.Owner.Name"),
        ("AnnualRevenue", "dataFields.Revenue"),
        ("NumberOfEmployees", "dataFields.Employees"),
        ("DoNotCall", "dataFields.DoNotCall"),
        ("CreatedDate", "dataFields.Created"),
        ("Description", "dataFields.Description"),
        stream=stream,
        destination=make_iterable(simulator),
    )


def in_bulk(sync, **options):
    return run(sync, reading=Reading.BULK, **options)


def created(simulator):
    return sum(one.method == "POST" and "/jobs/" in one.path for one in simulator.salesforce.requests)


def all_delivered(count):
    return {"read": count, "delivered": count, "unchanged": 0, "skipped": 0, "dead": 0}


@pytest.mark.parametrize("count", [0, 1, SLICE, PAGE, COUNT])
def test_everything_arrives_by_one_job_which_is_deleted_then(simulator, sync, count):
    add_leads(simulator, count)
    simulator.salesforce.requests.clear()

    done = in_bulk(sync)

    assert (done.state, done.run.state) == ("done", "ok")
    assert counts(done) == all_delivered(count)
    assert names(simulator) == wanted_names(count)
    assert RecordLink.objects.filter(run=done.run, state="written").count() == count
    assert created(simulator) == 1
    assert not simulator.salesforce.bulk.jobs


def test_after_a_job_rest_finds_nothing_to_write(simulator, sync):
    add_leads(simulator, 60, AnnualRevenue=5, NumberOfEmployees=7, Description='a\r\nb, "c"')
    in_bulk(sync)

    done = run(sync)

    assert counts(done)["unchanged"] == 60


@pytest.mark.parametrize("point", [1, 2, 7, 12])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("job", ["kept", "gone"])
def test_a_killed_run_resumes_without_loss(simulator, sync, monkeypatch, point, moment, job):
    add_leads(simulator, COUNT)
    kill_at(monkeypatch, point, moment)
    with pytest.raises(Killed):
        in_bulk(sync, writers=2)
    if job == "gone":
        simulator.salesforce.bulk.jobs.clear()

    done = again(Backfill.objects.get())

    assert done.state == "done"
    assert names(simulator) == wanted_names(COUNT)
    assert counts(done) == all_delivered(COUNT)
    assert created(simulator) == (2 if job == "gone" else 1)


def test_a_run_killed_while_the_job_is_prepared_finds_it_again(simulator, sync, monkeypatch):
    add_leads(simulator, 20)
    simulator.salesforce.bulk.processing = 1000
    reached = Ledger.reached

    def dying(self, part_id):
        reached(self, part_id)
        raise Killed

    monkeypatch.setattr(Ledger, "reached", dying)
    with pytest.raises(Killed):
        in_bulk(sync)
    monkeypatch.setattr(Ledger, "reached", reached)
    for one in simulator.salesforce.bulk.jobs.values():
        one.ready_at = one.created_at

    done = again(Backfill.objects.get())

    assert counts(done) == all_delivered(20)
    assert created(simulator) == 1


def test_workers_take_turns_at_waiting_for_the_job(simulator, sync, monkeypatch):
    add_leads(simulator, 20)
    simulator.salesforce.bulk.processing = 1000
    monkeypatch.setattr(salesforce_bulk, "SHORTEST_WAIT", 30.0)
    monkeypatch.setattr(backfill_threads, "LOOK_SECONDS", 0.01)
    woken = []
    monkeypatch.setattr("syncs.queues.wake", lambda function, *args, queue: woken.append(args))
    wanted = backfill_plan.Wanted(sync, reading=Reading.BULK)
    started = backfill.start(wanted, backfill_plan.quote(wanted, timezone.now()), timezone.now())

    waiting = backfill.work(started, most=1, seconds=0.1)
    for one in simulator.salesforce.bulk.jobs.values():
        one.ready_at = one.created_at
    backfill_queue.work(started.pk, timezone.now())

    assert (waiting.state, waiting.run.read) == ("running", 0)
    assert counts(Backfill.objects.get()) == all_delivered(20)
    assert created(simulator) == 1


def test_one_that_is_cancelled_gives_its_job_up(simulator, sync, monkeypatch):
    add_leads(simulator, 20)
    simulator.salesforce.bulk.processing = 1000
    monkeypatch.setattr("syncs.engine.backfill.pipeline.LOOK_EVERY", timedelta(0))
    reached = Ledger.reached

    def cancelling(self, part_id):
        reached(self, part_id)
        backfill.cancel(self.backfill, timezone.now())

    monkeypatch.setattr(Ledger, "reached", cancelling)

    done = in_bulk(sync)

    assert done.state == "cancelled"
    assert done.run.balances
    assert not simulator.salesforce.bulk.jobs
    assert not simulator.iterable.users


def test_a_job_that_fails_stops_it_with_the_reason_and_rest_goes_on(simulator, sync):
    add_leads(simulator, 45)
    simulator.salesforce.bulk.fail_next("InternalServerError : Retried more than 15 times.")

    failed = in_bulk(sync)
    backfill.resume(failed, timezone.now(), Reading.REST)
    done = backfill.work(failed)

    assert failed.state == "failed"
    assert "Retried more than 15 times" in failed.reason
    assert "--read rest" in failed.reason
    assert not Connection.objects.exclude(held_at=None).exists()
    assert counts(done) == all_delivered(45)


def test_after_a_failed_job_a_new_one_is_tried(simulator, sync):
    add_leads(simulator, 45)
    simulator.salesforce.bulk.fail_next("InternalServerError")

    failed = in_bulk(sync)
    done = again(failed)

    assert counts(done) == all_delivered(45)
    assert created(simulator) == 2


def test_rest_takes_over_in_the_middle_and_counts_no_record_twice(simulator, sync):
    add_leads(simulator, COUNT)
    Connection.objects.filter(pk=sync.destination_id).update(daily_budget=5, reserve_live=0, reserve_flows=0)
    sync.destination.refresh_from_db()
    paused = in_bulk(sync)
    Connection.objects.filter(pk=sync.destination_id).update(daily_budget=1000)
    sync.destination.refresh_from_db()

    backfill.resume(paused, timezone.now(), Reading.REST)
    Partition.objects.update(lease_owner="", lease_until=None)
    found = Backfill.objects.select_related("sync__stream__connection", "sync__destination", "run").get()
    done = backfill.work(found)

    assert (paused.state, paused.run.delivered) == ("paused", 50)
    assert counts(done) == all_delivered(COUNT)


def test_what_began_by_rest_does_not_change_to_a_job(simulator, sync):
    wanted = backfill_plan.Wanted(sync)
    started = backfill.start(wanted, backfill_plan.quote(wanted, timezone.now()), timezone.now())

    with pytest.raises(backfill.BackfillError, match="reads by REST"):
        backfill.resume(started, timezone.now(), Reading.BULK)


def test_trouble_while_reading_costs_no_record(simulator, sync):
    add_leads(simulator, COUNT)
    wanted = backfill_plan.Wanted(sync, reading=Reading.BULK)
    quote = backfill_plan.quote(wanted, timezone.now())
    faults = simulator.salesforce.faults
    faults.fail_next(1, "unavailable", "/jobs/")
    faults.fail_next(1, "malformed_json", "/results")
    faults.fail_next(1, "drop", "/results")
    faults.fail_next(1, "expired_session", "/results")

    done = backfill.work(backfill.start(wanted, quote, timezone.now()), first=quote.first)

    assert counts(done) == all_delivered(COUNT)
    assert created(simulator) <= 2


def test_a_result_that_is_never_whole_stops_it_with_the_reason_and_rest_goes_on(simulator, sync):
    add_leads(simulator, 45)
    simulator.salesforce.faults.set("malformed_json", 1.0, "/results")

    failed = in_bulk(sync)

    asked = [one for one in simulator.salesforce.requests if "/results" in one.path]
    assert failed.state == "failed"
    assert failed.reason == (
        f"Salesforce sent a result that is not whole. It was asked for {MOST_BROKEN} times. "
        "Read page by page instead: manage.py backfill … --read rest."
    )
    assert len(asked) == MOST_BROKEN
    assert not Connection.objects.exclude(held_at=None).exists()
    assert not Incident.objects.filter(closed_at=None).exists()
    backfill.resume(failed, timezone.now(), Reading.REST)
    assert counts(backfill.work(failed)) == all_delivered(45)


def test_a_result_whose_count_is_never_right_stops_it_too(simulator, sync, monkeypatch):
    """The rows themselves are read at once, and are none the second time: that is no progress."""
    add_leads(simulator, 45)
    check = salesforce_bulk._check_count
    monkeypatch.setattr(salesforce_bulk, "_check_count", lambda answer, count: check(answer, count + 1))

    failed = in_bulk(sync)

    assert (failed.state, failed.run.delivered) == ("failed", PAGE)
    assert "is not whole" in failed.reason


def test_a_task_that_finds_a_broken_result_ends_the_backfill_within_its_time(simulator, sync, monkeypatch):
    monkeypatch.setattr(retry, "FIRST", 2.0)
    add_leads(simulator, 5)
    waits = []
    monkeypatch.setattr(Desk, "pause", lambda self, seconds: waits.append(seconds))
    simulator.salesforce.faults.set("malformed_json", 1.0, "/results")

    assert in_bulk(sync).state == "failed"
    assert sum(waits) < settings.TASK_SECONDS


@pytest.mark.parametrize(("end", "jobs"), [("deleted", 2), ("no locator", 1)])
def test_a_result_that_is_lost_while_it_is_read_stops_it_and_can_be_gone_on_with(
    simulator, sync, monkeypatch, end, jobs
):
    add_leads(simulator, COUNT)
    decided, calls = Ledger.decided, []

    def losing(self, found):
        decided(self, found)
        calls.append(1)
        if len(calls) == 1:
            if end == "deleted":
                simulator.salesforce.bulk.jobs.clear()
            else:
                patch.setattr("integration_hub.simulator.salesforce.bulk._locator", lambda at: "x")

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "decided", losing)
        failed = in_bulk(sync)

    assert failed.state == "failed"
    assert "lost the result of the bulk job" in failed.reason
    assert created(simulator) == 1
    assert counts(again(failed)) == all_delivered(COUNT)
    assert created(simulator) == jobs


def test_a_dry_run_leaves_nothing_behind(simulator, sync):
    add_leads(simulator, 55)

    done = in_bulk(sync, dry_run=True)

    assert done.run.reasons == {"would_create": 55}
    assert not simulator.iterable.users
    assert not simulator.salesforce.bulk.jobs


def test_a_limit_holds_over_a_new_job_too(simulator, sync, monkeypatch):
    add_leads(simulator, 60)
    Connection.objects.filter(pk=sync.destination_id).update(daily_budget=2, reserve_live=0, reserve_flows=0)
    sync.destination.refresh_from_db()
    paused = in_bulk(sync, limit=45)
    Connection.objects.filter(pk=sync.destination_id).update(daily_budget=1000)
    sync.destination.refresh_from_db()
    simulator.salesforce.bulk.jobs.clear()

    done = again(paused)

    assert paused.run.read == 20
    assert counts(done) == all_delivered(45)


def test_where_calls_are_dear_the_job_is_chosen(simulator, sync, monkeypatch):
    add_leads(simulator, 400)
    simulator.salesforce.page_size = 10
    monkeypatch.setattr(salesforce_bulk, "SHORTEST_WAIT", 1.0)
    source = sync.stream.connection
    source.daily_budget = 1_000
    source.save(update_fields=["daily_budget"])

    quote = backfill_plan.quote(backfill_plan.Wanted(sync), timezone.now())

    assert (quote.choice.reading, quote.choice.because) == ("bulk", "calls")
    assert quote.source.calls < quote.choice.other.calls
    assert (list(quote.ranges), quote.first) == ([("", "")], None)


def test_the_command_says_both_costs_and_reads_as_it_is_told(simulator, sync, capsys):
    add_leads(simulator, 30)

    call_command("backfill", sync.key, "--yes", "--read", "bulk")

    said = capsys.readouterr().out
    assert "30 records. Bulk job: the records are prepared there first" in said
    assert "By REST, page by page, it would be 2 calls and about 1 s: the job was asked for." in said
    assert "Done: 30 read, of these 30 delivered." in said


def test_the_command_goes_on_by_rest_after_a_failed_job(simulator, sync, capsys):
    add_leads(simulator, 30)
    simulator.salesforce.bulk.fail_next("InternalServerError")

    with pytest.raises(CommandError, match="It failed"):
        call_command("backfill", sync.key, "--yes", "--read", "bulk")
    number = str(Backfill.objects.get().run_id)
    call_command("backfill", sync.key, "--resume", number, "--read", "rest")

    assert "Done: 30 read, of these 30 delivered." in capsys.readouterr().out


def test_a_list_of_ids_is_not_read_by_a_job(simulator, sync):
    ids = tuple(add_leads(simulator, 3))

    with pytest.raises(ConfigError, match="read over REST"):
        backfill_plan.quote(backfill_plan.Wanted(sync, ids=ids, reading=Reading.BULK), timezone.now())
