"""Customers and orders of the order system become contacts, companies and deals at HubSpot, tied to each other."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from django.utils import timezone

from integration_hub.simulator.hubspot import ACCESS_TOKEN
from integration_hub.simulator.order_system import TOKEN, tables
from routing import router
from syncs import ties
from syncs.engine import poll, push
from syncs.engine.backfill import engine as backfill
from syncs.engine.backfill import plan as backfill_plan
from syncs.engine.backfill.plan import Wanted
from syncs.models import Change, Connection, Delivery, RecordLink, RecordTie, SyncRun, SyncTie
from syncs.models.deliveries import DeliveryState
from syncs.models.ties import TieState
from tests.factories import NOON, make_connection, make_stream, make_sync, make_value_map

OBJECTS = """
customers:
  modified: updated_at
  title: name
  email: email
  list: {path: /customers, records: data, since: updated_since, sorted: true,
         paging: cursor, cursor: next_cursor, cursor_parameter: cursor, size_parameter: limit, size: 50}
  deleted: {path: /customers/deleted, records: data, since: since, id: id, at: deleted_at}
orders:
  modified: updated_at
  list: {path: /orders, records: data, since: updated_since, sorted: true,
         paging: cursor, cursor: next_cursor, cursor_parameter: cursor, size_parameter: limit, size: 50}
"""
TABLES = """
customers: {table: customers, updated: updated_at, title: name, email: email, deleted: is_deleted}
orders: {table: orders, updated: updated_at, title: id, deleted: is_deleted}
"""
STAGES = {
    "accepted": "qualifiedtobuy",
    "shipped": "closedwon",
    "delivered": "closedwon",
    "cancelled": "closedlost",
}


class Trade:
    """An order system, a HubSpot, the hub between them, and a clock that only the story moves."""

    def __init__(self, simulator):
        self.simulator = simulator
        self.now = NOON
        simulator.set_clock(NOON)
        self.shop, self.portal = simulator.order_system, simulator.hubspot
        self.orders_api = make_connection(
            "http_json",
            settings={"address": self.shop.url, "auth": "bearer", "objects": OBJECTS},
            secrets={"token": TOKEN},
        )
        self.hubspot = make_connection(
            "hubspot",
            base_url=self.portal.url,
            settings={"credential": "token", "api_version": "v3"},
            secrets={"access_token": ACCESS_TOKEN},
        )
        for kind in ("contacts", "deals"):
            self.portal.add_property(kind, "order_id", unique=True)
        self.customers = make_stream(self.orders_api, object_type="customers", described_at=None)
        self.orders = make_stream(self.orders_api, object_type="orders", described_at=None)

    def contacts(self, **values):
        lines = [("email", "email"), ("name", "firstname")]
        return make_sync(
            *lines, stream=self.customers, destination=self.hubspot, object_type="contacts", **values
        )

    def companies(self):
        domain = {
            "source": "email",
            "destination": "domain",
            "transform": "liquid",
            "expression": "{{ value | split: '@' | last }}",
        }
        return make_sync(
            domain,
            ("company", "name"),
            stream=self.customers,
            destination=self.hubspot,
            object_type="companies",
            match_path="domain",
        )

    def deals(self, **values):
        stage = {
            "source": "state",
            "destination": "dealstage",
            "value_map": make_value_map(**STAGES),
            "unknown_value": "refuse",
        }
        lines = [("id", "order_id"), ("id", "dealname"), stage]
        return make_sync(
            *lines,
            stream=self.orders,
            destination=self.hubspot,
            object_type="deals",
            match_path="order_id",
            **values,
        )

    def turn(self, *streams, after=10):
        """Let time pass, poll the streams, decide and send."""
        self.now += timedelta(seconds=after)
        self.simulator.set_clock(self.now)
        for stream in streams or (self.customers, self.orders):
            poll.run(stream, self.now, clock=lambda: self.now)
            router.run(stream, self.now)
        self.push()

    def push(self, after=0):
        self.now += timedelta(seconds=after)
        self.simulator.set_clock(self.now)
        connection = Connection.objects.get(pk=self.hubspot.pk)
        push.run(connection, self.now, clock=lambda: self.now, sleep=lambda seconds: None)

    def by_sql(self, tmp_path):
        """Let the streams read the order system's database instead; it is scannable."""
        path = tmp_path / "orders.sqlite3"
        self.engine = sa.create_engine(f"sqlite:///{path}")
        settings = {"driver": "sqlite", "database": str(path), "objects": TABLES}
        database = make_connection("sql", settings=settings)
        for stream in (self.customers, self.orders):
            stream.connection = database
            stream.save()

    def backfill(self, sync):
        tables.write(self.shop.shop, self.engine)
        wanted = Wanted(sync)
        self.now = now = timezone.now()  # backfills go by the real clock
        started = backfill.start(wanted, backfill_plan.quote(wanted, now), now)
        done = backfill.work(started)
        self.now = timezone.now()
        return done

    def tied(self, kind, record_id, other_kind):
        return sorted(self.portal.tied(kind, record_id, other_kind))

    def id_of(self, kind, name, value):
        [record] = [one for one in self.portal.records(kind) if one.get(name) == value]
        return record["hs_object_id"]


