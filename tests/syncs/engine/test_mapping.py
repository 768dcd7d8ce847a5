from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncs.engine.mapping import Line, Mapper
from syncs.engine.transforms import TRANSFORMS

LEAD = {
    "Email": "Ann.Lee@Acme.test",
    "FirstName": "Ann",
    "Score": 5,
    "DoNotCall": False,
    "Topics": "Web;Phone",
    "Account": {"Name": "Acme", "Owner": {"Name": "Omar"}},
    "Owner": None,
}
EMAIL = Line("Email", "email")


def mapped(*lines, values=LEAD, match_path="email"):
    return Mapper([EMAIL, *lines], match_path)(values)


def fields(*lines, **more):
    """Return what the lines put beside the e-mail."""
    found = mapped(*lines, **more)
    assert found.problem == ""
    return {name: value for name, value in found.payload.items() if name != "email"}


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (Line("FirstName", "a"), {"a": "Ann"}),
        (Line("FirstName", "a.b.c"), {"a": {"b": {"c": "Ann"}}}),
        (Line("Account.Name", "a"), {"a": "Acme"}),
        (Line("Account.Owner.Name", "a"), {"a": "Omar"}),
        (Line("Score", "a"), {"a": 5}),
        (Line("DoNotCall", "a"), {"a": False}),
        (Line("Owner.Name", "a"), {}),
        (Line("Account.Owner.Manager.Name", "a"), {}),
        (Line("FirstName.Name", "a"), {}),
        (Line("Missing", "a.b"), {}),
        (Line("Missing", "a", default="none"), {"a": "none"}),
        (Line("Missing", "a", "integer", default="0"), {"a": 0}),
        (Line("Missing", "a", "list"), {"a": []}),
        (Line("Topics", "a", "list"), {"a": ["Web", "Phone"]}),
        (Line("Missing", "a", "list", default="x;y"), {"a": ["x", "y"]}),
        (Line("Missing", "a", "phone", "US"), {}),
        (Line("FirstName", "a", "liquid", "{{ value | upcase }}!"), {"a": "ANN!"}),
        (Line("", "a", "liquid", "{{ record.Score | times: 2 }}"), {"a": 10}),
        (Line("Score", "a", "liquid", "{{ value | divided_by: 2.0 }}"), {"a": 2.5}),
        (Line("", "a", "liquid", "{{ record.Missing }}"), {}),
        (Line("", "a", "liquid", "{{ now }}{{ today }}"), {}),
        (Line("", "a", "liquid", "{{ 'now' | date: '%Y' }}"), {"a": "now"}),
        (Line("", "a", "liquid", "{{ record.Missing }}", default="x"), {"a": "x"}),
        (Line("", "a", "liquid", "{% if record.Score > 4 %} hot {% endif %}"), {"a": "hot"}),
    ],
)
def test_a_line_gives_its_value_at_its_path(line, wanted):
    assert fields(line) == wanted


def test_several_lines_share_the_objects_of_their_paths():
    lines = [Line("FirstName", "d.Name.First"), Line("Score", "d.Score"), Line("Account.Name", "d.Name.Full")]

    assert fields(*lines) == {"d": {"Name": {"First": "Ann", "Full": "Acme"}, "Score": 5}}


