"""Contacts of HubSpot whose e-mails change hands within one batch: each keeps its record and gets its own address."""

from datetime import timedelta

import pytest

from syncs.models import Delivery, RecordLink
from syncs.models.deliveries import DeliveryState
from tests.stories.test_order_system_to_hubspot import Trade


@pytest.fixture
def trade(simulator, db):
    return Trade(simulator)


def people(trade, *names):
    """Have a customer of each name with the address of that name, and their contacts; return both ids by name."""
    trade.contacts()
    ids = {name: trade.shop.add_customer(f"{name}@x.test", name=name) for name in names}
    trade.turn()
    return {name: (left, RecordLink.objects.get(record_id=left).remote_id) for name, left in ids.items()}


def move(trade, ids, **addresses):
    """Give customers other addresses; the order system does not mind in what order."""
    trade.simulator.set_clock(trade.now + timedelta(seconds=5))
    for name in addresses:
        trade.shop.update(ids[name][0], {"email": f"between-{name}@x.test"})
    for name, address in addresses.items():
        trade.shop.update(ids[name][0], {"email": f"{address}@x.test"})


def addresses(trade, ids):
    return {
        name: trade.portal.record("contacts", right)["email"].partition("@")[0]
        for name, (_, right) in ids.items()
    }


WAYS = [
    {"ann": "bob", "bob": "ann"},
    {"ann": "bob", "bob": "new"},
    {"bob": "new", "ann": "bob"},
    {"ann": "bob", "bob": "cat", "cat": "ann"},
    {"ann": "bob", "bob": "cat", "cat": "dan", "dan": "new"},
    {"ann": "bob", "bob": "ann", "cat": "dan", "dan": "cat"},
]


@pytest.mark.parametrize("ways", WAYS, ids=lambda ways: " ".join(f"{a}-{b}" for a, b in ways.items()))
def test_addresses_that_change_hands_end_with_the_right_contact(trade, ways):
    ids = people(trade, *ways)

    move(trade, ids, **ways)
    trade.turn()
    for _ in range(5):
        trade.push(after=70)

    assert addresses(trade, ids) == ways
    assert {trade.portal.record("contacts", right)["firstname"] for _, right in ids.values()} == set(ways)
    assert len(trade.portal.records("contacts")) == len(ways)
    assert set(Delivery.objects.values_list("state", flat=True)) == {DeliveryState.DELIVERED}
    links = RecordLink.objects.values_list("record_id", "remote_id", "match_value")
    assert set(links) == {(*ids[name], f"{ways[name]}@x.test") for name in ways}


@pytest.mark.parametrize("fault", ["rate_limited", "no_answer", "drop_after", "drop"])
@pytest.mark.parametrize(
    ("path", "passed"), [("contacts/2385", 0), ("batch/update", 1), ("batch/update", 2), ("batch/update", 3)]
)
def test_trouble_in_the_midst_of_an_exchange_only_delays_it(trade, fault, path, passed):
    ids = people(trade, "ann", "bob", "cat")
    ways = {"ann": "bob", "bob": "cat", "cat": "ann"}
    if passed:
        trade.portal.faults.fail_next(passed, "delay", path, seconds=0)
    trade.portal.faults.fail_next(1, fault, path)

    move(trade, ids, **ways)
    trade.turn()
    for _ in range(5):
        trade.push(after=70)

    assert addresses(trade, ids) == ways
    assert len(trade.portal.records("contacts")) == 3
    assert set(Delivery.objects.values_list("state", flat=True)) == {DeliveryState.DELIVERED}


def test_a_stranger_who_has_the_address_is_a_refusal_and_holds_up_nobody(trade):
    ids = people(trade, "ann", "bob", "cat")
    trade.portal.add("contacts", email="stranger@x.test")

    move(trade, ids, ann="bob", bob="stranger", cat="new")
    trade.turn()

    assert addresses(trade, ids) == {"ann": "ann", "bob": "bob", "cat": "new"}
    assert Delivery.objects.dead().count() == 2
