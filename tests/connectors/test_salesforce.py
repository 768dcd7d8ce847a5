"""Salesforce as a source of records and people, against recorded answers."""

import json
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import responses

from integration_hub.connectors.errors import (
    AuthError,
    BudgetError,
    ConfigError,
    RateLimitError,
    RejectedError,
    RetryableError,
)
from integration_hub.connectors.filters import Condition, Operator
from integration_hub.connectors.records import ReadRequest
from integration_hub.connectors.salesforce.auth import PRODUCTION
from integration_hub.connectors.salesforce.connector import Salesforce
from integration_hub.connectors.schema import FieldType
from tests.connectors.contract_tests import SourceContract
from tests.connectors.doubles import NOON, MemoryKeeper, make_transport, recorded

ORG = "https://acme.my.salesforce.com"
DATA = f"{ORG}/services/data/v64.0"
QUERY = f"{DATA}/query"
NEXT = f"{QUERY}/01gRO0000016PIAYA2-2000"
SINCE = datetime(2026, 11, 20, 9, 50, tzinfo=UTC)
PRIYA, OLD_HAND = "005xx000001SwiUAAS", "005xx000001SwiVAAS"
LEAD_IDS = [f"00Qxx000000{number:04d}EAA" for number in range(1, 10)]
HOT = Condition("Rating", FieldType.PICKLIST, Operator.EQUALS, ("Hot",))


@pytest.fixture
def vendor():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def connector():
    return make_salesforce()


def make_salesforce(**config):
    given = {"auth_flow": "session", "access_token": "00Dxx!AQfirst", "instance_url": ORG, **config}
    connector = Salesforce(given, make_transport(PRODUCTION), MemoryKeeper())
    connector.clock = lambda: NOON
    return connector


def lead_request(**overrides):
    return ReadRequest(**{"object_type": "Lead", "fields": ["Name", "Email"], "since": SINCE, **overrides})


def lead(number, second):
    stamp = f"2026-11-20T10:00:{second:02d}.000+0000"
    return {
        "attributes": {"type": "Lead"},
        "Id": LEAD_IDS[number],
        "SystemModstamp": stamp,
        "Name": f"Lead {number}",
    }


def queries(vendor):
    asked = [parse_qs(urlsplit(call.request.url).query).get("q") for call in vendor.calls]
    return [query[0] for query in asked if query]


class TestSourceContract(SourceContract):
    def read_request(self):
        return lead_request()

    def serve_status(self, vendor, status):
        vendor.get(QUERY, status=status)

    def serve_pages(self, vendor, sizes):
        rows = [lead(number, number) for number in range(sum(sizes))]
        served = iter(rows)
        for number, size in enumerate(sizes):
            body = {"records": [next(served) for _ in range(size)], "done": number == len(sizes) - 1}
            if not body["done"]:
                body["nextRecordsUrl"] = f"/services/data/v64.0/query/page-{number + 1}"
            vendor.get(f"{QUERY}/page-{number}" if number else QUERY, json=body)
        return [row["Id"] for row in rows]


def test_a_read_is_one_query_ordered_by_stamp_and_id(vendor, connector):
    vendor.get(QUERY, **recorded("salesforce/no_rows"))

    list(
        connector.read(
            lead_request(until=NOON, where=HOT, fields=["Name", "Owner.Name", "systemmodstamp", "NAME"])
        )
    )

    (query,) = queries(vendor)
    assert query == (
        "SELECT Id, SystemModstamp, Name, Owner.Name FROM Lead WHERE (Rating = 'Hot')"
        " AND SystemModstamp >= 2026-11-20T09:50:00Z AND SystemModstamp < 2026-11-20T12:00:00Z"
        " ORDER BY SystemModstamp ASC, Id ASC"
    )


@pytest.mark.parametrize(("page_size", "hint"), [(50, 200), (500, 500), (5000, 2000)])
def test_the_page_size_is_a_hint_within_the_vendors_bounds(vendor, connector, page_size, hint):
    vendor.get(QUERY, **recorded("salesforce/no_rows"))

    list(connector.read(lead_request(page_size=page_size)))

    assert vendor.calls[0].request.headers["Sforce-Query-Options"] == f"batchSize={hint}"


