"""The connectors against the pretend vendors: what answers that were recorded one by one cannot show."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from integration_hub.connectors.errors import (
    AuthError,
    BudgetError,
    RateLimitError,
    RetryableError,
    UnknownOutcomeError,
)
from integration_hub.connectors.filters import And, Condition, Operator
from integration_hub.connectors.records import (
    Operation,
    Outcome,
    ReadRequest,
    RecordWrite,
    Scan,
    WriteRequest,
)
from integration_hub.connectors.salesforce.connector import Salesforce
from integration_hub.connectors.schema import FieldType
from integration_hub.connectors.slack.connector import Slack
from integration_hub.simulator.salesforce import CLIENT_ID, CLIENT_SECRET, PASSWORD, REFRESH_TOKEN, USERNAME
from integration_hub.simulator.server import Simulator
from integration_hub.simulator.slack import SLACK_TOKEN
from tests.connectors.doubles import NOON, MemoryKeeper, make_transport

CLIENT = {"auth_flow": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}


@pytest.fixture(scope="module")
def running():
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(running):
    running.reset()
    running.set_clock(NOON)
    return running


@pytest.fixture
def salesforce(simulator):
    with make_salesforce(simulator) as connector:
        yield connector


@pytest.fixture
def slack(simulator):
    with make_slack(simulator) as connector:
        yield connector


def make_salesforce(simulator, keeper=None, **config):
    transport = make_transport(simulator.salesforce.url)
    connector = Salesforce({**CLIENT, **config}, transport, keeper or MemoryKeeper())
    connector.clock = lambda: NOON
    return connector


def make_slack(simulator, **options):
    transport = make_transport(f"{simulator.slack.url}/api/", **options)
    connector = Slack({"bot_token": SLACK_TOKEN}, transport, MemoryKeeper())
    connector.clock = lambda: NOON
    return connector


def add_leads(simulator, count):
    return sorted(
        simulator.salesforce.add("Lead", LastName=f"Lead {number}", Company="Acme", created_at=NOON)
        for number in range(count)
    )


def read(connector, **overrides):
    request = {"object_type": "Lead", "fields": ["Name"], "since": NOON - timedelta(hours=1), **overrides}
    return [record for page in connector.read(ReadRequest(**request)) for record in page.records]


def token_calls(simulator):
    return [call for call in simulator.salesforce.requests if call.path.endswith("/token")]


def private_key():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(pem, pkcs8, serialization.NoEncryption()).decode()


@pytest.mark.parametrize(
    "config",
    [
        CLIENT,
        {"auth_flow": "refresh_token", "refresh_token": REFRESH_TOKEN},
        {"auth_flow": "password", "username": USERNAME, "password": PASSWORD},
        {"auth_flow": "jwt_bearer", "username": USERNAME, "private_key": private_key()},
    ],
    ids=lambda config: config["auth_flow"],
)
def test_every_flow_gets_in(simulator, config):
    simulator.set_clock(None)  # an assertion is only good for minutes of real time

    check = make_salesforce(simulator, **config).check()

    assert check.ok, check
    assert check.facts["Organization id"] == simulator.salesforce.organization_id
    assert "API calls, last 24 hours" in check.facts


def test_leads_of_one_second_are_all_read_over_page_edges_and_lost_cursors(simulator, salesforce):
    ids = add_leads(simulator, 25)
    simulator.salesforce.page_size = 4
    found = []

    for number, page in enumerate(
        salesforce.read(ReadRequest("Lead", ["Name"], since=NOON - timedelta(hours=1)))
    ):
        found += [record.remote_id for record in page.records]
        if number % 2:
            simulator.salesforce.expire_cursors()

    assert found == ids


def test_a_query_too_slow_loses_nothing(simulator, salesforce):
    ids = add_leads(simulator, 5)
    simulator.salesforce.faults.fail_next(3, "query_timeout", path="/query")

    assert [record.remote_id for record in read(salesforce, until=NOON + timedelta(hours=1))] == ids


def test_a_page_that_is_cut_off_loses_nothing(simulator, salesforce):
    ids = add_leads(simulator, 9)
    simulator.salesforce.page_size = 4
    pages = salesforce.read(ReadRequest("Lead", ["Name"], since=NOON - timedelta(hours=1)))

    found = [record.remote_id for record in next(pages).records]
    simulator.salesforce.faults.fail_next(1, "malformed_json", path="/query")
    found += [record.remote_id for page in pages for record in page.records]

    assert found == ids


def test_an_expired_token_is_renewed_in_the_middle_of_a_read(simulator, salesforce):
    ids = add_leads(simulator, 9)
    simulator.salesforce.page_size = 4
    pages = salesforce.read(ReadRequest("Lead", ["Name"], since=NOON - timedelta(hours=1)))

    found = [record.remote_id for record in next(pages).records]
    simulator.salesforce.expire_tokens()
    found += [record.remote_id for page in pages for record in page.records]

    assert found == ids
    assert len(token_calls(simulator)) == 2


def test_a_revoked_app_is_asked_once_and_not_again(simulator, salesforce):
    simulator.salesforce.revoke()

    with pytest.raises(AuthError):
        read(salesforce)

    assert len(token_calls(simulator)) == 1


def test_a_rotated_refresh_token_serves_the_next_login(simulator):
    simulator.salesforce.auth.rotate_refresh_tokens = True
    keeper = MemoryKeeper()
    config = {"auth_flow": "refresh_token", "refresh_token": REFRESH_TOKEN}
    read(make_salesforce(simulator, keeper, **config))
    simulator.salesforce.expire_tokens()

    read(make_salesforce(simulator, keeper, **{**config, **keeper.secrets}))

    assert keeper.secrets["refresh_token"] != REFRESH_TOKEN
    assert len(token_calls(simulator)) == 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("request_limit", BudgetError),
        ("concurrent_limit", RateLimitError),
        ("edge", RetryableError),
        ("unavailable", RetryableError),
        ("server_error", RetryableError),
        ("drop", RetryableError),
        ("lock_row", RetryableError),
    ],
)
def test_trouble_at_salesforce_says_what_to_do_next(simulator, salesforce, fault, error):
    simulator.salesforce.faults.fail_next(1, fault, path="/query")

    with pytest.raises(error) as caught:
        read(salesforce)

    assert type(caught.value) is error


def test_the_rows_of_a_filter_are_counted_previewed_and_fetched(simulator, salesforce):
    for rating in ("Hot", "Hot", "Cold", None):
        simulator.salesforce.add("Lead", LastName="O'Brien", Company="Acme", Rating=rating, created_at=NOON)
    hot = And(
        [
            Condition("Rating", FieldType.PICKLIST, Operator.EQUALS, ("hot",)),
            Condition("Name", FieldType.TEXT, Operator.CONTAINS, ("o'b",)),
            Condition("CreatedDate", FieldType.DATETIME, Operator.WITHIN_LAST_DAYS, ("7",)),
        ]
    )

    (preview,) = read(salesforce, where=hot, limit=1)
    by_query = salesforce.fetch("Lead", [preview.remote_id], ["Name", "Owner.Name"])
    by_collection = salesforce.fetch("Lead", [preview.remote_id], ["Name"])

    assert salesforce.count("Lead", hot) == 2
    assert by_query[0].values["Owner"]["Name"]
    assert by_collection[0].version == preview.version


def test_every_described_field_of_the_offered_objects_can_be_read(simulator, salesforce):
    offered = {name for name, _ in salesforce.object_types()}
    for object_type in ("Lead", "Contact", "Account", "Opportunity"):
        schema = salesforce.describe(object_type)

        read(salesforce, object_type=object_type, fields=list(schema.fields))

        assert object_type in offered
        assert {"CreatedDate", "Name", "OwnerId", "Owner.Name"} <= set(salesforce.base_fields(schema))


def test_every_field_of_a_parent_can_be_read_in_every_way(simulator, salesforce):
    simulator.salesforce.add_field("Account", "Tier__c", "double")
    simulator.salesforce.add_field(
        "Contact", "Region__c", "reference", label="Region", reference_to="Account"
    )
    acme = simulator.salesforce.add("Account", Name="Acme", BillingCountry="DE", Tier__c=2)
    ann = simulator.salesforce.add("Contact", LastName="Lee", Region__c=acme, AccountId=acme)
    fields = [
        "Region__r.Name",
        "Region__r.Tier__c",
        "Account.BillingCountry",
        "Owner.Username",
        "ReportsTo.Email",
    ]

    schema = salesforce.describe("Contact")
    [read_one] = read(salesforce, object_type="Contact", fields=fields)
    [fetched] = salesforce.fetch("Contact", [ann], fields)
    [(_, _, scanned)] = [one for page in salesforce.scan(Scan("Contact", fields)) for one in page.records]
    [(_, _, in_bulk)] = [
        one for page in salesforce.bulk_scan(Scan("Contact", fields), "") for one in page.records
    ]

    assert set(fields) <= schema.fields.keys()
    assert schema.fields["Region__r.Name"].label == "Region: Name"
    assert schema.fields["Region__r.Tier__c"].type == FieldType.NUMBER
    assert schema.fields["Region__c"].options == ("Account",)
    for values in (read_one.values, fetched.values, scanned, in_bulk):
        assert values["Region__r"] == {"Name": "Acme", "Tier__c": 2}
        assert values["Account"] == {"BillingCountry": "DE"}
        assert values["ReportsTo"] is None


def test_a_parent_is_described_once_however_many_fields_lead_to_it(simulator, salesforce):
    simulator.salesforce.requests.clear()

    salesforce.describe("Contact")
    salesforce.describe("Contact")

    asked = [one.path for one in simulator.salesforce.requests if one.path.endswith("/describe")]
    assert len(asked) == len(set(asked))
    assert len(asked) <= 4


def test_people_and_queues_are_listed_in_three_calls_and_found_one_by_one(simulator, salesforce):
    priya = simulator.salesforce.add_user("Priya Rao", "priya@acme.test")
    gone = simulator.salesforce.add_user("Gone", "gone@acme.test", active=False)
    queue = simulator.salesforce.add_queue("EMEA", [priya, gone])

    members = {member.remote_id: member for page in salesforce.members() for member in page}

    assert members[priya].email == "priya@acme.test"
    assert not members[gone].active
    assert members[queue].members == (priya, gone)
    assert len([call for call in simulator.salesforce.requests if "/query" in call.path]) == 3
    assert salesforce.find_member("PRIYA@acme.test").remote_id == priya
    assert salesforce.find_member("nobody@acme.test") is None
    assert [member.remote_id for member in salesforce.find_members([gone])] == [gone]


def send_request(ref, channel, **values):
    content = {"channel": channel, "header": "Hot lead", "body": "Ann &lt;Lee&gt;", **values}
    return WriteRequest("message", Operation.SEND, [RecordWrite(ref, content, attempted_at=NOON)])


@pytest.fixture
def priya(simulator):
    return simulator.slack.add_member("Priya Rao", "priya@acme.test", tz="Asia/Kolkata")


def test_a_message_reaches_its_person_and_can_be_changed(simulator, slack, priya):
    (result,) = slack.write(send_request("d1", priya))
    slack.update_message(result.remote_id, {"header": "Taken by Bob"})

    (message,) = simulator.slack.messages_for(priya)
    assert message.blocks[0]["text"]["text"] == "Taken by Bob"
    assert message.metadata["event_payload"] == {"delivery_id": "d1"}


def test_the_fullest_message_is_accepted_as_blocks(simulator, slack, priya):
    fields = [{"label": "L" * 100, "value": "&amp;" * 600} for _ in range(600)]
    link = {"label": "Open " * 50, "url": "https://acme.test/" + "a" * 2900}
    values = {
        "header": "H" * 500,
        "body": "&lt;b&gt; " * 900,
        "fields": fields,
        "link": link,
        "context": "c" * 5000,
    }

    (result,) = slack.write(send_request("d1", priya, trigger_at=NOON.isoformat(), **values))

    assert result.outcome is Outcome.SENT, result
    (message,) = simulator.slack.messages_for(priya)
    assert len(message.blocks) == 50


@pytest.mark.parametrize("fault", ["drop_after", "fatal_error"])
def test_an_unanswered_message_that_landed_is_found_again(simulator, slack, priya, fault):
    simulator.slack.faults.fail_next(1, fault, path="chat.postMessage")
    request = send_request("d1", priya)

    with pytest.raises(UnknownOutcomeError):
        slack.write(request)
    (found,) = slack.recall(request)

    (message,) = simulator.slack.messages_for(priya)
    assert found.outcome is Outcome.SENT
    assert found.remote_id == f"{message.channel}:{message.ts}"


def test_a_message_that_did_not_land_is_not_found(simulator, slack, priya):
    slack.write(send_request("another", priya))
    simulator.slack.faults.fail_next(1, "drop", path="chat.postMessage")

    with pytest.raises(UnknownOutcomeError):
        slack.write(send_request("d1", priya))

    assert slack.recall(send_request("d1", priya)) == [None]


def test_a_message_is_found_among_many_pages(simulator, slack, priya):
    simulator.slack.page_size = 2
    for number in range(7):
        slack.write(send_request(f"d{number}", priya))

    (found,) = slack.recall(send_request("d0", priya))

    assert found.remote_id.endswith(simulator.slack.messages_for(priya)[0].ts)


def test_no_connection_at_all_means_nothing_was_sent(simulator, slack, priya):
    simulator.slack.faults.outage(on=True, kind="refuse")
    try:
        with pytest.raises(RetryableError) as caught:
            slack.write(send_request("d1", priya))
    finally:
        simulator.slack.faults.clear()

    assert not isinstance(caught.value, UnknownOutcomeError)


def test_slacks_limit_is_passed_on(simulator, slack, priya):
    simulator.slack.enforce_limits = True
    writes = [write for number in range(50) for write in send_request(f"d{number}", priya).writes]

    results = slack.write(WriteRequest("message", Operation.SEND, writes))

    refused = [result.error for result in results if result.error]
    assert refused
    assert all(isinstance(error, RateLimitError) and error.retry_after >= 1 for error in refused)
    assert slack.transport.limiter.blocked[0][0] == "chat.postMessage"


def test_all_members_are_listed_and_one_is_found(simulator, slack, priya):
    gone = simulator.slack.add_member("Gone", "gone@acme.test", deleted=True)
    bot = simulator.slack.add_member("Bot", None, is_bot=True)
    guest = simulator.slack.add_member("Guest", "guest@other.test", is_restricted=True)
    simulator.slack.page_size = 2

    members = {member.remote_id: member for page in slack.members() for member in page}

    assert "USLACKBOT" not in members
    assert [members[key].active for key in (priya, gone, bot, guest)] == [True, False, False, True]
    assert members[priya].time_zone == "Asia/Kolkata"
    assert slack.find_member("Priya@acme.test").remote_id == priya
    assert slack.find_member("gone@acme.test") is None


@pytest.mark.parametrize("scope", ["users:read", "users:read.email", "im:history", "im:write", "chat:write"])
def test_the_check_names_the_scope_that_is_missing(simulator, slack, scope):
    assert slack.check().ok

    simulator.slack.scopes.discard(scope)
    check = slack.check()

    assert not check.ok
    assert f"The scope {scope} is missing" in " ".join(check.problems)


def test_a_revoked_token_is_no_outage(simulator, slack, priya):
    simulator.slack.revoke()

    assert not slack.check().ok
    with pytest.raises(AuthError):
        slack.write(send_request("d1", priya))


def test_no_text_that_leaves_holds_a_secret_or_an_address(simulator, priya):
    callouts = []
    slack = make_slack(simulator, observer=callouts.append, secrets=[SLACK_TOKEN])
    salesforce = make_salesforce(simulator)

    slack.find_member("priya@acme.test")
    slack.write(send_request("d1", priya))
    salesforce.find_member("priya@acme.test")

    text = repr(callouts) + repr(salesforce.transport.callouts)
    assert not any(word in text for word in (SLACK_TOKEN, CLIENT_SECRET, "acme.test", "SELECT"))
