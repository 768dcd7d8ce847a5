"""Which way a backfill reads, and how that is said."""

import pytest

from integration_hub.connectors.errors import ConfigError
from integration_hub.connectors.salesforce.bulk import cost
from syncs import backfill_words
from syncs.engine.backfill.reading import Because, Choice, Price, Reading, choose

REST, BULK = Reading.REST, Reading.BULK
QUICK, SLOW = Price(502, 200.0), Price(57, 305.0)


@pytest.mark.parametrize(
    ("rest", "bulk", "left", "daily", "reading", "because"),
    [
        (QUICK, SLOW, None, None, REST, Because.TIME),
        (Price(502, 400.0), SLOW, None, None, BULK, Because.TIME),
        (QUICK, SLOW, 70_000, 70_000, REST, Because.TIME),
        (QUICK, SLOW, 50_200, 50_200, REST, Because.TIME),
        (QUICK, SLOW, 50_199, 50_199, BULK, Because.CALLS),
        (QUICK, SLOW, 501, 70_000, BULK, Because.CALLS),
        (QUICK, SLOW, 0, 0, BULK, Because.CALLS),
        (Price(3, 1.0), Price(11, 9.0), 2, 100, REST, Because.CALLS),
        (Price(11, 10.0), Price(11, 9.0), 2, 100, REST, Because.CALLS),
    ],
)
def test_calls_count_where_they_are_dear_and_time_elsewhere(rest, bulk, left, daily, reading, because):
    choice = choose(rest, bulk, wish=None, left=left, daily=daily)

    assert (choice.reading, choice.because) == (reading, because)
    assert choice.other == (bulk if reading == REST else rest)


@pytest.mark.parametrize("wish", [REST, BULK])
def test_what_was_asked_for_is_done(wish):
    choice = choose(QUICK, SLOW, wish=wish, left=None, daily=None)

    assert (choice.reading, choice.because) == (wish, Because.ASKED)


def test_without_an_ability_to_read_in_bulk_there_is_no_choice():
    assert choose(QUICK, None, wish=None, left=0, daily=0) == Choice()
    with pytest.raises(ConfigError, match="cannot be read by a bulk job"):
        choose(QUICK, None, wish=BULK, left=None, daily=None)


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (Choice(), ""),
        (
            Choice(REST, Because.TIME, Price(1, 9.0)),
            "By a bulk job it would be 1 call and about 9 s: REST is quicker.",
        ),
        (
            Choice(BULK, Because.CALLS, Price(502, 200.0)),
            (
                "By REST, page by page, it would be 502 calls and about 3 min: the job takes fewer calls, and REST "
                "more than 1 % of the day's, or than are left."
            ),
        ),
        (
            Choice(BULK, Because.ASKED, Price(502, 200.0)),
            "By REST, page by page, it would be 502 calls and about 3 min: the job was asked for.",
        ),
    ],
)
def test_the_choice_is_said_with_its_reason(choice, words):
    assert backfill_words.of_choice(choice.facts()) == words


def test_a_quote_stored_before_there_was_a_choice_says_nothing_of_it():
    assert backfill_words.of_choice({"records": 5}) == ""


@pytest.mark.parametrize("because", [one for one in Because if one != Because.ONLY])
@pytest.mark.parametrize("reading", list(Reading))
def test_every_reason_has_its_words(reading, because):
    assert backfill_words.of_choice(Choice(reading, because, Price(2, 1.0)).facts())


@pytest.mark.parametrize(
    ("records", "a_day", "reading"),
    [
        (40_000, 100_000, REST),
        (1_390_000, 100_000, REST),
        (1_410_000, 100_000, BULK),
        (40_000, 15_000, REST),
        (200_000, 15_000, REST),
        (220_000, 15_000, BULK),
    ],
)
def test_the_sizes_that_the_documentation_names(records, a_day, reading):
    """With the default reserves, and a page answered in a second."""
    daily = a_day * 70 // 100
    pages, writing = records / 2_000, records / 5_000
    job = cost(records)

    choice = choose(
        Price(round(pages) + 2, max(1 + pages / 5, 2 + writing)),
        Price(job.calls + 2, job.ready + max(job.reading, writing)),
        wish=None, left=daily, daily=daily,
    )  # fmt: skip

    assert choice.reading == reading