def test_records_carry_what_every_listener_needs(vendor, connector):
    vendor.get(QUERY, **recorded("salesforce/lead_page_first"))
    vendor.get(NEXT, **recorded("salesforce/lead_page_last"))

    first, last = connector.read(lead_request())

    ann = first.records[0]
    assert ann.remote_id == LEAD_IDS[0]
    assert re.fullmatch(r"2026-11-20T10:00:01\.000\+0000~[0-9a-f]{8}", ann.version)
    assert ann.modified_at == datetime(2026, 11, 20, 10, 0, 1, tzinfo=UTC)
    assert ann.created_at == datetime(2026, 11, 20, 9, 59, 58, tzinfo=UTC)
    assert (ann.title, ann.email, ann.owner_id) == ("Ann Lee", "ann@acme.test", PRIYA)
    assert ann.url == f"{ORG}/{LEAD_IDS[0]}"
    assert ann.values["Owner"] == {"Name": "Priya Rao", "Email": "priya@acme.test"}
    assert ann.values["Account"] is None
    assert "attributes" not in ann.values
    assert last.records[0].email == ""


def test_a_next_page_beside_done_is_not_fetched(vendor, connector):
    vendor.get(QUERY, **recorded("salesforce/lead_page_last"))

    (page,) = connector.read(lead_request())

    assert len(page.records) == 1
    assert len(vendor.calls) == 1


def test_two_edits_within_one_second_are_two_versions(vendor, connector):
    before, after = lead(1, 1), {**lead(1, 1), "Name": "Renamed"}
    vendor.get(QUERY, json={"records": [before], "done": True})
    vendor.get(QUERY, json={"records": [after], "done": True})

    versions = [page.records[0].version for _ in range(2) for page in connector.read(lead_request())]

    assert versions[0] != versions[1]


def test_a_lost_cursor_resumes_behind_the_last_record(vendor, connector):
    vendor.get(QUERY, **recorded("salesforce/lead_page_first"))
    vendor.get(NEXT, **recorded("salesforce/invalid_query_locator"))
    vendor.get(QUERY, **recorded("salesforce/lead_page_last"))

    pages = list(connector.read(lead_request()))

    assert [record.remote_id for page in pages for record in page.records] == LEAD_IDS[:3]
    assert (
        "AND (SystemModstamp > 2026-11-20T10:00:02Z OR"
        f" (SystemModstamp = 2026-11-20T10:00:02Z AND Id > '{LEAD_IDS[1]}'))"
    ) in queries(vendor)[1]


@pytest.mark.parametrize("broken", [{"body": '{"records": [{"Id"'}, {"json": {"done": False, "records": []}}])
def test_a_page_cut_short_resumes_behind_the_last_record(vendor, connector, broken):
    vendor.get(QUERY, **recorded("salesforce/lead_page_first"))
    vendor.get(NEXT, **broken)
    vendor.get(QUERY, **recorded("salesforce/lead_page_last"))

    pages = list(connector.read(lead_request()))

    assert [record.remote_id for page in pages for record in page.records] == LEAD_IDS[:3]


@pytest.mark.parametrize("case", ["invalid_query_locator", "maintenance_page", "lead_page_without_done"])
def test_without_progress_the_read_gives_up(vendor, connector, case):
    vendor.get(QUERY, **recorded(f"salesforce/{case}"))

    with pytest.raises(RetryableError):
        list(connector.read(lead_request()))

    assert len(vendor.calls) == 1


def test_the_next_page_is_only_fetched_from_the_org_itself(vendor, connector):
    body = {"records": [lead(1, 1)], "done": False, "nextRecordsUrl": "https://evil.example/services/x"}
    vendor.get(QUERY, json=body)

    with pytest.raises(RetryableError):
        list(connector.read(lead_request()))

    assert {urlsplit(call.request.url).hostname for call in vendor.calls} == {"acme.my.salesforce.com"}


