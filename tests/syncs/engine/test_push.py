"""Pushing: what Slack answers decides what becomes of a message."""

from datetime import timedelta
from itertools import chain, pairwise, repeat

import pytest
from django.db import transaction

from integration_hub.connectors.iterable.rows import Rows
from integration_hub.connectors.slack.connector import Slack
from syncs import outbox
from syncs.engine import audience, push
from syncs.models import Connection, Delivery, HubSettings, Incident, SyncRun
from syncs.models.deliveries import DeliveryState
from syncs.models.runs import RunState
from tests.factories import (
    NOON,
    make_change,
    make_delivery,
    make_iterable,
    make_rule,
    make_slack,
    make_stream,
    make_sync,
)

pytestmark = pytest.mark.django_db


class World:
    """A Slack with a few members, a connection to it, and a clock that only tests move."""

    def __init__(self, simulator):
        self.simulator = simulator
        self.now = NOON
        simulator.set_clock(NOON)
        self.connection = make_slack(simulator)
        self.members = [simulator.slack.add_member(f"Member {n}", f"m{n}@example.test") for n in range(4)]

    def deliver(self, member=0, **values):
        return make_delivery(
            self.connection, lane=self.members[member], now=self.now, **{"due_at": self.now, **values}
        )

    def push(self):
        self.connection.refresh_from_db()
        return push.run(
            self.connection, self.now, clock=lambda: self.now, sleep=lambda seconds: self.wait(seconds)
        )

    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)
        self.simulator.set_clock(self.now)

    def received(self):
        return [message.user for message in self.simulator.slack.messages]


@pytest.fixture
def world(simulator):
    return World(simulator)


def state_of(delivery):
    delivery.refresh_from_db()
    return delivery.state


def test_a_message_is_sent_and_settled(world):
    delivery = world.deliver()

    run = world.push()

    assert world.received() == [world.members[0]]
    assert state_of(delivery) == DeliveryState.DELIVERED
    assert delivery.remote_id.startswith("D")
    assert (run.state, run.read, run.delivered) == (RunState.OK, 1, 1)


def test_nothing_due_leaves_no_run(world):
    assert world.push() is None
    assert not SyncRun.objects.exists()


def test_several_to_one_person_are_spaced_without_holding_up_others(world):
    for _ in range(3):
        world.deliver(0)
    world.deliver(1)

    world.push()

    sent = [(m.user, m.at) for m in world.simulator.slack.messages]
    to_first = [at for user, at in sent if user == world.members[0]]
    assert [(b - a).total_seconds() >= 1 for a, b in pairwise(to_first)] == [
        True,
        True,
    ]
    assert dict(sent)[world.members[1]] == NOON


def test_a_refused_message_is_a_dead_letter_and_its_neighbours_go_on(world):
    bad = make_delivery(world.connection, lane="C0NOSUCH", due_at=NOON - timedelta(minutes=1))
    good = world.deliver()

    run = world.push()

    assert state_of(bad) == DeliveryState.DEAD
    assert bad.remedy
    assert bad.unreachable
    assert state_of(good) == DeliveryState.DELIVERED
    assert (run.read, run.delivered, run.dead, run.state) == (2, 1, 1, RunState.OK)
    assert Incident.objects.get().origin == bad.origin


def test_slack_saying_wait_pauses_the_connection_for_so_long(world):
    delivery = world.deliver()
    world.simulator.slack.faults.fail_next(1, "rate_limited", retry_after=30)

    world.push()

    assert state_of(delivery) == DeliveryState.WAITING
    assert delivery.attempts == 0
    assert world.push() is None
    world.wait(31)
    world.push()
    assert state_of(delivery) == DeliveryState.DELIVERED


def test_an_error_that_may_pass_is_tried_again_later(world):
    delivery = world.deliver()
    world.simulator.slack.faults.fail_next(2, "unavailable")

    world.push()
    assert state_of(delivery) == DeliveryState.WAITING
    assert delivery.due_at > NOON
    for _ in range(3):
        world.wait(10)
        world.push()

    assert world.received() == [world.members[0]]
    assert state_of(delivery) == DeliveryState.DELIVERED
    assert not Incident.objects.exists()


def test_a_message_that_arrived_without_an_answer_is_not_sent_twice(world):
    delivery = world.deliver()
    world.simulator.slack.faults.fail_next(1, "drop_after", path="chat.postMessage")

    world.push()
    assert state_of(delivery) == DeliveryState.WAITING
    assert delivery.unanswered_at is not None
    world.wait(30)
    world.push()

    assert world.received() == [world.members[0]]
    assert state_of(delivery) == DeliveryState.DELIVERED


