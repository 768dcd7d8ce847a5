"""Filter logic: what is understood, what is refused and with which sentence."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.connectors.filters import And, Condition, Not, Operator, Or
from integration_hub.connectors.schema import FieldType
from routing.filter_logic import Every, FilterLogicError, Negated, Row, Some, combine, holds, parse

ONE, TWO, THREE = Row(1), Row(2), Row(3)


@pytest.mark.parametrize(
    ("text", "rows", "expected"),
    [
        ("", (1, 2), Every((ONE, TWO))),
        ("  ", (), Every(())),
        ("1", (1,), ONE),
        ("((1))", (1,), ONE),
        ("1 AND 2 AND 3", (1, 2, 3), Every((ONE, TWO, THREE))),
        ("1 and (2 Or 3)", (1, 2, 3), Every((ONE, Some((TWO, THREE))))),
        ("1AND(2OR3)", (1, 2, 3), Every((ONE, Some((TWO, THREE))))),
        ("NOT 1 AND 2", (1, 2), Every((Negated(ONE), TWO))),
        ("not (1 or 2)", (1, 2), Negated(Some((ONE, TWO)))),
        ("NOT NOT 1", (1,), Negated(Negated(ONE))),
        ("1 OR (1 AND 2)", (1, 2), Some((ONE, Every((ONE, TWO))))),
        ("2\nAND\t3", (2, 3), Every((TWO, THREE))),
    ],
)
def test_logic_is_read_as_written(text, rows, expected):
    assert parse(text, rows) == expected


@pytest.mark.parametrize(
    ("text", "rows", "sentence"),
    [
        ("1 AND 4", (1, 2, 3), "Filter logic: row 4 does not exist; there are 3 rows."),
        ("1 AND 2", (1,), "Filter logic: row 2 does not exist; there is 1 row."),
        ("0", (1,), "Filter logic: row 0 does not exist; there is 1 row."),
        ("1 AND (2", (1, 2), "Filter logic: '(' at position 7 is never closed."),
        ("1 AND 2)", (1, 2), "Filter logic: ')' at position 8 is never opened."),
        ("1", (1, 2), "Row 2 is not used in the filter logic. Add it to the logic or delete the row."),
        (
            "1 AND 2 OR 3",
            (1, 2, 3),
            (
                "Filter logic: AND and OR are mixed without parentheses; "
                "say which belong together, for example 1 AND (2 OR 3)."
            ),
        ),
        ("1 2", (1, 2), "Filter logic: '2' at position 3 needs AND or OR before it."),
        ("(1 2)", (1, 2), "Filter logic: '2' at position 4 needs AND or OR before it."),
        ("1 AND", (1,), "Filter logic: a row number is missing at the end."),
        ("NOT", (1,), "Filter logic: a row number is missing at the end."),
        ("AND 1", (1,), "Filter logic: a row number is expected instead of 'AND' at position 1."),
        ("1 AND ()", (1,), "Filter logic: a row number is expected instead of ')' at position 8."),
        (
            "1 XOR 2",
            (1, 2),
            (
                "Filter logic: “XOR” at position 3 is not understood; "
                "use row numbers, AND, OR, NOT and parentheses."
            ),
        ),
        (
            "1; 2",
            (1, 2),
            (
                "Filter logic: “;” at position 2 is not understood; "
                "use row numbers, AND, OR, NOT and parentheses."
            ),
        ),
        (
            "(" * 20 + "1" + ")" * 20,
            (1,),
            "Filter logic: at most 10 levels of parentheses and NOT are allowed.",
        ),
        ("NOT " * 20 + "1", (1,), "Filter logic: at most 10 levels of parentheses and NOT are allowed."),
        ("1 AND " * 100 + "1", (1,), "Filter logic: at most 500 characters are allowed."),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(text, rows, sentence):
    with pytest.raises(FilterLogicError) as raised:
        parse(text, rows)

    assert str(raised.value) == sentence


@pytest.mark.parametrize("verdicts", list(itertools.product([False, True], repeat=3)))
def test_logic_is_applied_to_the_verdicts(verdicts):
    one, two, three = verdicts
    logic = parse("1 AND NOT (2 OR 3)", (1, 2, 3))

    assert holds(logic, dict(enumerate(verdicts, start=1))) == (one and not (two or three))


def test_no_rows_match_everything():
    assert holds(parse("", ()), {})


def test_logic_becomes_a_filter_of_the_same_shape():
    conditions = {n: Condition(f"F{n}", FieldType.TEXT, Operator.IS_EMPTY) for n in (1, 2, 3)}

    combined = combine(parse("1 AND NOT (2 OR 3)", (1, 2, 3)), conditions)

    assert combined == And((conditions[1], Not(Or((conditions[2], conditions[3])))))


@given(
    st.one_of(
        st.text(),
        st.text(alphabet="123 ()ANDORNOT²٣"),
        st.lists(st.sampled_from(["1", "2", "AND", "OR", "NOT", "(", ")"])).map(" ".join),
    )
)
def test_any_text_is_either_understood_or_refused(text):
    try:
        logic = parse(text, (1, 2))
    except FilterLogicError:
        return

    assert holds(logic, {1: True, 2: True}) in {True, False}
