"""The order system as one end of syncs, over HTTP and by SQL, and as a sender of events."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from django.utils import timezone

from integration_hub.simulator.order_system import TOKEN, WEBHOOK_SECRET, tables
from integration_hub.simulator.order_system.webhooks import Manner
from routing import router
from syncs.engine import poll, push
from syncs.engine.backfill import engine as backfill
from syncs.engine.backfill import plan as backfill_plan
from syncs.engine.backfill.plan import Wanted
from syncs.models import Change, Connection, Delivery, InboundEvent
from syncs.models.deliveries import DeliveryState
from tests.factories import (
    NOON,
    make_connection,
    make_event_source,
    make_iterable,
    make_salesforce,
    make_stream,
    make_sync,
)

OBJECTS = """
customers:
  modified: updated_at
  title: name
  email: email
  list: {path: /customers, records: data, since: updated_since, sorted: true,
         paging: cursor, cursor: next_cursor, cursor_parameter: cursor, size_parameter: limit, size: 2}
  create: /customers
  update: /customers/{id}
  match: {field: email, path: "/customers?email={value}", records: data}
"""
TABLES = "customers: {table: customers, updated: updated_at, title: name, email: email, deleted: is_deleted}"
USER = [("email", "email"), ("name", "dataFields.Name")]


@pytest.fixture
def shop(simulator, db):
    simulator.set_clock(NOON)
    return simulator.order_system


@pytest.fixture
def api(shop):
    settings = {"address": shop.url, "auth": "bearer", "objects": OBJECTS}
    return make_connection("http_json", settings=settings, secrets={"token": TOKEN})


@pytest.fixture
def by_sql(shop, tmp_path):
    """A connection to the order system's database; `refresh` brings the database up to date."""
    path = tmp_path / "orders.sqlite3"
    engine = sa.create_engine(f"sqlite:///{path}")
    settings = {"driver": "sqlite", "database": str(path), "objects": TABLES}
    connection = make_connection("sql", settings=settings)
    connection.refresh = lambda: tables.write(shop.shop, engine)
    yield connection
    engine.dispose()


def customers_of(connection):
    return make_stream(connection, object_type="customers", described_at=None)


def pass_on(stream, destination, now):
    """Poll, decide and send once."""
    poll.run(stream, now, clock=lambda: now)
    router.run(stream, now)
    push.run(Connection.objects.get(pk=destination.pk), now, clock=lambda: now, sleep=lambda seconds: None)


def test_a_lead_becomes_a_customer_and_its_change_an_update(simulator, shop, api):
    lead = simulator.salesforce.add(
        "Lead", LastName="Lee", Email="lee@x.test", Company="Acme", FirstName="Ann"
    )
    stream = make_stream(make_salesforce(simulator), described_at=None)
    make_sync(
        ("Email", "email"),
        ("Name", "name"),
        stream=stream,
        destination=api,
        object_type="customers",
        match_path="email",
    )

    pass_on(stream, api, NOON + timedelta(seconds=10))
    simulator.set_clock(NOON + timedelta(seconds=20))
    simulator.salesforce.update(lead, LastName="Leeds")
    pass_on(stream, api, NOON + timedelta(seconds=30))

    [customer] = shop.customers.values()
    assert (customer["name"], customer["version"], customer["changed_by"]) == ("Ann Leeds", 2, "api")
    assert set(Delivery.objects.values_list("state", flat=True)) == {DeliveryState.DELIVERED}


def test_a_create_whose_answer_is_lost_makes_no_second_customer(simulator, shop, api):
    simulator.salesforce.add("Lead", LastName="Lee", Email="lee@x.test", Company="Acme")
    stream = make_stream(make_salesforce(simulator), described_at=None)
    make_sync(
        ("Email", "email"),
        ("Name", "name"),
        stream=stream,
        destination=api,
        object_type="customers",
        match_path="email",
    )
    shop.faults.fail_next(1, "delay", path="/customers", seconds=0)
    shop.faults.fail_next(1, "drop_after", path="/customers")

    for minutes in range(6):
        pass_on(stream, api, NOON + timedelta(minutes=minutes, seconds=10))

    assert len(shop.customers) == 1
    assert [call.method for call in shop.requests].count("POST") == 1
    assert Delivery.objects.get().state == DeliveryState.DELIVERED


@pytest.mark.parametrize("way", ["api", "by_sql"])
def test_customers_become_users_by_both_ways_each_change_once(simulator, shop, way, request):
    source, project = request.getfixturevalue(way), make_iterable(simulator)
    stream = customers_of(source)
    make_sync(*USER, stream=stream, destination=project)
    refresh = getattr(source, "refresh", lambda: None)
    first = shop.add_customer("ann@x.test", name="Ann")
    for number in range(4):
        shop.add_customer(f"c{number}@x.test", name=f"C {number}")

    refresh()
    pass_on(stream, project, NOON + timedelta(seconds=10))
    simulator.set_clock(NOON + timedelta(seconds=20))
    shop.update(first, {"name": "Anna"})
    refresh()
    pass_on(stream, project, NOON + timedelta(seconds=30))
    pass_on(stream, project, NOON + timedelta(seconds=40))

    assert len(simulator.iterable.users) == 5
    assert simulator.iterable.users["ann@x.test"]["dataFields"]["Name"] == "Anna"
    assert Change.objects.count() == 6


def test_a_database_is_backfilled_range_by_range(simulator, shop, by_sql):
    for number in range(30):
        shop.add_customer(f"c{number}@x.test", name=f"C {number}")
    by_sql.refresh()
    sync = make_sync(*USER, stream=customers_of(by_sql), destination=make_iterable(simulator))
    wanted = Wanted(sync, where="name <> 'C 3'")

    quote = backfill_plan.quote(wanted, timezone.now())
    started = backfill.start(wanted, quote, timezone.now())
    backfill.work(started, first=quote.first)

    assert len(simulator.iterable.users) == 29


def test_events_of_the_order_system_are_taken_in_once_each(shop, live_server):
    make_event_source(
        "customer.created", "order.accepted", "order.cancelled", key="orders", secret=WEBHOOK_SECRET
    )
    shop.clock.set(timezone.now())
    customer = shop.add_customer("ann@x.test")
    order = shop.add_order(customer, lines=[{"sku": "A", "quantity": 1, "price": 5}])
    shop.update(order, {"state": "cancelled"})

    refused = shop.webhooks.deliver(f"{live_server.url}/events/orders/", Manner(wrong=True))
    shop.webhooks.waiting, shop.webhooks.lost = shop.webhooks.lost, []
    taken = shop.webhooks.deliver(f"{live_server.url}/events/orders/", Manner(duplicates=True, shuffled=True))

    assert {one.status for one in refused} == {401}
    assert {one.status for one in taken} <= {200, 202}
    names = InboundEvent.objects.exclude(name="").values_list("name", flat=True)
    assert sorted(names) == ["customer.created", "order.accepted", "order.cancelled"]