@pytest.fixture
def trade(simulator, db):
    return Trade(simulator)


def test_orders_become_deals_that_are_tied_to_the_contact_of_their_customer(trade):
    contacts, deals = trade.contacts(), trade.deals()
    SyncTie.objects.create(sync=deals, source_path="customer_id", partner=contacts)
    ann = trade.shop.add_customer("ann@x.test", name="Ann")
    order = trade.shop.add_order(ann, lines=[{"sku": "A", "quantity": 1, "price": 5}])

    trade.turn()
    trade.turn()

    deal = trade.id_of("deals", "order_id", order)
    assert trade.tied("deals", deal, "contacts") == [trade.id_of("contacts", "email", "ann@x.test")]
    assert RecordTie.objects.get().state == TieState.TIED
    assert RecordLink.objects.get(sync=deals).remote_id == deal


def test_a_tie_waits_for_the_other_record_and_is_made_when_that_is_there(trade):
    contacts, deals = trade.contacts(enabled=False), trade.deals()
    SyncTie.objects.create(sync=deals, source_path="customer_id", partner=contacts)
    ann = trade.shop.add_customer("ann@x.test", name="Ann")
    order = trade.shop.add_order(ann)

    trade.turn()
    waiting = RecordTie.objects.get()
    contacts.enabled = True
    contacts.save()
    trade.simulator.set_clock(trade.now + timedelta(seconds=5))
    trade.shop.update(ann, {"city": "Bonn"})
    trade.turn()
    trade.push()

    assert (waiting.state, waiting.reason) == ("waiting", f"Waits until {ann} is written by {contacts}.")
    deal = trade.id_of("deals", "order_id", order)
    assert trade.tied("deals", deal, "contacts") == [trade.id_of("contacts", "email", "ann@x.test")]


def test_an_order_that_changes_hands_is_untied_and_tied_anew(trade):
    contacts, deals = trade.contacts(), trade.deals()
    SyncTie.objects.create(sync=deals, source_path="customer_id", partner=contacts)
    ann, bob = trade.shop.add_customer("ann@x.test"), trade.shop.add_customer("bob@x.test")
    order = trade.shop.add_order(ann)
    trade.turn()
    trade.push()

    trade.simulator.set_clock(trade.now + timedelta(seconds=5))
    trade.shop.update(order, {"customer_id": bob})
    trade.turn()
    trade.push()
    trade.push()

    deal = trade.id_of("deals", "order_id", order)
    assert trade.tied("deals", deal, "contacts") == [trade.id_of("contacts", "email", "bob@x.test")]
    assert set(Delivery.objects.values_list("state", flat=True)) == {DeliveryState.DELIVERED}


def test_a_customer_is_tied_to_the_company_of_the_same_record(trade):
    companies, contacts = trade.companies(), trade.contacts()
    SyncTie.objects.create(sync=contacts, source_path="id", partner=companies, label="Primary")
    trade.shop.add_customer("ann@acme.test", company="Acme")

    trade.turn()
    trade.push()

    [contact] = trade.portal.records("contacts")
    tied = trade.portal.tied("contacts", contact["hs_object_id"], "companies")
    assert list(tied) == [trade.id_of("companies", "domain", "acme.test")]
    assert "Primary" in next(iter(tied.values()))


