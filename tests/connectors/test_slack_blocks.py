"""Block Kit within Slack's limits, whatever the message says."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.connectors.moments import age, instant
from integration_hub.connectors.slack.blocks import content, fallback, metadata, plain_fallback, shorten
from tests.connectors.doubles import NOON

FULL = {
    "header": "Hot lead: Ann Lee <!channel>",
    "body": "*Acme &amp; Co* wants a call",
    "fields": [{"label": "Rating", "value": "Hot"}, {"label": "A&B", "value": ""}],
    "link": {"label": "Open in Salesforce", "url": "https://acme.my.salesforce.com/00Q1"},
    "context": "Rule Hot leads",
    "text": "Hot lead: Ann Lee",
    "trigger_at": (NOON - timedelta(minutes=3)).isoformat(),
}

MRKDWN = st.text(alphabet=st.sampled_from("ab &;<>|*_\n\x00é🎉")) | st.text()
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "header": st.text(max_size=400),
        "body": MRKDWN.map(lambda text: text * 200),
        "fields": st.lists(st.fixed_dictionaries({"label": st.text(), "value": MRKDWN}), max_size=600),
        "link": st.none() | st.fixed_dictionaries({"label": st.text(), "url": st.text()}),
        "context": MRKDWN,
        "text": MRKDWN.map(lambda text: text * 300),
        "trigger_at": st.text(),
    },
)


def kinds(values):
    return [block["type"] for block in content(values, now=NOON)["blocks"]]


def test_a_whole_message_has_header_body_fields_link_and_context():
    message = content(FULL, now=NOON)

    header, body, fields, actions, context = message["blocks"]
    assert header["text"] == {"type": "plain_text", "text": "Hot lead: Ann Lee <!channel>", "emoji": False}
    assert body["text"] == {"type": "mrkdwn", "text": "*Acme &amp; Co* wants a call", "verbatim": True}
    assert [field["text"] for field in fields["fields"]] == ["*Rating*\nHot", "*A&amp;B*\n–"]
    assert actions["elements"][0]["url"] == "https://acme.my.salesforce.com/00Q1"
    assert context["elements"][0]["text"] == (
        "Rule Hot leads · <!date^1795175820^{date_short_pretty} {time}|2026-11-20 11:57 UTC> (3 min ago)"
    )
    assert message["text"] == "Hot lead: Ann Lee"


def test_the_fallback_of_a_message_without_text_is_its_header_and_body_escaped():
    assert fallback({"header": "<!channel>", "body": "call *now*"}) == "&lt;!channel&gt;\ncall *now*"


def test_an_empty_message_is_still_a_message():
    message = content({}, now=NOON)

    assert message["text"]
    assert message["blocks"][0]["text"]["text"]


def test_the_plain_message_says_what_the_blocks_said():
    assert plain_fallback(FULL) == (
        "*Hot lead: Ann Lee &lt;!channel&gt;*\n*Acme &amp; Co* wants a call\n*Rating*: Hot\n*A&amp;B*: –\n"
        "<https://acme.my.salesforce.com/00Q1|Open in Salesforce>"
    )


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "ftp://x.example",
        "https://",
        "",
        "https://x.example/" + "a" * 3000,
        "http://[x",
        "/path",
    ],
)
def test_an_address_slack_would_refuse_makes_no_button(url):
    assert "actions" not in kinds({**FULL, "link": {"label": "Open", "url": url}})


def test_surplus_fields_give_way_to_link_and_context():
    fields = [{"label": f"Field {number}", "value": "x"} for number in range(1000)]

    found = kinds({**FULL, "fields": fields})

    assert len(found) == 50
    assert found[-2:] == ["actions", "context"]


@pytest.mark.parametrize(
    ("text", "limit", "short"),
    [
        ("short", 10, "short"),
        ("a &amp; b", 9, "a &amp; b"),
        ("ab &amp; cd", 8, "ab…"),
        ("ab &amp; cd", 9, "ab &amp;…"),
        ("see <https://x.test|here> now", 25, "see…"),
        ("see <https://x.test|here> now", 26, "see <https://x.test|here>…"),
    ],
)
def test_cutting_respects_entities_and_links(text, limit, short):
    assert shorten(text, limit) == short


@given(
    st.lists(st.sampled_from(["&amp;", "&lt;", "&gt;", "<https://x.test|y>", "a", " "])).map("".join),
    st.integers(min_value=1, max_value=60),
)
def test_what_is_cut_is_never_too_long_and_holds_no_half_entity(text, limit):
    cut = shorten(text, limit)

    assert len(cut) <= limit
    assert not set("&<>;|") & set(re.sub(r"&(amp|lt|gt);|<https://x.test\|y>", "", cut))


@given(VALUES)
def test_whatever_the_message_it_is_within_slacks_limits(values):
    message = content(values, now=NOON)

    assert 1 <= len(message["blocks"]) <= 50
    assert 1 <= len(message["text"]) <= 4000
    assert 1 <= len(plain_fallback(values)) <= 4000
    for block in message["blocks"]:
        if block["type"] == "header":
            assert 1 <= len(block["text"]["text"]) <= 150
        if block["type"] == "section":
            assert ("text" in block) != ("fields" in block)
            assert 1 <= len(block.get("text", {"text": "x"})["text"]) <= 3000
            assert len(block.get("fields", [])) <= 10
            assert all(1 <= len(field["text"]) <= 2000 for field in block.get("fields", []))
        if block["type"] == "actions":
            button = block["elements"][0]
            assert 1 <= len(button["text"]["text"]) <= 75
            assert len(button["url"]) <= 3000


def test_metadata_holds_the_delivery_and_nothing_else():
    assert metadata("d1") == {"event_type": "hub_delivery", "event_payload": {"delivery_id": "d1"}}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (7200, "2 h ago"),
        (200000, "2 d ago"),
    ],
)
def test_age_in_the_largest_unit_that_fits(seconds, text):
    assert age(NOON - timedelta(seconds=seconds), NOON) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-11-20T12:00:00Z", NOON),
        ("2026-11-20T17:30:00+05:30", NOON),
        ("2026-11-20T12:00", NOON),
        ("", None),
        ("soon", None),
    ],
)
def test_an_instant_is_read_whatever_its_zone(text, found):
    assert instant(text) == found
