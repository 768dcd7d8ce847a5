"""SOQL selects, compares, orders and complains as Salesforce does."""

# ruff: noqa: S608 - queries are put together from the tables below, never from outside

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration_hub.simulator.salesforce.operands import Today
from integration_hub.simulator.salesforce.org import Org
from integration_hub.simulator.salesforce.query import View, run
from integration_hub.simulator.salesforce.schema import Field
from integration_hub.simulator.salesforce.soql import SoqlError, parse
from integration_hub.simulator.salesforce.where import compile_where
from integration_hub.simulator.world import Clock

FRIDAY_NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BASE = "/services/data/v59.0"


@pytest.fixture
def org():
    clock = Clock()
    clock.set(FRIDAY_NOON)
    org = Org(clock)
    org.schema.add_field("Lead", Field("Score__c", "Score", "double"))
    org.schema.add_field("Lead", Field("Tags__c", "Tags", "multipicklist"))
    queue = org.add_queue("Inbound", [org.admin_id])
    gone = org.add_user("Gina Gone", "gina@example.test", active=False)
    ann = {"LastName": "Ann", "Email": "Ann@Acme.test", "NumberOfEmployees": 50, "Tags__c": "vip;new"}
    bob = {"LastName": "Bob", "Company": "50% Off_Inc", "Score__c": 7.5, "OwnerId": queue, "DoNotCall": True}
    org.add("Lead", {**ann, "Rating": "Hot", "Company": "Acme"})
    org.add("Lead", bob, created_at=FRIDAY_NOON - timedelta(days=1))
    eve = {"LastName": "Eve", "Company": "O'Neil\\Sons", "Score__c": -1, "OwnerId": gone, "Tags__c": "vip"}
    org.add("Lead", eve, created_at=FRIDAY_NOON - timedelta(days=30))
    return org


def names(org, soql, **options):
    return [record["LastName"] for record in records(org, soql, **options)]