STAGES = {"ann": "A", "5": "five", "web": "W", "gone": ""}


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (Line("FirstName", "a", value_map=STAGES), {"a": "A"}),
        (Line("Score", "a", value_map=STAGES), {"a": "five"}),
        (Line("Score", "a", "integer", value_map={"5": "50"}), {"a": 50}),
        (Line("Account.Name", "a", value_map=STAGES), {"a": "Acme"}),
        (Line("Account.Name", "a", value_map=STAGES, unknown_value="empty"), {}),
        (Line("Account.Name", "a", value_map=STAGES, unknown_value="empty", default="x"), {}),
        (Line("Account.Name", "a", value_map=STAGES, unknown_value="default", default="x"), {"a": "x"}),
        (Line("Account.Name", "a", value_map=STAGES, unknown_value="default"), {}),
        (Line("Account.Name", "a", value_map={" ACME ": "y"}), {"a": "y"}),
        (Line("Topics", "a", "list", value_map=STAGES), {"a": ["W", "Phone"]}),
        (Line("Topics", "a", "list", value_map=STAGES, unknown_value="empty"), {"a": ["W"]}),
        (
            Line("Topics", "a", "list", value_map=STAGES, unknown_value="default", default="x"),
            {"a": ["W", "x"]},
        ),
        (Line("", "a", "liquid", "{{ record.FirstName }}", value_map=STAGES), {"a": "A"}),
        (Line("FirstName", "a", value_map={"ann": ""}, default="x"), {}),
    ],
)
def test_a_value_map_translates_and_its_policy_decides_about_the_unknown(line, wanted):
    assert fields(line) == wanted


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (
            Line("Missing", "a", required=True),
            "required",
            "Missing → a: it is required and empty. Fill it in",
        ),
        (Line("Topics", "a", "integer"), "does_not_fit", "it does not hold a whole number. Correct it"),
        (Line("Account", "a"), "does_not_fit", "name a field of it"),
        (Line("Missing", "a", "number", default="many"), "bad_default", "its default is not a number"),
        (Line("FirstName", "b.email"), "invalid_email", "does not hold a valid e-mail address"),
        (Line("Topics", "a", value_map=STAGES, unknown_value="refuse"), "unknown_value", "Add it there"),
        (
            Line("Topics", "a", value_map=STAGES, unknown_value="empty", required=True, default="x"),
            "required",
            "empty",
        ),
        (Line("", "a", "liquid", "{{ 1 | divided_by: 0 }}"), "liquid", "Liquid → a: Line 1: "),
        (Line("", "a", "liquid", "{{ record.Account }}"), "does_not_fit", "single value"),
        (Line("", "a", "liquid", "{{"), "liquid", "Correct the expression"),
    ],
)
def test_what_is_refused_names_the_line_and_the_remedy(line, code, words):
    found = mapped(line)

    assert (found.payload, found.digest, found.code) == ({}, "", code)
    assert words in found.problem


def test_a_refusal_never_repeats_the_value():
    found = mapped(values={"Email": "secret person@"})

    assert found.code == "invalid_email"
    assert "person" not in found.problem


def test_the_first_refusal_in_the_order_of_the_lines_is_told_with_the_number_of_others():
    found = mapped(Line("Topics", "z", "number"), Line("Missing", "a", required=True))

    assert found.problem.startswith("Topics → z")
    assert found.problem.endswith("(1 more)")


def test_the_match_value_is_the_one_that_is_written():
    assert mapped().match_value == "ann.lee@acme.test"
    assert mapped(Line("Score", "x.Id"), match_path="x.Id").match_value == "5"


@pytest.mark.parametrize("values", [{}, {"Email": None}, {"Email": ""}])
def test_without_a_match_value_the_record_is_refused(values):
    found = mapped(values=values)

    assert found.code == "no_match_value"
    assert found.problem.startswith("email is empty")


def test_what_is_only_for_new_or_empty_ones_stands_apart_and_outside_the_digest():
    always = mapped(Line("Score", "d.Score"))
    more = mapped(
        Line("Score", "d.Score"),
        Line("FirstName", "d.First", write_mode="on_create"),
        Line("Account.Name", "d.Company", write_mode="if_empty"),
    )

    assert more.payload == always.payload
    assert more.digest == always.digest
    assert (more.on_create, more.if_empty) == ({"d": {"First": "Ann"}}, {"d": {"Company": "Acme"}})


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), (1, True), (0, False), ("1", 1), (["1"], "1"), ("", "x"), ("é", "e")]
)
def test_values_that_a_destination_tells_apart_have_different_digests(one, other):
    line = Line("X", "x")
    values = {"Email": "a@acme.test"}

    assert (
        mapped(line, values={**values, "X": one}).digest != mapped(line, values={**values, "X": other}).digest
    )


