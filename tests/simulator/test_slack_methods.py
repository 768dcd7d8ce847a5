"""The Web API says yes and no as Slack does."""

from datetime import timedelta

import pytest

from .conftest import NOON


@pytest.fixture
def ann(slack):
    return slack.add_member("Ann Lee", "Ann@Example.test")


METADATA = {"event_type": "lead_alert", "event_payload": {"delivery_id": "d-1"}}


def test_auth_test_says_who_we_are_and_what_we_may(slack, web):
    answer = web("auth.test", raw=True)

    assert answer.json()["user_id"] == slack.bot_user_id
    assert answer.json()["bot_id"].startswith("B")
    assert "chat:write" in answer.headers["X-OAuth-Scopes"].split(",")


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("", "not_authed"),
        ("Bearer ", "not_authed"),
        ("Basic x", "not_authed"),
        ("Bearer xoxb-other", "invalid_auth"),
    ],
)
def test_without_the_right_token_nothing_works(web, header, error):
    web.session.headers["Authorization"] = header

    assert web("auth.test") == {"ok": False, "error": error}


def test_a_revoked_token_is_refused_until_restored(slack, web):
    slack.revoke()

    assert web("auth.test")["error"] == "token_revoked"
    slack.revoke(False)
    assert web("auth.test")["ok"] is True


def test_a_token_in_the_query_string_is_refused(web):
    del web.session.headers["Authorization"]

    answer = web.session.get(f"{web.url}auth.test?token=xoxb-demo-token", timeout=5)

    assert answer.json()["error"] == "not_authed"


@pytest.mark.parametrize(
    ("method", "scope"),
    [
        ("users.list", "users:read"),
        ("users.lookupByEmail", "users:read.email"),
        ("users.info", "users:read"),
        ("conversations.open", "im:write"),
        ("chat.postMessage", "chat:write"),
        ("chat.update", "chat:write"),
        ("conversations.list", "channels:read"),
    ],
)
def test_a_missing_scope_is_named_with_those_we_have(slack, web, ann, method, scope):
    slack.scopes.remove(scope)

    answer = web(method, users=ann)

    assert answer["error"] == "missing_scope"
    assert answer["needed"] == scope
    assert set(answer["provided"].split(",")) == slack.scopes


def test_reading_a_conversation_needs_the_scope_of_its_kind(slack, web, ann):
    channel = web("conversations.open", users=ann)["channel"]["id"]
    slack.scopes.remove("im:history")

    assert web("conversations.history", channel=channel)["needed"] == "im:history"
    assert web("conversations.history", channel=slack.add_channel("wins"))["ok"] is True


@pytest.mark.parametrize(("body", "error"), [(b"{", "invalid_json"), (b"[]", "json_not_object"), (b"", None)])
def test_a_body_that_is_no_object_is_refused(web, body, error):
    headers = {"Content-Type": "application/json;charset=utf-8"}

    answer = web.session.post(f"{web.url}auth.test", data=body, headers=headers, timeout=5)

    assert answer.json().get("error") == error


def test_an_unknown_method_is_refused(web):
    assert web("chat.shout")["error"] == "unknown_method"


def test_users_list_pages_by_cursor(slack, web):
    ids = [slack.add_member(f"P{n}", f"p{n}@example.test") for n in range(5)]

    seen, cursor = [], None
    while cursor != "":
        page = web.form("users.list", limit=3, cursor=cursor or "")
        seen += [member["id"] for member in page["members"]]
        cursor = page["response_metadata"]["next_cursor"]

    assert sorted(seen) == sorted(["USLACKBOT", slack.bot_user_id, *ids])


def test_pages_may_be_shorter_than_asked_for(slack, web):
    slack.page_size = 1

    page = web("users.list", limit=100)

    assert len(page["members"]) == 1
    assert page["response_metadata"]["next_cursor"]


def test_an_expired_or_made_up_cursor_is_refused(slack, web):
    slack.page_size = 1
    cursor = web("users.list")["response_metadata"]["next_cursor"]

    slack.expire_cursors()

    assert web("users.list", cursor=cursor)["error"] == "invalid_cursor"
    assert web("users.list", cursor="%%%")["error"] == "invalid_cursor"


def test_a_large_workspace_must_be_paged(slack, web):
    for n in range(1000):
        slack.add_member(f"P{n}", None)

    assert web("users.list")["error"] == "limit_required"


def member(web, user):
    return web("users.info", user=user)["user"]


def test_time_zones_follow_the_clock(simulator, slack, web, ann):
    winter = member(web, ann)["tz_offset"]
    simulator.set_clock(NOON + timedelta(days=180))

    assert (winter, member(web, ann)["tz_offset"]) == (3600, 7200)
    assert member(web, ann)["tz"] == "Europe/Berlin"
    assert member(web, "USLACKBOT")["tz"] is None


