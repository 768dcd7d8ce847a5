"""Slack as a destination and a source of people, against recorded answers."""

import json
from datetime import timedelta
from urllib.parse import parse_qs

import pytest
import responses

from integration_hub.connectors.errors import (
    AuthError,
    ConfigError,
    RateLimitError,
    RecipientError,
    RejectedError,
    RetryableError,
    UnknownOutcomeError,
)
from integration_hub.connectors.records import Operation, Outcome, RecordWrite, WriteRequest
from integration_hub.connectors.slack.connector import API, Slack
from tests.connectors.contract_tests import DestinationContract
from tests.connectors.doubles import NOON, MemoryKeeper, make_transport, recorded
from tests.connectors.wire import raw_server

POST = f"{API}chat.postMessage"
VALUES = {"channel": "UPRIYA", "header": "Hot lead", "body": "Ann Lee", "text": "Hot lead: Ann Lee"}


@pytest.fixture
def vendor():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def connector():
    return make_slack()


def make_slack(*, base_url=API, keeper=None, **config):
    given = {"bot_token": "xoxb-1-hush", **config}
    connector = Slack(given, make_transport(base_url, secrets=["xoxb-1-hush"]), keeper or MemoryKeeper())
    connector.clock = lambda: NOON
    return connector


def send_request(*refs, attempted_at=None, **values):
    writes = [RecordWrite(ref, {**VALUES, **values}, attempted_at=attempted_at) for ref in refs or ("d1",)]
    return WriteRequest("message", Operation.SEND, writes)


def json_of(call):
    return json.loads(call.request.body)


def form_of(call):
    return {name: values[0] for name, values in parse_qs(call.request.body).items()}


def refusal(code):
    return {"json": {"ok": False, "error": code}}


class TestDestinationContract(DestinationContract):
    def write_request(self, refs):
        return send_request(*refs)

    def serve_status(self, vendor, status):
        vendor.post(POST, status=status)

    def serve_verdicts(self, vendor, verdicts):
        for accepted in verdicts:
            vendor.post(POST, **(recorded("slack/posted") if accepted else refusal("channel_not_found")))


def test_a_message_goes_out_with_blocks_text_metadata_and_no_previews(vendor, connector):
    vendor.post(POST, **recorded("slack/posted"))

    (result,) = connector.write(send_request("d1"))

    sent = json_of(vendor.calls[0])
    assert result.remote_id == "D024BE91L:1503435956.000247"
    assert sent["channel"] == "UPRIYA"
    assert sent["metadata"] == {"event_type": "hub_delivery", "event_payload": {"delivery_id": "d1"}}
    assert (sent["unfurl_links"], sent["unfurl_media"]) == (False, False)
    assert [block["type"] for block in sent["blocks"]] == ["header", "section"]
    assert sent["text"] == "Hot lead: Ann Lee"
    assert vendor.calls[0].request.headers["Authorization"] == "Bearer xoxb-1-hush"
    assert connector.transport.limiter.acquired == ["chat.postMessage"]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("internal_error", UnknownOutcomeError),
        ("fatal_error", UnknownOutcomeError),
        ("request_timeout", UnknownOutcomeError),
        ("service_unavailable", RetryableError),
        ("team_added_to_org", RetryableError),
        ("invalid_auth", AuthError),
        ("token_revoked", AuthError),
        ("missing_scope", AuthError),
        ("account_inactive", AuthError),
    ],
)
def test_what_stops_all_messages_is_raised(vendor, connector, code, error):
    vendor.post(POST, **refusal(code))

    with pytest.raises(error) as caught:
        connector.write(send_request())

    assert type(caught.value) is error
    assert caught.value.code == code
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("channel_not_found", RecipientError),
        ("user_not_found", RecipientError),
        ("user_disabled", RecipientError),
        ("is_archived", RecipientError),
        ("not_in_channel", RecipientError),
        ("messages_tab_disabled", RecipientError),
        ("restricted_action_read_only_channel", RecipientError),
        ("msg_too_long", RejectedError),
        ("no_text", RejectedError),
        ("something_new", RejectedError),
    ],
)
def test_what_concerns_one_message_is_its_result(vendor, connector, code, error):
    vendor.post(POST, **refusal(code))

    (result,) = connector.write(send_request())

    assert result.outcome is Outcome.FAILED
    assert type(result.error) is error
    assert result.error.code == code
    assert result.error.remedy


@pytest.mark.parametrize(("case", "seconds"), [("ratelimited", 12.0), ("rate_limited_with_200", 30.0)])
def test_a_limit_waits_and_blocks_only_its_method(vendor, connector, case, seconds):
    vendor.post(POST, **recorded(f"slack/{case}"))

    with pytest.raises(RateLimitError) as caught:
        connector.write(send_request())

    assert caught.value.retry_after == seconds
    assert connector.transport.limiter.blocked == [("chat.postMessage", seconds)]


def test_a_missing_scope_is_named(vendor, connector):
    vendor.post(POST, **recorded("slack/missing_scope"))

    with pytest.raises(AuthError) as caught:
        connector.write(send_request())

    assert caught.value.message == "Slack: missing_scope (needs the scope im:history)."


