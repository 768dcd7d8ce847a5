from __future__ import annotations

from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.configuration import spans
from routing.hours import Span


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("mon-fri 09:00-17:00", ["mon-fri 09:00-17:00"]),
        ("Monday – Friday 09:00–17:00", ["mon-fri 09:00-17:00"]),
        (
            "mon,wed 09:00-12:30, 13:30-17:00",
            ["mon 09:00-12:30, 13:30-17:00", "wed 09:00-12:30, 13:30-17:00"],
        ),
        (["tue 09:00-17:00", "mon 09:00-17:00"], ["mon-tue 09:00-17:00"]),
        (["mon 09:00-17:00", "tue 09:00-16:00"], ["mon 09:00-17:00", "tue 09:00-16:00"]),
        ("fri 22:00-06:00", ["fri 22:00-06:00"]),
        ("sat-mon 10:00-11:00", ["mon 10:00-11:00", "sat-sun 10:00-11:00"]),
        ("sun 18:00-24:00", ["sun 18:00-00:00"]),
        ("mon 09:00:30-17:00", ["mon 09:00:30-17:00"]),
        (["mon 09:00-17:00", "mon 09:00-17:00"], ["mon 09:00-17:00"]),
        ([], []),
    ],
)
def test_spans_are_understood_and_written_in_one_way(written, canonical):
    assert spans.lines(spans.parse(written)) == canonical


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("", f"“” is not a span of working hours; write it {spans.EXPECTED}."),
        ("mon-fri", f"“mon-fri” is not a span of working hours; write it {spans.EXPECTED}."),
        ("mon 9-17", f"“mon 9-17” is not a span of working hours; write it {spans.EXPECTED}."),
        ("mon 09:00-17", f"“09:00-17” is not a time of day from-to; write it {spans.EXPECTED}."),
        ("mon 09:00-25:00", "“25:00” is not a time of day; use 00:00 to 24:00."),
        ("moo 09:00-17:00", "“moo” is not a day; use mon, tue, wed, thu, fri, sat, sun."),
        ("mon-wed-fri 09:00-17:00", "“mon-wed-fri” names more than two days; write a range such as mon-fri."),
    ],
)
def test_what_is_no_span_is_refused_in_a_sentence(written, sentence):
    with pytest.raises(ValueError, match=r".") as refused:
        spans.parse(written)

    assert str(refused.value) == sentence


moments = st.times().map(lambda moment: moment.replace(microsecond=0))


@given(st.sets(st.builds(Span, st.integers(0, 6), moments, moments), max_size=12))
def test_any_week_survives_being_written(week):
    assert set(spans.parse(spans.lines(week))) == week


def test_midnight_may_be_an_end():
    assert spans.parse("mon 22:00-24:00") == (Span(0, time(22), time.min),)