def test_a_query_too_slow_is_asked_in_halves(vendor, connector):
    vendor.get(QUERY, **recorded("salesforce/query_timeout"))
    vendor.get(QUERY, json={"records": [lead(1, 1)], "done": True})
    vendor.get(QUERY, json={"records": [lead(2, 2)], "done": True})

    pages = list(connector.read(lead_request(until=SINCE + timedelta(hours=2))))

    assert [record.remote_id for page in pages for record in page.records] == LEAD_IDS[1:3]
    _, earlier, later = queries(vendor)
    assert ">= 2026-11-20T09:50:00Z AND SystemModstamp < 2026-11-20T10:50:00Z" in earlier
    assert ">= 2026-11-20T10:50:00Z AND SystemModstamp < 2026-11-20T11:50:00Z" in later


def test_an_open_span_is_halved_up_to_now_and_stays_open(vendor, connector):
    vendor.get(QUERY, **recorded("salesforce/query_timeout"))
    vendor.get(QUERY, **recorded("salesforce/no_rows"))

    list(connector.read(lead_request(since=NOON - timedelta(hours=1))))

    _, earlier, later = queries(vendor)
    assert "SystemModstamp < 2026-11-20T11:30:00Z" in earlier
    assert "SystemModstamp >= 2026-11-20T11:30:00Z ORDER" in later


def test_a_query_that_is_always_too_slow_ends(vendor, connector):
    vendor.get(QUERY, **recorded("salesforce/query_timeout"))

    with pytest.raises(RetryableError) as caught:
        list(connector.read(lead_request(since=NOON - timedelta(minutes=5))))

    assert caught.value.code == "QUERY_TIMEOUT"
    assert len(vendor.calls) <= 10


def test_a_limit_ends_the_read_also_after_a_lost_cursor(vendor, connector):
    vendor.get(QUERY, **recorded("salesforce/lead_page_first"))
    vendor.get(NEXT, **recorded("salesforce/invalid_query_locator"))
    vendor.get(QUERY, **recorded("salesforce/lead_page_last"))

    list(connector.read(lead_request(limit=3)))

    assert [query.rpartition("LIMIT ")[2] for query in queries(vendor)] == ["3", "1"]


@pytest.mark.parametrize(
    "request_",
    [
        lead_request(fields=["Name FROM Lead--"]),
        lead_request(object_type="Lead WHERE"),
        lead_request(where=Condition("Score__c", FieldType.NUMBER, Operator.GREATER, ("many",))),
    ],
)
def test_what_cannot_be_asked_is_a_configuration_fault(vendor, connector, request_):
    with pytest.raises(ConfigError):
        list(connector.read(request_))

    assert len(vendor.calls) == 0


@pytest.mark.parametrize(
    ("case", "error", "code"),
    [
        ("invalid_field", ConfigError, "INVALID_FIELD"),
        ("invalid_type", ConfigError, "INVALID_TYPE"),
        ("malformed_query", ConfigError, "MALFORMED_QUERY"),
        ("unable_to_lock_row", RetryableError, "UNABLE_TO_LOCK_ROW"),
        ("lock_row_inside_another_code", RetryableError, "UNABLE_TO_LOCK_ROW"),
        ("session_expired", AuthError, "INVALID_SESSION_ID"),
        ("session_without_api_scope", AuthError, "MISSING_API_SCOPE"),
        ("invalid_auth_header", AuthError, "INVALID_AUTH_HEADER"),
        ("total_requests_limit", BudgetError, "REQUEST_LIMIT_EXCEEDED"),
        ("concurrent_requests_limit", RateLimitError, "REQUEST_LIMIT_EXCEEDED"),
        ("api_disabled", ConfigError, "API_DISABLED_FOR_ORG"),
        ("insufficient_access", ConfigError, "INSUFFICIENT_ACCESS"),
        ("not_found", ConfigError, "NOT_FOUND"),
        ("unknown_exception", RetryableError, "UNKNOWN_EXCEPTION"),
        ("server_unavailable", RetryableError, "SERVER_UNAVAILABLE"),
        ("edge_setting_up", RetryableError, "http_420"),
        ("edge_not_acceptable", RetryableError, "http_406"),
        ("uri_too_long", ConfigError, "too_long"),
        ("headers_too_large", ConfigError, "too_long"),
        ("maintenance_page", RetryableError, "http_503"),
    ],
)
def test_each_refusal_says_what_to_do_next(vendor, connector, case, error, code):
    vendor.get(QUERY, **recorded(f"salesforce/{case}"))

    with pytest.raises(error) as caught:
        connector.count("Lead", None)

    assert type(caught.value) is error
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("case", "seconds", "blocked"),
    [("total_requests_limit", 900.0, []), ("concurrent_requests_limit", 5.0, [("", 5.0)])],
)
def test_used_up_calls_wait_long_and_busy_ones_shortly(vendor, connector, case, seconds, blocked):
    vendor.get(QUERY, **recorded(f"salesforce/{case}"))

    with pytest.raises(RateLimitError) as caught:
        connector.count("Lead", None)

    assert caught.value.retry_after == seconds
    assert connector.transport.limiter.blocked == blocked


