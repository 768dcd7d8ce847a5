"""The data API answers in Salesforce's shapes, page by page, and refuses with its codes."""

from datetime import timedelta

import pytest

from .conftest import NOON

LEADS = "SELECT Id, LastName FROM Lead ORDER BY Id"


def refusal(answer):
    body = answer.json()[0]
    return answer.status_code, body["errorCode"]


def add_leads(salesforce, count):
    return salesforce.add_many("Lead", [{"LastName": f"L{n}"} for n in range(count)])


def follow_all(rest, soql, **options):
    page = rest.query(soql, **options).json()
    pages = [page]
    while not page["done"]:
        page = rest.follow(page["nextRecordsUrl"]).json()
        pages.append(page)
    return pages


def test_a_record_has_its_attributes_and_nulls(salesforce, rest):
    lead = salesforce.add("Lead", LastName="Lee")

    record = rest.query("SELECT Id, Email, CreatedDate, Owner.Name FROM Lead").json()["records"][0]

    assert record == {
        "attributes": {"type": "Lead", "url": f"/services/data/v59.0/sobjects/Lead/{lead}"},
        "Id": lead,
        "Email": None,
        "CreatedDate": "2026-11-20T12:00:00.000+0000",
        "Owner": {
            "attributes": {
                "type": "User",
                "url": f"/services/data/v59.0/sobjects/User/{salesforce.admin_id}",
            },
            "Name": "Ada Admin",
        },
    }


@pytest.mark.parametrize("path", ["query", "query/", "queryAll", "queryAll/"])
def test_a_query_works_with_and_without_the_slash(rest, path):
    assert rest.get(path, params={"q": LEADS}).json() == {"totalSize": 0, "done": True, "records": []}


def test_pages_are_followed_to_the_end_and_hold_every_row_once(salesforce, rest):
    ids = add_leads(salesforce, 5)
    salesforce.page_size = 2

    pages = follow_all(rest, LEADS)

    assert [len(page["records"]) for page in pages] == [2, 2, 1]
    assert [record["Id"] for page in pages for record in page["records"]] == ids
    assert {page["totalSize"] for page in pages} == {5}
    assert "nextRecordsUrl" not in pages[-1]


def test_a_later_page_shows_what_the_query_found(salesforce, rest):
    ids = add_leads(salesforce, 3)
    salesforce.page_size = 2
    first = rest.query(LEADS).json()

    salesforce.delete(ids[2])

    assert rest.follow(first["nextRecordsUrl"]).json()["records"][0]["Id"] == ids[2]


def test_a_page_may_be_asked_for_again(salesforce, rest):
    add_leads(salesforce, 3)
    salesforce.page_size = 2
    following = rest.query(LEADS).json()["nextRecordsUrl"]

    assert rest.follow(following).json() == rest.follow(following).json()


@pytest.mark.parametrize(("wish", "size"), [("200", 200), ("50", 200), ("9000", 300)])
def test_the_batch_size_is_a_wish_within_limits(salesforce, rest, wish, size):
    add_leads(salesforce, 300)

    page = rest.query(LEADS, headers={"Sforce-Query-Options": f"batchSize={wish}"}).json()

    assert len(page["records"]) == size


def test_a_locator_dies_after_two_days(simulator, salesforce, rest):
    add_leads(salesforce, 3)
    salesforce.page_size = 2
    following = rest.query(LEADS).json()["nextRecordsUrl"]

    simulator.set_clock(NOON + timedelta(days=2, seconds=1))

    assert refusal(rest.follow(following)) == (400, "INVALID_QUERY_LOCATOR")


def test_locators_can_be_expired_at_once(salesforce, rest):
    add_leads(salesforce, 3)
    salesforce.page_size = 2
    following = rest.query(LEADS).json()["nextRecordsUrl"]

    salesforce.expire_cursors()

    assert refusal(rest.follow(following)) == (400, "INVALID_QUERY_LOCATOR")


def test_query_all_brings_back_the_deleted(salesforce, rest):
    lead = salesforce.add("Lead", LastName="Gone")
    salesforce.delete(lead)

    assert rest.query(LEADS).json()["totalSize"] == 0
    assert rest.get("queryAll", params={"q": LEADS}).json()["records"][0]["Id"] == lead


def test_a_late_row_is_found_only_by_a_query_after_its_commit(simulator, salesforce, rest):
    salesforce.add("Lead", LastName="Late", visible_after=60)

    early = rest.query(LEADS).json()["totalSize"]
    simulator.set_clock(NOON + timedelta(seconds=60))
    late = rest.query("SELECT SystemModstamp FROM Lead").json()["records"]

    assert early == 0
    assert late[0]["SystemModstamp"] == "2026-11-20T12:00:00.000+0000"


