"""Events at Iterable when a lead moves on, and the list that contacts come onto."""

import pytest

from syncs.models import RecordLink
from tests.factories import make_sync
from tests.stories.test_audience_sync import Audience

pytestmark = pytest.mark.django_db


@pytest.fixture
def company(simulator, db):
    return Audience(simulator)


def test_a_lead_that_moves_on_is_told_as_an_event(company):
    sync = company.sync(
        company.stream, {"Email": "email", "Status": "dataFields.status"}, object_type="event"
    )
    sync.mappings.create(destination="eventName", transform="liquid", expression="leadStatusChanged")
    company.tick()
    lead = company.lead("ann@x.test", Status="New")
    company.settle()

    company.salesforce.update(lead, Status="Working")
    company.settle()
    company.salesforce.update(lead, Phone="1")
    company.settle()

    events = [
        (one["eventName"], one["email"], one["dataFields"]["status"]) for one in company.iterable.events
    ]
    assert events == [
        ("leadStatusChanged", "ann@x.test", "New"),
        ("leadStatusChanged", "ann@x.test", "Working"),
    ]
    assert company.iterable.events[1]["createdAt"] > company.iterable.events[0]["createdAt"]


def test_a_lost_answer_tells_no_event_twice(company):
    sync = company.sync(company.stream, {"Email": "email"}, object_type="event")
    sync.mappings.create(destination="eventName", transform="liquid", expression="leadCreated")
    company.tick()
    company.iterable.faults.fail_next(1, "drop_after", path="trackBulk")

    company.lead("ann@x.test")
    company.settle(60)

    calls = [r for r in company.iterable.requests if r.path == "/api/events/trackBulk"]
    assert (len(calls), len(company.iterable.events)) == (2, 1)


def test_a_contact_comes_onto_the_list_and_leaves_it_when_deleted(company):
    number = company.iterable.add_list("Customers")
    company.sync(company.contacts, {"Email": "email", "LastName": "dataFields.Name"}, 10)
    make_sync(
        ("Email", "email"), stream=company.contacts, destination=company.project, key="members",
        object_type=f"list:{number}", when_deleted="remove",
    )  # fmt: skip
    company.tick()

    contact = company.contact("ann@x.test")
    company.settle(60)
    assert company.iterable.lists["Customers"] == ["ann@x.test"]
    assert sorted(RecordLink.objects.values_list("sync__key", "state")) == [
        ("contacts", "written"),
        ("members", "written"),
    ]

    company.salesforce.delete(contact)
    company.settle(300)

    assert company.iterable.lists["Customers"] == []
    assert list(company.iterable.users) == ["ann@x.test"]