def test_the_vendors_sentence_and_the_remedy_are_in_the_error(vendor, connector):
    vendor.get(QUERY, **recorded("salesforce/invalid_field"))

    with pytest.raises(ConfigError) as caught:
        connector.count("Lead", None)

    assert "No such column 'Rating__c' on entity 'Lead'." in caught.value.message
    assert "Field-Level Security" in caught.value.remedy


@pytest.mark.parametrize(
    ("header", "usage"),
    [
        ("api-usage=10018/100000", [(10018, 100000)]),
        ("api-usage=5/15000; per-app-api-usage=17/250(appName=x)", [(5, 15000)]),
        ("per-app-api-usage=17/250(appName=x); api-usage=5/15000", [(5, 15000)]),
        ("per-app-api-usage=17/250(appName=x)", []),
        ("api-bursts=1/750", []),
        ("", []),
    ],
)
def test_the_vendors_count_of_calls_is_passed_on(vendor, connector, header, usage):
    vendor.get(
        QUERY, json={"totalSize": 1, "done": True, "records": []}, headers={"Sforce-Limit-Info": header}
    )

    connector.count("Lead", None)

    assert connector.transport.limiter.usage == usage


def test_fetching_by_ids_is_one_call_and_leaves_out_what_is_gone(vendor, connector):
    vendor.post(f"{DATA}/composite/sobjects/Lead", **recorded("salesforce/lead_collection_with_holes"))

    records = connector.fetch("Lead", [*LEAD_IDS[:3], LEAD_IDS[0]], ["Name", "id"])

    assert [record.remote_id for record in records] == [LEAD_IDS[0], LEAD_IDS[2]]
    body = json.loads(vendor.calls[0].request.body)
    assert body["ids"] == LEAD_IDS[:3]
    assert sorted(name.lower() for name in body["fields"]) == ["id", "name", "systemmodstamp"]


def test_fetching_goes_in_chunks_of_two_thousand(vendor, connector):
    vendor.post(f"{DATA}/composite/sobjects/Lead", json=[])

    connector.fetch("Lead", [f"00Qxx{number:010d}AAA" for number in range(4500)], ["Name"])

    assert [len(json.loads(call.request.body)["ids"]) for call in vendor.calls] == [2000, 2000, 500]


def test_fetching_parent_fields_asks_by_query(vendor, connector):
    vendor.get(QUERY, json={"records": [lead(1, 1)], "done": True})

    connector.fetch("Lead", [f"00Qxx{number:010d}AAA" for number in range(450)], ["Name", "Owner.Name"])

    assert [query.count("'00Q") for query in queries(vendor)] == [200, 200, 50]
    assert queries(vendor)[0].startswith(
        "SELECT Id, SystemModstamp, Name, Owner.Name FROM Lead WHERE Id IN ('00Qxx"
    )


def test_an_id_that_is_none_never_reaches_a_query(vendor, connector):
    with pytest.raises(RejectedError):
        connector.fetch("Lead", ["00Q') OR Id != ('"], ["Owner.Name"])

    assert len(vendor.calls) == 0


def test_nothing_to_fetch_costs_no_call(vendor, connector):
    assert connector.fetch("Lead", [], ["Name"]) == []


