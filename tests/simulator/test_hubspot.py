"""The pretend HubSpot over HTTP: both layouts, texts of refusals, batches, the lagging search, limits and webhooks."""

import http.server
import json
import threading
from datetime import timedelta

import pytest
import requests

from integration_hub.connectors.hubspot.signature import verify
from integration_hub.simulator.hubspot import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, Manner
from tests.simulator.conftest import NOON


class HubSpotClient:
    def __init__(self, simulator):
        self.url = simulator.hubspot.url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {ACCESS_TOKEN}"

    def __call__(self, method, path, body=None, **params):
        return self.session.request(method, self.url + path, json=body, params=params, timeout=5)

    def create(self, kind, trace="", **properties):
        return self("POST", f"/crm/v3/objects/{kind}", {"properties": properties})

    def search(self, kind, *filters, **options):
        groups = [
            {"filters": [dict(zip(("propertyName", "operator", "value"), f, strict=True)) for f in filters]}
        ]
        return self("POST", f"/crm/v3/objects/{kind}/search", {"filterGroups": groups, **options})


@pytest.fixture
def portal(simulator):
    return simulator.hubspot


@pytest.fixture
def api(simulator):
    client = HubSpotClient(simulator)
    yield client
    client.session.close()


@pytest.mark.parametrize(
    "path", ["/crm/v3/objects/contacts", "/crm/objects/2026-03/contacts", "/crm/v3/objects/0-1"]
)
def test_a_contact_is_created_under_every_path(api, path):
    answer = api("POST", path, {"properties": {"email": "Ann@Acme.test", "firstname": "Ann"}})

    assert answer.status_code == 201
    assert answer.json()["properties"]["email"] == "ann@acme.test"
    assert set(answer.json()["properties"]) == {
        *("createdate", "email", "firstname", "lastname", "hs_object_id", "lastmodifieddate")
    }


@pytest.mark.parametrize(
    "path",
    [
        "/crm/v4/objects/contacts",
        "/crm/v3/associations/contacts/companies/labels",
        "/crm/objects/2020-01/contacts",
    ],
)
def test_a_path_of_the_wrong_version_leads_nowhere(api, path):
    assert api("GET", path).status_code == 404


def test_a_taken_email_is_a_conflict_that_names_the_id_in_prose(api, portal):
    there = portal.add("contacts", email="ann@acme.test")

    answer = api.create("contacts", email="ANN@acme.test")

    assert answer.status_code == 409
    assert answer.json()["message"] == f"Contact already exists. Existing ID: {there}"


def test_companies_are_never_unique(api):
    assert [api.create("companies", domain="acme.test").status_code for _ in range(2)] == [201, 201]


def test_a_refusal_names_its_property_in_the_errors_and_as_json_inside_the_message(api):
    body = api.create("contacts", email="ann@acme.test", no_such="x").json()

    assert body["errors"][0]["context"] == {"propertyName": ["no_such"]}
    inside = json.loads(body["message"][body["message"].index("[") :])
    assert inside[0]["error"] == "PROPERTY_DOESNT_EXIST"


@pytest.mark.parametrize(
    ("kind", "values", "code"),
    [
        ("contacts", {"email": "no-address"}, "INVALID_EMAIL"),
        ("contacts", {"email": "a@b.test", "lifecyclestage": "king"}, "INVALID_OPTION"),
        ("contacts", {"email": "a@b.test", "createdate": "2026-01-01"}, "READ_ONLY_VALUE"),
        ("companies", {"name": "A", "annualrevenue": "much"}, "INVALID_INTEGER"),
        ("companies", {"name": "A", "founded": "2026-11-20T10:00:00Z"}, "INVALID_DATE"),
        ("deals", {"dealname": "A", "dealstage": "nowhere"}, "INVALID_OPTION"),
    ],
)
def test_values_are_checked(api, portal, kind, values, code):
    portal.add_property("companies", "founded", "date")

    answer = api.create(kind, **values)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)
    assert not portal.records(kind)


