"""Alerts whose recipient could not be reached: the fallback is told, once and in time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from integration_hub.connectors.errors import RecipientError, RejectedError
from routing import reroute, router
from routing.models import Alert
from routing.models.decisions import Role
from syncs import outbox
from syncs.models import Delivery
from syncs.models.deliveries import DeliveryState
from tests.factories import (
    NOON,
    make_change,
    make_person,
    make_rule,
    make_slack,
    make_stream,
    make_working_hours,
)
from tests.routing.factories import make_link

pytestmark = pytest.mark.django_db

GONE = RecipientError("Slack: user_disabled.", code="user_disabled")
SOON = NOON + timedelta(seconds=30)


@pytest.fixture
def stream():
    return make_stream()


@pytest.fixture
def slack():
    return make_slack()


def send_to_priya(stream, slack, error=GONE, **values):
    """Route one lead to its owner, and let the sending fail."""
    values.setdefault("fallback_channel", "#leads")
    rule = make_rule(stream=stream, destination=slack, **values)
    priya = make_person(name="Priya")
    make_link(stream.connection, "005P", priya)
    make_link(slack, "UPRIYA", priya)
    make_change(stream, owner_id="005P")
    router.run(stream, NOON)
    for delivery in outbox.claim(slack, limit=10, now=NOON):
        outbox.bury([delivery], error, now=NOON)
    return rule


def test_the_fallback_gets_the_same_message_with_what_is_left_of_its_time(stream, slack):
    send_to_priya(stream, slack)

    assert reroute.run(SOON) == 1

    first, second = Delivery.objects.order_by("pk")
    assert (second.lane, second.state, second.due_at) == ("#leads", DeliveryState.WAITING, SOON)
    assert second.expires_at == first.expires_at == NOON + timedelta(minutes=5)
    assert second.payload == {**first.payload, "channel": "#leads"}
    assert second.dedup_key == f"{first.dedup_key}:fallback"
    assert (second.origin, second.change_id) == (first.origin, first.change_id)
    assert list(Alert.objects.order_by("pk").values_list("role", flat=True)) == [
        Role.RECIPIENT,
        Role.FALLBACK,
    ]


def test_it_happens_once_and_is_not_even_looked_at_again(stream, slack, django_assert_num_queries):
    send_to_priya(stream, slack)
    reroute.run(SOON)

    with django_assert_num_queries(1):
        assert reroute.run(SOON) == 0
    assert Delivery.objects.count() == 2


def test_the_fallback_person_comes_before_the_channel(stream, slack):
    ann = make_person(name="Ann")
    make_link(slack, "UANN", ann)
    send_to_priya(stream, slack, fallback_person=ann)

    reroute.run(SOON)

    alert = Alert.objects.get(role=Role.FALLBACK)
    assert (alert.person, alert.delivery.lane) == (ann, "UANN")


def test_a_fallback_person_who_is_not_at_work_is_told_at_their_opening(stream, slack):
    ann = make_person(name="Ann", working_hours=make_working_hours(start="13:00"))
    make_link(slack, "UANN", ann)
    send_to_priya(stream, slack, fallback_person=ann)

    reroute.run(SOON)

    opening = NOON + timedelta(hours=1)
    delivery = Alert.objects.get(role=Role.FALLBACK).delivery
    assert (delivery.due_at, delivery.expires_at) == (opening, opening + timedelta(minutes=5))


def test_several_unreachable_members_of_a_queue_make_one_fallback_message(stream, slack):
    make_link(stream.connection, "00GQ", None, name="EMEA", is_group=True, members=["005P", "005B"])
    bob = make_person(name="Bob")
    make_link(stream.connection, "005B", bob)
    make_link(slack, "UBOB", bob)
    rule = make_rule(stream=stream, destination=slack, fallback_channel="#leads", max_age_seconds=600)
    priya = make_person(name="Priya")
    make_link(stream.connection, "005P", priya)
    make_link(slack, "UPRIYA", priya)
    make_change(stream, owner_id="00GQ")
    router.run(stream, NOON)
    dead = outbox.claim(slack, limit=10, now=NOON)
    for delivery in dead:
        outbox.bury([delivery], GONE, now=NOON)

    assert len(dead) == 2
    assert reroute.run(SOON) == 1
    assert rule.decisions.get().alerts.filter(role=Role.FALLBACK).count() == 1


@pytest.mark.parametrize(
    ("values", "now"),
    [
        pytest.param({"error": RejectedError("Slack: no_text.", code="no_text")}, SOON, id="another cause"),
        pytest.param({"fallback_channel": ""}, SOON, id="no fallback"),
        pytest.param({}, NOON + timedelta(minutes=5), id="too late"),
        pytest.param({"max_age_seconds": 86_400}, NOON + reroute.TRIED_FOR, id="tried long enough"),
        pytest.param({"enabled": False}, SOON, id="switched off since"),
    ],
)
def test_otherwise_the_dead_letter_is_all_there_is(stream, slack, values, now):
    enabled = values.pop("enabled", True)
    rule = send_to_priya(stream, slack, **values)
    type(rule).objects.filter(pk=rule.pk).update(enabled=enabled)

    assert reroute.run(now) == 0
    assert Delivery.objects.count() == 1


def test_a_fallback_that_fails_too_is_not_tried_again(stream, slack):
    send_to_priya(stream, slack)
    reroute.run(SOON)
    for delivery in outbox.claim(slack, limit=10, now=SOON):
        outbox.bury([delivery], GONE, now=SOON)

    assert reroute.run(SOON) == 0


def test_nothing_dead_costs_one_query(stream, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert reroute.run(NOON) == 0


def test_two_processes_after_one_alert_tell_the_fallback_once(stream, slack, monkeypatch):
    send_to_priya(stream, slack)
    real = outbox.enqueue

    def at_the_same_time(drafts, now):
        """Another process stored the same between our look and our write."""
        monkeypatch.setattr(outbox, "enqueue", real)
        reroute.run(SOON)
        return list(Delivery.objects.filter(dedup_key=drafts[0].dedup_key))

    monkeypatch.setattr(outbox, "enqueue", at_the_same_time)

    reroute.run(SOON)

    assert Delivery.objects.filter(lane="#leads").count() == 1
    assert Alert.objects.filter(role=Role.FALLBACK).count() == 1
