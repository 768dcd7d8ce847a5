"""Salesforce as a destination, against recorded answers: what each shape of answer means."""

import json

import pytest
import responses

from integration_hub.connectors.errors import RejectedError, RetryableError, UnknownOutcomeError
from integration_hub.connectors.records import MatchKey, Operation, Outcome, RecordWrite, WriteRequest
from integration_hub.connectors.salesforce.connector import Salesforce
from integration_hub.connectors.salesforce.finding import LONGEST_LIST, lists
from integration_hub.connectors.salesforce.refusals import refusal
from integration_hub.connectors.salesforce.values import lookup_of, written
from tests.connectors.contract_tests import DestinationContract
from tests.connectors.doubles import NOON, recorded
from tests.connectors.test_salesforce import DATA, QUERY, make_salesforce

KEY = "Number__c"
MANY = f"{DATA}/composite/sobjects"
UPSERT = f"{MANY}/Contact/{KEY}"
REFUSED = {
    "statusCode": "STRING_TOO_LONG",
    "message": "Last Name: data value too large: x",
    "fields": ["LastName"],
}


@pytest.fixture
def vendor():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def connector():
    return make_salesforce()


def contacts(refs, operation=Operation.UPSERT):
    writes = [RecordWrite(ref, {KEY: ref, "LastName": "Lee"}, MatchKey(KEY, ref)) for ref in refs]
    return WriteRequest("Contact", operation, writes)


def row(number, **more):
    return {"id": f"003xx00000000{number:02d}AAA", "success": True, "errors": [], **more}


def refused(**said):
    return {"success": False, "errors": [{**REFUSED, **said}]}


class TestDestinationContract(DestinationContract):
    write_errors = {
        **DestinationContract.write_errors,
        **dict.fromkeys((500, 502, 504), RetryableError),
    }
    """Upserting by an external id is repeatable."""

    def write_request(self, refs):
        return contacts(refs)

    def serve_status(self, vendor, status):
        vendor.patch(UPSERT, status=status)

    def serve_verdicts(self, vendor, verdicts):
        rows = [row(at, created=True) if fine else refused() for at, fine in enumerate(verdicts)]
        vendor.patch(UPSERT, json=rows)


class TestCreatingContract(DestinationContract):
    def write_request(self, refs):
        writes = [RecordWrite(ref, {"LastName": "Lee"}) for ref in refs]
        return WriteRequest("Contact", Operation.CREATE, writes)

    def serve_status(self, vendor, status):
        vendor.post(MANY, status=status)

    def serve_verdicts(self, vendor, verdicts):
        vendor.post(MANY, json=[row(at) if fine else refused() for at, fine in enumerate(verdicts)])


def test_a_collection_says_for_each_record_what_became_of_it(vendor, connector):
    vendor.patch(UPSERT, **recorded("salesforce/collection_upserted"))

    results = connector.write(contacts(["a", "b", "c", "d"]))

    assert [str(result.outcome) for result in results] == ["created", "updated", "failed", "failed"]
    assert [result.remote_id for result in results[:2]] == ["003xx000004TmiQAAS", "003xx000004TmiRAAS"]
    assert [result.error.code for result in results[2:]] == ["REQUIRED_FIELD_MISSING", "UNABLE_TO_LOCK_ROW"]
    assert isinstance(results[3].error, RetryableError)
    sent = json.loads(vendor.calls[0].request.body)
    assert sent["allOrNone"] is False
    assert sent["records"][0] == {"attributes": {"type": "Contact"}, KEY: "a", "LastName": "Lee"}


def test_a_duplicate_rule_names_its_records_also_where_salesforce_misspells_the_key(vendor, connector):
    vendor.patch(UPSERT, **recorded("salesforce/collection_duplicates_detected"))

    [result] = connector.write(contacts(["a"]))

    assert result.error.existing == ("003xx000004TmiQAAS",)
    assert "003xx000004TmiQAAS" in result.error.message


@pytest.mark.parametrize(
    ("case", "code", "kind"),
    [
        ("invalid_field_on_write", "INVALID_FIELD", RejectedError),
        ("external_id_field_unknown", "INVALID_FIELD", RejectedError),
        ("json_parser_error", "JSON_PARSER_ERROR", RejectedError),
    ],
)
def test_a_refusal_of_the_whole_request_becomes_that_of_its_records(vendor, connector, case, code, kind):
    vendor.patch(UPSERT, **recorded(f"salesforce/{case}"))

    [result] = connector.write(contacts(["a"]))

    assert isinstance(result.error, kind)
    assert result.error.code == code
    assert "Ann" not in result.error.message


@pytest.mark.parametrize(
    "body", ["[]", '[{"success":true}]', '{"a":1}', "<html>", '[{"id":"x","success":true},{}]', "[1]"]
)
@pytest.mark.parametrize(
    ("operation", "error"), [(Operation.UPSERT, RetryableError), (Operation.CREATE, UnknownOutcomeError)]
)
def test_an_answer_that_is_not_whole_is_none(vendor, connector, body, operation, error):
    vendor.get(QUERY, json={"records": [], "done": True, "totalSize": 0})
    vendor.add(responses.PATCH, UPSERT, body=body)
    vendor.add(responses.POST, MANY, body=body)

    with pytest.raises(error) as caught:
        connector.write(contacts(["a"], operation))

    assert type(caught.value) is error


