"""Backfills of a list of ids, from the file to the last of them accounted for."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from integration_hub.connectors.errors import ConfigError
from syncs.engine.backfill import plan as backfill_plan
from syncs.engine.backfill import threads as backfill_threads
from syncs.engine.backfill.ledger import Ledger
from syncs.engine.backfill.plan import Wanted
from syncs.models import Backfill, Partition, RecordLink
from tests.factories import make_stream, make_sync
from tests.stories import test_backfill as base
from tests.stories.backfill_world import (
    Killed,
    add_leads,
    again,
    bulk_calls,
    counts,
    names,
    run,
    wanted_names,
)

sync, _hurried = base.sync, base._hurried
GONE = "00QgK0000009999"


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(backfill_threads, "IDS_AT_ONCE", 10)
    monkeypatch.setattr(backfill_plan, "IDS_AT_ONCE", 10)


@pytest.fixture
def file(tmp_path):
    def write(*lines):
        path = tmp_path / "ids.csv"
        path.write_text("\n".join(lines))
        return str(path)

    return write


def test_only_the_records_of_the_file_are_brought_over(simulator, sync, file, capsys):
    leads = add_leads(simulator, 40)
    wanted = [lead[:15] for lead in leads[:25]]

    call_command("backfill", sync.key, "--yes", "--ids", file("Lead Id", *wanted, *leads[:5], GONE))

    said = capsys.readouterr().out
    done = Backfill.objects.get()
    assert names(simulator) == wanted_names(25)
    assert counts(done) == {"read": 26, "delivered": 25, "unchanged": 0, "skipped": 1, "dead": 0}
    assert done.run.reasons == {"gone": 1}
    assert RecordLink.objects.get(record_id__startswith=GONE).state == "skipped"
    assert "26 records. REST: by their ids" in said
    assert "Done: 26 read, of these 25 delivered, 1 skipped." in said


def test_ids_of_another_object_type_are_told_with_their_sync_and_left_out(simulator, sync, file, capsys):
    [lead] = add_leads(simulator, 1)
    contacts = [simulator.salesforce.add("Contact", LastName="Lee") for _ in range(2)]
    stream = make_stream(sync.stream.connection, object_type="Contact", described_at=None)
    other = make_sync(("Email", "email"), stream=stream, destination=sync.destination)
    user = simulator.salesforce.add_user("Ann", "ann@example.com")

    call_command("backfill", sync.key, "--yes", "--ids", file(lead, *contacts, user))

    said = capsys.readouterr().out
    assert f"2 ids of Contact left out: see the sync {other.key}." in said
    assert "1 id of User left out: no sync reads them." in said
    assert Backfill.objects.get().run.read == 1


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["005gK0000000001"], "There is no id of a Lead among them"),
        ([], "There is no id of a Lead among them"),
        (["ann@example.com"], "Line 1: “ann@example.com” is not a Salesforce id"),
    ],
)
def test_a_file_of_which_nothing_is_left_starts_nothing(simulator, sync, file, lines, words):
    with pytest.raises(CommandError, match=words):
        call_command("backfill", sync.key, "--yes", "--ids", file(*lines))

    assert not Backfill.objects.exists()


def test_a_file_that_is_not_there_is_said_in_a_sentence(simulator, sync):
    with pytest.raises(CommandError, match="/nowhere cannot be read: No such file"):
        call_command("backfill", sync.key, "--yes", "--ids", "/nowhere")


def test_a_dry_run_of_ids_from_the_standard_input_writes_nothing(simulator, sync, capsys, monkeypatch):
    leads = add_leads(simulator, 12)
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join([*leads, GONE])))

    call_command("backfill", sync.key, "--dry-run", "--ids", "-")

    said = capsys.readouterr().out
    assert "13 read, of these 13 skipped" in said
    assert "would create: 12" in said
    assert "gone: 1" in said
    assert not bulk_calls(simulator)
    assert not RecordLink.objects.exists()


def test_ids_and_a_condition_do_not_go_together(simulator, sync):
    with pytest.raises(ConfigError, match="which records are meant"):
        run(sync, ids=add_leads(simulator, 1), where="Rating = 'Hot'")


def test_a_limit_takes_so_many_of_the_ids(simulator, sync):
    done = run(sync, ids=add_leads(simulator, 30), limit=12)

    assert done.run.read == 12


def test_reading_by_ids_costs_the_calls_that_were_quoted(simulator, sync):
    leads = add_leads(simulator, 45)
    quote = backfill_plan.quote(Wanted(sync, ids=leads), timezone.now())
    simulator.salesforce.requests.clear()

    run(sync, ids=leads)

    reads = [one for one in simulator.salesforce.requests if "/query" in one.path]
    assert len(reads) == quote.source.calls == 5


@pytest.mark.parametrize("point", [1, 3, 6])
def test_a_killed_run_of_ids_resumes_and_counts_each_once(simulator, sync, monkeypatch, point):
    leads = add_leads(simulator, 80)
    ids = [*leads, *(lead[:9] + "99" + lead[11:15] for lead in leads[:10])]
    settle, calls = Ledger.answered, []

    def dying(self, *args):
        found = settle(self, *args)
        calls.append(1)
        if len(calls) == point:
            raise Killed
        return found

    monkeypatch.setattr(Ledger, "answered", dying)
    monkeypatch.setattr(Ledger, "release", lambda self: None)
    with pytest.raises(Killed):
        run(sync, ids=ids, writers=2)

    done = again(Backfill.objects.get())

    assert names(simulator) == wanted_names(80)
    assert counts(done) == {"read": 90, "delivered": 80, "unchanged": 0, "skipped": 10, "dead": 0}
    assert done.run.reasons == {"gone": 10}
    assert not Partition.objects.filter(done=False).exists()


def test_trouble_while_reading_by_ids_costs_nothing(simulator, sync):
    leads = add_leads(simulator, 60)
    simulator.salesforce.faults.fail_next(3, "unavailable", "/query")
    simulator.salesforce.faults.fail_next(1, "drop", "/query")

    done = run(sync, ids=leads)

    assert counts(done) == {"read": 60, "delivered": 60, "unchanged": 0, "skipped": 0, "dead": 0}
