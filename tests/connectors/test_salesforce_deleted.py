"""What Salesforce tells of deleted records, which no query shows."""

from datetime import timedelta

import pytest

from syncs import connect
from tests.factories import NOON, make_salesforce

pytestmark = pytest.mark.django_db


def deleted(simulator, since, until):
    with connect.opened(make_salesforce(simulator)) as salesforce:
        return salesforce.deleted("Contact", since, until)


@pytest.fixture
def org(simulator):
    simulator.set_clock(NOON)
    return simulator.salesforce


def test_deleted_records_and_losers_of_merges_are_named_with_their_time(simulator, org):
    kept, gone, loser = (org.add("Contact", LastName=name) for name in "ABC")
    org.delete(gone)
    org.merge(kept, loser)
    simulator.set_clock(NOON + timedelta(minutes=2))

    found = deleted(simulator, NOON, NOON + timedelta(minutes=2))

    assert sorted(found) == sorted([(gone, NOON), (loser, NOON)])


def test_a_span_shorter_than_salesforce_takes_is_made_longer(simulator, org):
    gone = org.add("Contact")
    org.delete(gone)
    later = NOON + timedelta(seconds=70)
    simulator.set_clock(later)

    assert deleted(simulator, later, later) == [(gone, NOON)]


def test_salesforce_is_not_asked_for_more_than_it_keeps(simulator, org):
    assert deleted(simulator, NOON - timedelta(days=90), NOON) == []
    start = org.requests[-1].query["start"]
    assert start > (NOON - timedelta(days=15)).isoformat()
