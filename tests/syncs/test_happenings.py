"""What a change means for a sync that tells events."""

from datetime import timedelta

import pytest
from django.db import transaction

from syncs import links, outbox, writes
from syncs.engine import audience
from syncs.engine.backfill import engine as backfill
from syncs.engine.backfill.plan import Wanted
from syncs.engine.reconcile import engine as reconcile
from syncs.models import Delivery, RecordLink
from syncs.models.changes import ChangeOrigin
from tests.factories import NOON, make_change, make_iterable, make_stream, make_sync
from tests.syncs.test_audience import Project

pytestmark = pytest.mark.django_db

LINES = (
    ("Email", "email"),
    ("Status", "dataFields.status"),
    {"destination": "eventName", "transform": "liquid", "expression": "leadStatusChanged"},
)


@pytest.fixture
def sync():
    return make_sync(
        *LINES, stream=make_stream(), destination=make_iterable(), key="status", object_type="event"
    )


def change(sync, minute, record_id="00QAAA", email="a@x.test", **values):
    origin = values.pop("origin", ChangeOrigin.POLL)
    return make_change(
        sync.stream,
        record_id=record_id,
        modified_at=NOON + timedelta(minutes=minute),
        created_at=values.pop("created_at", NOON),
        values={"Email": email, "Status": "Open", **values},
        origin=origin,
    )


def decide(sync, *changes):
    with transaction.atomic():
        fates = audience.decide(audience.load(sync.stream), changes, NOON)
    return [fates[one.pk][0].code or fates[one.pk][0].outcome for one in changes]


def told():
    return [
        delivery.payload["values"]["dataFields"]["status"] for delivery in Delivery.objects.order_by("pk")
    ]


def test_each_change_of_what_is_mapped_is_an_event_of_its_own(sync):
    changes = [change(sync, 0), change(sync, 1, Status="Working"), change(sync, 2, Status="Open")]

    assert decide(sync, *changes) == ["waiting", "waiting", "waiting"]
    assert told() == ["Open", "Working", "Open"]


def test_what_is_not_mapped_is_no_event(sync):
    changes = [change(sync, 0), change(sync, 1, Phone="1"), change(sync, 2, email="b@x.test")]

    assert decide(sync, *changes) == ["waiting", "unchanged", "unchanged"]


def test_a_record_from_before_is_only_told_once_its_value_is_known(sync):
    old = NOON - timedelta(days=30)
    changes = [change(sync, 0, created_at=old), change(sync, 1, created_at=old, Status="Won")]

    assert decide(sync, *changes) == ["unknown_before", "waiting"]
    assert told() == ["Won"]


def test_a_field_that_was_not_read_before_is_not_taken_for_changed(sync):
    first = change(sync, 0)
    del first.values["Status"]
    first.save()

    assert decide(sync, change(sync, 1)) == ["unknown_before"]


@pytest.mark.parametrize(
    ("origin", "code"), [(ChangeOrigin.DELETED, "deletion_ignored"), (ChangeOrigin.REPAIR, "no_event")]
)
def test_what_did_not_happen_is_not_told(sync, origin, code):
    change(sync, 0)

    assert decide(sync, change(sync, 1, Status="Won", origin=origin)) == [code]


def test_two_records_of_one_person_both_tell(sync):
    assert decide(sync, change(sync, 0), change(sync, 0, record_id="00QBBB")) == ["waiting", "waiting"]


def test_an_event_is_sent_whatever_came_after_it(sync):
    decide(sync, change(sync, 0))
    decide(sync, change(sync, 1, Status="Won"))
    [first] = outbox.claim(sync.destination, limit=10, now=NOON)

    project = Project()
    project.event_types = frozenset({"event"})
    prepared = writes.prepare([first], project)

    [write] = prepared.writes
    assert write.values["dataFields"] == {"status": "Open"}
    assert (write.happened_at, write.dedup_key) == (NOON, first.dedup_key)
    links.settle(prepared.entries([first], NOON))
    assert RecordLink.objects.get().state == "written"


def test_there_is_nothing_to_reconcile(sync):
    with pytest.raises(reconcile.ReconcileError, match="tells events"):
        reconcile.start(sync, NOON)

    assert reconcile.due(NOON + timedelta(days=30)) == []


def test_there_is_nothing_to_backfill(sync):
    with pytest.raises(backfill.BackfillError, match="tells events"):
        backfill.start(Wanted(sync), None, NOON)
