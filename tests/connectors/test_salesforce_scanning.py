"""Ranges of ids, and a condition that a person typed."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.connectors.errors import RetryableError
from integration_hub.connectors.records import Scan
from integration_hub.connectors.salesforce.scanning import DIGITS, checked, page, query, split
from integration_hub.simulator.salesforce.ids import to18

IDS = st.text(DIGITS, min_size=12, max_size=12).map(lambda tail: to18(f"00Q{tail}"))


@given(IDS, IDS, st.integers(1, 9))
def test_ranges_are_in_order_and_end_at_the_last_id(one, other, parts):
    low, high = sorted((one, other))

    ends = split(low, high, parts)

    assert ends == sorted(set(ends))
    assert ends[-1] == high
    assert len(ends) <= parts
    assert all(low < end <= high and end == to18(end[:15]) for end in ends[:-1])


def test_ranges_are_even():
    ends = split(to18("00QgK0000000001"), to18("00QgK00000000e1"), 4)

    assert [end[-9:-3] for end in ends] == ["0000A1", "0000K1", "0000U1", "0000e1"]


def test_a_scan_asks_for_its_range_in_the_order_of_ids():
    scan = Scan(
        "Lead", ["Email", "Owner.Name"], "Rating = 'Hot' OR Rating = 'Warm'",
        since=datetime(2026, 11, 1, tzinfo=UTC), after_id="00QgK0000000001", up_to_id="00QgK0000000009",
        limit=10,
    )  # fmt: skip

    assert query(scan) == (
        "SELECT Id, SystemModstamp, Email, Owner.Name FROM Lead WHERE (Rating = 'Hot' OR Rating = 'Warm') "
        "AND SystemModstamp >= 2026-11-01T00:00:00Z AND Id > '00QgK0000000001' AND Id <= '00QgK0000000009' "
        "ORDER BY Id ASC LIMIT 10"
    )


@pytest.mark.parametrize("text", ["Name = 'O\\'Neil (Jr'", "(A = 1 OR B = 2) AND C = ')'", "Name = 'a\\\\'"])
def test_a_condition_may_hold_what_it_quotes(text):
    assert checked(f" {text} ") == text


@pytest.mark.parametrize(
    "text", ["A = 1) OR (B = 2", "(A = 1", "Name = 'x", "Name = 'x\\'", "A = 1))((", "Name = 'a\\\\\\'"]
)
def test_a_condition_that_would_leave_its_parentheses_is_refused(text):
    with pytest.raises(ValueError, match="not closed"):
        checked(text)


def test_values_are_freed_of_attributes():
    row = {
        "attributes": {"type": "Lead"}, "Id": "00QgK0000000001AAA", "SystemModstamp": "2026-11-20T12:00:00.000+0000",
        "Owner": {"attributes": {"type": "User"}, "Name": "Ann"}, "Account": None,
    }  # fmt: skip

    found = page({"records": [row], "totalSize": 1}, Scan("Lead", ["Owner.Name", "Account.Name"]))

    [(record_id, modified_at, values)] = found.records
    assert (record_id, modified_at.isoformat()) == ("00QgK0000000001AAA", "2026-11-20T12:00:00+00:00")
    assert values["Owner"] == {"Name": "Ann"}
    assert "attributes" not in values


@pytest.mark.parametrize(
    "row", [{}, {"Id": "1", "SystemModstamp": "soon"}, {"Id": "1", "SystemModstamp": None}]
)
def test_a_row_that_is_not_whole_is_asked_for_again(row):
    with pytest.raises(RetryableError, match="not whole"):
        page({"records": [row], "totalSize": 1}, Scan("Lead", ["Email"]))
