"""What a destination would refuse by its own description of a field is refused before anything is sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.connectors.schema import FieldSchema, FieldType
from syncs.engine import fitting
from syncs.engine.mapping import Line, Mapper


def field(kind, *options, **more):
    return FieldSchema("x", "X", FieldType(kind), options, **more)


STAGE = field("picklist", "lead", "customer")
TOPICS = field("multipicklist", "Web", "Phone")

FITS = [
    (STAGE, "lead"),
    (field("picklist", "1", "2"), 1.0),
    (field("picklist"), "whatever"),
    (field("picklist", "a", any_value=True), "b"),
    (TOPICS, "Web;Phone"),
    (TOPICS, ["Web"]),
    (field("text", longest=5), "Annie"),
    (field("text", longest=5), 1234567),
    (field("text"), "x" * 100_000),
    (field("number"), 7),
    (field("number"), "7.5"),
    (field("boolean"), False),
    (field("boolean"), "TRUE"),
    (field("date"), "2026-11-20"),
    (field("datetime"), "2026-11-20 12:00:00 +00:00"),
    (field("datetime"), "2026-11-20T12:00:00Z"),
    (field("date"), 1763596800000),
]
REFUSED = [
    (STAGE, "Lead", "none of the choices there (lead, customer)"),
    (field("picklist", *"abcdefg"), "z", "(a, b, c, d, e and 2 more)"),
    (TOPICS, "Web;Fax", "none of the choices"),
    (TOPICS, ["Fax"], "none of the choices"),
    (field("text", longest=5), "Angela", "longer than the 5 characters"),
    (field("number"), "seven", "a number is wanted"),
    (field("boolean"), "maybe", "true or false is wanted"),
    (field("date"), "20.11.2026", "a date is wanted"),
]


@pytest.mark.parametrize(("there", "value"), FITS)
def test_what_fits_there_is_let_pass(there, value):
    check = fitting.check_of(there)

    assert check is None or check(value) == ""


@pytest.mark.parametrize(("there", "value", "words"), REFUSED)
def test_what_would_be_refused_there_is_said_with_the_remedy_and_without_the_value(there, value, words):
    said = fitting.check_of(there)(value)

    assert words in said
    assert repr(value) not in said


@given(
    st.sampled_from([STAGE, TOPICS, *(field(kind, longest=3) for kind in FieldType)]),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()),
)
def test_any_value_is_judged_without_failing(there, value):
    check = fitting.check_of(there)

    assert check is None or isinstance(check(value), str)


def test_a_mapping_refuses_what_its_destination_would_also_on_plain_lines():
    lines = [
        Line("Email", "email"),
        Line("Stage", "stage", there=STAGE),
        Line("Name", "name", there=field("text")),
    ]

    found = Mapper(lines, "email")({"Email": "ann@acme.test", "Stage": "guest", "Name": "Ann"})

    assert found.code == fitting.CODE
    assert found.problem.startswith("Stage → stage: its value is none of the choices there")
