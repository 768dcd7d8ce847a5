"""Deliveries to HubSpot whose answer is lost: nothing is made twice, also while its search lags."""

from datetime import timedelta

import pytest

from integration_hub.connectors.hubspot.connector import HubSpot
from integration_hub.simulator.hubspot import ACCESS_TOKEN
from syncs.engine import push
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

    def deliver(self, object_type, values, match=None, operation="create"):
        payload = {"values": values, "match": [match, values[match]] if match else None, "remote_id": ""}
        return make_delivery(
            self.connection,
            origin="flow:onboarding",
            object_type=object_type,
            operation=operation,
            lane=f"{object_type}:{match}",
            payload=payload,
            now=self.now,
        )

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