def test_refused_blocks_are_replaced_by_a_plain_message_once(vendor, connector):
    vendor.post(POST, **recorded("slack/invalid_blocks"))
    vendor.post(POST, **recorded("slack/posted"))

    (result,) = connector.write(send_request())

    first, second = map(json_of, vendor.calls)
    assert result.outcome is Outcome.SENT
    assert "blocks" not in second
    assert second["text"] == "*Hot lead*\nAnn Lee"
    assert second["metadata"] == first["metadata"]


def test_a_plain_message_that_is_refused_as_well_is_a_failure(vendor, connector):
    vendor.post(POST, **recorded("slack/invalid_blocks"))

    (result,) = connector.write(send_request())

    assert len(vendor.calls) == 2
    assert "must be less than 151 characters" in result.error.message


def test_a_dropped_connection_leaves_the_outcome_open_and_sends_once():
    with raw_server(lambda connection: None) as (url, seen):
        with pytest.raises(UnknownOutcomeError):
            make_slack(base_url=f"{url}/api/").write(send_request())

        assert len(seen) == 1


@pytest.mark.parametrize("body", ["<html>", "[]", ""])
def test_an_answer_that_is_not_slacks_leaves_the_outcome_open(vendor, connector, body):
    vendor.post(POST, body=body)

    with pytest.raises(UnknownOutcomeError):
        connector.write(send_request())


def test_a_later_outage_does_not_lose_what_was_sent_before(vendor, connector):
    vendor.post(POST, **recorded("slack/posted"))
    vendor.post(POST, **recorded("slack/ratelimited"))

    sent, waiting = connector.write(send_request("d1", "d2"))

    assert sent.outcome is Outcome.SENT
    assert isinstance(waiting.error, RateLimitError)


def test_a_message_without_recipient_is_not_sent(vendor, connector):
    (result,) = connector.write(send_request(channel=""))

    assert isinstance(result.error, RecipientError)
    assert len(vendor.calls) == 0


@pytest.mark.parametrize(
    ("object_type", "operation"), [("Lead", Operation.SEND), ("message", Operation.UPSERT)]
)
def test_only_messages_can_be_sent(connector, object_type, operation):
    with pytest.raises(ConfigError):
        connector.write(WriteRequest(object_type, operation, []))


def test_without_a_token_nothing_is_called(vendor):
    with pytest.raises(AuthError):
        make_slack(bot_token="").write(send_request())

    assert len(vendor.calls) == 0


def serve_recall(vendor):
    vendor.post(f"{API}auth.test", **recorded("slack/auth_test"))
    vendor.post(f"{API}conversations.open", **recorded("slack/opened_again"))
    vendor.post(f"{API}conversations.history", **recorded("slack/history_first"))
    vendor.post(f"{API}conversations.history", **recorded("slack/history_last"))


def test_a_message_that_landed_is_found_by_its_metadata_and_author(vendor, connector):
    serve_recall(vendor)

    (found,) = connector.recall(send_request("d1", attempted_at=NOON))

    assert found.outcome is Outcome.SENT
    assert found.remote_id == "D024BE91L:1503435956.000247"
    first, second = (form_of(call) for call in vendor.calls if call.request.url.endswith("history"))
    assert first["channel"] == "D024BE91L"
    assert float(first["oldest"]) == (NOON - timedelta(seconds=60)).timestamp()
    assert (first["inclusive"], first["include_all_metadata"]) == ("true", "true")
    assert second["cursor"] == "bmV4dF90czo="


def test_a_message_that_did_not_land_is_not_found(vendor, connector):
    serve_recall(vendor)

    assert connector.recall(send_request("d9", attempted_at=NOON)) == [None]


def test_a_channel_is_searched_as_it_is(vendor, connector):
    serve_recall(vendor)

    connector.recall(send_request("d1", channel="C1", attempted_at=NOON))

    assert not any(call.request.url.endswith("open") for call in vendor.calls)


def test_a_channel_given_by_name_is_searched_by_the_id_that_a_message_to_it_brought(vendor):
    keeper = MemoryKeeper()
    posted = {"ok": True, "channel": "C024SALES", "ts": "1503435956.000247"}
    vendor.post(f"{API}chat.postMessage", json=posted)
    serve_recall(vendor)
    make_slack(keeper=keeper).write(send_request("d0", channel="#sales"))

    (found,) = make_slack(keeper=keeper).recall(send_request("d1", channel="#sales", attempted_at=NOON))

    assert found.remote_id == "C024SALES:1503435956.000247"


def test_a_channel_name_that_never_worked_cannot_be_searched_and_says_what_to_do(connector):
    with pytest.raises(RejectedError, match="#sales") as refused:
        connector.recall(send_request("d1", channel="#sales", attempted_at=NOON))

    assert "by its id" in refused.value.remedy


