"""The quote's arithmetic, and how the ids are shared out."""

from itertools import pairwise
from types import SimpleNamespace

import pytest

from integration_hub.connectors.records import ScanPage
from syncs import backfill_words
from syncs.engine.backfill.plan import Cost, Quote, _ranges
from tests.factories import NOON


def page(size, total):
    return ScanPage([(f"id{n}", NOON, {}) for n in range(size)], total)


@pytest.mark.parametrize(
    ("total", "readers"),
    [(0, 1), (2_000, 1), (8_000, 1), (8_001, 4), (40_000, 5), (12_000, 5), (1_000_000, 5)],
)
def test_readers_are_as_many_as_their_last_pages_are_worth(total, readers):
    asked = []

    def split(after, last, parts):
        asked.append(parts)
        return [f"end{n}" for n in range(parts - 1)] + [last]

    ranges = _ranges(SimpleNamespace(split=split), page(min(total, 2_000), total), total, "last")

    assert (asked or [1]) == [readers]
    assert ranges[0][0] == ""
    assert all(end == begin for (_, end), (begin, _) in pairwise(ranges))


@pytest.mark.parametrize(
    ("cost", "days", "share"),
    [
        (Cost("X", 50), 1, None),
        (Cost("X", 50, left=50, daily=100), 1, 50.0),
        (Cost("X", 51, left=50, daily=100), 2, 51.0),
        (Cost("X", 260, left=50, daily=100), 4, 260.0),
        (Cost("X", 10, left=0, daily=0), 11, None),
    ],
)
def test_calls_beyond_todays_budget_take_more_days(cost, days, share):
    assert (cost.days, cost.share) == (days, share)


def test_a_quote_that_the_budget_does_not_cover_says_so():
    quote = Quote(40_000, Cost("Salesforce", 22, 10, 100), Cost("Iterable", 40), 11.0, "REST")

    said = " ".join(backfill_words.of_quote(quote))

    assert "Salesforce: 22 calls, 22.0 % of what backfills may spend a day (10 left today)." in said
    assert "it takes 2 days" in said


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "about 1 s"), (11, "about 11 s"), (240, "about 4 min"), (7_200, "about 2:00 h")],
)
def test_durations_are_said_in_the_unit_that_fits(seconds, words):
    assert backfill_words.duration(seconds) == words