def test_all_values_come_back_as_text_and_an_empty_text_clears(api, portal):
    portal.add_property("companies", "founded", "date")
    record_id = api.create("companies", name="A", annualrevenue=1500.5, founded=1795132800000).json()["id"]
    api("PATCH", f"/crm/v3/objects/companies/{record_id}", {"properties": {"name": ""}})

    read = api(
        "GET", f"/crm/v3/objects/companies/{record_id}", properties="annualrevenue,founded,nothing"
    ).json()

    assert read["properties"]["annualrevenue"] == "1500.5"
    assert read["properties"]["founded"] == "2026-11-20"
    assert read["properties"]["name"] is None
    assert "nothing" not in read["properties"]


def test_the_lifecycle_goes_forward_only(api, portal):
    contact = portal.add("contacts", email="a@b.test", lifecyclestage="customer")
    for stage in ("lead", ""):
        api("PATCH", f"/crm/v3/objects/contacts/{contact}", {"properties": {"lifecyclestage": stage}})
        assert portal.record("contacts", contact).get("lifecyclestage") == ("customer" if stage else "")


def test_lists_are_paged(api, portal):
    made = portal.add_many("contacts", [{"email": f"p{n}@acme.test"} for n in range(25)])
    found, after = [], None
    while after != "":
        page = api("GET", "/crm/v3/objects/contacts", **({"after": after} if after else {})).json()
        found += [row["id"] for row in page["results"]]
        after = page.get("paging", {}).get("next", {}).get("after", "")

    assert found == made


def batch(api, verb, *inputs, kind="contacts", **more):
    return api("POST", f"/crm/v3/objects/{kind}/batch/{verb}", {"inputs": list(inputs), **more})


def test_a_batch_with_trace_ids_answers_row_by_row_and_one_without_all_or_nothing(api, portal):
    rows = [{"properties": {"email": email}} for email in ("a@b.test", "wrong", "a@b.test")]

    nothing = batch(api, "create", *rows)
    partly = batch(api, "create", *({**row, "objectWriteTraceId": f"t{n}"} for n, row in enumerate(rows)))

    assert nothing.status_code == 400
    assert partly.status_code == 207
    assert [row["objectWriteTraceId"] for row in partly.json()["results"]] == ["t0"]
    assert [e["context"]["objectWriteTraceId"] for e in partly.json()["errors"]] == [["t1"], ["t2"]]


def test_a_batch_does_not_answer_in_the_order_it_was_asked(api):
    rows = [{"properties": {"email": f"p{n}@b.test"}, "objectWriteTraceId": str(n)} for n in range(50)]

    answer = batch(api, "create", *rows).json()

    assert [row["objectWriteTraceId"] for row in answer["results"]] != [str(n) for n in range(50)]


def test_batches_refuse_more_than_a_hundred_and_one_id_twice(api, portal):
    contact = portal.add("contacts", email="a@b.test")
    many = batch(api, "read", *({"id": str(n)} for n in range(101)))
    twice = batch(api, "update", *[{"id": contact, "properties": {}}] * 2)

    assert (many.status_code, twice.status_code) == (400, 400)
    assert twice.json()["message"] == f"Duplicate IDs found in batch input: [{contact}]. IDs must be unique"


def test_a_batch_read_names_all_it_missed_in_one_error(api, portal):
    portal.add("contacts", email="a@b.test")

    answer = batch(api, "read", *({"id": f"{c}@b.test"} for c in "axy"), idProperty="email", properties=[])

    assert answer.status_code == 207
    assert [error["context"]["ids"] for error in answer.json()["errors"]] == [["x@b.test", "y@b.test"]]


def test_upserts_need_a_unique_property(api, portal):
    portal.add_property("companies", "ext", unique=True)
    row = {"id": "1", "idProperty": "ext", "properties": {"name": "A"}}

    new = [batch(api, "upsert", row, kind="companies").json()["results"][0]["new"] for _ in range(2)]
    refused = batch(api, "upsert", {**row, "idProperty": "name"}, kind="companies")

    assert new == [True, False]
    assert "non-unique" in refused.json()["message"]


def test_the_loser_of_a_merge_leads_to_the_winner_but_not_in_a_batch(api, portal):
    winner, loser = portal.add("contacts", email="a@b.test"), portal.add("contacts", email="c@b.test")
    portal.merge("contacts", winner, loser)

    assert api("GET", f"/crm/v3/objects/contacts/{loser}").json()["id"] == winner
    assert batch(api, "update", {"id": loser, "properties": {}}).json()["numErrors"] == 1
    assert api.create("contacts", email="c@b.test").status_code == 409


