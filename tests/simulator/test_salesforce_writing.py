"""The pretend Salesforce takes records in Salesforce's shapes: 201, 200, 204, 300, and 200 with refused rows."""

from datetime import timedelta

import pytest

from .conftest import NOON

CONTACT = {"attributes": {"type": "Contact"}}
KEY = "Number__c"


@pytest.fixture
def org(salesforce):
    salesforce.add_field("Contact", KEY, external_id=True, unique=True)
    salesforce.add_field("Contact", "Loose__c", external_id=True)
    return salesforce


def send(rest, method, path, body=None, base=None, **options):
    url = f"{rest.url}{base or rest.base}{path}"
    return rest.session.request(method, url, json=body, timeout=5, **options)


def many(rest, method, path, *records, **options):
    body = {"allOrNone": False, "records": [{**CONTACT, **one} for one in records]}
    return send(rest, method, path, body, **options)


def test_a_record_is_made_changed_and_deleted_alone(org, rest):
    made = send(rest, "POST", "sobjects/Contact", {"LastName": "Lee"})
    record_id = made.json()["id"]
    changed = send(rest, "PATCH", f"sobjects/Contact/{record_id}", {"Title": "CEO"})
    title = org.records("Contact")[0]["Title"]
    deleted = send(rest, "DELETE", f"sobjects/Contact/{record_id}")
    again = send(rest, "DELETE", f"sobjects/Contact/{record_id}")

    assert (made.status_code, made.json()) == (201, {"id": record_id, "success": True, "errors": []})
    assert (changed.status_code, changed.content, title) == (204, b"", "CEO")
    assert (deleted.status_code, again.status_code) == (204, 404)
    assert again.json()[0]["errorCode"] == "ENTITY_IS_DELETED"


@pytest.mark.parametrize(("version", "status"), [("v59.0", 200), ("v45.0", 204)])
def test_an_upsert_says_whether_it_made_the_record(org, rest, version, status):
    base, path = f"/services/data/{version}/", f"sobjects/Contact/{KEY}/C%2F1"

    made = send(rest, "PATCH", path, {"LastName": "Lee"}, base=base)
    changed = send(rest, "PATCH", path, {"LastName": "Lea"}, base=base)

    assert (made.status_code, made.json()["created"]) == (201, True)
    assert changed.status_code == status
    assert [(row[KEY], row["LastName"]) for row in org.records("Contact")] == [("C/1", "Lea")]


def test_a_key_of_several_records_is_answered_with_their_addresses(org, rest):
    ids = [org.add("Contact", LastName="Twin", Loose__c="7") for _ in range(2)]

    alone = send(rest, "PATCH", "sobjects/Contact/Loose__c/7", {"Title": "x"})
    listed = many(rest, "PATCH", "composite/sobjects/Contact/Loose__c", {"Loose__c": "7"})

    assert alone.status_code == 300
    assert [url.rpartition("/")[2] for url in alone.json()] == ids
    assert listed.json()[0]["errors"][0]["statusCode"] == "DUPLICATE_EXTERNAL_ID"


def test_an_upsert_that_may_not_insert_finds_nothing(org, rest):
    answer = send(
        rest, "PATCH", f"sobjects/Contact/{KEY}/9", {"LastName": "x"}, params={"updateOnly": "true"}
    )

    assert answer.status_code == 404


def test_refused_rows_stand_in_a_200_in_the_order_of_the_request(org, rest):
    answer = many(rest, "POST", "composite/sobjects", {"LastName": "A"}, {"Title": "x"}, {"LastName": "B"})

    assert answer.status_code == 200
    assert [row["success"] for row in answer.json()] == [True, False, True]
    assert answer.json()[1]["errors"] == [
        {
            "statusCode": "REQUIRED_FIELD_MISSING",
            "message": "Required fields are missing: [LastName]",
            "fields": ["LastName"],
        }
    ]


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({"Nowhere__c": 1}, "INVALID_FIELD"),
        ({"Birthdate": "soon"}, "JSON_PARSER_ERROR"),
        ({"DoNotCall": "yes"}, "JSON_PARSER_ERROR"),
        ({"attributes": {"type": "Nothing"}}, "INVALID_TYPE"),
        ({"Account": {"Name": "Acme"}}, "INVALID_FIELD"),
    ],
)
def test_a_request_that_is_not_well_formed_is_refused_as_a_whole(org, rest, record, code):
    answer = many(rest, "POST", "composite/sobjects", {"LastName": "A"}, {"LastName": "B", **record})

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, code)
    assert org.records("Contact") == []


