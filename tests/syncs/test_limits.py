"""Rate limits and budgets shared by all processes of a connection."""

from datetime import timedelta

import pytest

from integration_hub.connectors.contract import Rate
from integration_hub.connectors.errors import BudgetError, RateLimitError
from syncs import callouts, limits
from syncs.models import Priority
from tests.factories import NOON, make_connection

pytestmark = pytest.mark.django_db


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self):
        self.now = NOON.timestamp()
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(round(seconds, 3))
        self.now += seconds


def limiter(connection, time, *, priority=Priority.LIVE, **rates):
    return limits.SharedLimiter(connection, rates, priority, clock=time, sleep=time.sleep)


def test_a_burst_leaves_at_once_and_then_the_rate_holds():
    time = Time()
    limited = limiter(make_connection(), time, post=Rate(per_second=2, burst=3))

    for _ in range(5):
        limited.acquire("post")

    assert time.slept == [0.5, 0.5]


def test_two_processes_draw_from_one_bucket():
    time = Time()
    connection = make_connection()
    one = limiter(connection, time, post=Rate(per_second=2, burst=1))
    two = limiter(connection, time, post=Rate(per_second=2, burst=1))

    one.acquire("post")
    two.acquire("post")
    one.acquire("post")

    assert time.slept == [0.5, 0.5]


@pytest.mark.parametrize(("patience", "waits"), [(2.0, False), (10.0, True)])
def test_who_has_patience_waits_longer_for_a_turn(patience, waits):
    time = Time()
    rates = {"list": Rate(per_second=0.25, burst=1)}
    limited = limits.SharedLimiter(
        make_connection(), rates, Priority.LIVE, patience=patience, clock=time, sleep=time.sleep
    )
    limited.acquire("list")

    if waits:
        limited.acquire("list")
    else:
        with pytest.raises(RateLimitError):
            limited.acquire("list")

    assert time.slept == ([4.0] if waits else [])


def test_connections_and_scopes_do_not_share():
    time = Time()
    rate = Rate(per_second=1, burst=1)
    one = limiter(make_connection(), time, post=rate, read=rate)
    other = limiter(make_connection(), time, post=rate)

    one.acquire("post")
    one.acquire("read")
    other.acquire("post")
    one.acquire("unlimited")

    assert time.slept == []


def test_a_long_wait_is_not_waited_for():
    time = Time()
    limited = limiter(make_connection(), time, post=Rate(per_second=0.1, burst=1))
    limited.acquire("post")

    with pytest.raises(RateLimitError) as refused:
        limited.acquire("post")

    assert refused.value.retry_after == pytest.approx(10)


def test_what_the_vendor_blocks_is_blocked_for_all():
    time = Time()
    connection = make_connection()
    rate = Rate(per_second=10, burst=10)
    limiter(connection, time, post=rate).block("post", 30)

    with pytest.raises(RateLimitError) as refused:
        limiter(connection, time, post=rate).acquire("post")

    assert refused.value.retry_after == pytest.approx(30)


@pytest.mark.parametrize(
    ("priority", "left"), [(Priority.LIVE, 40), (Priority.FLOW, 20), (Priority.BACKFILL, 10)]
)
def test_the_reserves_are_kept_for_the_more_urgent(priority, left):
    connection = make_connection(daily_budget=100, reserve_live=20, reserve_flows=10)
    callouts.count_calls(connection, NOON.date(), Priority.LIVE, 60)

    assert limits.calls_left(connection, priority, NOON) == left


@pytest.mark.parametrize(
    ("budget", "vendor_used", "left"),
    [
        (None, 995, 5),  # others call too: what the vendor counts is what is left
        (100, 995, 5),
        (100, 500, 40),  # but what others call is not spent from our own budget
        (100, 10, 40),
    ],
)
def test_the_tighter_of_our_budget_and_the_vendors_limit_counts(budget, vendor_used, left):
    connection = make_connection(
        daily_budget=budget,
        vendor_used=vendor_used,
        vendor_limit=1000,
        vendor_reported_at=NOON - timedelta(minutes=5),
    )
    callouts.count_calls(connection, NOON.date(), Priority.LIVE, 60)

    assert limits.calls_left(connection, Priority.LIVE, NOON) == left


@pytest.mark.parametrize(
    ("priority", "minutes", "left"),
    [(Priority.LIVE, 14, 0), (Priority.LIVE, 15, limits.LOOK), (Priority.BACKFILL, 15, 0)],
)
def test_a_vendors_limit_that_is_used_up_is_looked_at_again_by_a_live_call(priority, minutes, left):
    connection = make_connection(
        vendor_used=1000, vendor_limit=1000, vendor_reported_at=NOON - timedelta(minutes=minutes)
    )

    assert limits.calls_left(connection, priority, NOON) == left


def test_our_own_budget_is_not_looked_at_again():
    connection = make_connection(
        daily_budget=1, vendor_used=10, vendor_limit=1000, vendor_reported_at=NOON - timedelta(hours=1)
    )
    callouts.count_calls(connection, NOON.date(), Priority.LIVE, 1)

    assert limits.calls_left(connection, Priority.LIVE, NOON) == 0


def test_a_count_of_yesterday_is_no_count():
    connection = make_connection(
        vendor_used=1000, vendor_limit=1000, vendor_reported_at=NOON - timedelta(hours=25)
    )

    assert limits.calls_left(connection, Priority.LIVE, NOON) is None


def test_a_used_up_budget_refuses_the_next_call():
    time = Time()
    limited = limiter(make_connection(daily_budget=2), time)
    limited.acquire("")
    limited.acquire("")

    with pytest.raises(BudgetError, match="call budget"):
        limited.acquire("")