def test_describe_tells_types_labels_and_picklists(rest):
    fields = {item["name"]: item for item in rest.get("sobjects/lead/describe").json()["fields"]}

    assert fields["OwnerId"]["referenceTo"] == ["Group", "User"]
    assert fields["OwnerId"]["relationshipName"] == "Owner"
    assert fields["OwnerId"]["label"] == "Owner ID"
    assert fields["Rating"]["type"] == "picklist"
    assert [option["value"] for option in fields["Rating"]["picklistValues"]] == ["Hot", "Warm", "Cold"]
    assert fields["Description"]["filterable"] is False
    assert fields["SystemModstamp"]["type"] == "datetime"
    assert fields["LastName"]["nillable"] is False


@pytest.mark.parametrize(
    "name", ["Lead", "Contact", "Account", "Opportunity", "User", "Group", "GroupMember"]
)
def test_every_described_field_can_be_selected(salesforce, rest, name):
    fields = [item["name"] for item in rest.get(f"sobjects/{name}/describe").json()["fields"]]

    soql = " ".join(["SELECT", ", ".join(fields), "FROM", name])
    assert rest.query(soql).status_code == 200


def test_a_custom_field_is_described_and_queried(salesforce, rest):
    salesforce.add_field("Lead", "Score__c", "double", label="Lead score")
    salesforce.add("Lead", Score__c=7.5)

    described = [i for i in rest.get("sobjects/Lead/describe").json()["fields"] if i["name"] == "Score__c"]

    assert (described[0]["label"], described[0]["type"], described[0]["custom"]) == (
        "Lead score",
        "double",
        True,
    )
    assert rest.query("SELECT Score__c FROM Lead").json()["records"][0]["Score__c"] == 7.5


def test_a_custom_lookup_has_a_relationship(salesforce, rest):
    salesforce.add_field("Lead", "Partner__c", "reference", reference_to="Account")
    salesforce.add("Lead", Partner__c=salesforce.add("Account", Name="Acme"))

    record = rest.query("SELECT Partner__r.Name FROM Lead").json()["records"][0]

    assert record["Partner__r"]["Name"] == "Acme"


def test_a_hidden_field_is_absent_and_breaks_the_query(salesforce, rest):
    salesforce.hide_field("Lead", "Phone")

    names = [item["name"] for item in rest.get("sobjects/Lead/describe").json()["fields"]]

    assert "Phone" not in names
    assert refusal(rest.query("SELECT Id, Phone FROM Lead")) == (400, "INVALID_FIELD")


def test_the_list_of_objects_leaves_out_the_polymorphic_one(rest):
    listed = {item["name"]: item["keyPrefix"] for item in rest.get("sobjects").json()["sobjects"]}

    assert listed["Lead"] == "00Q"
    assert "Name" not in listed


def test_retrieve_keeps_the_order_and_leaves_holes(salesforce, rest):
    first, gone, last = add_leads(salesforce, 3)
    salesforce.delete(gone)
    unknown = "00QgK0000009999AAA"

    body = {"ids": [last, gone, unknown, first[:15]], "fields": ["Id", "LastName"]}
    records = rest.post("composite/sobjects/Lead", body).json()

    assert [record and record["Id"] for record in records] == [last, None, None, first]


def test_retrieve_by_get_takes_commas(salesforce, rest):
    ids = add_leads(salesforce, 2)

    answer = rest.get("composite/sobjects/Lead", params={"ids": ",".join(ids), "fields": "LastName"})

    assert [record["LastName"] for record in answer.json()] == ["L0", "L1"]


def test_retrieve_refuses_too_many_ids_and_unknown_fields(salesforce, rest):
    ids = add_leads(salesforce, 1)

    too_many = rest.post("composite/sobjects/Lead", {"ids": ids * 2001, "fields": ["Id"]})
    bad_field = rest.post("composite/sobjects/Lead", {"ids": ids, "fields": ["Id", "Nope"]})

    assert refusal(too_many)[0] == 400
    assert refusal(bad_field) == (400, "INVALID_FIELD")
    assert bad_field.json()[0]["message"] == "No such column 'Nope' on sobject of type Lead"


def test_one_record_is_read_by_its_id(salesforce, rest):
    lead = salesforce.add("Lead", LastName="Lee")

    assert rest.get(f"sobjects/Lead/{lead[:15]}").json()["LastName"] == "Lee"
    assert set(rest.get(f"sobjects/Lead/{lead}?fields=LastName").json()) == {"attributes", "LastName"}
    assert refusal(rest.get(f"sobjects/Contact/{lead}")) == (404, "NOT_FOUND")
    salesforce.delete(lead)
    assert refusal(rest.get(f"sobjects/Lead/{lead}")) == (404, "ENTITY_IS_DELETED")


