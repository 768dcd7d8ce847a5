"""Criteria: what matches, what each row says, what is refused on saving, what they compile to."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.connectors.filters import And, Condition, Not, Operator
from integration_hub.connectors.operands import FITTING, NO_VALUE
from integration_hub.connectors.schema import FieldSchema, FieldType
from routing.conditions import (
    OPERATOR_LABELS,
    Criterion,
    CriterionError,
    Problem,
    compile_filter,
    evaluate,
    field_names,
    problems,
    split_values,
)
from routing.filter_logic import FilterLogicError

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
KOLKATA = ZoneInfo("Asia/Kolkata")

NUMBER_HINT = "write it like 10000 or 12.5, without separators or units."
INSTANT_HINT = "write it like 2026-11-20T09:00 or 2026-11-20."
DAYS_HINT = "write a whole number from 1 to 3650."
MISSING = "A value is missing. To find records without one, use “is empty”."
QUOTES = 'The quotes do not pair up; write a value with a comma as "Food, Beverage".'


def schema(name, kind, *options, label=""):
    return FieldSchema(name, label or name, kind, options)


FIELDS = {
    field.name: field
    for field in [
        schema("Name", FieldType.TEXT, label="Full Name"),
        schema("Rating", FieldType.PICKLIST, "Hot", "Warm", "Cold"),
        schema("Products__c", FieldType.MULTIPICKLIST, "Hub", "Cloud", "Food, Beverage"),
        schema("Score__c", FieldType.NUMBER),
        schema("IsConverted", FieldType.BOOLEAN),
        schema("Birth__c", FieldType.DATE),
        schema("CreatedDate", FieldType.DATETIME),
        schema("OwnerId", FieldType.REFERENCE),
        schema("Account.Name", FieldType.TEXT),
    ]
}


def row(field, operator, value="", number=1):
    return Criterion(number, field, operator, value)


def matches(field, operator, operand, value, now=NOON, zone=KOLKATA):
    values = {field: value}
    return evaluate([row(field, operator, operand)], "", values, FIELDS, now=now, zone=zone).matched


TEXT_CASES = [
    ("equals", "Hot", "hot", True),
    ("equals", " Hot ", "HOT", True),
    ("equals", "Hot", "Hot!", False),
    ("not_equals", "Hot", "hot", False),
    ("not_equals", "Hot", "Warm", True),
    ("one_of", "Hot, Warm", "warm", True),
    ("one_of", "Hot\nWarm", "warm", True),
    ("one_of", "Hot, Warm", "Cold", False),
    ("one_of", '"Food, Beverage", Retail', "food, beverage", True),
    ("one_of", '"Food, Beverage", Retail', "Food", False),
    ("not_one_of", "Hot, Warm", "Cold", True),
    ("not_one_of", "Hot, Warm", "Hot", False),
    ("contains", "cme", "ACME Inc", True),
    ("contains", "%", "ACME", False),
    ("contains", "a_m", "acm", False),
    ("not_contains", "cme", "ACME", False),
    ("not_contains", "x", "ACME", True),
    ("starts_with", "ac", "ACME", True),
    ("starts_with", "cm", "ACME", False),
    ("is_empty", "", "x", False),
    ("is_not_empty", "", "x", True),
]


@pytest.mark.parametrize(("operator", "operand", "value", "expected"), TEXT_CASES)
def test_text_is_compared_without_case(operator, operand, value, expected):
    assert matches("Name", operator, operand, value) is expected


OPERAND = {
    FieldType.NUMBER: "5",
    FieldType.DATE: "2026-11-20",
    FieldType.DATETIME: "2026-11-20T09:00",
    FieldType.REFERENCE: "005000000000001AAA",
}
TRUE_OF_NOTHING = {
    Operator.IS_EMPTY,
    Operator.IS_FALSE,
    Operator.NOT_EQUALS,
    Operator.NOT_ONE_OF,
    Operator.NOT_CONTAINS,
}


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize(
    ("field", "operator"), [(field, op) for field in FIELDS for op in sorted(FITTING[FIELDS[field].type])]
)
def test_nothing_meets_only_the_negative_operators(field, operator, nothing):
    operand = "7" if operator is Operator.WITHIN_LAST_DAYS else OPERAND.get(FIELDS[field].type, "x")

    assert matches(field, operator, operand, nothing) is (operator in TRUE_OF_NOTHING)


@pytest.mark.parametrize(
    ("field", "operator", "operand", "value", "expected"),
    [
        ("Products__c", "equals", "cloud", "Hub;Cloud", True),
        ("Products__c", "equals", "Hub;Cloud", "Cloud;X;Hub", True),
        ("Products__c", "equals", "Hub;Cloud", "Hub", False),
        ("Products__c", "contains", "Clou", "Hub;Cloud", False),
        ("Products__c", "one_of", "X, Hub", "Hub;Cloud", True),
        ("Products__c", "not_one_of", "X, Hub", "Hub;Cloud", False),
        ("Products__c", "not_contains", "X", "Hub;Cloud", True),
        ("Products__c", "is_empty", "", ";", True),
        ("Score__c", "equals", "50", 50.0, True),
        ("Score__c", "equals", "0.1", 0.1, True),
        ("Score__c", "greater", "50", 50, False),
        ("Score__c", "greater", "50", "50.1", True),
        ("Score__c", "greater_or_equal", "50", 50, True),
        ("Score__c", "less", "-1", -1.5, True),
        ("Score__c", "less_or_equal", "9", 10, False),
        ("Score__c", "one_of", "1, 2", 2.0, True),
        ("Score__c", "is_not_empty", "", 0, True),
        ("IsConverted", "is_true", "", True, True),
        ("IsConverted", "is_true", "", False, False),
        ("IsConverted", "is_false", "", False, True),
        ("IsConverted", "is_false", "", "true", False),
        ("OwnerId", "equals", "005000000000001", "005000000000001AAA", True),
        ("OwnerId", "equals", "005000000000001AAA", "005000000000001", True),
        ("OwnerId", "equals", "00500000000000a", "00500000000000A", False),
        ("OwnerId", "one_of", "005000000000002, 005000000000001AAA", "005000000000001AAA", True),
        ("Birth__c", "equals", "2026-11-20", "2026-11-20", True),
        ("Birth__c", "less", "2026-11-20", "2026-11-19", True),
        ("Birth__c", "less", "2026-11-20", "2026-11-20", False),
        ("Birth__c", "within_last_days", "7", "2026-11-13", True),
        ("Birth__c", "within_last_days", "7", "2026-11-12", False),
        ("Birth__c", "within_last_days", "7", "2026-11-20", True),
        ("Birth__c", "within_last_days", "7", "2026-11-21", False),
        ("CreatedDate", "greater_or_equal", "2026-11-20", "2026-11-19T18:30:00.000+0000", True),
        ("CreatedDate", "greater_or_equal", "2026-11-20", "2026-11-19T18:29:59.000+0000", False),
        ("CreatedDate", "greater", "2026-11-20T09:00", "2026-11-20T03:30:01.000+0000", True),
        ("CreatedDate", "greater", "2026-11-20T09:00", "2026-11-20T03:30:00.000Z", False),
        ("CreatedDate", "less", "2026-11-20T09:00Z", "2026-11-20T08:59:59.000+0000", True),
        ("CreatedDate", "within_last_days", "1", "2026-11-19T12:00:00.000+0000", True),
        ("CreatedDate", "within_last_days", "1", "2026-11-19T11:59:59.000+0000", False),
        ("CreatedDate", "within_last_days", "1", "2026-11-20T12:00:00.000+0000", True),
        ("CreatedDate", "within_last_days", "1", "2026-11-20T12:00:01.000+0000", False),
    ],
)
def test_values_are_compared_by_their_type(field, operator, operand, value, expected):
    assert matches(field, operator, operand, value) is expected


def test_today_is_the_day_in_the_zone():
    late = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)

    assert matches("Birth__c", "within_last_days", "1", "2026-11-21", now=late, zone=KOLKATA)
    assert not matches("Birth__c", "within_last_days", "1", "2026-11-21", now=late, zone=UTC)


def test_fractions_of_a_second_do_not_count_as_queries_cannot_name_them():
    now = NOON.replace(microsecond=400_000)

    assert matches("CreatedDate", "within_last_days", "1", "2026-11-19T12:00:00.000+0000", now=now)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"Account": {"Name": "Acme"}}, True),
        ({"Account.Name": "Acme"}, True),
        ({"Account": None}, False),
        ({"Account": {"Name": None}}, False),
        ({}, False),
    ],
)
def test_a_parent_may_be_missing(values, expected):
    match = evaluate([row("Account.Name", "equals", "Acme")], "", values, FIELDS, now=NOON, zone=UTC)

    assert match.matched is expected


@pytest.mark.parametrize(
    ("operator", "operand", "value"),
    [
        ("greater", "3", 4),
        ("is_true", "", True),
        ("contains", "c", "acme"),
        ("within_last_days", "1", "2026-11-20T11:00:00.000+0000"),
        ("within_last_days", "1", "2026-11-20"),
        ("greater", "2026-11-19", "2026-11-20"),
    ],
)
def test_a_field_that_only_the_record_knows_is_judged_by_its_value(operator, operand, value):
    match = evaluate([row("Other__c", operator, operand)], "", {"Other__c": value}, {}, now=NOON, zone=UTC)

    assert match.matched


def test_every_row_says_what_it_found_even_when_the_first_said_no():
    criteria = [
        row("Rating", "equals", "Hot", 1),
        row("Score__c", "greater", "50", 2),
        row("Name", "one_of", '"A, B", C', 3),
    ]
    values = {"Rating": "Warm", "Score__c": 80.0, "Name": None}

    match = evaluate(criteria, "", values, FIELDS, now=NOON, zone=UTC)

    assert not match.matched
    assert [verdict.matched for verdict in match.rows] == [False, True, False]
    assert [verdict.text for verdict in match.rows] == [
        'Rating is "Warm", wanted "Hot"',
        "Score__c is 80, as wanted",
        'Name is empty, wanted one of "A, B", "C"',
    ]


@pytest.mark.parametrize(
    ("field", "operator", "operand", "value", "text"),
    [
        ("Score__c", "greater", "50", 40, "Score__c is 40, wanted more than 50"),
        ("Score__c", "greater", "50", None, "Score__c is empty, wanted more than 50"),
        ("Score__c", "equals", "50", 40.5, "Score__c is 40.5, wanted 50"),
        ("IsConverted", "is_false", "", True, "IsConverted is true, wanted false"),
        ("Name", "is_empty", "", "x" * 100, f'Name is "{"x" * 80}…", wanted nothing in it'),
        ("Name", "not_contains", "x", "xy", 'Name is "xy", wanted nothing with "x" in it'),
        (
            "CreatedDate",
            "within_last_days",
            "2",
            "2026-01-01T00:00:00.000+0000",
            'CreatedDate is "2026-01-01T00:00:00.000+0000", wanted within the last 2 days',
        ),
    ],
)
def test_a_refusal_is_a_sentence(field, operator, operand, value, text):
    match = evaluate([row(field, operator, operand)], "", {field: value}, FIELDS, now=NOON, zone=UTC)

    assert match.rows[0].text == text


def test_the_filter_logic_decides():
    criteria = [row("Rating", "equals", "Hot", 2), row("Score__c", "greater", "50", 5)]
    values = {"Rating": "Warm", "Score__c": 80}

    assert evaluate(criteria, "2 OR 5", values, FIELDS, now=NOON, zone=UTC).matched
    assert not evaluate(criteria, "2 AND 5", values, FIELDS, now=NOON, zone=UTC).matched


def test_no_rows_match_everything():
    assert evaluate([], "", {}, FIELDS, now=NOON, zone=UTC).matched
    assert compile_filter([], "", FIELDS) is None


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (20000000.0, "20000000"),
        (1.5, "1.5"),
        (0.0, "0"),
        (1e22, "10000000000000000000000"),
        (0.0000001, "0.0000001"),
        (-3.0, "-3"),
        (7, "7"),
    ],
)
def test_numbers_read_as_people_write_them(number, text):
    match = evaluate([row("Score__c", "greater", "0")], "", {"Score__c": number}, FIELDS, now=NOON, zone=UTC)

    assert match.rows[0].text.startswith(f"Score__c is {text},")


@pytest.mark.parametrize(
    ("criterion", "value", "sentence"),
    [
        (
            row("Scor__c", "greater", "5"),
            ...,
            "Row 1 (Scor__c): There is no field “Scor__c”. Did you mean Score__c?",
        ),
        (row("Score__c", "greater", "x"), 5, "Row 1 (Score__c): “x” is not a number; " + NUMBER_HINT),
        (row("Score__c", "greater", "5"), "many", "Row 1 (Score__c): Its value is not a number."),
        (row("Score__c", "greater", "5"), float("nan"), "Row 1 (Score__c): Its value is not a number."),
        (
            row("IsConverted", "is_true"),
            "perhaps",
            "Row 1 (IsConverted): Its value is neither true nor false.",
        ),
        (row("Birth__c", "less", "2026-01-01"), "soon", "Row 1 (Birth__c): Its value is not a date."),
        (
            row("CreatedDate", "less", "2026-01-01"),
            "soon",
            "Row 1 (CreatedDate): Its value is not a date and time.",
        ),
        (
            row("Name", "equals", "x"),
            {"First": "x"},
            "Row 1 (Name): It holds a whole record, not a value; choose a field of it, such as Owner.Name.",
        ),
    ],
)
def test_a_row_that_cannot_be_evaluated_is_an_error_and_no_verdict(criterion, value, sentence):
    values = {} if value is ... else {criterion.field: value}

    with pytest.raises(CriterionError) as raised:
        evaluate([criterion], "", values, FIELDS, now=NOON, zone=UTC)

    assert str(raised.value) == sentence


def test_a_wrong_logic_is_an_error():
    with pytest.raises(FilterLogicError):
        evaluate([row("Name", "is_empty")], "1 AND 2", {"Name": ""}, FIELDS, now=NOON, zone=UTC)


@pytest.mark.parametrize(
    ("criterion", "part", "message"),
    [
        (row("rating", "equals", "Hot"), "field", "There is no field “rating”. Did you mean Rating?"),
        (row("Full Name", "equals", "x"), "field", "There is no field “Full Name”. Did you mean Name?"),
        (
            row("Zzz", "equals", "x"),
            "field",
            "There is no field “Zzz”. It may be hidden from the connection's user.",
        ),
        (row("", "equals", "x"), "field", "Choose a field."),
        (row("Name", "", "x"), "operator", "Choose an operator."),
        (
            row("Name", "greater", "x"),
            "operator",
            (
                "“is greater than” does not fit a text field; use “is”, “is not”, “is one of”, “is none of”, "
                "“contains”, “does not contain”, “starts with”, “is empty”, “is not empty”."
            ),
        ),
        (
            row("IsConverted", "equals", "x"),
            "operator",
            "“is” does not fit a boolean field; use “is true”, “is false”.",
        ),
        (row("Name", "equals", "  "), "value", MISSING),
        (row("Name", "one_of", ", ,"), "value", MISSING),
        (row("Name", "one_of", '"a, b'), "value", QUOTES),
        (row("Products__c", "equals", ";"), "value", "A value is missing between the semicolons."),
        (row("Score__c", "one_of", "1, two"), "value", "“two” is not a number; " + NUMBER_HINT),
        (
            row("Birth__c", "less", "20.11.2026"),
            "value",
            "“20.11.2026” is not a date; write it like 2026-11-20.",
        ),
        (row("CreatedDate", "less", "9am"), "value", "“9am” is not a date and time; " + INSTANT_HINT),
        (
            row("CreatedDate", "within_last_days", "1.5"),
            "value",
            "“1.5” is not a number of days; " + DAYS_HINT,
        ),
    ],
)
def test_what_is_wrong_is_said_on_saving_next_to_its_field(criterion, part, message):
    assert problems([criterion], "", FIELDS) == [Problem(1, part, message)]


@pytest.mark.parametrize(
    ("criterion", "message"),
    [
        (row("Rating", "equals", "Hott"), "Rating offers no “Hott”. Did you mean “Hot”?"),
        (row("Rating", "one_of", "hot, Zzz"), "Rating offers no “Zzz”."),
        (row("Products__c", "contains", "hub;Clod"), "Products__c offers no “Clod”. Did you mean “Cloud”?"),
    ],
)
def test_a_value_that_the_picklist_does_not_offer_is_only_a_warning(criterion, message):
    assert problems([criterion], "", FIELDS) == [Problem(1, "value", message, warning=True)]


@pytest.mark.parametrize(
    "criterion",
    [
        row("Rating", "equals", "hot"),
        row("Rating", "contains", "o"),
        row("Products__c", "one_of", 'hub, "Food, Beverage"'),
        row("Name", "equals", "anything"),
        row("Account.Name", "is_empty", "left over"),
    ],
)
def test_good_rows_have_no_problems(criterion):
    assert problems([criterion], "1", FIELDS) == []


def test_a_wrong_filter_logic_is_a_problem_of_its_own():
    found = problems([row("Name", "is_empty")], "1 AND 2", FIELDS)

    assert found == [Problem(None, "logic", "Filter logic: row 2 does not exist; there is 1 row.")]


def test_rows_compile_to_a_filter():
    criteria = [row("Rating", "one_of", "Hot, Warm", 1), row("Score__c", "greater", " 50 ", 2)]

    compiled = compile_filter(criteria, "1 AND NOT 2", FIELDS)

    assert compiled == And(
        (
            Condition("Rating", FieldType.PICKLIST, Operator.ONE_OF, ("Hot", "Warm")),
            Not(Condition("Score__c", FieldType.NUMBER, Operator.GREATER, ("50",))),
        )
    )
    assert field_names(criteria) == {"Rating", "Score__c"}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a, b ,a", ["a", "b"]),
        ("a\r\nb\n\nc, ", ["a", "b", "c"]),
        ('"a, b", c', ["a, b", "c"]),
        ('say "x", y', ['say "x"', "y"]),
        ("", []),
    ],
)
def test_several_values_are_separated_by_commas_or_lines(text, values):
    assert split_values(text) == values


def test_every_operator_has_words_and_fits_some_type():
    assert set(OPERATOR_LABELS) == set(Operator) == set().union(*FITTING.values())


@given(
    field=st.sampled_from(sorted(FIELDS)),
    operator=st.sampled_from(list(Operator)),
    operand=st.text(),
    value=st.one_of(st.none(), st.text(), st.booleans(), st.integers(), st.floats()),
)
def test_any_row_either_has_a_verdict_or_is_refused(field, operator, operand, value):
    criterion = row(field, operator, operand)
    try:
        match = evaluate([criterion], "", {field: value}, FIELDS, now=NOON, zone=KOLKATA)
    except CriterionError:
        return

    assert match.rows[0].text.startswith(field)
    assert operator in NO_VALUE or operand.strip()
    assert not [problem for problem in problems([criterion], "", FIELDS) if not problem.warning]
