"""The vendors' own Python clients take the pretend vendors for the real ones."""

import contextlib

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceExpiredSession, SalesforceMalformedRequest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from integration_hub.simulator.salesforce import CLIENT_ID, CLIENT_SECRET, PASSWORD, USERNAME
from integration_hub.simulator.slack import SLACK_TOKEN


class ToSimulator(HTTPAdapter):
    """simple-salesforce builds https addresses; these calls go to the simulator all the same."""

    def __init__(self, address):
        super().__init__()
        self.address = address

    def send(self, request, **options):
        host = request.url.split("/")[2]
        request.url = request.url.replace(f"https://{host}", self.address, 1)
        return super().send(request, **options)


@pytest.fixture
def session(simulator):
    with contextlib.closing(requests.Session()) as session:
        session.trust_env = False
        session.mount("https://", ToSimulator(simulator.salesforce.url))
        yield session


def test_simple_salesforce_logs_in_queries_and_describes(salesforce, session):
    ids = salesforce.add_many("Lead", [{"LastName": f"L{n}"} for n in range(5)])
    salesforce.page_size = 2

    client = Salesforce(
        consumer_key=CLIENT_ID,
        consumer_secret=CLIENT_SECRET,
        domain="acme.my",
        session=session,
        version="59.0",
    )

    assert [row["Id"] for row in client.query_all_iter("SELECT Id FROM Lead ORDER BY Id")] == ids
    assert client.Lead.describe()["keyPrefix"] == "00Q"
    assert client.limits()["DailyApiRequests"]["Max"] == 100_000
    assert client.api_usage["api-usage"].total == 100_000


def test_simple_salesforce_raises_what_it_raises_for_the_real_one(salesforce, session):
    client = Salesforce(
        username=USERNAME,
        password=PASSWORD,
        consumer_key=CLIENT_ID,
        consumer_secret=CLIENT_SECRET,
        session=session,
    )
    direct = Salesforce(session_id=client.session_id, instance="acme.my.salesforce.com", session=session)

    with pytest.raises(SalesforceMalformedRequest, match="No such column"):
        direct.query("SELECT Nope FROM Lead")
    salesforce.expire_tokens()
    with pytest.raises(SalesforceExpiredSession, match="INVALID_SESSION_ID"):
        direct.query("SELECT Id FROM Lead")


@pytest.fixture
def client(slack):
    return WebClient(SLACK_TOKEN, base_url=f"{slack.url}/api", retry_handlers=[])


def test_slack_sdk_posts_reads_back_and_follows_cursors(slack, client):
    members = [slack.add_member(f"P{n}", f"p{n}@example.test") for n in range(4)]
    metadata = {"event_type": "lead_alert", "event_payload": {"delivery_id": "d-1"}}

    client.auth_test()
    listed = [member["id"] for page in client.users_list(limit=2) for member in page["members"]]
    channel = client.conversations_open(users=[members[0]])["channel"]["id"]
    sent = client.chat_postMessage(channel=channel, text="hello", metadata=metadata)
    read = client.conversations_history(
        channel=channel, include_all_metadata=True, inclusive=True, oldest=sent["ts"]
    )

    assert set(members) < set(listed)
    assert read["messages"][0]["metadata"] == metadata
    assert client.users_lookupByEmail(email="p3@example.test")["user"]["id"] == members[3]


def test_slack_sdk_raises_with_status_and_retry_after(slack, client):
    slack.faults.fail_next(1, "rate_limited", retry_after=3)

    with pytest.raises(SlackApiError) as error:
        client.chat_postMessage(channel=slack.add_channel("wins"), text="x")

    assert error.value.response.status_code == 429
    assert error.value.response.headers["Retry-After"] == "3"


def test_slack_sdk_sends_twice_on_a_dropped_connection_when_its_retries_are_left_on(slack):
    careless = WebClient(SLACK_TOKEN, base_url=f"{slack.url}/api/")
    slack.faults.fail_next(1, "drop_after", path="chat.postMessage")

    careless.chat_postMessage(channel=slack.add_channel("wins"), text="x")

    assert len(slack.messages) == 2
