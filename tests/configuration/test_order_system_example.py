"""The order system's example, imported into an empty hub and switched on."""

from __future__ import annotations

import pytest

from integration_hub.configuration import document
from integration_hub.simulator.hubspot import ACCESS_TOKEN
from integration_hub.simulator.order_system import TOKEN, WEBHOOK_SECRET
from routing import router
from syncs import connect, streams
from syncs.engine import poll, push
from syncs.mappings import check as mapping_check
from syncs.models import Connection, Stream, Sync
from tests.configuration.documents import imported
from tests.configuration.test_examples import given
from tests.factories import NOON

pytestmark = pytest.mark.django_db
KEYS = ["customers-to-companies", "customers-to-contacts", "orders-to-deals", "contacts-to-customers"]


@pytest.fixture
def hub(simulator, monkeypatch):
    """The example in a hub whose order system and HubSpot are simulated."""
    monkeypatch.setenv("ORDERS_TOKEN", TOKEN)
    monkeypatch.setenv("ORDERS_EVENT_SECRET", WEBHOOK_SECRET)
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", ACCESS_TOKEN)
    simulator.set_clock(NOON)
    simulator.hubspot.add_property("deals", "order_number", unique=True)
    ann = simulator.order_system.add_customer(
        "ann@acme.test", name="Ann", company="Acme", phone="+4930123456"
    )
    simulator.order_system.add_order(ann, lines=[{"sku": "A", "quantity": 2, "price": 9.5}])
    imported(given("order-system.yaml"))
    Connection.objects.filter(key="hubspot").update(base_url=simulator.hubspot.url)
    orders = Connection.objects.get(key="orders")
    orders.settings["address"] = simulator.order_system.url
    orders.save()
    return simulator


def test_everything_is_there_and_off_and_the_same_again_changes_nothing(hub):
    assert set(Sync.objects.filter(enabled=False).values_list("key", flat=True)) == set(KEYS)
    exported = document.exported()
    assert imported(exported).differences == ()
    assert Sync.objects.get(key="contacts-to-customers").counterpart.key == "customers-to-contacts"


@pytest.mark.parametrize("key", ["orders", "hubspot"])
def test_its_connections_log_in(hub, key):
    result = connect.check(Connection.objects.get(key=key), NOON)

    assert result.ok, result.summary


@pytest.mark.parametrize("key", KEYS)
def test_its_mappings_fit_both_sides(hub, key):
    sync = Sync.objects.get(key=key)
    streams.describe(sync.stream, NOON)

    found = mapping_check.problems(sync, list(sync.mappings.all()), NOON)

    assert [one for one in found if not one.warning] == []


def test_switched_on_it_carries_a_customer_and_an_order_over(hub):
    [order] = hub.order_system.orders
    Sync.objects.update(enabled=True)
    Stream.objects.update(started_at=NOON)

    for _ in range(3):
        for stream in Stream.objects.exclude(key="hubspot-contacts"):
            poll.run(stream, NOON, clock=lambda: NOON)
            router.run(stream, NOON)
        push.run(Connection.objects.get(key="hubspot"), NOON, clock=lambda: NOON, sleep=lambda _s: None)

    [contact], [company], [deal] = (hub.hubspot.records(kind) for kind in ("contacts", "companies", "deals"))
    assert (contact["firstname"], company["name"], company["domain"]) == ("Ann", "Acme", "acme.test")
    assert (deal["order_number"], deal["amount"], deal["dealstage"]) == (order, "19.0", "qualifiedtobuy")
    assert list(hub.hubspot.tied("deals", deal["hs_object_id"], "contacts")) == [contact["hs_object_id"]]
    assert list(hub.hubspot.tied("contacts", contact["hs_object_id"], "companies")) == [
        company["hs_object_id"]
    ]
