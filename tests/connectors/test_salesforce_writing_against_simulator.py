"""The Salesforce connector against the pretend org: collections, external ids, parents, refusals and lost answers."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration_hub.connectors.errors import (
    AuthError,
    BudgetError,
    ConfigError,
    RejectedError,
    RetryableError,
    UnknownOutcomeError,
)
from integration_hub.connectors.records import MatchKey, Operation, Outcome, RecordWrite, WriteRequest
from integration_hub.connectors.salesforce.connector import Salesforce
from integration_hub.connectors.salesforce.writing import headers
from integration_hub.connectors.schema import FieldType
from integration_hub.simulator.salesforce import CLIENT_ID, CLIENT_SECRET
from tests.connectors.doubles import NOON, MemoryKeeper, make_transport

KEY = "Number__c"


@pytest.fixture
def org(simulator):
    simulator.set_clock(NOON)
    for name in ("Contact", "Account", "Lead"):
        simulator.salesforce.add_field(name, KEY, label="Customer number", external_id=True, unique=True)
    return simulator.salesforce


@pytest.fixture
def connector(org):
    with make_connector(org) as made:
        yield made


def make_connector(org, **config):
    given = {"auth_flow": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    transport = make_transport(org.url, secrets=[CLIENT_SECRET])
    made = Salesforce({**given, "login_url": org.url, **config}, transport, MemoryKeeper())
    made.clock = org.clock
    return made


def request(operation, object_type, *rows, by=KEY, **options):
    writes = [
        RecordWrite(f"d{at}", row, MatchKey(by, str(row[by])) if by in row else None, **options)
        for at, row in enumerate(rows)
    ]
    return WriteRequest(object_type, operation, writes)


def upsert(*rows, object_type="Contact", **options):
    return request(Operation.UPSERT, object_type, *rows, **options)


def outcomes(results):
    return [str(result.outcome) for result in results]


def codes(results):
    return [result.error.code if result.error else "" for result in results]


def contact(number, **values):
    return {KEY: f"C-{number}", "LastName": f"L{number}", **values}


def stored(org, object_type="Contact"):
    return {row.get(KEY, ""): row for row in org.records(object_type)}


def calls(org, part="/composite/"):
    return [call for call in org.requests if part in call.path]


def test_an_upsert_makes_what_is_new_and_updates_what_is_there_in_one_call(org, connector):
    there = org.add("Contact", LastName="Old", Number__c="C-1")

    results = connector.write(upsert(contact(1), contact(2)))

    assert outcomes(results) == ["updated", "created"]
    assert [result.status for result in results] == [200, 201]
    assert results[0].remote_id == there
    assert stored(org)["C-1"]["LastName"] == "L1"
    assert results[1].remote_id == stored(org)["C-2"]["Id"]
    assert [(call.method, call.path) for call in calls(org)] == [
        ("PATCH", f"/services/data/v64.0/composite/sobjects/Contact/{KEY}")
    ]


def test_two_hundred_go_in_a_call(org, connector):
    results = connector.write(upsert(*[contact(n) for n in range(450)]))

    assert [len(call.body["records"]) for call in calls(org)] == [200, 200, 50]
    assert set(outcomes(results)) == {"created"}
    assert [result.ref for result in results] == [f"d{n}" for n in range(450)]


def test_one_key_twice_makes_one_record_and_the_later_values_stay(org, connector):
    results = connector.write(upsert(contact(1), contact(2), {**contact(1), KEY: "c-1", "LastName": "Later"}))

    assert outcomes(results) == ["created", "created", "updated"]
    assert results[0].remote_id == results[2].remote_id
    assert len(org.records("Contact")) == 2
    assert {row["LastName"] for row in org.records("Contact")} == {"Later", "L2"}


def test_a_known_id_is_written_to_also_when_the_key_changes(org, connector):
    there = org.add("Contact", LastName="Old", Number__c="C-1")

    [result] = connector.write(upsert(contact(9), remote_id=there))

    assert (result.outcome, result.remote_id) == (Outcome.UPDATED, there)
    assert stored(org)["C-9"]["Id"] == there


def test_what_was_deleted_under_a_known_id_is_found_or_made_by_its_key(org, connector):
    gone = org.add("Contact", LastName="Gone")
    org.delete(gone)
    there = org.add("Contact", LastName="Old", Number__c="C-1")

    results = connector.write(
        WriteRequest(
            "Contact",
            Operation.UPSERT,
            [
                RecordWrite(f"d{n}", contact(n), MatchKey(KEY, f"C-{n}"), remote_id=one)
                for n, one in ((1, gone), (2, "003gK00000000ZZIAA"))
            ],
        )
    )

    assert outcomes(results) == ["updated", "created"]
    assert results[0].remote_id == there


def test_a_record_is_moved_from_its_former_key(org, connector):
    there = org.add("Contact", LastName="Old", Number__c="OLD-1")

    [result] = connector.write(upsert(contact(1), former="OLD-1"))

    assert (result.outcome, result.remote_id) == (Outcome.UPDATED, there)
    assert list(stored(org)) == ["C-1"]


def test_a_former_key_is_left_alone_where_the_present_one_is_taken(org, connector):
    there = org.add("Contact", LastName="Old", Number__c="C-1")
    org.add("Contact", LastName="Other", Number__c="OLD-1")

    [result] = connector.write(upsert(contact(1), former="OLD-1"))

    assert result.remote_id == there
    assert stored(org)["OLD-1"]["LastName"] == "Other"


def test_a_parent_is_named_by_its_external_id_and_an_empty_one_is_cleared(org, connector):
    account = org.add("Account", Name="Acme", Number__c="A-1")

    connector.write(upsert(contact(1, Account={KEY: "A-1"})))
    tied = stored(org)["C-1"].get("AccountId")
    connector.write(upsert(contact(1, Account={KEY: None}, Phone="")))

    assert tied == account
    assert "AccountId" not in stored(org)["C-1"]


def test_a_parent_that_is_not_there_yet_is_waited_for(org, connector):
    results = connector.write(upsert(contact(1, Account={KEY: "A-9"}), contact(2)))

    assert outcomes(results) == ["failed", "created"]
    assert isinstance(results[0].error, RetryableError)
    assert results[0].error.code == "PARENT_NOT_FOUND"
    assert results[0].error.message == f"The Account that {KEY} names is not in Salesforce yet."


def test_values_arrive_in_the_form_of_their_fields(org, connector):
    org.add_field("Contact", "Seen__c", "datetime")
    org.add_field("Contact", "Likes__c", "multipicklist")
    org.add_field("Contact", "Orders__c", "double")

    connector.write(
        upsert(
            contact(
                1,
                Seen__c="2026-11-20 13:00:00 +01:00",
                Likes__c=["tea", "", "cake"],
                Orders__c=3,
                Birthdate="1990-05-01",
                DoNotCall=True,
                Title="",
            )
        )
    )

    row = stored(org)["C-1"]
    assert row["Seen__c"] == "2026-11-20T12:00:00.000+0000"
    assert (row["Likes__c"], row["Orders__c"], row["Birthdate"], row["DoNotCall"]) == (
        "tea;cake",
        3.0,
        "1990-05-01",
        True,
    )
    assert "Title" not in row


@pytest.mark.parametrize(
    ("bad", "code", "said"),
    [
        ({"LastName": None}, "REQUIRED_FIELD_MISSING", "LastName must have a value."),
        ({"LastName": "x" * 81}, "STRING_TOO_LONG", "LastName is too long."),
        ({"Email": "nobody"}, "INVALID_EMAIL_ADDRESS", "Email is not a valid e-mail."),
        ({"Name": "Ann"}, "INVALID_FIELD_FOR_INSERT_UPDATE", "Name cannot be written."),
        ({"AccountId": "nonsense"}, "MALFORMED_ID", "AccountId is not a Salesforce id."),
        (
            {"AccountId": "001gK00000000ZZIAA"},
            "INVALID_CROSS_REFERENCE_KEY",
            "AccountId points to a record that is not there.",
        ),
        (
            {"Department": "closed"},
            "FIELD_CUSTOM_VALIDATION_EXCEPTION",
            "A validation rule refuses the record: That department is closed.",
        ),
        (
            {"Nowhere__c": "x"},
            "INVALID_FIELD",
            "Nowhere__c does not exist, or the integration user may not see it.",
        ),
        ({"Birthdate": "soon"}, "JSON_PARSER_ERROR", "A value has not the type of its field."),
        ({"Title": {"a": {"b": 1}}}, "not_a_field_value", "Title.a has a value that Salesforce cannot keep."),
    ],
    ids=lambda value: value if isinstance(value, str) and "_" in value else "",
)
def test_a_refused_record_says_why_and_its_neighbors_are_written(org, connector, bad, code, said):
    org.require("Contact", "That department is closed.", lambda row: row.get("Department") != "closed")

    results = connector.write(upsert(contact(1), {**contact(2), **bad}, contact(3)))

    assert outcomes(results) == ["created", "failed", "created"]
    error = results[1].error
    assert isinstance(error, RejectedError)
    assert (error.code, error.message) == (code, said)
    assert error.remedy
    assert set(stored(org)) == {"C-1", "C-3"}


def test_no_value_of_a_record_is_in_an_error(org, connector):
    secret = "nobody at home"
    org.add_field("Contact", "Born__c", "date")

    results = connector.write(
        upsert(contact(1, Email=secret), contact(2, Department=secret * 9), contact(3, Born__c=secret))
    )

    assert outcomes(results) == ["failed"] * 3
    assert all(secret not in f"{r.error.message} {r.error.remedy}" for r in results)


def test_a_duplicate_rule_names_the_record_that_is_there(org, connector):
    there = org.add("Contact", LastName="Ann", Email="ann@x.test")
    org.detect_duplicates("Contact", "Email")

    results = connector.write(upsert(contact(1, Email="ann@x.test"), contact(2)))

    assert codes(results) == ["DUPLICATES_DETECTED", ""]
    assert there in results[0].error.message
    assert results[0].error.existing == (there,)


@pytest.mark.parametrize(("blocks", "kept"), [(False, True), (True, False)])
def test_a_rule_that_only_alerts_can_be_saved_past(org, blocks, kept):
    org.add("Contact", LastName="Ann", Email="ann@x.test")
    org.detect_duplicates("Contact", "Email", blocks=blocks)

    with make_connector(org, duplicate_rules="save") as connector:
        [result] = connector.write(upsert(contact(1, Email="ann@x.test")))

    assert (result.error is None) is kept


def test_a_unique_value_of_another_record_is_refused_with_its_id(org, connector):
    org.add_field("Contact", "Card__c", external_id=True, unique=True)
    there = org.add("Contact", LastName="Ann", Card__c="7")

    [result] = connector.write(upsert(contact(1, Card__c="7")))

    assert result.error.code == "DUPLICATE_VALUE"
    assert there[:15] in result.error.message


def test_a_match_value_that_several_records_have_is_refused(org, connector):
    org.add_field("Contact", "Loose__c", external_id=True)
    for _ in range(2):
        org.add("Contact", LastName="Twin", Loose__c="7")

    [upserted] = connector.write(upsert({"Loose__c": "7", "LastName": "X"}, by="Loose__c"))
    [updated] = connector.write(
        request(Operation.UPDATE, "Contact", {"Loose__c": "7", "LastName": "X"}, by="Loose__c")
    )

    assert codes([upserted, updated]) == ["DUPLICATE_EXTERNAL_ID"] * 2


def test_a_locked_row_goes_back_alone(org, connector):
    org.lock_rows(1)

    results = connector.write(upsert(contact(1), contact(2)))

    assert outcomes(results) == ["failed", "created"]
    assert isinstance(results[0].error, RetryableError)
    assert results[0].error.code == "UNABLE_TO_LOCK_ROW"


def test_a_field_nobody_has_costs_one_more_call_not_one_for_each_record(org, connector):
    results = connector.write(upsert(*[contact(n, Nowhere__c="x") for n in range(200)]))

    assert set(codes(results)) == {"INVALID_FIELD"}
    assert len(calls(org)) == 1


def test_values_of_a_wrong_type_all_over_end_at_a_bounded_number_of_calls(org, connector):
    results = connector.write(upsert(*[contact(n, Birthdate="soon") for n in range(200)]))

    assert len(calls(org)) <= 40
    assert set(codes(results)) <= {"JSON_PARSER_ERROR", "split_up"}
    assert "split_up" in codes(results)


@pytest.mark.parametrize(
    ("object_type", "by", "code"),
    [("Contact", "Email", "INVALID_FIELD"), ("Nothing__c", KEY, "INVALID_TYPE")],
)
def test_a_wrong_key_or_object_is_the_records_matter_and_holds_no_connection(
    connector, object_type, by, code
):
    results = connector.write(
        upsert(*[{by: f"a{n}@x.test", "LastName": "L"} for n in range(3)], by=by, object_type=object_type)
    )

    assert codes(results) == [code] * 3


def test_creating_makes_records_and_finds_those_that_are_there(org, connector):
    there = org.add("Contact", LastName="Old", Number__c="C-1")

    results = connector.write(request(Operation.CREATE, "Contact", contact(1), contact(2), contact(2)))

    assert outcomes(results) == ["existing", "created", "existing"]
    assert results[0].remote_id == there
    assert results[1].remote_id == results[2].remote_id
    assert stored(org)["C-1"]["LastName"] == "Old"


def test_updating_goes_by_id_or_key_and_makes_nothing(org, connector):
    one = org.add("Contact", LastName="One", Number__c="C-1")
    two = org.add("Contact", LastName="Two")
    writes = [
        RecordWrite("d0", {"Title": "A"}, MatchKey(KEY, "C-1")),
        RecordWrite("d1", {"Title": "B"}, remote_id=two),
        RecordWrite("d2", {"Title": "C"}, MatchKey(KEY, "C-9")),
        RecordWrite("d3", {"Title": "D"}),
        RecordWrite("d4", {"Title": "E"}, MatchKey("Id", one)),
    ]

    results = connector.write(WriteRequest("Contact", Operation.UPDATE, writes))

    assert outcomes(results) == ["updated", "updated", "failed", "failed", "updated"]
    assert [result.status for result in results][2] == 404
    assert {row["Id"]: row["Title"] for row in org.records("Contact")} == {one: "E", two: "B"}


def test_deleting_is_done_also_where_nothing_is_left(org, connector):
    one = org.add("Contact", LastName="One", Number__c="C-1")
    gone = org.add("Contact", LastName="Gone")
    org.delete(gone)
    writes = [
        RecordWrite("d0", {}, MatchKey(KEY, "C-1")),
        RecordWrite("d1", {}, remote_id=gone),
        RecordWrite("d2", {}, MatchKey(KEY, "C-9")),
        RecordWrite("d3", {}),
    ]

    results = connector.write(WriteRequest("Contact", Operation.DELETE, writes))

    assert outcomes(results) == ["deleted", "deleted", "deleted", "failed"]
    assert org.records("Contact") == []
    assert one in [
        record
        for record, _ in connector.deleted("Contact", NOON - timedelta(hours=1), NOON + timedelta(minutes=5))
    ]


@pytest.mark.parametrize("operation", [Operation.UPSERT, Operation.UPDATE, Operation.DELETE])
def test_a_lost_answer_is_repeated_where_that_is_harmless(org, connector, operation):
    org.add("Contact", LastName="Old", Number__c="C-1")
    org.faults.fail_next(1, "drop_after", path="/composite/")

    with pytest.raises(RetryableError) as caught:
        connector.write(request(operation, "Contact", contact(1)))

    assert not isinstance(caught.value, UnknownOutcomeError)
    assert operation in Salesforce.repeatable


@pytest.mark.parametrize("kind", ["drop_after", "server_error"])
def test_a_create_without_an_answer_is_looked_for_before_it_is_repeated(org, connector, kind):
    asked = request(Operation.CREATE, "Contact", contact(1), attempted_at=NOON)
    org.faults.fail_next(1, kind, path="/composite/")

    with pytest.raises(UnknownOutcomeError):
        connector.write(asked)
    [found] = connector.recall(asked)

    if kind == "drop_after":
        assert (found.outcome, found.remote_id) == (Outcome.CREATED, stored(org)["C-1"]["Id"])
    else:
        assert found is None


def test_two_hundred_lost_creates_are_looked_for_in_one_query(org, connector):
    for number in range(0, 200, 2):
        org.add("Contact", LastName="L", Number__c=f"C-{number}")
    asked = WriteRequest(
        "Contact",
        Operation.CREATE,
        [
            RecordWrite(
                f"{n}", {}, MatchKey("Number__c", f"c-{n}" if n == 4 else f"C-{n}"), attempted_at=NOON
            )
            for n in range(200)
        ],
    )
    before = len(org.requests)

    found = connector.recall(asked)

    assert [one is not None for one in found] == [n % 2 == 0 for n in range(200)]
    assert [one.ref for one in found if one] == [f"{n}" for n in range(0, 200, 2)]
    queries = [one for one in org.requests[before:] if "/query" in one.path]
    assert len(queries) == 1
    assert len(asked.writes) <= Salesforce.recall_size


def test_a_create_without_a_match_key_cannot_be_looked_for(connector):
    with pytest.raises(RejectedError, match="no match key"):
        connector.recall(request(Operation.CREATE, "Contact", {"LastName": "L"}))


def test_a_lookup_to_a_deleted_record_is_no_missing_record(org, connector):
    account = org.add("Account", Name="Gone")
    org.delete(account)

    [result] = connector.write(upsert(contact(1, AccountId=account)))

    assert result.error.code == "INVALID_CROSS_REFERENCE_KEY"
    assert result.error.status != 404


def test_what_was_done_before_an_outage_is_known(org, connector):
    first = [contact(n) for n in range(200)]
    connector.write(upsert(first[0]))
    org.limits.max = org.limits.used + 1

    results = connector.write(upsert(*first, contact(200)))

    assert outcomes(results[:200]) == ["updated", *["created"] * 199]
    assert isinstance(results[200].error, BudgetError)


@pytest.mark.parametrize(
    ("fault", "error"),
    [("request_limit", BudgetError), ("no_access", ConfigError), ("lock_row", RetryableError)],
)
def test_what_concerns_the_connection_is_raised(org, connector, fault, error):
    org.faults.fail_next(1, fault, path="/composite/")

    with pytest.raises(error):
        connector.write(upsert(contact(1)))


def test_an_expired_session_is_renewed_and_the_write_goes_on(org, connector):
    connector.write(upsert(contact(1)))
    org.expire_tokens()

    [result] = connector.write(upsert(contact(2)))

    assert result.outcome == Outcome.CREATED


def test_a_withdrawn_app_is_no_refusal_of_records(org, connector):
    org.revoke()
    org.expire_tokens()

    with pytest.raises(AuthError):
        connector.write(upsert(contact(1)))


def test_assignment_rules_are_left_to_the_org_unless_the_connection_says_otherwise():
    assert headers({}) == {}
    assert headers({"assignment_rules": "off"}) == {"Sforce-Auto-Assign": "FALSE"}


def test_an_api_version_that_upserts_no_collections_is_the_connections_fault(org):
    with make_connector(org, api_version="45.0") as connector, pytest.raises(ConfigError, match=r"45\.0"):
        connector.write(upsert(contact(1)))


def test_fields_tell_what_can_be_written_and_by_what_records_and_parents_are_named(connector):
    fields = connector.destination_schema("Contact").fields

    assert fields[KEY].unique
    assert fields[KEY].label == "Customer number (external id)"
    assert fields["Name"].read_only
    assert fields["SystemModstamp"].read_only
    assert not fields["LastName"].read_only
    assert fields["AccountId"].type is FieldType.REFERENCE
    assert fields[f"Account.{KEY}"].label == "Account, by Customer number"
    assert not fields[f"Account.{KEY}"].read_only


def test_objects_that_can_be_written_are_offered(connector):
    assert ("Contact", "Contact") in connector.object_types_written()


def test_what_stands_there_is_found_by_external_id_or_id(org, connector):
    there = org.add("Contact", LastName="Ann", Number__c="C-1", Title="CEO")

    found = connector.look_up("Contact", ["c-1", there, "C-9", "O'Hara"])

    assert set(found) == {"c-1", there}
    assert found["c-1"].values["Title"] == "CEO"
    assert found["c-1"].remote_id == there


def test_the_check_says_what_may_be_written(connector):
    assert connector.check().facts["May write"] == "Account, Contact, Lead, Opportunity"


@pytest.mark.parametrize(
    ("match", "paths", "place"),
    [
        (KEY, ["LastName", f"Account.{KEY}"], None),
        ("Id", ["Id", "LastName"], None),
        ("Email", ["Email"], ""),
        (KEY, ["Account.Owner.Name"], "Account.Owner.Name"),
        (KEY, ["Account.A__c", "Account.B__c"], "Account.B__c"),
        (KEY, ["Account.A__c", "AccountId"], "Account.A__c"),
        (KEY, ["Plan__r.A__c", "Plan__c"], "Plan__r.A__c"),
        (KEY, ["Id"], "Id"),
        (KEY, ["First Name"], "First Name"),
    ],
)
def test_a_mapping_that_salesforce_cannot_take_is_objected_to(match, paths, place):
    objections = Salesforce.objections({}, "Contact", match, paths)

    assert list(objections) == ([] if place is None else [place])


ROWS = st.lists(
    st.tuples(
        st.integers(0, 8),
        st.sampled_from(["fine", "long", "email", "parent", "field", "type", "name", "locked"]),
    ),
    max_size=14,
)
FLAWS = {
    "fine": {},
    "long": {"LastName": "x" * 99},
    "email": {"Email": "nobody"},
    "parent": {"Account": {KEY: "A-9"}},
    "field": {"Nowhere__c": 1},
    "type": {"Birthdate": "soon"},
    "name": {"LastName": None},
    "locked": {"Title": "locked"},
}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_whatever_is_refused_each_write_has_its_own_result_in_order(org, connector, rows):
    for row in org.records("Contact"):
        org.delete(row["Id"])
    org.relax()
    org.require("Contact", "Locked.", lambda row: row.get("Title") != "locked")
    values = [contact(number, Phone=f"{at}") | FLAWS[flaw] for at, (number, flaw) in enumerate(rows)]

    results = connector.write(upsert(*values)) if values else []

    assert [result.ref for result in results] == [f"d{at}" for at in range(len(rows))]
    assert [result.error is None for result in results] == [flaw == "fine" for _, flaw in rows]
    last = {f"C-{number}": str(at) for at, (number, flaw) in enumerate(rows) if flaw == "fine"}
    assert {key: row["Phone"] for key, row in stored(org).items()} == last
