"""When what stands at a destination is what was wanted, although it looks otherwise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncs.engine.differences import differences, same

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
NESTED = st.dictionaries(
    st.text(min_size=1),
    st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)),
)


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        ("2026-11-20", "2026-11-20 00:00:00 +00:00"),
        ("2026-11-20 12:00:00 +00:00", "2026-11-20T12:00:00Z"),
        ("2026-11-20 12:00:00 +00:00", "2026-11-20 13:00:00.000 +01:00"),
        ("ann@x.test", "Ann@X.test"),
        (1, 1.0),
        ([], None),
        ("", None),
        (["2026-11-20", "a"], ["2026-11-20 00:00:00 +00:00", "a"]),
        (0, 0),
        (False, False),
    ],
)
def test_what_a_destination_writes_its_own_way_is_the_same(wanted, there):
    assert same(wanted, there)


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        ("2026-11-20", "2026-11-21 00:00:00 +00:00"),
        ("2026-11-20 12:00:00 +00:00", "2026-11-20 12:00:01 +00:00"),
        ("2026-13-40", "2026-13-41"),
        ("Ann", "ann"),
        (1, True),
        (0, False),
        (0, None),
        (False, None),
        (1, "1"),
        (["a", "b"], ["b", "a"]),
        (["a"], ["a", "b"]),
    ],
)
def test_other_values_differ(wanted, there):
    assert not same(wanted, there)


@given(NESTED)
def test_a_payload_does_not_differ_from_itself(values):
    assert differences(values, values) == []


def test_each_path_that_differs_is_a_sentence_without_its_value():
    wanted = {
        "email": "a@x.test",
        "dataFields": {"Name": {"First": "Ann"}, "Score": 1.5, "Tags": ["a"], "Gone": []},
    }
    there = {
        "email": "a@x.test",
        "dataFields": {"Name": {"First": "Bob"}, "Score": "1.5", "Gone": ["b"], "More": 1},
    }

    assert differences(wanted, there) == [
        "dataFields.Name.First has another value there.",
        "dataFields.Score holds text there instead of a number.",
        "dataFields.Tags is empty there.",
        "dataFields.Gone has a value there and should be empty.",
    ]


def test_an_object_that_is_not_there_is_empty():
    assert differences({"dataFields": {"Name": {"First": "Ann"}}}, {"dataFields": {}}) == [
        "dataFields.Name is empty there."
    ]