@pytest.mark.parametrize("way", ["live", "backfill"])
def test_customers_of_one_company_make_it_once_though_the_search_does_not_show_it_yet(trade, tmp_path, way):
    companies = trade.companies()
    trade.portal.index_lag = 60
    for number in range(3):
        trade.shop.add_customer(f"c{number}@acme.test", company=f"Acme {number}")

    if way == "live":
        trade.turn()
        for _ in range(3):
            trade.push(after=5)
    else:
        trade.by_sql(tmp_path)
        trade.backfill(companies)

    assert len(trade.portal.records("companies")) == 1
    assert not Delivery.objects.open().exists()


@pytest.mark.parametrize("way", ["live", "companies first", "contacts first"])
def test_all_customers_of_a_company_are_tied_to_it_although_one_writes_it(trade, tmp_path, way):
    companies, contacts = trade.companies(), trade.contacts()
    SyncTie.objects.create(sync=contacts, source_path="id", partner=companies)
    for number in range(3):
        trade.shop.add_customer(f"c{number}@acme.test", company="Acme")

    if way == "live":
        trade.turn()
    else:
        trade.by_sql(tmp_path)
        order = [companies, contacts] if way == "companies first" else [contacts, companies]
        for sync in order:
            trade.backfill(sync)
    ties.catch_up(trade.now)
    trade.push()

    company = trade.id_of("companies", "domain", "acme.test")
    tied = [
        trade.tied("contacts", one["hs_object_id"], "companies") for one in trade.portal.records("contacts")
    ]
    assert tied == [[company]] * 3
    assert set(RecordTie.objects.values_list("state", flat=True)) == {TieState.TIED}


def test_a_changed_email_is_an_update_of_the_contact_without_a_look_up(trade):
    trade.contacts()
    ann = trade.shop.add_customer("ann@x.test", name="Ann")
    trade.turn()
    contact = trade.id_of("contacts", "email", "ann@x.test")

    trade.simulator.set_clock(trade.now + timedelta(seconds=5))
    trade.shop.update(ann, {"email": "anna@x.test"})
    trade.portal.requests.clear()
    trade.turn()

    assert [record["hs_object_id"] for record in trade.portal.records("contacts")] == [contact]
    assert trade.portal.emails() == {"anna@x.test"}
    assert [call.path for call in trade.portal.requests] == ["/crm/v3/objects/contacts/batch/update"]
    assert RecordLink.objects.get().match_value == "anna@x.test"


def test_a_record_that_was_merged_is_followed_and_one_that_is_gone_is_made_again(trade):
    contacts = trade.contacts()
    ann, bob = trade.shop.add_customer("ann@x.test"), trade.shop.add_customer("bob@x.test")
    trade.turn()
    other = trade.portal.add("contacts", email="ann2@x.test")
    trade.portal.merge("contacts", other, trade.id_of("contacts", "email", "ann@x.test"))
    trade.portal.archive("contacts", trade.id_of("contacts", "email", "bob@x.test"))

    trade.simulator.set_clock(trade.now + timedelta(seconds=5))
    trade.shop.update(ann, {"name": "Ann"})
    trade.shop.update(bob, {"name": "Bob"})
    trade.turn()
    trade.push()

    records = {one["firstname"]: one["hs_object_id"] for one in trade.portal.records("contacts")}
    assert set(records) == {"Ann", "Bob"}
    linked = dict(RecordLink.objects.filter(sync=contacts).values_list("record_id", "remote_id"))
    assert linked == {ann: records["Ann"], bob: records["Bob"]}


def test_two_backfills_write_once_and_tie_once(trade, tmp_path):
    trade.by_sql(tmp_path)
    contacts, deals = trade.contacts(), trade.deals()
    SyncTie.objects.create(sync=deals, source_path="customer_id", partner=contacts)
    for number in range(3):
        customer = trade.shop.add_customer(f"c{number}@x.test")
        trade.shop.add_order(customer)

    first = [trade.backfill(deals), trade.backfill(contacts)]
    trade.push()
    calls = len(trade.portal.requests)
    second = [trade.backfill(deals), trade.backfill(contacts)]
    trade.push()

    assert [one.run.delivered for one in first] == [3, 3]
    assert [(one.run.delivered, one.run.unchanged) for one in second] == [(0, 3), (0, 3)]
    assert set(RecordTie.objects.values_list("state", flat=True)) == {TieState.TIED}
    assert len(trade.portal.requests) == calls