def records(org, soql, **options):
    result = run(org, soql, BASE, **options)
    return [result.show(row) for row in result.rows]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("LastName = 'ANN'", "Ann"),
        ("LastName != 'ann'", "Bob Eve"),
        ("Email = null", "Bob Eve"),
        ("Email != null", "Ann"),
        ("Email = ''", "Bob Eve"),
        ("Email != 'x@x.test'", "Ann Bob Eve"),
        ("Rating NOT IN ('Hot')", "Bob Eve"),
        ("Rating IN ('hot', 'cold')", "Ann"),
        ("Rating IN ('Cold', null)", "Bob Eve"),
        ("Rating NOT IN ('Cold', null)", "Ann"),
        ("(NOT Rating = 'Hot')", "Bob Eve"),
        ("Company LIKE 'acm%'", "Ann"),
        ("Company LIKE 'A_me'", "Ann"),
        ("Company LIKE '50\\% off\\_%'", "Bob"),
        ("Company LIKE '5_\\_%'", ""),
        ("(NOT Email LIKE '%acme%')", "Bob Eve"),
        ("Company = 'o\\'neil\\\\sons'", "Eve"),
        ("Score__c > 0", "Bob"),
        ("Score__c < 0", "Eve"),
        ("Score__c >= -1.0", "Bob Eve"),
        ("Score__c <= 7.5", "Bob Eve"),
        ("Score__c < null", ""),
        ("Score__c != 7.5", "Ann Eve"),
        ("NumberOfEmployees = 50", "Ann"),
        ("DoNotCall = TRUE", "Bob"),
        ("DoNotCall = false", "Ann Eve"),
        ("Tags__c INCLUDES ('VIP')", "Ann Eve"),
        ("Tags__c INCLUDES ('vip;new')", "Ann"),
        ("Tags__c INCLUDES ('new', 'other')", "Ann"),
        ("Tags__c EXCLUDES ('new')", "Bob Eve"),
        ("Tags__c = 'VIP;new'", "Ann"),
        ("CreatedDate = TODAY", "Ann"),
        ("CreatedDate = YESTERDAY", "Bob"),
        ("CreatedDate != TODAY", "Bob Eve"),
        ("CreatedDate = LAST_N_DAYS:7", "Ann Bob"),
        ("CreatedDate < LAST_N_DAYS:7", "Eve"),
        ("CreatedDate = THIS_WEEK", "Ann Bob"),
        ("CreatedDate = LAST_MONTH", "Eve"),
        ("CreatedDate >= THIS_MONTH", "Ann Bob"),
        ("CreatedDate > YESTERDAY", "Ann"),
        ("CreatedDate = THIS_YEAR", "Ann Bob Eve"),
        ("CreatedDate IN (TODAY, YESTERDAY)", "Ann Bob"),
        ("CreatedDate >= 2026-11-20T12:00:00Z", "Ann"),
        ("CreatedDate > 2026-11-20T12:00:00Z", ""),
        ("CreatedDate = 2026-11-20T13:00:00+01:00", "Ann"),
        ("CreatedDate < 2026-11-20T12:00:00.000Z", "Bob Eve"),
        ("SystemModstamp >= 2026-11-19T12:00:00Z AND SystemModstamp < 2026-11-20T12:00:00Z", "Bob"),
        ("SystemModstamp = 2026-11-20T12:00:00Z OR SystemModstamp < 2026-11-01T00:00:00Z", "Ann Eve"),
        ("SystemModstamp > 2026-11-20T00:00:00Z OR SystemModstamp > 2026-11-19T00:00:00Z", "Ann Bob"),
        (
            (
                "SystemModstamp > 2026-11-19T12:00:00Z OR "
                "(SystemModstamp = 2026-11-19T12:00:00Z AND Id > '00QgK0000000001')"
            ),
            "Ann Bob",
        ),
        (
            (
                "SystemModstamp > 2026-11-19T12:00:00Z OR "
                "(SystemModstamp = 2026-11-19T12:00:00Z AND Id > '00QgK0000000002')"
            ),
            "Ann",
        ),
        ("Id = '00QgK0000000001' OR Id = '00QgK0000000003'", "Ann Eve"),
        ("Id = '00QgK0000000001' OR LastName = 'Eve'", "Ann Eve"),
        ("Owner.Name = 'inbound'", "Bob"),
        ("Owner.Type = 'User'", "Ann Eve"),
        ("Owner.IsActive = false", "Eve"),
        ("Owner.Email = null", "Bob"),
        ("ConvertedAccount.Name = null", "Ann Bob Eve"),
        ("LastName = 'Ann' OR LastName = 'Eve'", "Ann Eve"),
        ("LastName != 'Ann' AND (Score__c > 0 OR NOT DoNotCall = true)", "Bob Eve"),
        ("lead.lastname = 'Ann'", "Ann"),
        ("Name = 'Ann'", "Ann"),
    ],
)
def test_where(org, where, expected):
    found = names(org, f"SELECT LastName FROM Lead WHERE {where} ORDER BY LastName")

    assert found == expected.split()


@pytest.mark.parametrize(
    ("clauses", "expected"),
    [
        ("ORDER BY Score__c", "Ann Eve Bob"),
        ("ORDER BY Score__c DESC", "Ann Bob Eve"),
        ("ORDER BY Score__c NULLS LAST", "Eve Bob Ann"),
        ("ORDER BY Score__c DESC NULLS LAST", "Bob Eve Ann"),
        ("ORDER BY Status ASC, LastName DESC", "Eve Bob Ann"),
        ("ORDER BY Owner.Name NULLS FIRST, LastName", "Ann Eve Bob"),
        ("ORDER BY SystemModstamp, Id", "Eve Bob Ann"),
        ("ORDER BY SystemModstamp DESC", "Ann Bob Eve"),
        ("ORDER BY Id LIMIT 2", "Ann Bob"),
        ("ORDER BY Id DESC LIMIT 1 OFFSET 1", "Bob"),
        ("ORDER BY LastName OFFSET 2", "Eve"),
        ("LIMIT 0", ""),
    ],
)
def test_order_limit_and_offset(org, clauses, expected):
    assert names(org, f"SELECT LastName FROM Lead {clauses}") == expected.split()


