"""What retention takes, and what it leaves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django_q.models import Failure, Task

from syncs import pruning, tasks
from syncs.models import (
    Backfill,
    CalloutLog,
    Change,
    ConnectionUsage,
    Delivery,
    EventSource,
    EventTally,
    HubSettings,
    InboundEvent,
    Incident,
    Notice,
    NoticedRecord,
    Priority,
    RecordLink,
    SyncRun,
)
from syncs.models.backfills import BackfillState
from syncs.models.changes import ChangeState
from syncs.models.deliveries import DeliveryState
from syncs.models.events import EventState
from syncs.models.incidents import IncidentKind
from syncs.models.notices import MentionState, NoticeState
from syncs.models.runs import RunKind
from tests.factories import NOON, make_change, make_delivery, make_slack, make_stream, make_sync

pytestmark = pytest.mark.django_db

OLD = NOON - timedelta(days=200)
YOUNG = NOON - timedelta(days=1)


def make_version(stream, record_id, *, modified_at=OLD, captured_at=OLD, state=ChangeState.ROUTED, **values):
    return make_change(
        stream, record_id=record_id, modified_at=modified_at, captured_at=captured_at, state=state, **values
    )


def make_callout(connection, at):
    return CalloutLog.objects.create(
        connection=connection,
        at=at,
        method="GET",
        url="https://x.test/",
        milliseconds=1,
        bytes_out=1,
        bytes_in=1,
    )


def make_failure(number, stopped):
    return Task.objects.create(
        id=f"{number:032x}",
        name=f"task {number}",
        func="x.y",
        started=stopped,
        stopped=stopped,
        success=False,
    )


def test_each_kind_goes_after_its_own_time():
    connection = make_slack()
    for at in (NOON - timedelta(days=8), NOON - timedelta(days=6)):
        make_callout(connection, at)
    for number, at in enumerate((NOON - timedelta(days=31), NOON - timedelta(days=29))):
        SyncRun.objects.create(kind=RunKind.POLL, started_at=at)
        ConnectionUsage.objects.create(connection=connection, day=at.date(), priority=Priority.LIVE)
        make_failure(number, at)
    for number, at in enumerate((NOON - timedelta(days=91), NOON - timedelta(days=89))):
        Incident.objects.create(
            key=f"k{number}",
            kind=IncidentKind.STREAM,
            title="x",
            opened_at=OLD,
            last_seen_at=OLD,
            closed_at=at,
        )
        make_delivery(connection, state=DeliveryState.DELIVERED, settled_at=at)
        Session.objects.create(
            session_key=f"s{number}", session_data="", expire_date=NOON + (number or -1) * timedelta(1)
        )

    pruned = pruning.prune(NOON)

    assert pruned == pruning.Pruned(
        {
            "callouts": 1, "runs": 1, "call counts": 1, "deliveries": 1, "changes": 0, "flow runs": 0, "events": 0,
            "refused events": 0, "event tallies": 0, "noticed records": 0, "change notices": 0,
            "incidents": 1, "conflicts": 0, "failed tasks": 1, "sessions": 1,
        },
        finished=True,
    )  # fmt: skip
    left = (CalloutLog, SyncRun, ConnectionUsage, Delivery, Incident, Failure, Session)
    assert {model.__name__: model.objects.count() for model in left} == {model.__name__: 1 for model in left}


def test_change_notices_go_with_the_runs_and_waiting_ones_never():
    stream = make_stream()
    for days in (29, 31):
        at = NOON - timedelta(days=days)
        for state in NoticeState:
            Notice.objects.create(connection=stream.connection, state=state, received_at=at, problem=state)
        for state in MentionState:
            NoticedRecord.objects.create(
                stream=stream, key=f"{state}{days}", record_id="1", state=state, happened_at=at, received_at=at,
                due_at=at,
            )  # fmt: skip

    pruned = pruning.prune(NOON)

    assert (pruned.rows["change notices"], pruned.rows["noticed records"]) == (3, 4)
    left = Notice.objects.filter(received_at__lt=NOON - timedelta(days=30))
    assert set(left.values_list("state", flat=True)) == {NoticeState.WAITING}


def test_routed_events_go_with_the_history_refused_ones_sooner_and_waiting_ones_never():
    source = EventSource.objects.create(key="shop", name="Shop")
    for days in (6, 8, 29, 31, 89, 91):
        EventTally.objects.create(source=source, minute=NOON - timedelta(days=days), code="no_proof", count=1)
        for state in EventState:
            at = NOON - timedelta(days=days)
            InboundEvent.objects.create(source=source, state=state, received_at=at, body=b"{}")

    pruned = pruning.prune(NOON)

    assert pruned.rows["events"] == 1
    assert pruned.rows["refused events"] == 3
    assert pruned.rows["event tallies"] == 5
    assert InboundEvent.objects.filter(state=EventState.WAITING).count() == 6


def test_an_open_incident_stays_however_old():
    Incident.objects.create(key="k", kind=IncidentKind.STREAM, title="x", opened_at=OLD, last_seen_at=OLD)

    pruning.prune(NOON)

    assert Incident.objects.count() == 1


@pytest.mark.parametrize("state", [DeliveryState.WAITING, DeliveryState.SENDING])
def test_a_delivery_that_is_not_done_stays_however_old(state):
    make_delivery(state=state, created_at=OLD, settled_at=OLD)

    pruning.prune(NOON)

    assert Delivery.objects.count() == 1


def test_a_dedup_key_outlives_the_longest_age_of_a_rule_whatever_the_setting():
    HubSettings.objects.update_or_create(pk=1, defaults={"keep_history_days": 1})
    make_delivery(state=DeliveryState.DELIVERED, settled_at=NOON - timedelta(days=30))
    make_delivery(state=DeliveryState.DELIVERED, settled_at=NOON - timedelta(days=32))

    pruned = pruning.prune(NOON)

    assert pruned.rows["deliveries"] == 1
    assert Delivery.objects.count() == 1


def test_the_newest_version_of_each_record_is_kept_for_good():
    stream = make_stream()
    for number in range(3):
        make_version(stream, "00Q1", modified_at=OLD + timedelta(days=number))
    only = make_version(stream, "00Q2")

    pruned = pruning.prune(NOON)

    assert pruned.rows["changes"] == 2
    assert [c.modified_at for c in Change.objects.order_by("pk")] == [
        OLD + timedelta(days=2),
        only.modified_at,
    ]


def test_a_version_stays_as_long_as_its_successor_has_not_been_compared_with_it():
    stream = make_stream()
    make_version(stream, "00Q1")
    make_version(stream, "00Q1", modified_at=YOUNG, captured_at=YOUNG, state=ChangeState.WAITING)

    pruned = pruning.prune(NOON)

    assert pruned.rows["changes"] == 0


@pytest.mark.parametrize(
    ("delivery", "kept"),
    [
        pytest.param({"state": DeliveryState.WAITING}, True, id="waiting"),
        pytest.param({"state": DeliveryState.DEAD, "settled_at": YOUNG}, True, id="settled lately"),
        pytest.param({"state": DeliveryState.DELIVERED, "settled_at": OLD}, False, id="settled long ago"),
    ],
)
def test_a_change_is_kept_with_the_delivery_that_came_from_it(delivery, kept):
    stream = make_stream()
    superseded = make_version(stream, "00Q1")
    make_version(stream, "00Q1", modified_at=YOUNG, captured_at=YOUNG)
    make_delivery(change_id=superseded.pk, **delivery)

    pruning.prune(NOON)

    assert Change.objects.filter(pk=superseded.pk).exists() is kept


def test_a_change_that_waits_to_be_routed_is_kept():
    stream = make_stream()
    waiting = make_version(stream, "00Q1", state=ChangeState.WAITING)
    make_version(stream, "00Q1", modified_at=YOUNG, captured_at=YOUNG)

    pruning.prune(NOON)

    assert Change.objects.filter(pk=waiting.pk).exists()


def test_the_same_record_id_in_another_stream_is_another_record():
    for stream in (make_stream(), make_stream()):
        make_version(stream, "00Q1", modified_at=OLD + timedelta(days=stream.pk))

    pruned = pruning.prune(NOON)

    assert pruned.rows["changes"] == 0


def test_every_row_goes_though_there_are_many_batches(monkeypatch):
    monkeypatch.setattr(pruning, "BATCH", 3)
    connection, stream = make_slack(), make_stream()
    for _ in range(10):
        make_callout(connection, OLD)
    for number in range(10):
        make_version(stream, f"00Q{number % 2}", modified_at=OLD + timedelta(hours=number))

    pruned = pruning.prune(NOON)

    assert (pruned.rows["callouts"], pruned.rows["changes"]) == (10, 8)


def test_it_stops_when_the_time_is_up_and_goes_on_the_next_time(monkeypatch):
    monkeypatch.setattr(pruning, "BATCH", 2)
    connection = make_slack()
    for _ in range(5):
        make_callout(connection, OLD)
    ticks = iter(range(100))

    first = pruning.prune(NOON, seconds=2, clock=lambda: next(ticks))
    second = pruning.prune(NOON, seconds=1_000, clock=lambda: next(ticks))

    assert first == pruning.Pruned({"callouts": 4}, finished=False, kind="callouts")
    assert second.rows["callouts"] == 1
    assert second.finished


def test_much_that_is_kept_does_not_keep_the_rest_from_its_turn(monkeypatch):
    monkeypatch.setattr(pruning, "BATCH", 2)
    stream = make_stream()
    for number in range(7):
        make_version(stream, f"00Q{number}")
    Incident.objects.create(
        key="k", kind=IncidentKind.STREAM, title="x", opened_at=OLD, last_seen_at=OLD, closed_at=OLD
    )
    woken = [()]
    monkeypatch.setattr("syncs.queues.wake", lambda _function, *args, queue: woken.append(args))
    monkeypatch.setattr(settings, "TASK_SECONDS", 0)

    for _ in range(12):
        if woken:
            tasks.prune(*woken.pop())

    assert woken == []
    assert Change.objects.count() == 7
    assert not Incident.objects.exists()


def make_backfill(**values):
    run = SyncRun.objects.create(kind=RunKind.BACKFILL, started_at=OLD)
    backfill = Backfill.objects.create(sync=make_sync(), run=run, **values)
    for number in range(5):
        RecordLink.objects.create(
            sync=backfill.sync, record_id=f"00Q{number}", version_at=OLD, state="written", run=run
        )
    return backfill


@pytest.mark.parametrize("state", [BackfillState.RUNNING, BackfillState.PAUSED])
def test_an_open_backfill_stays_however_old(state):
    make_backfill(state=state)

    pruning.prune(NOON)

    assert Backfill.objects.exists()


def test_the_links_of_a_backfill_let_go_of_it_in_batches_and_stay(monkeypatch):
    monkeypatch.setattr(pruning, "BATCH", 2)
    make_backfill(state=BackfillState.DONE)
    ticks = iter(range(100))

    pruning.prune(NOON, seconds=2, clock=lambda: next(ticks))
    halfway = RecordLink.objects.filter(run=None).count(), Backfill.objects.count()
    pruning.prune(NOON)

    assert halfway == (4, 1)
    assert (RecordLink.objects.filter(run=None).count(), Backfill.objects.count()) == (5, 0)


def test_superseded_changes_are_not_looked_at_row_by_row(django_assert_max_num_queries):
    stream = make_stream()
    for number in range(50):
        make_version(stream, f"00Q{number % 5}", modified_at=OLD + timedelta(hours=number))

    with django_assert_max_num_queries(30):
        pruning.prune(NOON)

    assert Change.objects.count() == 5
