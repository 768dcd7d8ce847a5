"""A backfill and a live write meet at one record, and the backfill is killed: what is newer stays in the end."""

from datetime import timedelta

import pytest
from django.utils import timezone

from syncs import connect, links
from syncs.engine.backfill.ledger import Ledger
from syncs.mappings import rows as mapping_rows
from syncs.models import Backfill, Delivery, RecordLink
from syncs.models.deliveries import DeliveryState
from tests.stories import test_backfill as base
from tests.stories.backfill_world import Killed, add_leads, again, names, run

sync, _hurried = base.sync, base._hurried


class LiveWrite:
    """A live delivery that writes a newer version of a record while a backfill has an older one on its way."""

    def __init__(self, simulator, sync, lead, email):
        self.simulator, self.sync, self.lead, self.email = simulator, sync, lead, email
        self.version_at = timezone.now().replace(microsecond=0)

    def begin(self):
        """The record changes and is being sent; which of the two writes comes last there nobody can tell."""
        self.simulator.set_clock(self.version_at)
        self.simulator.salesforce.update(self.lead, LastName="Live")
        self.simulator.set_clock(None)
        self.delivery = Delivery.objects.create(
            connection=self.sync.destination, sync=self.sync, origin=f"sync:{self.sync.key}",
            lane=f"user:{self.email}", dedup_key="live", record_id=self.lead, object_type="user",
            operation="upsert", state=DeliveryState.SENDING, version_at=self.version_at,
            payload={}, due_at=self.version_at, created_at=self.version_at,
        )  # fmt: skip

    def settle(self):
        Delivery.objects.update(state=DeliveryState.DELIVERED, settled_at=timezone.now())
        digest = self.digest()
        links.settle(
            [links.Entry(self.sync.pk, self.lead, self.email, digest, self.version_at, "written", "",
                         timezone.now())]
        )  # fmt: skip

    def digest(self):
        with connect.opened(self.sync.stream.connection) as source:
            [record] = source.fetch("Lead", [self.lead], ["Email", "LastName", "Owner.Name"])
        return mapping_rows.mapper_of(self.sync)(record.values).digest


@pytest.fixture
def live(simulator, sync):
    simulator.set_clock(timezone.now().replace(microsecond=0) - timedelta(hours=1))
    leads = add_leads(simulator, 30)
    simulator.set_clock(None)
    return LiveWrite(simulator, sync, leads[3], "lee3@example.com")


@pytest.mark.parametrize(
    "moment", ["before both", "between them, the live one second", "between, the live one first"]
)
def test_a_kill_between_the_two_settles_leaves_no_older_value_behind(
    simulator, sync, live, monkeypatch, moment
):
    settle, calls = Ledger.answered, []

    def dying(self, *args):
        calls.append(1)
        if len(calls) > 1:
            return settle(self, *args)
        live.begin()
        if moment == "between them, the live one second":
            settle(self, *args)
        if moment == "between, the live one first":
            live.settle()
        raise Killed

    monkeypatch.setattr(Ledger, "answered", dying)
    monkeypatch.setattr(Ledger, "release", lambda self: None)
    with pytest.raises(Killed):
        run(sync, writers=1)
    if moment != "between, the live one first":
        live.settle()

    done = again(Backfill.objects.get())

    assert names(simulator)["lee3@example.com"] == "Live"
    assert done.state == "done"
    assert (done.run.read, done.run.delivered) == (30, 30)


def test_a_live_write_that_settles_after_the_backfill_is_not_taken_for_the_last_word(
    simulator, sync, live, monkeypatch
):
    settle, calls = Ledger.answered, []

    def overtaken(self, *args):
        calls.append(1)
        if len(calls) == 1:
            live.begin()
        found = settle(self, *args)
        if len(calls) == 1:
            live.settle()
        return found

    monkeypatch.setattr(Ledger, "answered", overtaken)

    done = run(sync, writers=1)

    assert names(simulator)["lee3@example.com"] == "Live"
    assert (done.run.read, done.run.balances) == (30, True)


def test_what_live_writes_before_a_backfill_is_unchanged_as_ever(simulator, sync, live):
    live.begin()
    live.settle()

    done = run(sync)

    assert done.run.unchanged == 1
    assert RecordLink.objects.get(record_id=live.lead).payload_hash == live.digest()