def test_a_message_that_was_lost_on_the_way_is_sent_again(world):
    delivery = world.deliver()
    world.simulator.slack.faults.fail_next(1, "drop", path="chat.postMessage")

    world.push()
    world.wait(30)
    world.push()

    assert world.received() == [world.members[0]]
    assert state_of(delivery) == DeliveryState.DELIVERED


def test_a_worker_killed_after_sending_sends_nothing_twice(world):
    delivery = world.deliver()
    world.push()
    Delivery.objects.update(  # as a worker leaves it that is killed between sending and settling
        state=DeliveryState.SENDING, lease_owner="killed", lease_until=NOON + timedelta(seconds=90),
        attempted_at=NOON, remote_id="", settled_at=None,
    )  # fmt: skip

    world.wait(91)
    world.push()

    assert world.received() == [world.members[0]]
    assert state_of(delivery) == DeliveryState.DELIVERED


def test_a_revoked_token_holds_the_connection_and_loses_nothing(world):
    deliveries = [world.deliver(n) for n in range(3)]
    world.simulator.slack.faults.fail_next(1, "error", code="token_revoked")

    run = world.push()

    world.connection.refresh_from_db()
    assert world.connection.held_at == NOON
    assert {state_of(d) for d in deliveries} == {DeliveryState.WAITING}
    assert {d.attempts for d in deliveries} == {0}
    assert run.balances
    assert Incident.objects.count() == 1
    assert world.push() is None


def test_what_waited_too_long_expires_and_says_so(world):
    delivery = world.deliver(expires_at=NOON + timedelta(minutes=5))
    Connection.objects.update(enabled=False)

    world.wait(301)
    assert world.push() is None
    assert push.expire(world.now) == 1

    assert state_of(delivery) == DeliveryState.EXPIRED
    assert delivery.error == push.LATE
    assert Incident.objects.get().kind == "expired"


@pytest.mark.parametrize("reachable", [True, False])
def test_what_expired_tells_what_stood_in_its_way(world, reachable):
    delivery = world.deliver(expires_at=NOON + timedelta(minutes=5))
    world.simulator.slack.faults.fail_next(1, "rate_limited", retry_after=299)
    world.push()
    Connection.objects.update(enabled=reachable)

    world.wait(301)
    world.push()
    push.expire(world.now)

    assert state_of(delivery) == DeliveryState.EXPIRED
    assert delivery.error.startswith(push.LATE)
    assert "The last try: " in delivery.error


def test_age_is_checked_when_sending(world):
    delivery = world.deliver(expires_at=NOON)

    run = world.push()

    assert state_of(delivery) == DeliveryState.EXPIRED
    assert world.received() == []
    assert (run.skipped, run.reasons) == (1, {"expired": 1})


def test_switches_are_read_when_sending(world):
    rule = make_rule(destination=world.connection, enabled=False)
    delivery = world.deliver(origin=rule.origin)

    assert world.push() is None
    HubSettings.objects.update_or_create(pk=1, defaults={"enabled": False})
    rule.enabled = True
    rule.save()
    assert world.push() is None
    HubSettings.objects.update(enabled=True)
    world.push()

    assert state_of(delivery) == DeliveryState.DELIVERED


def test_after_a_dozen_failures_a_person_must_look(world):
    delivery = world.deliver(attempts=11)
    world.simulator.slack.faults.fail_next(1, "unavailable")

    world.push()

    assert state_of(delivery) == DeliveryState.DEAD


def test_an_outage_costs_one_call_a_push_not_one_a_message(world):
    for n in range(4):
        world.deliver(n)
    world.simulator.slack.faults.fail_next(10, "unavailable")

    run = world.push()

    assert run.calls == 1
    assert (run.read, run.waiting) == (4, 4)
    assert Delivery.objects.filter(attempts=0).count() == 3


def test_a_message_that_breaks_the_connector_stops_no_other(world, monkeypatch, caplog):
    bad, good = world.deliver(0), world.deliver(1)
    monkeypatch.setattr(Slack, "_post", _broken_for(world.members[0]))

    run = world.push()

    assert state_of(good) == DeliveryState.DELIVERED
    assert state_of(bad) == DeliveryState.WAITING
    assert (bad.error_code, bad.unanswered_at) == ("internal", NOON)
    assert (run.state, run.delivered, run.waiting) == (RunState.OK, 1, 1)
    assert "KeyError" in caplog.text
    for _ in range(60):
        world.wait(60)
        world.push()
    assert state_of(bad) == DeliveryState.DEAD
    assert Incident.objects.get().kind == "dead_letters"


