"""A live write meets a backfill, and then the record cannot be read anew: why is said, nothing is lost."""

from datetime import timedelta

import pytest
from django.utils import timezone

from syncs import backfill_queue
from syncs.engine.backfill import engine as backfill
from syncs.engine.backfill import troubles
from syncs.engine.backfill.ledger import Ledger
from syncs.models import Backfill, RecordLink
from tests.factories import make_iterable, make_salesforce, make_stream, make_sync
from tests.stories import test_backfill as base
from tests.stories.backfill_world import PAGE, add_leads, again, counts, names, wanted_names
from tests.stories.test_backfill_outages import Watched, started
from tests.stories.test_backfill_races import LiveWrite

_hurried = base._hurried
COUNT = 70
ANEW = "/composite/sobjects"
"""Where records are read by their ids; scans go elsewhere."""


@pytest.fixture
def sync(simulator, db):
    simulator.salesforce.rest.page_size = PAGE
    stream = make_stream(make_salesforce(simulator), described_at=None)
    return make_sync(
        ("Email", "email"),
        ("LastName", "dataFields.Name"),
        stream=stream,
        destination=make_iterable(simulator),
    )


@pytest.fixture
def live(simulator, sync, monkeypatch):
    """A live write overtakes the first batch of a backfill; from then on no record can be read by its id."""
    simulator.set_clock(timezone.now().replace(microsecond=0) - timedelta(hours=1))
    leads = add_leads(simulator, COUNT)
    simulator.set_clock(None)
    live, settle, calls = LiveWrite(simulator, sync, leads[3], "lee3@example.com"), Ledger.answered, []

    def overtaken(self, sent, *args):
        if not calls and leads[3] in {row.record_id for row in sent}:
            calls.append(1)
            live.begin()
            found = settle(self, sent, *args)
            live.settle()
            simulator.salesforce.faults.set("unavailable", 1.0, ANEW)
            return found
        return settle(self, sent, *args)

    monkeypatch.setattr(Ledger, "answered", overtaken)
    return live


def assert_all_there(simulator, done):
    assert (done.state, done.reason) == ("done", "")
    assert counts(done) == {"read": COUNT, "delivered": COUNT, "unchanged": 0, "skipped": 0, "dead": 0}
    assert names(simulator) == wanted_names(COUNT) | {"lee3@example.com": "Live"}


def test_it_says_why_it_stands_still_and_goes_on_when_the_source_answers(simulator, sync, live):
    one, first = started(sync)
    watched = Watched(simulator.salesforce)

    done = backfill.work(one, first=first, tell=watched)

    assert watched.page.startswith(f"It stands still because of {sync.stream.connection}: ")
    assert watched.said[-1] == ""
    assert_all_there(simulator, done)
    assert RecordLink.objects.get(record_id=live.lead).payload_hash == live.digest()


def test_a_task_keeps_the_place_and_the_schedule_goes_on(simulator, sync, live, monkeypatch):
    monkeypatch.setattr("syncs.queues.wake", lambda function, *args, queue: None)
    one, first = started(sync)

    paused = backfill.work(one, first=first, seconds=1.5)

    assert paused.state == "paused"
    assert paused.reason.startswith(f"It stands still because of {sync.stream.connection}: ")
    assert counts(paused)["delivered"] == COUNT - 1
    assert min(part.after for part in paused.partitions.all()) < live.lead
    simulator.salesforce.faults.clear()
    assert backfill_queue.wake_due(paused.resume_at) == 1
    assert_all_there(simulator, backfill.work(Backfill.objects.get()))


def test_what_lasts_an_hour_pauses_it(simulator, sync, live, monkeypatch):
    monkeypatch.setattr(troubles, "LONGEST_OUTAGE", timedelta(0))
    one, first = started(sync)

    paused = backfill.work(one, first=first)

    assert paused.state == "paused"
    assert "503" in paused.reason
    assert paused.resume_at > timezone.now()
    simulator.salesforce.faults.clear()
    assert_all_there(simulator, again(paused))
