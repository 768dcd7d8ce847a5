"""Where a poll starts."""

from datetime import timedelta

import pytest

from syncs.engine.watermark import advanced, next_since
from tests.factories import NOON

HOUR = timedelta(hours=1)
OVERLAP = timedelta(minutes=10)


@pytest.mark.parametrize(
    ("watermark", "since"),
    [
        pytest.param(None, NOON, id="a new stream reads from its start"),
        pytest.param(NOON + HOUR, NOON + HOUR - OVERLAP, id="later it steps back by the overlap"),
        pytest.param(NOON + OVERLAP / 2, NOON, id="but never behind its start"),
    ],
)
def test_a_poll_starts_where_nothing_can_have_been_missed(watermark, since):
    assert next_since(watermark, start=NOON, overlap=OVERLAP) == since


def test_a_poll_that_had_no_time_is_resumed_exactly_where_it_stopped():
    assert next_since(NOON + HOUR, start=NOON, overlap=OVERLAP, resume_at=NOON + HOUR) == NOON + HOUR


@pytest.mark.parametrize(
    ("watermark", "seen", "after"),
    [
        (None, None, None),
        (None, NOON, NOON),
        (NOON, None, NOON),
        (NOON, NOON + HOUR, NOON + HOUR),
        (NOON, NOON - HOUR, NOON),
    ],
)
def test_a_watermark_never_moves_back(watermark, seen, after):
    assert advanced(watermark, seen) == after