def _broken_for(member):
    post = Slack._post

    def broken(self, message):
        if message["channel"] == member:
            raise KeyError("ts")
        return post(self, message)

    return broken


@pytest.mark.parametrize("code", ["channel_not_found", "missing_scope"])
def test_where_slack_refuses_the_look_for_a_message_a_person_decides(world, code):
    delivery = world.deliver(unanswered_at=NOON - timedelta(minutes=1))
    other = world.deliver(1)
    world.simulator.slack.faults.set("error", 1.0, code=code, path="conversations.history")

    world.push()

    assert state_of(delivery) == DeliveryState.DEAD
    assert "unknown whether it arrived" in delivery.error
    assert not delivery.unreachable, "it may have arrived: the fallback is not told as well"
    assert state_of(other) == DeliveryState.DELIVERED
    world.connection.refresh_from_db()
    assert (world.connection.held_at, world.connection.failing_since) == (None, None)
    outbox.requeue(Delivery.objects.filter(pk=delivery.pk), world.now)
    world.wait(2)
    world.push()
    assert state_of(delivery) == DeliveryState.DELIVERED


def test_an_outage_during_the_look_for_a_message_costs_one_call(world):
    for n in range(4):
        world.deliver(n, unanswered_at=NOON - timedelta(minutes=1))
    world.simulator.slack.faults.outage(True)

    run = world.push()

    assert (run.calls, run.read, run.waiting) == (1, 4, 4)
    assert Delivery.objects.filter(unanswered_at=NOON - timedelta(minutes=1)).count() == 4


def test_a_dead_letter_that_may_have_arrived_is_looked_for_when_it_is_revived(world):
    delivery = world.deliver(attempts=11)
    world.simulator.slack.faults.fail_next(1, "drop_after", path="chat.postMessage")
    world.push()
    assert state_of(delivery) == DeliveryState.DEAD

    world.wait(600)
    outbox.requeue(Delivery.objects.all(), world.now)
    world.push()

    assert world.received() == [world.members[0]]
    assert state_of(delivery) == DeliveryState.DELIVERED


def test_what_is_refused_just_after_an_outage_is_a_problem_of_its_own(world):
    Incident.objects.create(
        key="unreachable:slack", kind="unreachable", connection=world.connection, title="Slack was away",
        opened_at=NOON - timedelta(minutes=10), last_seen_at=NOON, closed_at=NOON - timedelta(minutes=1),
    )  # fmt: skip
    make_delivery(world.connection, lane="C0NOSUCH")

    world.push()

    assert Incident.objects.get(closed_at=None).kind == "dead_letters"


def test_a_record_that_breaks_a_batch_is_found_and_the_others_are_written(simulator, monkeypatch, caplog):
    simulator.set_clock(NOON)
    sync = make_sync(stream=make_stream(), destination=make_iterable(simulator))
    names = [f"u{n}@x.test" for n in range(7)]
    changes = [make_change(sync.stream, values={"Email": name, "Name": name}) for name in names]
    with transaction.atomic():
        audience.decide(audience.load(sync.stream), changes, NOON)
    monkeypatch.setattr(Rows, "row", _broken_row(names[4]))

    run = push.run(sync.destination, NOON, clock=lambda: NOON)

    bad = Delivery.objects.get(payload__match=names[4])
    assert set(simulator.iterable.users) == set(names) - {names[4]}
    assert (bad.state, bad.error_code, bad.attempts) == (DeliveryState.WAITING, "internal", 1)
    assert (run.state, run.read, run.delivered, run.waiting) == (RunState.OK, 7, 6, 1)


def test_a_batch_that_breaks_is_not_split_past_the_end_of_the_task(simulator, monkeypatch, settings):
    settings.TASK_SECONDS = 1
    simulator.set_clock(NOON)
    sync = make_sync(stream=make_stream(), destination=make_iterable(simulator))
    changes = [make_change(sync.stream, values={"Email": f"u{n}@x.test"}) for n in range(4)]
    with transaction.atomic():
        audience.decide(audience.load(sync.stream), changes, NOON)
    monkeypatch.setattr(Rows, "row", _broken_row("u0@x.test"))
    times = chain([NOON], repeat(NOON + timedelta(seconds=5)))

    run = push.run(sync.destination, NOON, clock=lambda: next(times))

    assert (run.state, run.read, run.waiting) == (RunState.OK, 4, 4)
    assert set(Delivery.objects.values_list("state", "attempts")) == {("waiting", 0)}


def _broken_row(email):
    whole = Rows.row

    def row(self, position, write):
        if write.values["email"] == email:
            raise KeyError("ours")
        return whole(self, position, write)

    return row