def window(start, end):
    return {"start": start.isoformat(), "end": end.isoformat()}


def test_updated_and_deleted_list_what_happened_in_between(salesforce, rest):
    kept, gone = add_leads(salesforce, 2)
    salesforce.delete(gone)
    hour = window(NOON - timedelta(minutes=30), NOON + timedelta(minutes=30))

    updated = rest.get("sobjects/Lead/updated/", params=hour).json()
    deleted = rest.get("sobjects/Lead/deleted/", params=hour).json()

    assert updated == {"ids": [kept], "latestDateCovered": "2026-11-20T12:30:00.000+0000"}
    assert [row["id"] for row in deleted["deletedRecords"]] == [gone]


def test_a_running_transaction_pulls_the_covered_date_back(salesforce, rest):
    salesforce.add("Lead", visible_after=600)
    hour = window(NOON - timedelta(minutes=30), NOON + timedelta(minutes=30))

    updated = rest.get("sobjects/Lead/updated", params=hour).json()

    assert updated == {"ids": [], "latestDateCovered": "2026-11-20T12:00:00.000+0000"}


@pytest.mark.parametrize(
    "span",
    [
        window(NOON, NOON),
        window(NOON, NOON - timedelta(hours=1)),
        window(NOON - timedelta(days=31), NOON),
        {"start": "yesterday", "end": "today"},
        {},
    ],
)
def test_an_impossible_window_is_refused(rest, span):
    assert refusal(rest.get("sobjects/Lead/updated", params=span)) == (400, "INVALID_REPLICATION_DATE")


def test_each_call_is_counted_and_reported(salesforce, rest):
    rest.query(LEADS)
    answer = rest.get("limits")

    assert answer.headers["Sforce-Limit-Info"] == "api-usage=2/100000"
    assert answer.json()["DailyApiRequests"] == {"Max": 100_000, "Remaining": 99_998}


def test_when_the_day_is_used_up_every_call_is_refused(salesforce, rest):
    salesforce.limits.max = 1
    rest.query(LEADS)

    answer = rest.query(LEADS)

    assert refusal(answer) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert answer.json()[0]["message"] == "TotalRequests Limit exceeded."
    assert answer.headers["Sforce-Limit-Info"] == "api-usage=1/1"


def test_the_date_header_is_the_worlds_time(rest):
    assert rest.get("limits").headers["Date"] == "Fri, 20 Nov 2026 12:00:00 GMT"


def test_expired_sessions_are_refused_with_a_list(salesforce, rest):
    salesforce.expire_tokens()

    answer = rest.query(LEADS)

    assert answer.status_code == 401
    assert answer.json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("nothing/here", (404, "NOT_FOUND")),
        ("sobjects/Thing/describe", (404, "NOT_FOUND")),
        ("query", (400, "MALFORMED_QUERY")),
        ("query/01gXX0000000000AAA-2000", (400, "INVALID_QUERY_LOCATOR")),
    ],
)
def test_wrong_addresses(rest, path, expected):
    assert refusal(rest.get(path)) == expected


@pytest.mark.parametrize(("version", "status"), [("v30.0", 410), ("v68.0", 404), ("v67.0", 200)])
def test_versions_are_retired_or_not_yet_there(rest, version, status):
    assert rest.follow(f"/services/data/{version}/limits").status_code == status


def test_a_wrong_method_is_named(rest):
    assert refusal(rest.post("query", {})) == (405, "METHOD_NOT_ALLOWED")


def test_addresses_and_headers_have_a_size(rest):
    long = rest.query(f"SELECT Id FROM Lead WHERE LastName = '{'x' * 16_384}'")  # noqa: S608 - length is the point
    wide = rest.query(LEADS, headers={"X-Wide": "x" * 16_384})

    assert (long.status_code, wide.status_code) == (414, 431)


def test_requests_are_remembered_without_their_headers(salesforce, rest):
    rest.post("composite/sobjects/Lead", {"ids": [], "fields": ["Id"]})

    seen = salesforce.requests[-1]

    assert (seen.method, seen.path, seen.status) == (
        "POST",
        "/services/data/v59.0/composite/sobjects/Lead",
        200,
    )
    assert (seen.body, seen.at) == ({"ids": [], "fields": ["Id"]}, NOON)


def test_reset_empties_the_world_and_ends_sessions(simulator, salesforce, rest):
    salesforce.add("Lead")
    old = rest.session.headers["Authorization"]

    simulator.reset()

    assert rest.query(LEADS).status_code == 401
    rest.login()
    assert rest.session.headers["Authorization"] != old
    assert rest.query(LEADS).json()["totalSize"] == 0