@pytest.mark.parametrize("way", ["live", "backfill"])
@pytest.mark.parametrize(
    ("policy", "names"),
    [
        ("both", {"old@x.test": "New", "new@x.test": "Newcomer"}),
        ("update", {"old@x.test": "New"}),
        ("create", {"old@x.test": "Old", "new@x.test": "Newcomer"}),
    ],
)
def test_a_sync_may_only_update_or_only_create(trade, tmp_path, way, policy, names):
    contacts = trade.contacts(policy=policy)
    trade.portal.add("contacts", email="old@x.test", firstname="Old")
    trade.shop.add_customer("old@x.test", name="New")
    trade.shop.add_customer("new@x.test", name="Newcomer")

    if way == "live":
        trade.turn()
        trade.push()
    else:
        trade.by_sql(tmp_path)
        trade.backfill(contacts)

    assert {one["email"]: one["firstname"] for one in trade.portal.records("contacts")} == names
    assert not Delivery.objects.dead().exists()
    assert all(run.balances for run in SyncRun.objects.exclude(kind="poll"))


def test_what_is_only_created_is_not_written_again(trade):
    trade.contacts(policy="create")
    ann = trade.shop.add_customer("ann@x.test", name="Ann")
    trade.turn()

    trade.simulator.set_clock(trade.now + timedelta(seconds=5))
    trade.shop.update(ann, {"name": "Anna"})
    trade.turn()

    assert [one["firstname"] for one in trade.portal.records("contacts")] == ["Ann"]
    assert Change.objects.latest("pk").synced.popitem()[1][1] == "only_creates"


def test_the_source_id_is_written_along(trade):
    trade.portal.add_property("contacts", "customer_no")
    trade.contacts(external_id_path="customer_no")
    ann = trade.shop.add_customer("ann@x.test", name="Ann")

    trade.turn()

    assert trade.id_of("contacts", "customer_no", ann)


@pytest.mark.parametrize("policy", ["both", "create"])
@pytest.mark.parametrize("fault", ["drop_after", "no_answer"])
def test_a_lost_answer_makes_no_second_deal(trade, policy, fault):
    trade.deals(policy=policy)
    trade.shop.add_order(trade.shop.add_customer("ann@x.test"))
    trade.portal.faults.fail_next(1, fault, "batch/upsert" if policy == "both" else "batch/create")

    trade.turn()
    for _ in range(5):
        trade.push(after=70)

    [deal] = trade.portal.records("deals")
    assert RecordLink.objects.get(state="written").remote_id == deal["hs_object_id"]
    assert not Delivery.objects.open().exists()


def test_trouble_only_delays(trade):
    contacts, deals = trade.contacts(), trade.deals()
    SyncTie.objects.create(sync=deals, source_path="customer_id", partner=contacts)
    for number in range(3):
        trade.shop.add_order(trade.shop.add_customer(f"c{number}@x.test"))
    trade.portal.faults.fail_next(2, "rate_limited")
    trade.portal.faults.fail_next(2, "bad_gateway", "batch")

    trade.turn()
    for _ in range(10):
        trade.push(after=70)

    assert len(trade.portal.records("deals")) == len(trade.portal.records("contacts")) == 3
    assert set(RecordTie.objects.values_list("state", flat=True)) == {TieState.TIED}
    assert set(Delivery.objects.values_list("state", flat=True)) == {DeliveryState.DELIVERED}


@pytest.mark.parametrize(("choice", "left"), [("ignore", [None]), ("mark", ["true"]), ("remove", [])])
def test_a_deleted_customer_is_left_marked_or_archived(trade, choice, left):
    trade.portal.add_property("contacts", "gone", "bool")
    trade.contacts(when_deleted=choice, deleted_path="gone" if choice == "mark" else "")
    ann = trade.shop.add_customer("ann@x.test")
    trade.turn()

    trade.simulator.set_clock(trade.now + timedelta(seconds=5))
    trade.shop.delete(ann)
    trade.turn()

    assert [one.get("gone") for one in trade.portal.records("contacts")] == left


def test_order_states_become_stages_several_to_one(trade):
    trade.deals()
    order = trade.shop.add_order(trade.shop.add_customer("ann@x.test"))
    trade.turn()
    first = trade.portal.records("deals")[0]["dealstage"]

    trade.simulator.set_clock(trade.now + timedelta(seconds=5))
    trade.shop.update(order, {"state": "shipped"})
    trade.turn()

    assert (first, trade.portal.records("deals")[0]["dealstage"]) == ("qualifiedtobuy", "closedwon")
