"""Change notices as the vendors' bytes: proved or not, read or not, and never an exception."""

import hashlib
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.connectors.hubspot import signature as hubspot_signature
from integration_hub.connectors.hubspot.notices import HubSpotNotices
from integration_hub.connectors.notices import Call, Mention
from integration_hub.connectors.salesforce.ids import full_id
from integration_hub.connectors.salesforce.notices import SalesforceNotices
from integration_hub.simulator.salesforce.outbound import OutboundMessages
from tests.factories import NOON

URL = "https://hub.example.test/hooks/hubspot/crm/"
SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
CONFIG = {"client_secret": SECRET}
EVENT = {
    "eventId": 714285774,
    "subscriptionId": 4849549,
    "portalId": 50687303,
    "occurredAt": 1765043528476,
    "subscriptionType": "contact.propertyChange",
    "attemptNumber": 0,
    "objectId": 173595202426,
    "propertyName": "firstname",
    "propertyValue": "Briane",
}
ORG = "00DgK00000DQI2YUAX"
TOKEN = "kP2v9Lr5Xn8Qw3Ts6Yb1Zd4Hf7Jm0Gc2"
SALESFORCE = {"notice_token": TOKEN, "organization_id": ORG}
LEAD, OTHER = full_id("00QgK0000000001"), full_id("00QgK0000000002")
hubspot, salesforce = HubSpotNotices(), SalesforceNotices()


def signed(body, *versions, secret=SECRET, at=NOON, url=URL):
    headers = {}
    if "v1" in versions:
        headers["X-HubSpot-Signature"] = hashlib.sha256(secret.encode() + body).hexdigest()
        headers["X-HubSpot-Signature-Version"] = "v1"
    if "v3" in versions:
        stamp = str(int(at.timestamp() * 1000))
        headers["X-HubSpot-Request-Timestamp"] = stamp
        headers["X-HubSpot-Signature-v3"] = hubspot_signature.v3(secret, "POST", url, body, stamp)
    return Call(URL, body, headers)


@pytest.mark.parametrize(
    ("call", "setting", "refused"),
    [
        (signed(b"[]", "v3"), "any", ""),
        (signed(b"[]", "v1"), "any", ""),
        (signed(b"[]", "v1", "v3"), "v3", ""),
        (signed(b"[]", "v1"), "v3", "only signed by an older version"),
        (signed(b"[]"), "v3", "not signed"),
        (signed(b"[]"), "any", "not signed"),
        (signed(b"[]", "v3", secret="other"), "any", "wrong signature"),
        (signed(b"[]", "v1", secret="other"), "any", "wrong signature"),
        (signed(b"[]", "v3", at=NOON - timedelta(seconds=301)), "any", "signed too long ago"),
        (signed(b"[]", "v3", at=NOON + timedelta(seconds=301)), "any", "signed too long ago"),
        (signed(b"[]", "v3", at=NOON + timedelta(seconds=299)), "any", ""),
        (signed(b"[]", "v3", url="http://inside.test/hooks/hubspot/crm/"), "any", "wrong signature"),
    ],
)
def test_a_webhook_proves_itself_by_its_signature(call, setting, refused):
    assert hubspot.refusal(CONFIG | {"webhook_signature": setting}, call, NOON) == refused


def test_without_a_client_secret_nothing_is_taken():
    assert hubspot.refusal({}, signed(b"[]", "v3", secret=""), NOON) == "no client secret is set"


def mentions(*events):
    return [
        (one.object_type, one.record_id, one.gone)
        for one in hubspot.read({}, json.dumps(events).encode()).mentions
    ]


@pytest.mark.parametrize(
    ("event", "named"),
    [
        ({}, [("contacts", "173595202426", False)]),
        ({"subscriptionType": "company.creation"}, [("companies", "173595202426", False)]),
        ({"subscriptionType": "deal.deletion"}, [("deals", "173595202426", True)]),
        ({"subscriptionType": "contact.privacyDeletion"}, [("contacts", "173595202426", True)]),
        ({"subscriptionType": None, "eventType": "ticket.restore"}, [("tickets", "173595202426", False)]),
        ({"subscriptionType": "object.creation", "objectTypeId": "2-7"}, [("2-7", "173595202426", False)]),
        ({"subscriptionType": "object.creation", "objectTypeId": "0-2"}, [("companies", "173595202426", False)]),
        (
            {"subscriptionType": "contact.merge", "newObjectId": 9, "mergedObjectIds": [7, 8]},
            [("contacts", "9", False), ("contacts", "7", True), ("contacts", "8", True)],
        ),
        ({"subscriptionType": "contact.associationChange", "objectId": 5}, [("contacts", "5", False)]),
    ],
)  # fmt: skip
def test_an_event_names_its_records(event, named):
    assert mentions({**EVENT, **event}) == named


