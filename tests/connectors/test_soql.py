"""Filters and reads as SOQL text."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.connectors.filters import And, Condition, Not, Operator, Or
from integration_hub.connectors.salesforce.soql import literal, select, where
from integration_hub.connectors.schema import FieldType

NOON = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC)
KOLKATA = ZoneInfo("Asia/Kolkata")
TEXT, NUMBER, DATE, DATETIME = FieldType.TEXT, FieldType.NUMBER, FieldType.DATE, FieldType.DATETIME
MULTI, BOOLEAN, REFERENCE = FieldType.MULTIPICKLIST, FieldType.BOOLEAN, FieldType.REFERENCE
OWNER = "005000000000001AAA"


def soql(filter_, zone=KOLKATA):
    return where(filter_, now=NOON, zone=zone)


def condition(kind, operator, *operands, field="F__c"):
    return Condition(field, kind, operator, operands)


@pytest.mark.parametrize(
    ("kind", "operator", "operands", "expected"),
    [
        (TEXT, Operator.EQUALS, ["Hot"], "F__c = 'Hot'"),
        (TEXT, Operator.EQUALS, [" Hot "], "F__c = 'Hot'"),
        (TEXT, Operator.EQUALS, ['O\'Brien \\ "x"\n'], "F__c = 'O\\'Brien \\\\ \\\"x\\\"'"),
        (TEXT, Operator.NOT_EQUALS, ["Hot"], "((NOT F__c = 'Hot') OR F__c = null)"),
        (TEXT, Operator.ONE_OF, ["Hot"], "F__c = 'Hot'"),
        (TEXT, Operator.ONE_OF, ["Hot", "Warm"], "F__c IN ('Hot', 'Warm')"),
        (TEXT, Operator.NOT_ONE_OF, ["Hot", "Warm"], "((NOT F__c IN ('Hot', 'Warm')) OR F__c = null)"),
        (TEXT, Operator.CONTAINS, ["50%_'"], "F__c LIKE '%50\\%\\_\\'%'"),
        (TEXT, Operator.NOT_CONTAINS, ["x"], "((NOT F__c LIKE '%x%') OR F__c = null)"),
        (TEXT, Operator.STARTS_WITH, ["Ac_"], "F__c LIKE 'Ac\\_%'"),
        (TEXT, Operator.IS_EMPTY, [], "F__c = null"),
        (TEXT, Operator.IS_NOT_EMPTY, [], "F__c != null"),
        (NUMBER, Operator.GREATER, ["50"], "F__c > 50"),
        (NUMBER, Operator.LESS_OR_EQUAL, ["-0.50"], "F__c <= -0.50"),
        (NUMBER, Operator.ONE_OF, ["1", "+2.5"], "F__c IN (1, 2.5)"),
        (BOOLEAN, Operator.IS_TRUE, [], "F__c = true"),
        (BOOLEAN, Operator.IS_FALSE, [], "F__c != true"),
        (DATE, Operator.GREATER_OR_EQUAL, ["2026-11-20"], "F__c >= 2026-11-20"),
        (DATE, Operator.WITHIN_LAST_DAYS, ["7"], "(F__c >= 2026-11-13 AND F__c <= 2026-11-20)"),
        (DATETIME, Operator.LESS, ["2026-11-20"], "F__c < 2026-11-19T18:30:00Z"),
        (DATETIME, Operator.LESS, ["2026-11-20T09:00"], "F__c < 2026-11-20T03:30:00Z"),
        (DATETIME, Operator.LESS, ["2026-11-20T09:00Z"], "F__c < 2026-11-20T09:00:00Z"),
        (DATETIME, Operator.LESS, ["2026-11-20T09:00:30+02:00"], "F__c < 2026-11-20T07:00:30Z"),
        (
            DATETIME,
            Operator.WITHIN_LAST_DAYS,
            ["1"],
            "(F__c >= 2026-11-19T12:00:00Z AND F__c <= 2026-11-20T12:00:00Z)",
        ),
        (MULTI, Operator.EQUALS, ["A; B"], "F__c INCLUDES ('A;B')"),
        (MULTI, Operator.CONTAINS, ["A"], "F__c INCLUDES ('A')"),
        (MULTI, Operator.ONE_OF, ["A", "B"], "F__c INCLUDES ('A', 'B')"),
        (MULTI, Operator.NOT_ONE_OF, ["A", "B"], "((NOT F__c INCLUDES ('A', 'B')) OR F__c = null)"),
        (REFERENCE, Operator.EQUALS, [OWNER], f"F__c = '{OWNER}'"),
    ],
)
def test_a_condition_is_written_as_soql(kind, operator, operands, expected):
    assert soql(condition(kind, operator, *operands)) == expected


def test_today_is_the_day_in_the_given_zone():
    late = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)

    text = where(condition(DATE, Operator.WITHIN_LAST_DAYS, "1"), now=late, zone=KOLKATA)

    assert text == "(F__c >= 2026-11-20 AND F__c <= 2026-11-21)"


HOT = condition(TEXT, Operator.EQUALS, "Hot", field="Rating")
BIG = condition(NUMBER, Operator.GREATER, "5", field="Size__c")


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        (And([HOT, BIG]), "(Rating = 'Hot' AND Size__c > 5)"),
        (And([HOT]), "Rating = 'Hot'"),
        (Or([HOT, And([BIG, HOT])]), "(Rating = 'Hot' OR (Size__c > 5 AND Rating = 'Hot'))"),
        (Not(BIG), "((NOT Size__c > 5) OR Size__c = null)"),
        (Not(Not(BIG)), "Size__c > 5"),
        (
            Not(And([HOT, BIG])),
            "(((NOT Rating = 'Hot') OR Rating = null) OR ((NOT Size__c > 5) OR Size__c = null))",
        ),
        (
            Not(Or([condition(TEXT, Operator.NOT_EQUALS, "x"), condition(TEXT, Operator.IS_EMPTY)])),
            "(F__c = 'x' AND F__c != null)",
        ),
    ],
)
def test_a_tree_is_written_with_its_parentheses_and_negations_at_the_leaves(filter_, expected):
    assert soql(filter_) == expected


@pytest.mark.parametrize(
    ("filter_", "sentence"),
    [
        (condition(TEXT, Operator.EQUALS, "x", field="Name = 'a' OR Name"), "is not a name of a field"),
        (condition(TEXT, Operator.EQUALS, "x", field="Name\n"), "is not a name of a field"),
        (condition(TEXT, Operator.IS_EMPTY, field=""), "is not a name of a field"),
        (condition(NUMBER, Operator.EQUALS, "5 OR Id != null"), "is not a number"),
        (condition(NUMBER, Operator.EQUALS, "1e9999999"), "is not a number"),
        (condition(NUMBER, Operator.EQUALS, "NaN"), "is not a number"),
        (condition(DATE, Operator.EQUALS, "TODAY"), "is not a date;"),
        (condition(DATE, Operator.EQUALS, "2026-02-30"), "is not a date;"),
        (condition(DATETIME, Operator.LESS, "tomorrow"), "is not a date and time;"),
        (condition(DATETIME, Operator.LESS, "0001-01-01"), "is not a date and time;"),
        (condition(DATE, Operator.WITHIN_LAST_DAYS, "0"), "is not a number of days;"),
        (condition(DATE, Operator.WITHIN_LAST_DAYS, "99999"), "is not a number of days;"),
        (condition(REFERENCE, Operator.EQUALS, "Ann"), "is not a Salesforce id;"),
        (And([]), "without conditions"),
    ],
)
def test_what_cannot_be_said_in_soql_is_refused_in_a_sentence(filter_, sentence):
    with pytest.raises(ValueError, match=sentence):
        soql(filter_)


@given(st.text())
def test_no_text_leaves_its_quotes(text):
    written = soql(condition(TEXT, Operator.CONTAINS, text))

    inside = written.removeprefix("F__c LIKE '").removesuffix("'")
    unescaped = inside.replace("\\\\", "")
    assert "'" not in unescaped.replace("\\'", "")
    assert not unescaped.endswith("\\")


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 11, 20, 10, tzinfo=UTC), "2026-11-20T10:00:00Z"),
        (datetime(2026, 11, 20, 10, tzinfo=timezone(timedelta(hours=-5))), "2026-11-20T15:00:00Z"),
        (datetime(2026, 11, 20, 10, 0, 0, 250_999, tzinfo=UTC), "2026-11-20T10:00:00.250Z"),
    ],
)
def test_an_instant_is_written_in_utc(moment, expected):
    assert literal(moment) == expected


def test_a_time_without_zone_is_refused():
    with pytest.raises(ValueError, match="without zone"):
        literal(datetime(2026, 11, 20))  # noqa: DTZ001 - the case under test


def test_a_query_names_each_field_once_in_the_order_given():
    query = select(
        ["Id", "Owner.Name", "id", "Name"],
        "Lead",
        where="Rating = 'Hot'",
        order=["SystemModstamp", "-Id"],
        limit=200,
    )

    assert query == (
        "SELECT Id, Owner.Name, Name FROM Lead WHERE Rating = 'Hot' "
        "ORDER BY SystemModstamp ASC, Id DESC LIMIT 200"
    )


def test_a_query_needs_no_condition_order_or_limit():
    assert select(["Id"], "Lead") == "SELECT Id FROM Lead"


@pytest.mark.parametrize(
    "arguments",
    [
        {"fields": ["Id, Name"], "object_type": "Lead"},
        {"fields": ["Id"], "object_type": "Lead WHERE"},
        {"fields": ["Id"], "object_type": "Lead", "order": ["Id;"]},
    ],
)
def test_a_query_of_something_that_is_no_name_is_refused(arguments):
    with pytest.raises(ValueError, match="is not a name"):
        select(**arguments)
