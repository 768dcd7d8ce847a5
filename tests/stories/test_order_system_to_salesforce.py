"""Customers of the order system become accounts and contacts of Salesforce, found by their numbers there."""

from datetime import timedelta

import pytest

from integration_hub.simulator.order_system import TOKEN
from routing import router
from syncs import destinations
from syncs.engine import poll, push
from syncs.models import Connection, Delivery, RecordLink
from syncs.models.deliveries import DeliveryState
from tests.factories import NOON, make_connection, make_salesforce, make_stream, make_sync

NUMBER = "Customer_Number__c"
OBJECTS = """
customers:
  modified: updated_at
  title: name
  email: email
  list: {path: /customers, records: data, since: updated_since, sorted: true,
         paging: cursor, cursor: next_cursor, cursor_parameter: cursor, size_parameter: limit, size: 50}
"""
CONTACT = [
    ("id", NUMBER),
    ("name", "LastName"),
    ("email", "Email"),
    {"source": "phone", "destination": "Phone", "when_empty": "clear"},
    ("company", f"Account.{NUMBER}"),
]
ACCOUNT = [("company", NUMBER), ("company", "Name"), ("city", "BillingCity")]


@pytest.fixture
def shop(simulator, db):
    simulator.set_clock(NOON)
    return simulator.order_system


@pytest.fixture
def org(simulator):
    for name in ("Contact", "Account"):
        simulator.salesforce.add_field(name, NUMBER, external_id=True, unique=True)
    return simulator.salesforce


@pytest.fixture
def crm(simulator, org):
    return make_salesforce(simulator)


@pytest.fixture
def customers(shop):
    settings = {"address": shop.url, "auth": "bearer", "objects": OBJECTS}
    source = make_connection("http_json", settings=settings, secrets={"token": TOKEN})
    return make_stream(source, object_type="customers", described_at=None)


@pytest.fixture
def contacts(customers, crm):
    return make_sync(*CONTACT, stream=customers, destination=crm, object_type="Contact", match_path=NUMBER)


@pytest.fixture
def accounts(customers, crm):
    return make_sync(*ACCOUNT, stream=customers, destination=crm, object_type="Account", match_path=NUMBER)


def pass_on(simulator, stream, crm, seconds):
    """Poll, decide and send once, so many seconds after noon."""
    now = NOON + timedelta(seconds=seconds)
    simulator.set_clock(now)
    poll.run(stream, now, clock=lambda: now)
    router.run(stream, now)
    push.run(Connection.objects.get(pk=crm.pk), now, clock=lambda: now, sleep=lambda seconds: None)


def states():
    return sorted(Delivery.objects.values_list("state", flat=True))


def by_number(org, object_type="Contact"):
    return {row[NUMBER]: row for row in org.records(object_type)}


def writes(org):
    return [call for call in org.requests if call.method == "PATCH"]


@pytest.mark.parametrize("restricted", [False, True])
def test_a_picklist_refuses_a_value_only_if_it_is_restricted(
    simulator, shop, org, crm, customers, contacts, restricted
):
    org.add("Account", Name="Acme", Customer_Number__c="Acme")
    org.add_field("Contact", "Tier__c", "picklist", picklist=["Gold", "Silver"], restricted=restricted)
    contacts.mappings.create(position=9, source="city", destination="Tier__c", default="Gold")
    for city in ("Silver", "Bronze", ""):
        shop.add_customer(name=f"Of {city}", email=f"a{city}@acme.test".lower(), company="Acme", city=city)
    destinations.fields(crm, "Contact")  # as saving the sync does

    pass_on(simulator, customers, crm, 5)

    refused = RecordLink.objects.filter(problem__isnull=False).values_list("problem", flat=True)
    assert list(refused) == (["does_not_fit_there"] if restricted else [])
    tiers = {row["Tier__c"] for row in org.records("Contact")}
    assert tiers == ({"Gold", "Silver"} if restricted else {"Gold", "Silver", "Bronze"})