def test_describe_translates_types_options_and_parents(vendor, connector):
    vendor.get(f"{DATA}/sobjects/Lead/describe", **recorded("salesforce/describe_lead"))
    vendor.get(f"{DATA}/sobjects/Account/describe", **recorded("salesforce/not_found"))

    schema = connector.describe("Lead")

    types = {name: field.type for name, field in schema.fields.items()}
    assert types == {
        "Id": FieldType.REFERENCE,
        "Name": FieldType.TEXT,
        "Email": FieldType.TEXT,
        "Phone": FieldType.TEXT,
        "Description": FieldType.TEXT,
        "Rating": FieldType.PICKLIST,
        "Interests__c": FieldType.MULTIPICKLIST,
        "NumberOfEmployees": FieldType.NUMBER,
        "AnnualRevenue": FieldType.NUMBER,
        "Score__c": FieldType.NUMBER,
        "IsConverted": FieldType.BOOLEAN,
        "ConvertedDate": FieldType.DATE,
        "CreatedDate": FieldType.DATETIME,
        "SystemModstamp": FieldType.DATETIME,
        "IsDeleted": FieldType.BOOLEAN,
        "OwnerId": FieldType.REFERENCE,
        "Owner.Id": FieldType.REFERENCE,
        "Owner.Name": FieldType.TEXT,
        "Owner.Email": FieldType.TEXT,
        "Owner.IsActive": FieldType.BOOLEAN,
        "Owner.Type": FieldType.PICKLIST,
        "ConvertedAccountId": FieldType.REFERENCE,
    }
    assert schema.fields["Rating"].options == ("Hot", "Warm")
    assert not schema.fields["Description"].filterable


def test_an_owner_that_is_always_a_user_has_no_type_and_an_account_has_its_fields(vendor, connector):
    vendor.get(f"{DATA}/sobjects/Contact/describe", **recorded("salesforce/describe_contact"))
    for parent in ("User", "Account"):
        vendor.get(f"{DATA}/sobjects/{parent}/describe", **recorded("salesforce/insufficient_access"))

    fields = connector.describe("Contact").fields

    assert "Owner.Email" in fields
    assert "Owner.Type" not in fields
    assert fields["Account.Name"].label == "Account name"


def test_every_listener_gets_the_fields_that_exist(vendor, connector):
    vendor.get(f"{DATA}/sobjects/Lead/describe", **recorded("salesforce/describe_lead"))
    vendor.get(f"{DATA}/sobjects/Account/describe", **recorded("salesforce/not_found"))

    fields = connector.base_fields(connector.describe("Lead"))

    assert fields == ["CreatedDate", "Name", "Email", "OwnerId", "Owner.Name", "Owner.Email", "IsDeleted"]


@pytest.mark.parametrize("name", ["Lead/../Account", "Lead?x", "", "Lead Source"])
def test_an_object_name_that_is_none_is_a_sentence(vendor, connector, name):
    with pytest.raises(ConfigError):
        connector.describe(name)

    assert len(vendor.calls) == 0


def test_only_what_can_be_watched_is_offered(vendor, connector):
    vendor.get(f"{DATA}/sobjects", **recorded("salesforce/object_types"))

    assert connector.object_types() == [("Account", "Account"), ("Lead", "Lead")]


def test_counting_asks_for_the_number_only(vendor, connector):
    vendor.get(QUERY, **recorded("salesforce/count"))

    assert connector.count("Lead", HOT) == 42
    assert queries(vendor) == ["SELECT COUNT() FROM Lead WHERE Rating = 'Hot'"]


def test_the_check_says_who_where_and_what_is_left(vendor, connector):
    vendor.get(QUERY, **recorded("salesforce/organization"))
    vendor.get(f"{ORG}/services/oauth2/userinfo", **recorded("salesforce/userinfo"))

    check = connector.check()

    assert check.ok
    assert check.summary == "Connected to Acme (production) as Hub Integration (hub@acme.example)."
    assert check.facts["API calls, last 24 hours"] == "10,018 of 100,000 used, 89,982 left"


def test_the_check_does_without_the_scope_for_who_am_i(vendor, connector):
    vendor.get(QUERY, **recorded("salesforce/organization"))
    vendor.get(f"{ORG}/services/oauth2/userinfo", status=403, body="Missing_OAuth_Scope")

    assert connector.check().ok


