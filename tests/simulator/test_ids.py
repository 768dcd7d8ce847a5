"""Ids and stamps look and sort as Salesforce's do."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from integration_hub.simulator.salesforce.ids import IdSequence, checksum, stamp, to18, whole_second


@pytest.mark.parametrize(
    ("id15", "letters"),
    [
        ("001D000000IRFma", "IAH"),
        ("001D000000Iomaz", "IAB"),
        ("003RO0000035WQg", "YAM"),
        ("00190000001pPvH", "AAU"),
        ("750R0000000zxr8", "IAA"),
        ("00QZZZZZZZZZZZZ", "255"),
    ],
)
def test_the_checksum_is_the_published_one(id15, letters):
    assert checksum(id15) == letters
    assert to18(to18(id15)) == id15 + letters


def test_ids_grow_in_the_order_in_which_they_are_compared():
    next_id = IdSequence("00Q")

    ids = [next_id() for _ in range(10_000)]

    assert ids == sorted(set(ids))
    assert {len(record_id) for record_id in ids} == {18}


def test_stamps_are_utc_with_milliseconds_and_no_colon():
    berlin = timezone(timedelta(hours=1))

    assert stamp(datetime(2026, 11, 20, 11, 0, 0, 123_456, berlin)) == "2026-11-20T10:00:00.123+0000"
    assert whole_second(datetime(2026, 11, 20, 10, 0, 0, 999_999, UTC)) == "2026-11-20T10:00:00.000+0000"