def test_more_than_two_hundred_are_refused(org, rest):
    answer = many(rest, "POST", "composite/sobjects", *[{"LastName": "A"}] * 201)

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "EXCEEDED_ID_LIMIT")


@pytest.mark.parametrize(
    ("path", "records"),
    [
        (f"composite/sobjects/Contact/{KEY}", [{KEY: "a", "LastName": "A"}, {KEY: "A", "LastName": "B"}]),
        ("composite/sobjects", [{"Id": "003gK0000000001IAA", "LastName": "A"}] * 2),
    ],
)
def test_a_record_named_twice_is_refused_twice(org, rest, path, records):
    org.add("Contact", LastName="Lee")

    answer = many(rest, "PATCH", path, *records)

    assert [row["errors"][0]["statusCode"] for row in answer.json()] == ["DUPLICATE_VALUE"] * 2


def test_what_was_written_is_read_with_a_new_time_stamp_and_what_was_deleted_is_told(
    simulator, org, rest, clock_on
):
    record_id = org.add("Contact", LastName="Lee", Number__c="C-1")
    first = org.records("Contact")[0]["SystemModstamp"]
    clock_on(60)
    many(rest, "PATCH", f"composite/sobjects/Contact/{KEY}", {KEY: "C-1", "Title": "CEO"})
    found = rest.query("SELECT Title, SystemModstamp FROM Contact WHERE Number__c = 'c-1'").json()
    second = found["records"][0]
    clock_on(120)
    deleted = send(rest, "DELETE", "composite/sobjects", params={"ids": record_id, "allOrNone": "false"})
    clock_on(300)
    window = {"start": "2026-11-20T12:00:00+00:00", "end": "2026-11-20T12:05:00+00:00"}
    told = rest.get("sobjects/Contact/deleted/", params=window).json()

    assert second["Title"] == "CEO"
    assert second["SystemModstamp"] > first
    assert deleted.json() == [{"id": record_id, "success": True, "errors": []}]
    assert [row["id"] for row in told["deletedRecords"]] == [record_id]


@pytest.fixture
def clock_on(simulator):
    return lambda seconds: simulator.set_clock(NOON + timedelta(seconds=seconds))


def test_a_duplicate_rule_tells_which_records_and_lets_alerts_be_saved(org, rest):
    there = org.add("Contact", LastName="Ann", Email="ann@x.test")
    org.detect_duplicates("Contact", "Email")
    record = {"LastName": "Ann", "Email": "ANN@x.test"}

    refused = many(rest, "POST", "composite/sobjects", record).json()[0]["errors"][0]
    saved = many(
        rest, "POST", "composite/sobjects", record, headers={"Sforce-Duplicate-Rule-Header": "allowSave=true"}
    )

    assert refused["statusCode"] == "DUPLICATES_DETECTED"
    assert refused["duplicateResult"]["matchResults"][0]["matchRecords"][0]["record"]["Id"] == there
    assert saved.json()[0]["success"]


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("validation_rule", {"object_type": "Contact", "field": "Email", "message": "No e-mail."}),
        ("lock_rows", {"n": 1}),
    ],
)
def test_rules_and_locks_are_switched_over_the_control_door_and_off_again(org, rest, verb, body):
    rest.session.post(f"{rest.url}/_control/{verb}", json=body, timeout=5)
    refused = many(rest, "POST", "composite/sobjects", {"LastName": "A"}).json()[0]
    rest.session.post(f"{rest.url}/_control/relax", json={}, timeout=5)
    taken = many(rest, "POST", "composite/sobjects", {"LastName": "A"}).json()[0]

    assert not refused["success"]
    assert taken["success"]


def test_external_ids_are_described(org, rest):
    fields = {one["name"]: one for one in rest.get("sobjects/Contact/describe").json()["fields"]}

    assert (fields[KEY]["externalId"], fields[KEY]["unique"]) == (True, True)
    assert not fields["LastName"]["externalId"]