def test_an_archived_record_is_gone_from_reads_and_can_be_restored(api, portal):
    contact = portal.add("contacts", email="a@b.test")

    assert api("DELETE", f"/crm/v3/objects/contacts/{contact}").status_code == 204
    assert api("GET", f"/crm/v3/objects/contacts/{contact}").status_code == 404
    assert api("GET", f"/crm/v3/objects/contacts/{contact}", archived="true").json()["archivedAt"]
    portal.restore("contacts", contact)
    assert api("GET", f"/crm/v3/objects/contacts/{contact}").status_code == 200


def test_the_search_lags_while_a_read_by_id_does_not(api, portal, simulator):
    portal.index_lag = 10
    contact = api.create("contacts", email="a@b.test").json()["id"]

    totals = [api.search("contacts", ("email", "EQ", "a@b.test")).json()["total"]]
    simulator.set_clock(NOON + timedelta(seconds=11))
    totals.append(api.search("contacts", ("email", "EQ", "a@b.test")).json()["total"])

    assert totals == [0, 1]
    assert api("GET", f"/crm/v3/objects/contacts/{contact}").status_code == 200


def test_a_search_pages_no_further_than_ten_thousand_and_not_by_two_sorts(api):
    assert api.search("contacts", limit=200, after="9900").status_code == 400
    assert api.search("contacts", sorts=["email", "createdate"]).status_code == 400
    assert api.search("contacts", ("hs_lastmodifieddate", "GT", "0")).status_code == 400


def test_limits_are_told_in_headers_and_refuse_what_comes_too_fast(api, portal, simulator):
    portal.enforce_limits = True
    portal.pace.per_ten_seconds = 3
    answers = [api("GET", "/crm/v3/owners") for _ in range(4)]

    assert [a.status_code for a in answers] == [200, 200, 200, 429]
    assert answers[2].headers["X-HubSpot-RateLimit-Remaining"] == "0"
    assert answers[3].json()["policyName"] == "TEN_SECONDLY_ROLLING"
    simulator.set_clock(NOON + timedelta(seconds=10))
    assert api("GET", "/crm/v3/owners").status_code == 200


def test_the_search_has_a_limit_of_its_own_and_no_headers(api, portal):
    portal.enforce_limits = True
    answers = [api.search("contacts") for _ in range(6)]

    assert [a.status_code for a in answers] == [200] * 5 + [429]
    assert answers[5].json()["message"] == "You have reached your secondly limit."
    assert not any(name.startswith("X-HubSpot-RateLimit") for name in answers[0].headers)


def test_the_day_has_an_end(api, portal):
    portal.enforce_limits = True
    portal.pace.per_day = 1

    assert [api("GET", "/crm/v3/owners").status_code for _ in range(2)] == [200, 429]


def test_scopes_and_tokens_are_checked(api, portal):
    portal.scopes.remove("crm.objects.contacts.read")
    missing = api("GET", "/crm/v3/objects/contacts")
    api.session.headers["Authorization"] = "Bearer wrong"

    assert missing.json()["errors"][0]["context"] == {"requiredGranularScopes": ["crm.objects.contacts.read"]}
    assert api("GET", "/crm/v3/objects/contacts").json()["category"] == "INVALID_AUTHENTICATION"


def test_an_oauth_token_lasts_half_an_hour(api, portal, simulator):
    form = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    refused = api.session.post(f"{api.url}/oauth/v1/token", data=form, timeout=5)
    token = api.session.post(
        f"{api.url}/oauth/2026-03/token", data={**form, "refresh_token": REFRESH_TOKEN}, timeout=5
    ).json()
    api.session.headers["Authorization"] = f"Bearer {token['access_token']}"

    assert refused.json()["status"] == "BAD_REFRESH_TOKEN"
    assert api("GET", "/crm/v3/owners").status_code == 200
    simulator.set_clock(NOON + timedelta(seconds=token["expires_in"]))
    assert api("GET", "/crm/v3/owners").json()["category"] == "EXPIRED_AUTHENTICATION"


@pytest.mark.parametrize(("kind", "status"), [("locked", 423), ("migrating", 477), ("bad_gateway", 502)])
def test_troubles_strike_before_the_work(api, portal, kind, status):
    portal.faults.fail_next(1, kind)

    assert api.create("contacts", email="a@b.test").status_code == status
    assert not portal.records("contacts")


