"""Instants and lengths of time as people read them."""

from datetime import timedelta

import pytest

from integration_hub.connectors.moments import lasting


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(0), "0 s"),
        (timedelta(seconds=-3), "0 s"),
        (timedelta(milliseconds=840), "0.8 s"),
        (timedelta(seconds=7), "7 s"),
        (timedelta(seconds=9.96), "10 s"),
        (timedelta(seconds=45), "45 s"),
        (timedelta(seconds=59.7), "1 min"),
        (timedelta(minutes=5), "5 min"),
        (timedelta(minutes=12, seconds=5), "12 min 5 s"),
        (timedelta(hours=3, seconds=9), "3 h"),
        (timedelta(hours=24), "1 d"),
        (timedelta(days=3, hours=4, minutes=5), "3 d 4 h"),
    ],
)
def test_lengths_are_said_in_their_two_largest_units(length, text):
    assert lasting(length) == text
