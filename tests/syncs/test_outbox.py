"""Deliveries: enqueued once, claimed by one, settled by whoever holds the lease."""

from datetime import timedelta

import pytest

from integration_hub.connectors.errors import RejectedError, RetryableError
from syncs import outbox
from syncs.models import Delivery
from syncs.models.deliveries import DeliveryState
from tests.factories import NOON, make_change, make_delivery, make_message, make_slack

pytestmark = pytest.mark.django_db


def claim(connection, now=NOON, **options):
    return outbox.claim(connection, limit=options.pop("limit", 10), now=now, **options)


def draft(connection, key, **values):
    return outbox.Draft(
        **{
            "connection_id": connection.pk,
            "origin": "rule:hot-leads",
            "change_id": None,
            "lane": "U1",
            "dedup_key": key,
            "payload": make_message("U1"),
            "due_at": NOON,
            **values,
        }
    )


def test_the_same_effect_is_enqueued_once():
    slack = make_slack()

    first = outbox.enqueue([draft(slack, "a"), draft(slack, "b"), draft(slack, "a")], NOON)
    second = outbox.enqueue([draft(slack, "b"), draft(slack, "c")], NOON)

    assert [d.dedup_key for d in first] == ["a", "b"]
    assert [d.dedup_key for d in second] == ["c"]
    assert Delivery.objects.count() == 3


def test_a_delivery_remembers_the_change_it_came_from():
    change = make_change()

    [delivery] = outbox.enqueue([draft(make_slack(), "a", change_id=change.pk)], NOON)

    assert delivery.change == change


def test_what_is_not_due_is_not_claimed():
    slack = make_slack()
    make_delivery(slack, due_at=NOON + timedelta(seconds=1))

    assert claim(slack) == []


def test_a_claimed_delivery_cannot_be_claimed_again():
    slack = make_slack()
    delivery = make_delivery(slack)

    assert claim(slack) == [delivery]
    assert claim(slack) == []


def test_the_urgent_go_first_then_the_oldest():
    slack = make_slack()
    late = make_delivery(slack, due_at=NOON)
    early = make_delivery(slack, due_at=NOON - timedelta(minutes=1))
    backfill = make_delivery(slack, due_at=NOON - timedelta(hours=1), priority=30)

    assert claim(slack) == [early, late, backfill]


def test_of_one_lane_only_one_is_in_flight():
    slack = make_slack()
    first = make_delivery(slack, lane="U1")
    second = make_delivery(slack, lane="U1")
    other = make_delivery(slack, lane="U2")

    assert claim(slack) == [first, other]
    assert claim(slack) == []
    outbox.delivered([claim_of(first)], remote_id="D1:1", now=NOON)
    assert claim(slack) == [second]


def test_a_tie_is_not_made_before_what_its_lane_was_to_do_earlier():
    crm, later = make_slack(), NOON + timedelta(minutes=1)
    old = make_delivery(crm, lane="tie:7", operation="associate", due_at=later)
    new = make_delivery(crm, lane="tie:7", operation="untie")

    assert claim(crm) == []
    taken = claim(crm, later)
    assert taken == [old]
    outbox.delivered(taken, now=later)
    assert claim(crm, later) == [new]


def test_behind_an_unanswered_create_its_lane_waits():
    """The search of a vendor may not show the record yet: the next one would make it again."""
    crm = make_slack()
    later = NOON + timedelta(minutes=1)
    lost = make_delivery(crm, lane="acme.test", operation="create", due_at=later, unanswered_at=NOON)
    behind = make_delivery(crm, lane="acme.test", operation="upsert")
    other = make_delivery(crm, lane="other.test", operation="create")

    assert claim(crm) == [other]
    assert claim(crm, later) == [lost]
    outbox.delivered([claim_of(lost)], remote_id="1", now=later)
    assert claim(crm, later) == [behind]


def test_an_unanswered_message_keeps_no_other_back():
    slack = make_slack()
    make_delivery(slack, lane="U1", due_at=NOON + timedelta(minutes=1), unanswered_at=NOON)
    urgent = make_delivery(slack, lane="U1")

    assert claim(slack) == [urgent]


def test_a_lane_rests_between_two_messages_without_holding_up_others():
    slack = make_slack()
    make_delivery(
        slack, lane="U1", state=DeliveryState.DELIVERED, settled_at=NOON - timedelta(milliseconds=400)
    )
    resting = make_delivery(slack, lane="U1")
    free = make_delivery(slack, lane="U2")

    assert claim(slack, lane_interval=1.0) == [free]
    assert claim(slack, NOON + timedelta(seconds=1), lane_interval=1.0) == [resting]


