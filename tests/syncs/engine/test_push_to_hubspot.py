"""Deliveries to HubSpot whose answer is lost: nothing is made twice, also while its search lags."""

from datetime import timedelta

import pytest
from django.conf import settings

from integration_hub.connectors.hubspot.connector import HubSpot
from integration_hub.simulator.hubspot import ACCESS_TOKEN
from syncs import connect, outbox
from syncs.engine import push
from syncs.engine.recalling import Recall
from syncs.models import Delivery
from syncs.models.deliveries import DeliveryState
from tests.factories import NOON, make_connection, make_delivery

pytestmark = pytest.mark.django_db


class World:
    def __init__(self, simulator):
        self.simulator = simulator
        self.portal = simulator.hubspot
        self.now = NOON
        simulator.set_clock(NOON)
        self.connection = make_connection(
            "hubspot",
            base_url=self.portal.url,
            settings={"credential": "token", "api_version": "v3", "plan": "professional"},
            secrets={"access_token": ACCESS_TOKEN},
        )

    def deliver(self, object_type, values, match=None, operation="create", lane=""):
        payload = {"values": values, "match": [match, values[match]] if match else None, "remote_id": ""}
        return make_delivery(
            self.connection,
            origin="flow:onboarding",
            object_type=object_type,
            operation=operation,
            lane=lane or f"{object_type}:{match}",
            payload=payload,
            now=self.now,
        )

    def companies(self, count):
        """Make deliveries of so many companies, each in a lane of its own."""
        return [
            make_delivery(
                self.connection,
                origin="flow:onboarding",
                object_type="companies",
                operation="create",
                lane=f"companies:{number}",
                payload={
                    "values": {"domain": f"d{number}.test"},
                    "match": ["domain", f"d{number}.test"],
                    "remote_id": "",
                },
                now=self.now,
            )
            for number in range(count)
        ]

    def searches(self):
        return [call for call in self.portal.requests if call.path.endswith("/search")]

    def push(self, after=0):
        self.now += timedelta(seconds=after)
        self.simulator.set_clock(self.now)
        self.connection.refresh_from_db()
        return push.run(self.connection, self.now, clock=lambda: self.now, sleep=lambda seconds: None)


@pytest.fixture
def world(simulator):
    return World(simulator)


@pytest.mark.parametrize("operation", ["create", "upsert"])
@pytest.mark.parametrize("fault", ["no_answer", "drop_after"])
def test_a_company_whose_creation_went_unanswered_is_not_made_twice(world, operation, fault):
    world.portal.index_lag = 45
    world.portal.faults.fail_next(1, fault, "batch/create")
    delivery = world.deliver("companies", {"domain": "acme.test"}, "domain", operation)

    world.push()
    delivery.refresh_from_db()
    assert delivery.unanswered_at is not None
    assert delivery.due_at >= NOON + timedelta(seconds=HubSpot.recall_after)
    world.push(after=20)
    world.push(after=70)

    delivery.refresh_from_db()
    [company] = world.portal.records("companies")
    assert (delivery.state, delivery.remote_id) == (DeliveryState.DELIVERED, company["hs_object_id"])


def test_a_hundred_companies_that_went_unanswered_are_looked_for_in_one_search(world):
    world.portal.index_lag = 45
    world.portal.faults.fail_next(1, "no_answer", "batch/create")
    world.companies(100)
    world.push()
    before = len(world.portal.requests)

    run = world.push(after=70)

    assert len(world.portal.requests) - before == 1
    assert (run.read, run.delivered) == (100, 100)
    assert len(world.portal.records("companies")) == 100
    assert set(Delivery.objects.values_list("state", "outcome")) == {("delivered", "created")}


def test_of_those_looked_for_only_the_missing_are_sent_again(world):
    world.portal.faults.fail_next(1, "bad_gateway", "batch/create")
    world.companies(10)
    world.push()
    for number in range(4):  # those arrived after all
        world.portal.add("companies", domain=f"d{number}.test")

    run = world.push(after=70)

    assert run.delivered == 10
    assert len(world.portal.records("companies")) == 10
    *_, again = (call for call in world.portal.requests if call.path.endswith("/batch/create"))
    assert len(again.body["inputs"]) == 6


def test_what_cannot_be_looked_for_keeps_no_other_from_being_found(world):
    world.portal.add_property("deals", "order_id", unique=True)
    world.portal.faults.fail_next(1, "no_answer", "batch/create")
    nameless = world.deliver("deals", {"dealname": "A", "dealstage": "closedwon"})
    for number in range(7):
        values = {"dealname": "B", "dealstage": "closedwon", "order_id": f"{number}"}
        world.deliver("deals", values, "order_id", lane=f"deals:{number}")
    world.push()

    run = world.push(after=70)

    nameless.refresh_from_db()
    assert (nameless.state, nameless.error_code) == (DeliveryState.DEAD, "no_match_key")
    assert (run.delivered, run.dead) == (7, 1)
    assert len(world.portal.records("deals")) == 8


