"""When to try again."""

import random
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from syncs.engine import retry
from tests.factories import NOON


@given(attempts=st.integers(1, 10_000), seed=st.integers())
def test_the_wait_doubles_up_to_a_limit_and_is_spread(attempts, seed):
    longest = min(retry.LONGEST, retry.FIRST * 2 ** min(attempts - 1, 20))

    wait = (retry.next_try(attempts, NOON, chance=random.Random(seed)) - NOON).total_seconds()

    assert longest / 2 <= wait <= longest


def test_tries_end():
    assert not retry.is_used_up(retry.MOST_ATTEMPTS - 1)
    assert retry.is_used_up(retry.MOST_ATTEMPTS)


def test_an_alert_is_tried_several_times_within_its_five_minutes():
    waits = [min(retry.LONGEST, retry.FIRST * 2**n) for n in range(7)]

    assert sum(waits) <= timedelta(minutes=5).total_seconds()
