"""What a schema lets a sender do to the hub: nothing that lasts."""

import json
import time

import pytest

from syncs.events import schema


def complaints(wanted, event):
    return schema.complaints(schema.compiled(json.dumps(wanted)), event)


@pytest.mark.parametrize(
    "wanted",
    [
        {"properties": {"x": {"pattern": "^(a+)+$"}}},
        {"$defs": {"y": {"items": {"pattern": r"^(\w+\s?)*$"}}}},
        {"patternProperties": {"(a|a)*b": {}}},
        {"anyOf": [{"pattern": "^fine$"}, {"pattern": "((xy)+)+z"}]},
    ],
)
def test_a_pattern_that_a_short_text_keeps_busy_is_refused(wanted):
    assert "may take for ever" in schema.problem_of(wanted)


@pytest.mark.parametrize(
    "pattern",
    [
        r"^[a-z0-9]+(?:-[a-z0-9]+)*$",
        r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
        r"^\+?[0-9 ()-]{6,20}$",
        r"^\s+|\s+$",
        "^(open|paid|sent)$",
    ],
)
def test_patterns_that_people_write_are_taken(pattern):
    assert schema.problem_of({"properties": {"x": {"pattern": pattern}}}) == ""


def test_a_pattern_is_not_tried_on_a_text_without_end():
    wanted = {"properties": {"x": {"pattern": r"[^@]+@[^@]+\.test"}}}
    started = time.monotonic()

    assert complaints(wanted, {"x": "a" * 250_000}) == [r"x does not keep to pattern: [^@]+@[^@]+\.test."]
    assert complaints(wanted, {"x": "ann@acme.test"}) == []
    assert time.monotonic() - started < 5


def test_unique_items_are_found_in_no_time():
    wanted = {"properties": {"x": {"uniqueItems": True}}}
    many = [{"number": number} for number in range(20_000)]
    started = time.monotonic()

    assert complaints(wanted, {"x": many}) == []
    assert complaints(wanted, {"x": [*many, {"number": 7}]}) == [
        "x does not keep to the schema's uniqueItems."
    ]
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("items", "unique"),
    [
        ([1, 1.0], False),
        ([1, True], True),
        ([{"a": 1, "b": [0]}, {"b": [0.0], "a": 1}], False),
        (["1", 1], True),
    ],
)
def test_items_are_alike_as_json_schema_has_it(items, unique):
    assert (complaints({"properties": {"x": {"uniqueItems": True}}}, {"x": items}) == []) == unique


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        ({"multipleOf": 0.01}, 10**400),
        ({"format": "regex"}, "a{99999999999999999999}"),
        ({"format": "regex"}, "(" * 9000),
    ],
)
def test_what_breaks_the_check_is_refused(wanted, value):
    told = complaints({"properties": {"x": wanted}}, {"x": value})

    assert told == ["The event holds a number or a pattern beyond what can be checked."]