def test_customers_become_accounts_and_contacts_tied_to_each_other(
    simulator, shop, org, crm, customers, accounts, contacts
):
    ann = shop.add_customer("ann@x.test", name="Ann", company="Acme", city="Bonn")
    bob = shop.add_customer("bob@y.test", name="Bob", company="Bolt", phone="+49 30 1")

    for seconds in (10, 60, 200):
        pass_on(simulator, customers, crm, seconds)

    people, companies = by_number(org), by_number(org, "Account")
    assert people[ann]["AccountId"] == companies["Acme"]["Id"]
    assert people[bob]["AccountId"] == companies["Bolt"]["Id"]
    assert companies["Acme"]["BillingCity"] == "Bonn"
    assert set(states()) == {DeliveryState.DELIVERED}
    assert set(RecordLink.objects.values_list("remote_id", flat=True)) == {
        row["Id"] for row in (*people.values(), *companies.values())
    }


def test_a_change_is_written_to_the_same_record_by_its_id_and_an_empty_value_clears(
    simulator, shop, org, crm, customers, contacts
):
    org.add("Account", Name="Acme", Customer_Number__c="Acme")
    ann = shop.add_customer("ann@x.test", name="Ann", company="Acme", phone="+49 30 1")
    pass_on(simulator, customers, crm, 10)
    made = by_number(org)[ann]
    simulator.set_clock(NOON + timedelta(seconds=20))
    shop.update(ann, {"name": "Anna", "phone": ""})

    pass_on(simulator, customers, crm, 30)
    pass_on(simulator, customers, crm, 40)

    changed = by_number(org)[ann]
    assert (changed["Id"], changed["LastName"]) == (made["Id"], "Anna")
    assert made["Phone"] == "+49 30 1"
    assert "Phone" not in changed
    assert changed["SystemModstamp"] > made["SystemModstamp"]
    assert [call.path.rpartition("v64.0")[2] for call in writes(org)] == [
        f"/composite/sobjects/Contact/{NUMBER}",
        "/composite/sobjects",
    ]


def test_a_refused_customer_is_a_dead_letter_alone(simulator, shop, org, crm, customers, contacts):
    org.add("Account", Name="Acme", Customer_Number__c="Acme")
    org.require("Contact", "We sell to grown-ups only.", lambda row: row["LastName"] != "Kid")
    for name in ("Ann", "Kid", "Bob"):
        shop.add_customer(f"{name.lower()}@x.test", name=name, company="Acme")

    pass_on(simulator, customers, crm, 10)

    assert {row["LastName"] for row in org.records("Contact")} == {"Ann", "Bob"}
    assert states() == [DeliveryState.DEAD, DeliveryState.DELIVERED, DeliveryState.DELIVERED]
    dead = Delivery.objects.get(state=DeliveryState.DEAD)
    assert dead.error_code == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert "grown-ups" in dead.error


def test_what_was_deleted_in_salesforce_is_made_again_by_the_next_change(
    simulator, shop, org, crm, customers, contacts
):
    org.add("Account", Name="Acme", Customer_Number__c="Acme")
    ann = shop.add_customer("ann@x.test", name="Ann", company="Acme")
    pass_on(simulator, customers, crm, 10)
    org.delete(by_number(org)[ann]["Id"])
    simulator.set_clock(NOON + timedelta(seconds=20))
    shop.update(ann, {"name": "Anna"})

    pass_on(simulator, customers, crm, 30)

    [again] = org.records("Contact")
    assert again["LastName"] == "Anna"
    assert RecordLink.objects.get().remote_id == again["Id"]


def test_a_lost_answer_makes_no_second_contact(simulator, shop, org, crm, customers, contacts):
    org.add("Account", Name="Acme", Customer_Number__c="Acme")
    shop.add_customer("ann@x.test", name="Ann", company="Acme")
    org.faults.fail_next(1, "drop_after", path="/composite/")

    for minutes in range(6):
        pass_on(simulator, customers, crm, 10 + 60 * minutes)

    assert len(org.records("Contact")) == 1
    assert states() == [DeliveryState.DELIVERED]


def test_what_the_hub_wrote_is_read_back_as_what_it_is(simulator, shop, org, crm, customers, contacts):
    org.add("Account", Name="Acme", Customer_Number__c="Acme")
    shop.add_customer("ann@x.test", name="Ann", company="Acme")
    watched = make_stream(crm, object_type="Contact", described_at=None, started_at=NOON)
    make_sync(("Email", "email"), stream=watched)

    pass_on(simulator, customers, crm, 10)
    found = poll.run(watched, NOON + timedelta(seconds=20), clock=lambda: NOON + timedelta(seconds=20))

    assert found.read == 1