def test_our_bots_id_is_asked_once_per_token(vendor):
    keeper = MemoryKeeper()
    serve_recall(vendor)

    for token in ("xoxb-1-hush", "xoxb-1-hush", "xoxb-2-hush"):
        make_slack(keeper=keeper, bot_token=token).recall(send_request("d2", attempted_at=NOON))
        vendor.replace("POST", f"{API}conversations.history", **recorded("slack/history_first"))

    assert sum(call.request.url.endswith("auth.test") for call in vendor.calls) == 2


def test_an_endless_history_comes_to_an_end(vendor, connector):
    vendor.post(f"{API}auth.test", **recorded("slack/auth_test"))
    vendor.post(f"{API}conversations.history", **recorded("slack/history_first"))

    assert connector.recall(send_request("d9", channel="D1", attempted_at=NOON)) == [None]
    assert len(vendor.calls) <= 22


def test_an_outage_while_searching_is_not_taken_for_not_found(vendor, connector):
    vendor.post(f"{API}conversations.history", **recorded("slack/gateway_page"))

    with pytest.raises(RetryableError):
        connector.recall(send_request("d1", channel="D1", attempted_at=NOON))


def test_a_sent_message_can_be_changed(vendor, connector):
    vendor.post(f"{API}chat.update", **recorded("slack/updated"))

    connector.update_message("D024BE91L:1503435956.000247", {**VALUES, "header": "Taken"})

    sent = json_of(vendor.calls[0])
    assert (sent["channel"], sent["ts"]) == ("D024BE91L", "1503435956.000247")
    assert sent["blocks"][0]["text"]["text"] == "Taken"


def test_members_are_paged_by_cursor_also_over_pages_without_anybody(vendor, connector):
    for case in ("members_first", "members_of_bots_only", "members_last"):
        vendor.post(f"{API}users.list", **recorded(f"slack/{case}"))

    members = {member.remote_id: member for page in connector.members() for member in page}

    assert [member.active for member in members.values()] == [True, False, False, True, False, True]
    assert list(members) == ["UPRIYA", "UGONE", "UBOT", "UGUEST", "USTRANGER", "UNOTZ"]
    assert (members["UPRIYA"].name, members["UPRIYA"].email) == ("Priya Rao", "priya@acme.test")
    assert members["UPRIYA"].time_zone == "Asia/Kolkata"
    assert (members["UNOTZ"].name, members["UNOTZ"].email, members["UNOTZ"].time_zone) == ("No Zone", "", "")
    assert [form_of(call).get("cursor") for call in vendor.calls] == [
        None,
        "dXNlcjpVMEc5V0ZYTlo=",
        "dXNlcjpVMEc5V0ZYTlp=",
    ]


def test_a_member_is_found_by_email(vendor, connector):
    vendor.post(f"{API}users.lookupByEmail", **recorded("slack/member_found"))

    assert connector.find_member(" priya@acme.test ").remote_id == "UPRIYA"
    assert form_of(vendor.calls[0]) == {"email": "priya@acme.test"}


def test_nobody_with_that_email_is_nobody(vendor, connector):
    vendor.post(f"{API}users.lookupByEmail", **recorded("slack/users_not_found"))

    assert connector.find_member("nobody@acme.test") is None


def test_the_check_says_which_workspace_and_bot_in_one_call(vendor, connector):
    vendor.post(f"{API}auth.test", **recorded("slack/auth_test"))

    check = connector.check()

    assert check.ok
    assert check.summary == "Connected to Acme as leadbot."
    assert check.facts["Bot user"] == "leadbot (U0BOT)"
    assert len(vendor.calls) == 1


def test_the_check_names_missing_scopes_in_words(vendor, connector):
    vendor.post(
        f"{API}auth.test",
        **recorded(
            "slack/auth_test",
            headers={"x-oauth-scopes": "chat:write, im:write,users:read,users:read.email,channels:history"},
        ),
    )

    check = connector.check()

    assert not check.ok
    assert check.problems == [
        "The scope im:history is missing: it cannot see whether a direct message arrived before sending it again."
    ]


def test_without_the_list_of_scopes_the_check_tries_them(vendor, connector):
    vendor.post(f"{API}auth.test", **recorded("slack/auth_test", headers={}))
    vendor.post(f"{API}users.list", **recorded("slack/missing_scope"))
    vendor.post(f"{API}users.lookupByEmail", **recorded("slack/users_not_found"))

    check = connector.check()

    assert check.problems == ["The scope users:read is missing: it cannot list the members."]


def test_a_persons_token_is_not_the_bots(vendor, connector):
    vendor.post(f"{API}auth.test", **recorded("slack/auth_test_of_a_person"))

    check = connector.check()

    assert not check.ok
    assert "xoxb-" in check.problems[0]


def test_a_revoked_token_is_an_answer_with_the_remedy(vendor, connector):
    vendor.post(f"{API}auth.test", **refusal("token_revoked"))

    check = connector.check()

    assert not check.ok
    assert "Install the app" in check.problems[0]


def test_an_outage_is_no_answer_to_the_check(vendor, connector):
    vendor.post(f"{API}auth.test", **recorded("slack/gateway_page"))

    with pytest.raises(RetryableError):
        connector.check()