def test_those_who_left_have_no_time_zone(slack, web):
    gone = slack.add_member("Gone", "gone@example.test", deleted=True)

    shown = member(web, gone)

    assert shown["deleted"] is True
    assert "tz" not in shown


def test_the_email_is_absent_without_the_scope_and_for_bots(slack, web, ann):
    bot = slack.add_member("Robo", "robo@example.test", is_bot=True)

    assert member(web, ann)["profile"]["email"] == "Ann@Example.test"
    assert "email" not in member(web, bot)["profile"]
    slack.scopes.remove("users:read.email")
    assert "email" not in member(web, ann)["profile"]


def test_lookup_by_email_ignores_case_and_finds_no_one_who_left(slack, web, ann):
    slack.add_member("Gone", "gone@example.test", deleted=True)

    assert web.form("users.lookupByEmail", email="ANN@example.TEST")["user"]["id"] == ann
    assert web.form("users.lookupByEmail", email="gone@example.test")["error"] == "users_not_found"
    assert web.form("users.lookupByEmail", email="")["error"] == "users_not_found"
    assert web("users.info", user="U0NOBODY")["error"] == "user_not_found"


def test_a_conversation_is_opened_once(web, ann):
    first = web.form("conversations.open", users=ann)
    second = web.form("conversations.open", users=ann)

    assert first["channel"]["id"].startswith("D")
    assert "already_open" not in first
    assert second == {"ok": True, "no_op": True, "already_open": True, "channel": first["channel"]}


@pytest.mark.parametrize(
    ("users", "error"),
    [
        ("", "users_list_not_supplied"),
        ("U0NOBODY", "user_not_found"),
        (",".join(["U1"] * 9), "too_many_users"),
        ("USLACKBOT", "cannot_dm_bot"),
    ],
)
def test_conversations_that_cannot_be_opened(web, users, error):
    assert web.form("conversations.open", users=users)["error"] == error


def test_a_message_to_a_person_opens_the_conversation(slack, web, ann):
    answer = web("chat.postMessage", channel=ann, text="hello")

    assert answer["channel"].startswith("D")
    assert answer["message"]["bot_id"] == web("auth.test")["bot_id"]
    sent = slack.messages_for(ann)[0]
    assert (sent.channel, sent.user, sent.ts, sent.text, sent.at) == (
        answer["channel"],
        ann,
        answer["ts"],
        "hello",
        NOON,
    )
    assert slack.messages_for(answer["channel"]) == [sent]


def test_timestamps_are_unique_and_grow_while_time_stands_still(web, ann):
    stamps = [web("chat.postMessage", channel=ann, text="x")["ts"] for _ in range(3)]

    assert stamps == sorted(set(stamps))


def test_a_form_carries_blocks_and_metadata_as_text(slack, web, ann):
    answer = web.form(
        "chat.postMessage",
        channel=ann,
        blocks='[{"type":"divider"}]',
        metadata='{"event_type":"e","event_payload":{"n":1}}',
    )

    assert answer["message"]["blocks"][0]["block_id"]
    assert slack.messages[0].metadata == {"event_type": "e", "event_payload": {"n": 1}}


def test_whoever_cannot_be_written_to(slack, web):
    gone = slack.add_member("Gone", "gone@example.test")
    conversation = web("conversations.open", users=gone)["channel"]["id"]
    slack.update_member(gone, deleted=True)
    archived = slack.add_channel("old", is_archived=True)
    private = slack.add_channel("board", is_member=False, is_private=True)

    def refusal(channel):
        return web("chat.postMessage", channel=channel, text="x")["error"]

    assert (
        refusal("U0NOBODY")
        == refusal("C0NONE")
        == refusal("D0NONE")
        == refusal(private)
        == "channel_not_found"
    )
    assert refusal(gone) == refusal(conversation) == "user_disabled"
    assert refusal(archived) == "is_archived"
    assert slack.messages == []


def test_a_public_channel_we_have_not_joined_needs_its_own_scope(slack, web):
    channel = slack.add_channel("wins", is_member=False)

    with_scope = web("chat.postMessage", channel=channel, text="x")
    slack.scopes.remove("chat:write.public")

    assert with_scope["ok"] is True
    assert web("chat.postMessage", channel=channel, text="x")["error"] == "not_in_channel"
    assert web("conversations.history", channel=channel)["error"] == "not_in_channel"


