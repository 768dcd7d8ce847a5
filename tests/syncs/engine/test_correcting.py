"""Corrections stand in the place of what the source says, until it says something else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncs.engine import correcting
from syncs.engine.correcting import Fix
from syncs.engine.mapping import IGNORED, Line, Mapper

RECORD = {"Email": "ann(at)acme", "Score": 5, "Open": True, "Account": {"Name": "Acme", "Size": 7}}


def fix(source, value="", *, ignored=False, record=RECORD):
    return Fix(source, correcting.seen(correcting.standing(record, source)), ignored, value)


@pytest.mark.parametrize(
    ("source", "value", "wanted"),
    [
        ("Email", "ann@acme.test", {**RECORD, "Email": "ann@acme.test"}),
        ("Score", "6", {**RECORD, "Score": 6}),
        ("Score", "6.5", {**RECORD, "Score": 6.5}),
        ("Score", "many", {**RECORD, "Score": "many"}),
        ("Open", "false", {**RECORD, "Open": False}),
        ("Account.Name", "Acme Inc", {**RECORD, "Account": {"Name": "Acme Inc", "Size": 7}}),
        ("Owner.Name", "Omar", {**RECORD, "Owner": {"Name": "Omar"}}),
    ],
)
def test_what_was_put_in_its_place_is_mapped_and_the_record_stays_as_it_was(source, value, wanted):
    before = repr(RECORD)

    assert correcting.corrected(RECORD, [fix(source, value)]) == wanted
    assert repr(RECORD) == before


def test_it_ends_when_the_source_says_something_else():
    newer = {**RECORD, "Email": "ann@acme.example"}

    assert correcting.corrected(newer, [fix("Email", "ann@acme.test")]) == newer


LINES = [Line("Email", "email"), Line("Account.Name", "company")]


def test_a_corrected_record_is_mapped_and_others_are_not_touched():
    mapper = Mapper(LINES, "email", fixes={"1": [fix("Email", "ann@acme.test")]})

    assert mapper(RECORD, "1").match_value == "ann@acme.test"
    assert mapper(RECORD, "2").code == "invalid_email"


@pytest.mark.parametrize("source", ["Email", ""])
def test_an_ignored_record_stays_out_until_it_changes(source):
    mapper = Mapper(LINES, "email", fixes={"1": [fix(source, ignored=True)]})

    assert mapper(RECORD, "1").code == IGNORED
    assert mapper({**RECORD, "Email": "still(at)wrong"}, "1").code == "invalid_email"
    assert mapper({**RECORD, "Email": "ann@acme.test"}, "1").problem == ""


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from("AB"), _values), st.sampled_from(["A", "A.B", "C.D"]), st.text())
def test_any_place_can_be_corrected_in_any_record(record, source, value):
    found = correcting.corrected(record, [fix(source, value, record=record)])

    was_number = isinstance(correcting.standing(record, source), int)
    assert correcting.standing(found, source) == value or was_number
