"""Record ids of Salesforce: made whole, checked, and told apart by their prefix."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.connectors.salesforce.ids import full_id, object_type_of, prefixes

LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("short", "check"),
    [
        ("001D000000IRFma", "IAH"),
        ("001D000000Iomaz", "IAB"),
        ("003RO0000035WQg", "YAM"),
        ("00190000001pPvH", "AAU"),
        ("750R0000000zxr8", "IAA"),
    ],
)
def test_fifteen_characters_become_the_eighteen_that_salesforce_gives(short, check):
    assert full_id(f" {short}\n") == short + check
    assert full_id(short + check) == short + check


@given(st.text(LETTERS, min_size=15, max_size=15))
def test_a_whole_id_stays_as_it_is(short):
    assert full_id(full_id(short)) == full_id(short)


@pytest.mark.parametrize(
    "text", ["", "00Q", "00Q00000000001", "00Q000000000001A", "00Q0000000000-1", "ann@x.test"]
)
def test_what_is_no_id_is_said(text):
    with pytest.raises(ValueError, match="is not a Salesforce id; it has 15 or 18 letters and digits"):
        full_id(text)


def test_an_id_whose_case_was_lost_is_not_taken_for_another():
    with pytest.raises(ValueError, match="was its case changed"):
        full_id("001D000000IRFmaIAH".upper())


@pytest.mark.parametrize(
    ("record_id", "object_type"),
    [
        ("00QgK0000000001AAA", "Lead"),
        ("003gK0000000001AAA", "Contact"),
        ("00GgK0000000001AAA", "Group"),
        ("00vgK0000000001AAA", "CampaignMember"),
        ("00VgK0000000001AAA", ""),
        ("a01gK0000000001AAA", "Project__c"),
        ("a02gK0000000001AAA", ""),
    ],
)
def test_the_prefix_tells_the_object_type_and_its_case_counts(record_id, object_type):
    assert object_type_of(record_id, {"a01": "Project__c"}) == object_type


def test_objects_without_a_prefix_are_left_out():
    listed = [{"name": "Lead", "keyPrefix": "00Q"}, {"name": "LeadHistory", "keyPrefix": None}, {"name": "X"}]

    assert prefixes(listed) == {"00Q": "Lead"}