def test_a_refused_check_is_an_answer_with_the_remedy(vendor, connector):
    vendor.get(QUERY, **recorded("salesforce/session_expired"))

    check = connector.check()

    assert not check.ok
    assert check.summary == "Salesforce: Session expired or invalid"
    assert check.problems


def test_an_outage_is_no_answer_to_the_check(vendor, connector):
    vendor.get(QUERY, **recorded("salesforce/server_unavailable"))

    with pytest.raises(RetryableError):
        connector.check()


def test_an_unknown_version_is_answered_with_the_newest(vendor):
    vendor.get(f"{ORG}/services/data/v99.0/query", **recorded("salesforce/not_found"))
    vendor.get(f"{ORG}/services/data/", **recorded("salesforce/versions"))

    check = make_salesforce(api_version="99.0").check()

    assert check.problems == ["API version 99.0 may not exist there; the newest is 67.0."]


@pytest.mark.parametrize("version", ["v64.0", "64", "64.0/../"])
def test_a_version_that_is_none_is_a_sentence(vendor, version):
    check = make_salesforce(api_version=version).check()

    assert check.summary == f"“{version}” is not an API version."


def test_an_old_version_and_the_wrong_environment_are_problems(vendor):
    organization = recorded("salesforce/organization")
    organization["json"]["records"][0]["IsSandbox"] = True
    vendor.get(f"{ORG}/services/data/v39.0/query", **organization)
    vendor.get(f"{ORG}/services/oauth2/userinfo", **recorded("salesforce/userinfo"))

    check = make_salesforce(api_version="39.0").check()

    assert not check.ok
    assert check.problems == [
        "This connection is set up as production, but the organization is sandbox.",
        "API version 39.0 is too old: use 41.0 or later.",
    ]


def test_everybody_is_listed_in_three_calls_with_the_people_of_queues(vendor, connector):
    vendor.get(QUERY, **recorded("salesforce/users"))
    vendor.get(QUERY, **recorded("salesforce/group_members"))
    vendor.get(QUERY, **recorded("salesforce/queues"))

    people = [member for page in connector.members() for member in page]

    priya, old_hand, queue = people
    assert (priya.remote_id, priya.active, priya.time_zone) == (PRIYA, True, "Asia/Kolkata")
    assert (old_hand.active, old_hand.time_zone) == (False, "")
    assert queue.is_group
    assert set(queue.members) == {PRIYA, OLD_HAND}
    assert len(vendor.calls) == 3


def test_a_person_is_found_by_email_however_it_is_written(vendor, connector):
    vendor.get(QUERY, **recorded("salesforce/users"))

    found = connector.find_member("o'brien@acme.test")

    assert found.remote_id == PRIYA
    assert "Email = 'o\\'brien@acme.test'" in queries(vendor)[0]


def test_nobody_found_is_nobody(vendor, connector):
    vendor.get(QUERY, **recorded("salesforce/no_rows"))

    assert connector.find_member("nobody@acme.test") is None


def test_the_check_does_without_the_organization_when_the_user_may_not_see_it(vendor, connector):
    vendor.get(QUERY, **recorded("salesforce/invalid_type"))
    vendor.get(f"{ORG}/services/oauth2/userinfo", **recorded("salesforce/userinfo"))

    check = connector.check()

    assert check.ok
    assert check.facts["Organization id"] == "00Dxx0000001gPLEAY"
    assert "Environment" not in check.facts


def test_single_people_are_found_by_their_ids_and_nonsense_is_not_asked_for(vendor, connector):
    vendor.get(QUERY, **recorded("salesforce/users"))

    found = connector.find_members([PRIYA, OLD_HAND, PRIYA, "') OR Name != ('"])

    assert [member.remote_id for member in found] == [PRIYA, OLD_HAND]
    assert queries(vendor)[0].endswith(f"FROM User WHERE Id IN ('{PRIYA}', '{OLD_HAND}')")


def test_asking_for_nobody_costs_no_call(vendor, connector):
    assert connector.find_members(["not an id"]) == []
