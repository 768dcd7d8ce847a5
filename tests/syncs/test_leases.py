"""Leases: one holder at a time, and nobody's for ever."""

from datetime import timedelta

import pytest

from syncs import leases
from tests.factories import NOON

pytestmark = pytest.mark.django_db


def takes(now, seconds=90.0):
    with leases.held("pump", seconds, now) as lease:
        return lease is not None


@pytest.mark.parametrize(("seconds", "free"), [(0, False), (89, False), (90, True)])
def test_who_was_killed_holds_it_no_longer_than_it_lasts(seconds, free):
    killed = leases.held("pump", 90, NOON)
    killed.__enter__()

    assert leases.is_held("pump", NOON + timedelta(seconds=seconds)) is not free
    assert takes(NOON + timedelta(seconds=seconds)) is free


@pytest.mark.parametrize("moved", [timedelta(0), timedelta(hours=-1), timedelta(seconds=1)])
def test_what_was_given_back_is_free_whatever_the_clock_does(moved):
    assert takes(NOON)

    assert takes(NOON + moved)
    assert not leases.is_held("pump", NOON + moved)


def test_it_is_given_back_also_after_a_failure():
    with pytest.raises(ValueError, match="broken"), leases.held("pump", 90, NOON):
        raise ValueError("broken")

    assert takes(NOON)
