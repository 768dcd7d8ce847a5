"""Reading changes from the pretend portal: nothing is left out, whatever lags, moves or shares one instant."""

from datetime import timedelta

import pytest

from integration_hub.connectors.errors import RejectedError
from integration_hub.connectors.filters import Condition, Operator
from integration_hub.connectors.hubspot import reading as hubspot_reading
from integration_hub.connectors.records import ReadRequest
from integration_hub.connectors.schema import FieldType
from integration_hub.simulator.hubspot import search
from tests.connectors.doubles import NOON
from tests.connectors.test_hubspot_against_simulator import make_hubspot

FIELDS = ["email", "firstname"]


@pytest.fixture
def portal(simulator):
    simulator.set_clock(NOON)
    return simulator.hubspot


@pytest.fixture
def hubspot(portal):
    with make_hubspot(portal) as connector:
        yield connector


def contacts(portal, count, start=0):
    return portal.add_many("contacts", [{"email": f"p{n}@acme.test"} for n in range(start, start + count)])


def read(hubspot, **options):
    return list(hubspot.read(ReadRequest("contacts", FIELDS, **options)))


def ids(pages):
    return [record.remote_id for page in pages for record in page.records]


def test_more_records_of_one_instant_than_a_search_pages_through_are_all_read(portal, hubspot, monkeypatch):
    monkeypatch.setattr(search, "MOST_RESULTS", 1_000)
    monkeypatch.setattr(hubspot_reading, "MOST_IN_WINDOW", 500)
    everyone = contacts(portal, 1_300)

    pages = read(hubspot, since=NOON - timedelta(minutes=1), until=NOON + timedelta(minutes=1))

    assert sorted(ids(pages)) == sorted(everyone)
    assert len(set(ids(pages))) == len(ids(pages))


def test_changes_come_oldest_first_across_windows(portal, simulator, hubspot, monkeypatch):
    monkeypatch.setattr(hubspot_reading, "MOST_IN_WINDOW", 40)
    for minute in range(20):
        simulator.set_clock(NOON + timedelta(minutes=minute))
        contacts(portal, 17, start=minute * 17)
    portal.update("contacts", portal.records("contacts")[3]["hs_object_id"], firstname="Late")

    pages = read(hubspot, since=NOON, page_size=50)

    moments = [record.modified_at for page in pages for record in page.records]
    assert len(moments) == 20 * 17
    assert moments == sorted(moments)
    marks = [page.watermark for page in pages]
    assert marks == sorted(marks)


def test_a_vendor_whose_clock_is_ahead_is_read_to_the_end(portal, simulator, hubspot, monkeypatch):
    monkeypatch.setattr(hubspot_reading, "MOST_IN_WINDOW", 10)
    for second in range(8):
        simulator.set_clock(NOON + timedelta(seconds=second))
        contacts(portal, 5, start=second * 5)
    hubspot.clock = lambda: NOON - timedelta(seconds=30)

    pages = read(hubspot, since=NOON)

    assert len(ids(pages)) == 40
    assert len(portal.requests) < 60


def test_what_the_index_shows_late_is_read_the_next_time(portal, simulator, hubspot):
    portal.index_lag = 30
    contacts(portal, 3)

    before = read(hubspot, since=NOON - timedelta(minutes=10))
    simulator.set_clock(NOON + timedelta(seconds=31))
    after = read(hubspot, since=NOON - timedelta(minutes=10))

    assert (len(ids(before)), len(ids(after))) == (0, 3)


def test_no_watermark_is_later_than_the_beginning_of_the_read(portal, simulator, hubspot):
    contacts(portal, 2)
    hubspot.clock = lambda: NOON - timedelta(seconds=5)

    [page] = read(hubspot, since=NOON - timedelta(minutes=10))

    assert page.watermark == NOON - timedelta(seconds=5)


def test_companies_and_deals_are_read_by_their_own_modified_property(portal, hubspot):
    company = portal.add("companies", domain="acme.test", name="Acme")

    [page] = list(hubspot.read(ReadRequest("companies", ["name"], since=NOON - timedelta(minutes=1))))

    [record] = page.records
    assert (record.remote_id, record.title, record.modified_at) == (company, "Acme", NOON)


def test_the_version_of_a_record_changes_with_it(portal, simulator, hubspot):
    contact = portal.add("contacts", email="ann@acme.test")
    [first] = hubspot.fetch("contacts", [contact], FIELDS)
    portal.update("contacts", contact, firstname="Ann")

    [second] = hubspot.fetch("contacts", [contact, "999"], FIELDS)

    assert first.version != second.version
    assert (second.title, second.email, second.values["firstname"]) == ("Ann", "ann@acme.test", "Ann")


def test_what_is_no_id_is_not_fetched(hubspot):
    with pytest.raises(RejectedError):
        hubspot.fetch("contacts", ["1/../2"], FIELDS)


def test_a_preview_costs_one_call(portal, hubspot, monkeypatch):
    monkeypatch.setattr(hubspot_reading, "MOST_IN_WINDOW", 5)
    contacts(portal, 20)

    pages = read(hubspot, limit=10)

    assert len(ids(pages)) == 10
    assert len(portal.requests) == 1


def test_criteria_narrow_what_is_read_and_counted(portal, hubspot):
    contacts(portal, 4)
    portal.add("contacts", email="ann@acme.test", firstname="Ann")
    ann = Condition("firstname", FieldType.TEXT, Operator.EQUALS, ("ann",))
    nobody = Condition("firstname", FieldType.TEXT, Operator.IS_EMPTY)

    assert (
        len(ids(read(hubspot, since=NOON - timedelta(days=1), until=NOON + timedelta(days=1), where=ann)))
        == 1
    )
    assert hubspot.count("contacts", nobody) == 4
    assert hubspot.count("contacts", None) == 5


def test_archived_records_and_losers_of_merges_are_gone(portal, simulator, hubspot):
    old, kept, loser, archived = contacts(portal, 4)
    portal.archive("contacts", old)
    simulator.set_clock(NOON + timedelta(hours=1))
    portal.merge("contacts", kept, loser)
    portal.archive("contacts", archived)
    later = NOON + timedelta(hours=1)
    simulator.set_clock(NOON + timedelta(hours=2))
    portal.update("contacts", kept, firstname="Changed again")

    gone = hubspot.deleted("contacts", NOON + timedelta(minutes=30), NOON + timedelta(hours=3))

    assert sorted(gone) == sorted([(archived, later), (loser, later)])


def test_owners_are_people_by_their_owner_id_also_those_who_left(portal, hubspot):
    ann = portal.add_owner("Ann Lee", "ann@acme.test")
    bob = portal.add_owner("Bob Ray", "bob@acme.test", active=False)

    everybody = [member for page in hubspot.members() for member in page]

    assert [(m.remote_id, m.name, m.active) for m in everybody] == [
        (ann, "Ann Lee", True),
        (bob, "Bob Ray", False),
    ]
    assert hubspot.find_member("Ann@acme.test").remote_id == ann
    assert hubspot.find_member("nobody@acme.test") is None
    assert [m.remote_id for m in hubspot.find_members([bob])] == [bob]


def test_a_custom_object_type_is_read_and_described_like_the_others(portal, hubspot):
    portal.add_object_type("subscriptions", plan="string")
    subscription = portal.add("subscriptions", plan="gold")

    [page] = list(hubspot.read(ReadRequest("subscriptions", ["plan"], since=NOON - timedelta(minutes=1))))

    assert [(r.remote_id, r.values["plan"]) for r in page.records] == [(subscription, "gold")]
    assert "plan" in hubspot.describe("subscriptions").fields