def test_a_repeated_event_has_the_same_key_and_another_one_not():
    again = {**EVENT, "attemptNumber": 3, "eventId": 1}
    other = {**EVENT, "propertyValue": "Brian"}

    first, second, third = hubspot.read({}, json.dumps([EVENT, again, other]).encode()).mentions

    assert first.key == second.key != third.key
    assert "Briane" not in repr(first)


def test_an_event_that_cannot_be_read_stops_no_other():
    poison = [7, {}, {**EVENT, "objectId": {"id": 1}}, {**EVENT, "subscriptionType": "spell.cast"}]

    reading = hubspot.read({}, json.dumps([*poison, EVENT]).encode())

    assert [one.record_id for one in reading.mentions] == ["173595202426"]
    assert [text.partition(":")[0] for text in reading.problems] == [
        "Event 1",
        "Event 2",
        "Event 3",
        "Event 4",
    ]


def test_events_of_another_account_are_passed_over():
    reading = hubspot.read({"portal_id": "1"}, json.dumps([EVENT, {**EVENT, "portalId": 1}]).encode())

    assert (len(reading.mentions), reading.strange) == (1, 1)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
odd_events = st.fixed_dictionaries(
    {},
    optional={
        name: values | st.sampled_from(["contact.merge", "object.creation", "contact.creation"])
        for name in (*EVENT, "mergedObjectIds", "newObjectId", "objectTypeId")
    },
)


@given(
    st.binary(max_size=60)
    | st.lists(odd_events | values, max_size=3).map(lambda one: json.dumps(one).encode())
)
def test_rubbish_raises_nothing(body):
    for reading in (hubspot.read({"portal_id": "1"}, body), salesforce.read(SALESFORCE, body)):
        assert all(isinstance(one, Mention) for one in reading.mentions)


def test_json_nested_without_end_is_a_problem():
    assert hubspot.read({}, b"[" * 200_000).problems


def message(*ids, organization=""):
    return OutboundMessages(ORG, lambda _id: {"Email": "a&b@x.test"}).message(
        "Lead", ids, ["Email"], organization
    )


def test_an_outbound_message_names_its_records():
    reading = salesforce.read(SALESFORCE, message(LEAD, OTHER))

    assert [(one.object_type, one.record_id) for one in reading.mentions] == [
        ("Lead", LEAD),
        ("Lead", OTHER),
    ]
    assert (reading.events, reading.problems) == (2, [])


@pytest.mark.parametrize(
    ("config", "token", "body", "refused"),
    [
        ({}, TOKEN, message(LEAD), ""),
        ({}, TOKEN, message(LEAD, organization=ORG[:15]), ""),
        ({}, "guess", message(LEAD), "wrong token"),
        ({}, "", message(LEAD), "wrong token"),
        ({"notice_token": ""}, "", message(LEAD), "no token is set"),
        ({"organization_id": ""}, TOKEN, message(LEAD), "no organization id is set"),
        ({}, TOKEN, message(LEAD, organization="00DgK00000DQI2Z"), "from another organization"),
        ({}, TOKEN, b"<rubbish", ""),
    ],
)
def test_an_outbound_message_proves_itself_by_token_and_organization(config, token, body, refused):
    call = Call("https://hub.example.test/", body, {}, token)

    assert salesforce.refusal(SALESFORCE | config, call, NOON) == refused


BOMB = b'<!DOCTYPE a [<!ENTITY b "%s"><!ENTITY c "&b;&b;">]><a>&c;</a>' % (b"x" * 1000)
FILE = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (BOMB, "document type"),
        (FILE, "document type"),
        (FILE.decode().encode("utf-16"), "document type"),
        (b"<a>&undefined;</a>", "not XML"),
        (b"<a/>", "organization"),
        (b"<a>" * 20, "too deeply"),
        (b"", "not XML"),
        (b"\x00\xff", "not XML"),
        (message(), "no notifications"),
        (message("not-an-id"), "names no record"),
    ],
)
def test_what_is_no_message_is_told_and_nothing_is_expanded(body, words):
    [problem] = salesforce.read(SALESFORCE, body).problems

    assert words in problem
    assert "passwd" not in problem