def test_the_order_of_the_lines_does_not_change_the_digest():
    lines = [EMAIL, Line("FirstName", "d.a"), Line("Score", "c.b"), Line("Topics", "d.b.c")]

    assert Mapper(lines, "email")(LEAD).digest == Mapper(lines[::-1], "email")(LEAD).digest


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
_anything = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["A", "B", "Email"]), inner, max_size=3)
    ),
    max_leaves=8,
)
_records = st.dictionaries(st.sampled_from(["A", "B", "C", "Email"]), _anything)
_lines = st.builds(
    Line,
    source=st.sampled_from(["A", "A.B", "A.B.A", "C", ""]),
    destination=st.sampled_from(["d.a", "d.b.c", "d.b.email", "userId"]),
    transform=st.sampled_from([*TRANSFORMS, "phone", "country", "liquid"]),
    expression=st.sampled_from(
        ["", "{{ value }}", "{{ record.A.B | upcase }} {{ record.C }}", "{{ value | split: ',' }}"]
    ),
    default=st.sampled_from(["", "1"]),
    when_empty=st.sampled_from(["keep", "clear"]),
    write_mode=st.sampled_from(["always", "on_create", "if_empty"]),
    value_map=st.none() | st.just({"1": "2"}),
    unknown_value=st.sampled_from(["keep", "empty", "default", "refuse"]),
    required=st.booleans(),
)  # fmt: skip


def paths(values, prefix=""):
    for name, value in values.items():
        if isinstance(value, dict):
            yield from paths(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


@given(st.lists(_lines, max_size=4, unique_by=lambda line: line.destination), _records)
def test_no_values_make_it_fail_and_only_mapped_paths_come_out(lines, values):
    found = Mapper([EMAIL, *lines], "email")(values)

    written = [*paths(found.payload), *paths(found.on_create), *paths(found.if_empty)]
    assert set(written) <= {"email", *(line.destination for line in lines)}
    assert len(set(written)) == len(written)
    assert bool(found.problem) == bool(found.code) == (not found.payload) == (not found.digest)


PLAIN = [EMAIL, Line("A", "d.a"), Line("B", "d.b.c"), Line("C", "c", "list")]
_simple = st.fixed_dictionaries(
    {"Email": st.sampled_from(["a@x.test", "A@x.test", "b@x.test"])},
    optional={
        "A": st.sampled_from([0, False, 0.0, "0", ""]),
        "B": st.text(max_size=2),
        "C": st.sampled_from(["a", "b;a"]),
    },
)  # fmt: skip


@given(_simple, _simple)
def test_digests_are_equal_exactly_when_the_payloads_are(one, other):
    mapper = Mapper(PLAIN, "email")
    first, second = mapper(one), mapper(other)

    as_sent = [json.dumps(found.payload, sort_keys=True) for found in (first, second)]
    assert (first.digest == second.digest) == (as_sent[0] == as_sent[1])


@pytest.mark.parametrize(
    ("line", "values", "payload"),
    [
        ({}, {"A": ""}, {"x": None}),
        ({}, {}, {"x": None}),
        ({}, {"A": 0}, {"x": 0}),
        ({"default": "d"}, {"A": None}, {"x": "d"}),
        ({"transform": "list"}, {"A": None}, {"x": None}),
        ({"value_map": {"a": ""}}, {"A": "a"}, {"x": None}),
        ({"transform": "liquid", "expression": "{{ value }}"}, {"A": ""}, {"x": None}),
        ({"destination": "x.y"}, {"A": ""}, {"x": {"y": None}}),
    ],
)
def test_an_empty_source_clears_where_the_line_says_so(line, values, payload):
    lines = [Line("E", "email"), Line(**{"source": "A", "destination": "x", "when_empty": "clear", **line})]

    mapped = Mapper(lines, "email")({"E": "a@x.test", **values})

    assert mapped.payload == {"email": "a@x.test", **payload}