@pytest.mark.parametrize(
    ("soql", "code", "words"),
    [
        ("SELECT Nope FROM Lead", "INVALID_FIELD", "No such column 'Nope' on entity 'Lead'. If you are"),
        (
            "SELECT Id FROM Lead WHERE Nope__c = 1",
            "INVALID_FIELD",
            "No such column 'Nope__c' on entity 'Lead'",
        ),
        ("SELECT Id FROM Lead ORDER BY Nope", "INVALID_FIELD", "No such column 'Nope'"),
        (
            "SELECT Boss.Name FROM Lead",
            "INVALID_FIELD",
            "Didn't understand relationship 'Boss' in field path",
        ),
        ("SELECT Owner.Nope FROM Lead", "INVALID_FIELD", "No such column 'Nope' on entity 'Name'"),
        ("SELECT Id, id FROM Lead", "INVALID_FIELD", "duplicate field selected: id"),
        ("SELECT Id FROM Thing", "INVALID_TYPE", "sObject type 'Thing' is not supported"),
        ("SELECT Id FROM Name", "INVALID_TYPE", "sObject type 'Name' is not supported"),
        (
            "SELECT Id FROM Lead WHERE CreatedDate > '2026-11-20T00:00:00Z'",
            *("INVALID_FIELD", "'CreatedDate' must be of type dateTime and should not be enclosed in quotes"),
        ),
        ("SELECT Id FROM Lead WHERE CreatedDate > 2026-11-20", "INVALID_FIELD", "must be of type dateTime"),
        (
            "SELECT Id FROM Lead WHERE ConvertedDate = 2026-11-20T00:00:00Z",
            "INVALID_FIELD",
            "must be of type date ",
        ),
        (
            "SELECT Id FROM Lead WHERE NumberOfEmployees = '5'",
            "INVALID_FIELD",
            "must be of type int and should not",
        ),
        (
            "SELECT Id FROM Lead WHERE LastName = 5",
            "INVALID_FIELD",
            "of type string and should be enclosed in quotes",
        ),
        (
            "SELECT Id FROM Lead WHERE DoNotCall = 'true'",
            "INVALID_FIELD",
            "must be of type boolean and should not",
        ),
        ("SELECT Id FROM Lead WHERE CreatedDate = SOMEDAY", "INVALID_FIELD", "must be of type dateTime"),
        (
            "SELECT Id FROM Lead WHERE Description = 'x'",
            "INVALID_FIELD",
            "can not be filtered in a query call",
        ),
        ("SELECT Id FROM Lead ORDER BY Description", "INVALID_FIELD", "can not be sorted in a query call"),
        ("SELECT Id FROM Lead WHERE Score__c LIKE '1%'", "INVALID_FIELD", "invalid operator on double field"),
        (
            "SELECT Id FROM Lead WHERE Rating INCLUDES ('Hot')",
            "INVALID_FIELD",
            "invalid operator on picklist field",
        ),
        (
            "SELECT Id FROM Lead WHERE OwnerId = 'nobody'",
            "INVALID_QUERY_FILTER_OPERATOR",
            "invalid ID field: nobody",
        ),
        ("SELECT Id FROM Lead WHERE ConvertedDate = 2026-13-40", "MALFORMED_QUERY", "invalid date or time"),
        (
            "SELECT Id FROM Lead OFFSET 2001",
            "NUMBER_OUTSIDE_VALID_RANGE",
            "Maximum SOQL offset allowed is 2000",
        ),
        ("SELECT FROM Lead", "MALFORMED_QUERY", "unexpected token: 'Lead'"),
        ("SELECT Id FROM Lead WHERE", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM Lead WHERE LastName == 'x'", "MALFORMED_QUERY", "unexpected token: '='"),
        ("SELECT Id FROM Lead WHERE LastName = 'x", "MALFORMED_QUERY", "no viable alternative at character"),
        (
            "SELECT Id FROM Lead WHERE LastName = 'x' AND Id = null OR Id = null",
            "MALFORMED_QUERY",
            "token: 'OR'",
        ),
        ("SELECT Id FROM Lead WHERE CreatedDate > 2026-11-20T00:00:00 02:00", "MALFORMED_QUERY", ""),
        ("SELECT Id FROM Lead LIMIT -1", "MALFORMED_QUERY", ""),
        ("DELETE FROM Lead", "MALFORMED_QUERY", "unexpected token: 'DELETE'"),
        (f"SELECT Id FROM Lead WHERE LastName = '{'x' * 100_000}'", "MALFORMED_QUERY", "100000 characters"),
    ],
)
def test_refusals_carry_the_vendors_code_and_words(org, soql, code, words):
    with pytest.raises(SoqlError) as refusal:
        run(org, soql, BASE)

    assert refusal.value.code == code
    assert words in refusal.value.message


def test_a_refusal_points_at_the_place(org):
    soql = "SELECT Id, Nope FROM Lead"

    with pytest.raises(SoqlError) as refusal:
        run(org, soql, BASE)

    assert refusal.value.told(soql).startswith(
        "\nSELECT Id, Nope FROM Lead\n           ^\nERROR at Row:1:Column:12\n"
    )


def test_parents_are_nested_and_a_missing_one_is_null(org):
    shown = records(org, "SELECT Owner.Name, ConvertedAccount.Name FROM Lead WHERE LastName = 'Bob'")[0]

    assert shown["Owner"]["Name"] == "Inbound"
    assert shown["Owner"]["attributes"]["type"] == "Group"
    assert shown["ConvertedAccount"] is None


def test_a_lookup_of_a_lookup_is_followed(org):
    account = org.add("Account", {"Name": "Acme"})
    org.add("Contact", {"LastName": "Con", "AccountId": account})

    shown = records(org, "SELECT Account.Owner.Email FROM Contact WHERE Account.Owner.IsActive = true")

    assert shown[0]["Account"]["Owner"]["Email"] == "ada.admin@example.test"


def test_a_15_character_id_finds_the_record(org):
    lead = org.add("Lead", {"LastName": "Short"})

    assert names(org, f"SELECT LastName FROM Lead WHERE Id = '{lead[:15]}'") == ["Short"]


def test_deleted_rows_show_only_when_asked_for(org):
    org.delete(org.add("Lead", {"LastName": "Zoe"}))

    soql = "SELECT LastName, IsDeleted FROM Lead WHERE LastName = 'Zoe'"

    assert names(org, soql) == []
    assert records(org, soql, with_deleted=True)[0]["IsDeleted"] is True


def test_count_gives_a_number_and_no_records(org):
    result = run(org, "SELECT COUNT() FROM Lead WHERE Score__c != null", BASE)

    assert (result.total, result.rows) == (2, ())


def test_compound_fields_are_computed(org):
    org.add("Lead", {"FirstName": "Al", "LastName": "Gore", "City": "Rome"})

    shown = records(org, "SELECT Name, Address FROM Lead WHERE Name = 'al gore'")[0]

    assert shown["Name"] == "Al Gore"
    assert shown["Address"]["city"] == "Rome"


def test_date_words_follow_the_users_time_zone(org):
    org.add("Lead", {"LastName": "Late"}, created_at=datetime(2026, 11, 19, 23, 30, tzinfo=UTC))
    soql = "SELECT LastName FROM Lead WHERE CreatedDate = TODAY ORDER BY LastName"

    assert names(org, soql) == ["Ann"]
    org.zone = ZoneInfo("Europe/Berlin")
    assert names(org, soql) == ["Ann", "Late"]


STAMPS = ["2026-11-20T12:00:00Z", "2026-11-19T12:00:00Z", "2026-10-21T12:00:00Z", "2026-11-01T00:00:00Z"]
IDS = ["00QgK0000000001", "00QgK0000000002", "00QgK0000000003", "00QgK0000000009"]
operators = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
comparisons = st.one_of(
    st.builds("SystemModstamp {} {}".format, operators, st.sampled_from(STAMPS)),
    st.builds("Id {} '{}'".format, operators, st.sampled_from(IDS)),
    st.builds("Id IN ('{}', '{}')".format, st.sampled_from(IDS), st.sampled_from(IDS)),
    st.just("LastName = 'Bob'"),
)
conditions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds("({} AND {})".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("(NOT {})".format, inner),
    ),
    max_leaves=6,
)
orders = st.sampled_from(["", " ORDER BY Id", " ORDER BY SystemModstamp, Id", " ORDER BY Id DESC"])


@settings(max_examples=300, deadline=None)
@given(condition=conditions, order=orders)
def test_the_indexes_never_lose_a_row(condition, order):
    clock = Clock()
    clock.set(FRIDAY_NOON)
    org = Org(clock)
    for name, days in (("Ann", 0), ("Bob", 1), ("Eve", 30)):
        org.add("Lead", {"LastName": name}, created_at=FRIDAY_NOON - timedelta(days=days))

    found = names(org, f"SELECT LastName FROM Lead WHERE {condition}{order}")

    view = View(org, org.schema["Lead"], BASE)
    where = parse(f"SELECT Id FROM Lead WHERE {condition}").where
    test = compile_where(where, view.bind, Today(clock())).test
    assert sorted(found) == sorted(row["LastName"] for row in org.live("Lead") if test(row))