def test_a_name_that_is_none_reaches_no_address(vendor, connector):
    with pytest.raises(RejectedError, match="API name"):
        connector.write(WriteRequest("Contact/../User", Operation.UPSERT, contacts(["a"]).writes))

    assert not vendor.calls


def test_a_quote_in_a_key_stays_within_its_text(vendor, connector):
    vendor.get(QUERY, json={"records": [], "done": True, "totalSize": 0})
    vendor.post(MANY, json=[row(1)])

    connector.write(contacts(["O'Hara' OR Name != '"], Operation.CREATE))

    asked = vendor.calls[0].request.params["q"]
    assert asked.endswith(r"WHERE Number__c IN ('O\'Hara\' OR Name != \'') ORDER BY Id ASC")


def test_keys_are_looked_up_in_lists_that_fit_an_address():
    keys = [f"{number:040d}" for number in range(300)]

    listed = list(lists([*keys, *keys]))

    assert all(len(part) <= LONGEST_LIST + 100 for part in listed)
    assert sum(part.count(",") + 1 for part in listed) == 300


@pytest.mark.parametrize(
    ("values", "sent"),
    [
        ({"A": "", "B": None, "C": []}, {"A": None, "B": None, "C": None}),
        ({"A": True, "B": 1.5, "C": 0}, {"A": True, "B": 1.5, "C": 0}),
        ({"A": "2026-11-20 12:00:00 +00:00"}, {"A": "2026-11-20T12:00:00.000Z"}),
        ({"A": NOON}, {"A": "2026-11-20T12:00:00.000Z"}),
        ({"A": NOON.date()}, {"A": "2026-11-20"}),
        ({"A": "2026-11-20"}, {"A": "2026-11-20"}),
        ({"A": "2026-11-20 12:00"}, {"A": "2026-11-20 12:00"}),
        ({"A": ["x", "y"]}, {"A": "x;y"}),
        ({"Account": {KEY: "7"}}, {"Account": {KEY: "7"}}),
        ({"Account": {KEY: ""}}, {"AccountId": None}),
        ({"Plan__r": {KEY: None}}, {"Plan__c": None}),
        ({"Id": "003xx000004TmiQAAS", "A": "x"}, {"A": "x"}),
    ],
)
def test_values_are_sent_as_salesforce_takes_them(values, sent):
    assert written(values) == sent


def test_the_field_behind_a_relationship_is_known():
    assert (lookup_of("Account"), lookup_of("Plan__r")) == ("AccountId", "Plan__c")


@pytest.mark.parametrize(
    ("said", "code", "status"),
    [
        ({"statusCode": "ENTITY_IS_DELETED", "fields": []}, "ENTITY_IS_DELETED", 404),
        (
            {"statusCode": "INVALID_CROSS_REFERENCE_KEY", "fields": ["AccountId"]},
            "INVALID_CROSS_REFERENCE_KEY",
            400,
        ),
        ({"errorCode": "MULTIPLE_CHOICES"}, "MULTIPLE_CHOICES", 300),
        (
            {"statusCode": "A_CODE_OF_TOMORROW", "message": "ann@x.test", "fields": ["X"]},
            "A_CODE_OF_TOMORROW",
            400,
        ),
        ({"statusCode": "APEX_ERROR", "message": "T: UNABLE_TO_LOCK_ROW"}, "UNABLE_TO_LOCK_ROW", None),
        ({}, "UNKNOWN", 400),
        ({"statusCode": "odd code: ann@x.test"}, "UNKNOWN", 400),
    ],
)
def test_what_is_said_of_a_record_is_told_without_its_values(said, code, status):
    error = refusal(said)

    assert (error.code, error.status) == (code, status)
    assert error.message.endswith(".")
    assert "ann@" not in f"{error.message}{error.remedy}{error.code}"


def test_a_create_that_was_there_before_is_told_from_ours(vendor, connector):
    stamp = "2026-11-19T12:00:00.000+0000"
    rows = [{"Id": "003xx000004TmiQAAS", "CreatedDate": stamp, KEY: "a"}]
    vendor.get(QUERY, json={"records": rows, "done": True, "totalSize": 1})
    asked = WriteRequest(
        "Contact", Operation.CREATE, [RecordWrite("a", {}, MatchKey(KEY, "a"), attempted_at=NOON)]
    )

    [found] = connector.recall(asked)

    assert found.outcome == Outcome.EXISTING


def test_it_gives_ids_and_repeats_only_what_does_no_harm():
    assert Salesforce.gives_ids
    assert Salesforce.batch_size == 200
    assert Operation.CREATE not in Salesforce.repeatable