def test_an_answer_that_does_not_come_in_time_leaves_the_work_done(api, portal):
    portal.faults.fail_next(1, "no_answer")

    assert api.create("contacts", email="a@b.test").status_code == 524
    assert portal.emails() == {"a@b.test"}


def test_a_company_may_come_by_itself(api, portal):
    portal.auto_companies = True
    ids = [api.create("contacts", email=f"{n}@acme.test").json()["id"] for n in ("a", "b")]
    api.create("contacts", email="c@gmail.com")

    [company] = portal.records("companies")
    assert company["domain"] == "acme.test"
    assert [list(portal.tied("contacts", one, "companies")) for one in ids] == [[company["hs_object_id"]]] * 2


def test_labels_replace_those_of_the_pair_and_the_default_does_not(api, portal):
    contact, company = portal.add("contacts", email="a@b.test"), portal.add("companies", name="A")
    kind = portal.add_label("contacts", "companies", "Billing")
    path = f"/crm/v4/objects/contacts/{contact}/associations"
    label = [{"associationCategory": "USER_DEFINED", "associationTypeId": kind}]

    assert api("PUT", f"{path}/companies/{company}", label).status_code == 201
    assert api("PUT", f"{path}/default/companies/{company}").status_code == 200
    listed = api("GET", f"{path}/companies").json()["results"]
    assert [one["label"] for one in listed[0]["associationTypes"]] == [None, "Primary", "Billing"]
    assert api("DELETE", f"{path}/companies/{company}").status_code == 204
    assert not portal.tied("contacts", contact, "companies")


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), body))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 204)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def receiver():
    server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    server.got, server.answers = [], []
    server.url = f"http://127.0.0.1:{server.server_port}/hooks/hubspot/?a=1"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def verdict(receiver, got, **headers):
    found, body = got
    return verify(CLIENT_SECRET, method="POST", url=receiver.url, body=body, headers=found, now=NOON)


@pytest.mark.parametrize("signatures", [["v1"], ["v3"], ["v1", "v3"]])
def test_webhooks_tell_what_happened_and_are_signed(portal, receiver, signatures):
    contact = portal.add("contacts", email="a@b.test")
    portal.update("contacts", contact, firstname="Ann")

    portal.webhooks.deliver(receiver.url, Manner(signatures=signatures))

    [got] = receiver.got
    assert verdict(receiver, got) == ""
    events = json.loads(got[1])
    assert [e["subscriptionType"] for e in events] == ["contact.creation", "contact.propertyChange"]
    assert (events[1]["propertyName"], events[1]["propertyValue"]) == ("firstname", "Ann")
    assert {e["objectId"] for e in events} == {int(contact)}


def test_a_wrong_signature_is_told_from_a_right_one(portal, receiver):
    portal.add("contacts", email="a@b.test")

    portal.webhooks.deliver(receiver.url, Manner(wrong=True))

    assert verdict(receiver, receiver.got[0]) == "wrong signature"


def test_webhooks_come_twice_in_disorder_in_batches_and_again_when_refused(portal, receiver):
    portal.add_many("contacts", [{"email": f"{n}@b.test"} for n in range(30)])
    receiver.answers = [500, 200, 200]

    sent = portal.webhooks.deliver(
        receiver.url, Manner(duplicates=True, shuffled=True, batch=40, attempts=3, signatures=["v1"])
    )

    assert [one.status for one in sent] == [500, 200, 200]
    assert [one.events[0]["attemptNumber"] for one in sent] == [0, 1, 0]
    taken = [event["objectId"] for one in sent[1:] for event in one.events]
    assert len(taken) == 60
    assert taken != sorted(taken)
    assert not portal.webhooks.lost


def test_control_verbs_reach_the_portal(api, portal):
    made = api("POST", "/_control/add", {"object_type": "contacts", "email": "a@b.test"}).json()["result"]
    api("POST", "/_control/index_lag", {"seconds": 5})
    scopes = api("POST", "/_control/scopes", {"remove": ["oauth"]}).json()["result"]

    assert portal.record("contacts", made)["email"] == "a@b.test"
    assert portal.index_lag == 5
    assert "oauth" not in scopes
    assert api("POST", "/_control/index_lag", {"seconds": 500}).status_code == 400
