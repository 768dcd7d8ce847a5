"""Hundreds of registrations while HubSpot fails, goes away, lags and limits, and the hub's worker is killed."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter
from datetime import timedelta

import pytest

from routing.models import FlowRun, StepTry
from syncs import limits
from syncs.models import Delivery, InboundEvent, Incident, SyncRun
from tests.stories.test_crashes import killed_after
from tests.stories.test_onboarding import LEASE, Shop

CUSTOMERS, AT_ONCE = 350, 5
TROUBLE = {
    "rate_limited": {},
    "status": {"status": 500},
    "bad_gateway": {},
    "no_answer": {},  # done, then a time-out instead of the answer
    "drop_after": {},
    "drop": {},
}
EACH = 0.015
"""Of each kind, so that about one call in twelve fails."""
AWAY = range(30, 36)
"""In these rounds of ten seconds HubSpot answers nobody."""
KILLED = {10: 45, 20: 55, 45: 65, 60: 75}
"""In which round the worker is killed after how many statements."""


@pytest.fixture
def shop(simulator, transactional_db, monkeypatch):
    """A shop whose HubSpot limits, lags and has trouble; who waits for its turn moves the story's clock."""
    shop = Shop(simulator)
    shop.hubspot.enforce_limits = True
    shop.hubspot.index_lag = 30
    monkeypatch.setitem(limits.SharedLimiter.__init__.__kwdefaults__, "sleep", shop.wait)
    random.seed(5)  # the waits between tries are spread by chance
    return shop


def domain_of(number):
    """Every other customer is the first of a company; the rest join one that came long before."""
    return f"d{number if number % 2 else number // 4 * 2 + 1}.test"


def email_of(number):
    """Every tenth customer registers with the e-mail of the next one, in other letters."""
    return f"c{number}@mail.test" if number % 10 else f"C{number + 1}@Mail.TEST"


def register(shop, numbers):
    for number in numbers:
        shop.post(number=number, domain=domain_of(number), email=email_of(number))


def busiest(requests, seconds):
    """Return how many of the calls were made at most within so many seconds."""
    times = sorted(request.at for request in requests)
    return max(
        at + 1 - bisect_left(times, times[at] - timedelta(seconds=seconds * 0.999))
        for at in range(len(times))
    )


def test_hundreds_of_registrations_through_trouble(shop):
    for number in range(1, CUSTOMERS, 20):
        shop.hubspot.add("contacts", email=email_of(number))
    for kind, options in TROUBLE.items():
        shop.hubspot.faults.set(kind, EACH, **options)
    shop.hubspot.faults.set("drop_after", 0.2, path="companies/batch/create")

    deaths = []
    for number in range(CUSTOMERS // AT_ONCE):
        shop.hubspot.faults.outage(number in AWAY, kind="unavailable")
        register(shop, range(number * AT_ONCE, (number + 1) * AT_ONCE))
        with killed_after(KILLED.get(number, 1_000_000)) as killed:
            shop.tick()
        deaths += killed
        shop.wait(10)
    shop.pass_time(LEASE.total_seconds() + 600, step=20)

    assert len(deaths) == len(KILLED)
    assert Counter(FlowRun.objects.values_list("stage", flat=True)) == {"done": CUSTOMERS}
    assert_each_is_there_once(shop)
    assert_the_books_balance()
    calls = shop.hubspot.requests
    searches = [call for call in calls if call.path.endswith("/search")]
    assert busiest([call for call in calls if call not in searches], 10) <= 190
    assert busiest(searches, 1) <= 5


def assert_each_is_there_once(shop):
    wanted = {email_of(n).lower(): set() for n in range(CUSTOMERS)}
    for number in range(CUSTOMERS):
        wanted[email_of(number).lower()].add(domain_of(number))
    domains = Counter(one["domain"] for one in shop.hubspot.records("companies"))
    emails = Counter(one["email"].lower() for one in shop.hubspot.records("contacts"))
    assert set(domains.values()) == set(emails.values()) == {1}
    assert (set(domains), set(emails)) == ({domain_of(n) for n in range(CUSTOMERS)}, set(wanted))
    assert {email.lower(): set(tied) for email, tied in shop.ties().items()} == wanted


def assert_the_books_balance():
    """What came is what was done; nothing is left over, and nothing waits for a person."""
    assert InboundEvent.objects.count() == InboundEvent.objects.filter(state="routed").count() == CUSTOMERS
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}
    assert Delivery.objects.count() == StepTry.objects.exclude(delivery=None).count() == 3 * CUSTOMERS
    assert set(StepTry.objects.values_list("code", flat=True)) == {""}
    assert not [run for run in SyncRun.objects.filter(error="") if not run.balances]
    assert not Incident.objects.filter(closed_at=None).exists()