def test_a_channel_is_found_by_name(slack, web):
    channel = slack.add_channel("#wins")

    assert web("chat.postMessage", channel="#wins", text="x")["channel"] == channel


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, "no_text"),
        ({"text": "x", "blocks": "[{"}, "invalid_blocks_format"),
        ({"text": "x", "blocks": {"type": "divider"}}, "invalid_blocks_format"),
        ({"text": "x", "blocks": [{"type": "nope"}]}, "invalid_blocks"),
        ({"text": "x", "attachments": [{}] * 101}, "too_many_attachments"),
        ({"text": "x", "metadata": {"event_payload": {}}}, "invalid_metadata_format"),
        ({"text": "x", "metadata": {"event_type": "e"}}, "invalid_metadata_schema"),
        (
            {"text": "x", "metadata": {"event_type": "e", "event_payload": {"x": "y" * 9000}}},
            "metadata_too_large",
        ),
    ],
)
def test_messages_that_are_refused_are_not_stored(slack, web, ann, arguments, error):
    assert web("chat.postMessage", channel=ann, **arguments)["error"] == error
    assert slack.messages == []


def test_text_beyond_the_limit_is_cut_silently(slack, web, ann):
    web("chat.postMessage", channel=ann, text="x" * 40_001)

    assert len(slack.messages[0].text) == 40_000


def history(web, channel, **options):
    return web.form("conversations.history", channel=channel, **options)


def test_metadata_is_shown_only_when_asked_for(web, ann):
    channel = web("chat.postMessage", channel=ann, text="x", metadata=METADATA)["channel"]

    assert history(web, channel)["messages"][0]["metadata"] == {"event_type": "lead_alert"}
    assert history(web, channel, include_all_metadata="1")["messages"][0]["metadata"] == METADATA
    assert history(web, channel, include_all_metadata="true")["messages"][0]["metadata"] == METADATA


def test_history_is_newest_first_and_paged(simulator, web, ann):
    stamps = []
    for second in range(3):
        simulator.set_clock(NOON + timedelta(seconds=second))
        stamps.append(web("chat.postMessage", channel=ann, text=str(second))["ts"])
    channel = web("conversations.open", users=ann)["channel"]["id"]

    first = history(web, channel, limit=2)
    second = history(web, channel, limit=2, cursor=first["response_metadata"]["next_cursor"])

    assert [message["ts"] for message in first["messages"]] == [stamps[2], stamps[1]]
    assert [message["ts"] for message in second["messages"]] == [stamps[0]]
    assert (first["has_more"], second["has_more"]) == (True, False)


def test_oldest_is_left_out_unless_inclusive(web, ann):
    posted = [web("chat.postMessage", channel=ann, text="x") for _ in range(2)]
    channel, oldest = posted[0]["channel"], posted[0]["ts"]

    assert len(history(web, channel, oldest=oldest)["messages"]) == 1
    assert len(history(web, channel, oldest=oldest, inclusive="1")["messages"]) == 2
    assert history(web, channel, oldest="noon")["error"] == "invalid_ts_oldest"


def test_a_user_id_is_no_conversation_for_history_and_update(web, ann):
    posted = web("chat.postMessage", channel=ann, text="x")

    assert history(web, ann)["error"] == "channel_not_found"
    assert web("chat.update", channel=ann, ts=posted["ts"], text="y")["error"] == "channel_not_found"
    assert web("chat.update", channel=posted["channel"], ts="1.0", text="y")["error"] == "message_not_found"


def test_an_update_without_blocks_takes_them_away_and_keeps_metadata(slack, web, ann):
    posted = web("chat.postMessage", channel=ann, text="x", blocks=[{"type": "divider"}], metadata=METADATA)
    where = {"channel": posted["channel"], "ts": posted["ts"]}

    web("chat.update", **where, text="y")

    assert (slack.messages[0].text, slack.messages[0].blocks) == ("y", [])
    assert slack.messages[0].metadata == METADATA
    web("chat.update", **where, text="z", metadata={})
    assert slack.messages[0].metadata is None
    assert web("chat.update", **where, text="x" * 4001)["error"] == "msg_too_long"
    assert web("chat.update", **where)["error"] == "no_text"


def test_a_permalink_names_channel_and_message(web, ann):
    posted = web("chat.postMessage", channel=ann, text="x")

    answer = web("chat.getPermalink", channel=posted["channel"], message_ts=posted["ts"])

    assert answer["permalink"].endswith(f"/archives/{posted['channel']}/p{posted['ts'].replace('.', '')}")


def test_channels_are_listed_by_type(slack, web, ann):
    public = slack.add_channel("wins")
    private = slack.add_channel("board", is_private=True)
    slack.archive(slack.add_channel("old"))
    web("conversations.open", users=ann)

    def listed(**options):
        return {channel["id"] for channel in web("conversations.list", **options)["channels"]}

    assert listed(exclude_archived=True) == {public}
    assert listed(types="private_channel") == {private}
    assert web("conversations.info", channel=public)["channel"]["name"] == "wins"
