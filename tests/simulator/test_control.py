"""Everything the Python interface does can be done with curl."""

import pytest
import requests


def order(vendor, verb, **body):
    answer = requests.post(f"{vendor.url}/_control/{verb}", json=body, timeout=5)
    return answer.status_code, answer.json()


def result(vendor, verb, **body):
    status, answer = order(vendor, verb, **body)
    assert status == 200, answer
    return answer["result"]


def test_the_door_lists_its_verbs_with_an_example_each(salesforce, slack):
    at_salesforce = requests.get(f"{salesforce.url}/_control/", timeout=5).json()
    at_slack = requests.get(f"{slack.url}/_control/", timeout=5).json()

    assert at_salesforce["add"]["type"] == "Lead"
    assert {"clock", "latency", "fail_next", "outage", "reset", "requests"} <= set(at_salesforce) & set(
        at_slack
    )


EXAMPLES = ["add", "add_user", "add_queue", "add_field", "hide_field", "records", "expire_tokens", "limits"]
EXAMPLES += [
    "page_size",
    "clock",
    "latency",
    "fail_next",
    "fault_rate",
    "clear_faults",
    "outage",
    "requests",
    "revoke",
]


@pytest.mark.parametrize("verb", EXAMPLES)
def test_the_examples_of_salesforce_work(salesforce, verb):
    result(salesforce, verb, **salesforce.verbs[verb].example)


@pytest.mark.parametrize(
    "verb", ["add_member", "add_channel", "messages", "scopes", "revoke", "enforce_limits", "page_size"]
)
def test_the_examples_of_slack_work(slack, verb):
    result(slack, verb, **slack.verbs[verb].example)


def test_a_record_lives_and_dies_over_http(salesforce):
    lead, other = result(salesforce, "add", type="Lead", records=[{"LastName": "Ann"}, {"LastName": "Bob"}])
    result(salesforce, "update", id=lead, fields={"Rating": "Hot"})
    result(salesforce, "delete", record_id=other)

    records = result(salesforce, "records", object_type="Lead")

    assert [(record["LastName"], record["Rating"]) for record in records] == [("Ann", "Hot")]


def test_messages_are_listed_over_http(slack, web):
    ann = result(slack, "add_member", name="Ann", email="ann@example.test")
    web("chat.postMessage", channel=ann, text="hello")

    assert [message["text"] for message in result(slack, "messages", **{"for": ann})] == ["hello"]


def test_a_member_leaves_over_http(slack, web):
    ann = slack.add_member("Ann", "ann@example.test")

    result(slack, "update_member", member_id=ann, deleted=True)

    assert web("chat.postMessage", channel=ann, text="x")["error"] == "user_disabled"


def test_the_clock_is_shared(simulator, salesforce):
    result(salesforce, "clock", at="2026-12-24T18:00:00+01:00")

    assert simulator.slack.clock().isoformat() == "2026-12-24T17:00:00+00:00"


def test_faults_are_ordered_over_http_and_the_door_stays_open(salesforce, rest):
    result(salesforce, "outage", on=True)

    with pytest.raises(requests.ConnectionError):
        rest.get("limits")

    result(salesforce, "outage", on=False)
    assert rest.get("limits").status_code == 200


@pytest.mark.parametrize(
    ("verb", "body", "status", "told"),
    [
        ("nope", {}, 404, "There is no verb 'nope'"),
        ("fail_next", {"n": 1, "kind": "nope"}, 400, "Choose one of"),
        ("add", {"type": "Thing", "fields": {}}, 400, "There is no object type 'Thing'"),
        ("add", {"type": "Lead"}, 400, "'fields' is missing"),
        ("add", {"type": "Lead", "fields": {"Nope": 1}}, 400, "Lead has no field 'Nope'"),
        ("update", {"id": "x", "fields": {}}, 400, "There is no record 'x'"),
        ("clock", {"at": "2026-11-20T10:00:00"}, 400, "time zone"),
        ("outage", {"on": True, "kind": "refuse"}, 400, "could not be opened again"),
        ("delete", {"nope": 1}, 400, "nope"),
    ],
)
def test_a_mistake_is_told_in_words(salesforce, verb, body, status, told):
    got, answer = order(salesforce, verb, **body)

    assert got == status
    assert told in answer["error"]


def test_control_calls_are_not_part_of_the_request_log(salesforce):
    result(salesforce, "records", object_type="Lead")

    assert salesforce.requests == []