def test_a_refused_look_is_halved_until_the_bad_one_stands_alone(world):
    world.portal.faults.fail_next(1, "no_answer", "batch/create")
    world.companies(8)
    world.push()
    world.portal.faults.fail_next(4, "status", "/search", status=400)

    run = world.push(after=70)

    assert [run.delivered, run.dead] == [7, 1]
    assert len(world.portal.records("companies")) == 8
    [dead] = Delivery.objects.dead()
    assert "unknown whether it arrived" in dead.error


def test_what_may_not_show_yet_is_neither_sent_again_nor_given_up(world):
    """A worker was lost, and another takes its delivery up before the search can know."""
    world.portal.index_lag = 45
    world.portal.faults.fail_next(1, "no_answer", "batch/create")
    [delivery] = world.companies(1)
    world.push()
    Delivery.objects.update(
        state=DeliveryState.SENDING, lease_owner="killed", lease_until=NOON + timedelta(seconds=10),
        attempted_at=NOON, unanswered_at=None,
    )  # fmt: skip

    world.push(after=20)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.unanswered_at) == (DeliveryState.WAITING, NOON)
    assert delivery.due_at == NOON + timedelta(seconds=HubSpot.recall_after)
    world.push(after=45)

    delivery.refresh_from_db()
    assert (delivery.state, delivery.outcome) == (DeliveryState.DELIVERED, "created")
    assert len(world.portal.records("companies")) == 1


def test_an_outage_during_the_look_costs_one_call_and_forgets_no_doubt(world):
    world.portal.faults.fail_next(1, "no_answer", "batch/create")
    world.companies(30)
    world.push()
    world.portal.faults.outage(True, kind="unavailable")
    before = len(world.portal.requests)

    run = world.push(after=70)

    assert len(world.portal.requests) - before == 1
    assert (run.read, run.waiting) == (30, 30)
    assert Delivery.objects.filter(unanswered_at=NOON).count() == 30


def test_what_another_worker_may_have_by_now_is_not_looked_for(world):
    world.portal.faults.fail_next(1, "no_answer", "batch/create")
    world.companies(3)
    world.push()
    world.now += timedelta(seconds=70)
    world.simulator.set_clock(world.now)
    claimed = outbox.claim(world.connection, limit=100, now=world.now)
    before = len(world.portal.requests)

    with connect.opened(world.connection, clock=lambda: world.now) as hubspot:
        late = world.now + timedelta(seconds=settings.LEASE_SECONDS + 1)
        recall = Recall(hubspot, lambda: late)
        assert recall.ask(claimed, late + timedelta(seconds=30))

    assert recall.lost == claimed
    assert len(world.portal.requests) == before
    assert outbox.absolve(claimed, late) == []
    assert Delivery.objects.filter(unanswered_at=NOON).count() == 3


def test_a_deal_that_nothing_identifies_is_left_to_a_person(world):
    world.portal.faults.fail_next(1, "no_answer", "batch/create")
    delivery = world.deliver("deals", {"dealname": "A", "dealstage": "closedwon"})

    world.push()
    world.push(after=70)

    delivery.refresh_from_db()
    assert (delivery.state, delivery.error_code) == (DeliveryState.DEAD, "no_match_key")
    assert len(world.portal.records("deals")) == 1


def test_a_deal_with_a_unique_property_is_found_again(world):
    world.portal.add_property("deals", "order_id", unique=True)
    world.portal.faults.fail_next(1, "no_answer", "batch/create")
    values = {"dealname": "A", "dealstage": "closedwon", "order_id": "7"}
    delivery = world.deliver("deals", values, "order_id")

    world.push()
    world.push(after=70)

    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.DELIVERED
    assert len(world.portal.records("deals")) == 1


def test_a_hundred_contacts_go_in_one_call_and_two_bad_ones_do_not_hold_up_the_rest(world):
    for number in range(100):
        email = f"wrong{number}" if number in {3, 50} else f"p{number}@acme.test"
        make_delivery(
            world.connection,
            origin="flow:onboarding",
            object_type="contacts",
            operation="create",
            lane=f"contacts:{number}",
            payload={"values": {"email": email}, "match": ["email", email], "remote_id": ""},
        )

    run = world.push()

    assert (run.delivered, run.dead) == (98, 2)
    assert [len(call.body["inputs"]) for call in world.portal.requests] == [100]
    assert set(Delivery.objects.filter(state=DeliveryState.DEAD).values_list("error_code", flat=True)) == {
        "INVALID_EMAIL"
    }
