"""Leases: alone, for a time, and only for politeness."""

from datetime import timedelta

import pytest

from syncs import leases
from tests.factories import NOON

pytestmark = pytest.mark.django_db


def test_one_holds_it_until_it_is_given_back():
    with leases.held("x", 60, NOON) as first, leases.held("x", 60, NOON) as second:
        assert first is not None
        assert second is None
    with leases.held("x", 60, NOON) as third:
        assert third.fence == first.fence + 1


def test_a_lost_holder_blocks_nobody_for_longer_than_its_time():
    lost = leases.held("x", 60, NOON)
    lost.__enter__()

    with leases.held("x", 60, NOON + timedelta(seconds=59)) as early:
        assert early is None
    with leases.held("x", 60, NOON + timedelta(seconds=60)) as late:
        assert late is not None


def test_of_several_the_first_free_one_is_taken():
    names = ["x:0", "x:1"]

    with leases.first_free(names, 60, NOON) as one, leases.first_free(names, 60, NOON) as two:
        assert [one.name, two.name] == names
        with leases.first_free(names, 60, NOON) as three:
            assert three is None
    with leases.first_free(names, 60, NOON) as again:
        assert again.name == "x:0"