def test_switched_off_origins_stay_where_they_are():
    slack = make_slack()
    make_delivery(slack, origin="rule:off")
    sent = make_delivery(slack, origin="rule:on")

    assert claim(slack, without={"rule:off"}) == [sent]


def test_one_whose_worker_was_lost_comes_back_as_unanswered():
    slack = make_slack()
    make_delivery(slack)
    [lost] = claim(slack)
    later = NOON + timedelta(minutes=5)

    [again] = claim(slack, later)

    assert again.pk == lost.pk
    assert again.attempts == 2
    assert again.unanswered_at == NOON
    assert not outbox.delivered([lost], remote_id="D1:1", now=later), "the first holder's lease is over"
    assert outbox.delivered([again], remote_id="D1:1", now=later)


def test_two_claimers_after_one_lane_are_told_apart_by_the_database():
    slack = make_slack()
    first = make_delivery(slack, lane="U1")
    second = make_delivery(slack, lane="U1")
    other = make_delivery(slack, lane="U2")
    claim(slack, limit=1)

    # Another claimer had read its candidates before that: it now tries to take the lane's second, too.
    outbox._take([second.pk, other.pk], "other", NOON)

    states = dict(Delivery.objects.values_list("pk", "state"))
    assert states == {first.pk: "sending", second.pk: "waiting", other.pk: "sending"}


def test_a_postponed_delivery_keeps_the_reason_and_counts_the_attempt():
    slack = make_slack()
    make_delivery(slack)
    [claimed] = claim(slack)

    outbox.postpone([claimed], RetryableError("Slack is away"), until=NOON + timedelta(seconds=4))

    claimed.refresh_from_db()
    assert (claimed.state, claimed.attempts, claimed.error) == ("waiting", 1, "Slack is away")
    assert claim(slack) == []
    assert len(claim(slack, NOON + timedelta(seconds=4))) == 1


def test_an_attempt_that_was_nobodys_fault_is_not_counted():
    slack = make_slack()
    make_delivery(slack)
    [claimed] = claim(slack)

    outbox.postpone([claimed], RetryableError("paused"), until=NOON, counts=False)

    claimed.refresh_from_db()
    assert claimed.attempts == 0


def test_what_was_claimed_and_not_tried_is_given_back_as_it_was():
    slack = make_slack()
    make_delivery(slack)
    [claimed] = claim(slack)

    assert outbox.give_back([claimed]) == 1

    claimed.refresh_from_db()
    assert (claimed.state, claimed.attempts, claimed.unanswered_at) == ("waiting", 0, None)


def test_requeue_revives_the_dead_with_the_time_they_had():
    delivery = make_delivery(
        expires_at=NOON + timedelta(minutes=5), state=DeliveryState.DEAD, settled_at=NOON, attempts=9
    )
    tomorrow = NOON + timedelta(days=1)

    assert outbox.requeue(Delivery.objects.all(), tomorrow) == 1

    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.due_at) == ("waiting", 0, tomorrow)
    assert delivery.expires_at == tomorrow + timedelta(minutes=5)


def test_requeue_gives_a_held_message_the_time_from_its_opening_and_never_more():
    delivery = make_delivery(
        due_at=NOON + timedelta(hours=15),
        expires_at=NOON + timedelta(hours=15, minutes=5),
        state=DeliveryState.DEAD,
    )

    for days in (1, 2, 3):
        later = NOON + timedelta(days=days)
        outbox.requeue(Delivery.objects.all(), later)
        [claimed] = claim(delivery.connection, later)
        outbox.postpone([claimed], RetryableError("down"), until=later + timedelta(minutes=4))
        Delivery.objects.update(state=DeliveryState.DEAD, settled_at=later)

        delivery.refresh_from_db()
        assert delivery.expires_at == later + timedelta(minutes=5)


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.WAITING, DeliveryState.SENDING])
def test_requeue_leaves_what_is_not_dead_alone(state):
    make_delivery(state=state)

    assert outbox.requeue(Delivery.objects.all(), NOON) == 0


def test_dismissing_gives_dead_letters_up_and_keeps_when_they_died():
    delivery = make_delivery()
    [claimed] = claim(delivery.connection)
    outbox.bury([claimed], RejectedError("no such channel", remedy="Name another."), now=NOON)

    assert outbox.dismiss(Delivery.objects.all(), NOON + timedelta(hours=1)) == 1

    delivery.refresh_from_db()
    assert (delivery.state, delivery.settled_at, delivery.remedy) == ("dismissed", NOON, "Name another.")


def claim_of(delivery):
    return Delivery.objects.get(pk=delivery.pk)
