"""Block Kit's limits are those of the reference."""

import pytest

from integration_hub.simulator.slack.blocks import block_problems


def plain(text):
    return {"type": "plain_text", "text": text}


def mrkdwn(text):
    return {"type": "mrkdwn", "text": text}


def button(**changes):
    return {"type": "button", "text": plain("Open"), "action_id": "open"} | changes


def actions(*elements):
    return [{"type": "actions", "elements": list(elements)}]


def section(**content):
    return [{"type": "section", **content}]


def select(*options):
    return {"type": "static_select", "action_id": "s", "options": list(options)}


def option(text="o", value="v"):
    return {"text": plain(text), "value": value}


CONFIRM = {"title": plain("t"), "text": mrkdwn("x"), "confirm": plain("Yes"), "deny": plain("No")}


@pytest.mark.parametrize(
    "blocks",
    [
        [],
        [{"type": "divider"}] * 50,
        section(text=mrkdwn("x" * 3000)),
        section(fields=[plain("x" * 2000)] * 10),
        section(text=plain("x"), accessory=button()),
        [{"type": "header", "text": plain("x" * 150)}],
        [{"type": "context", "elements": [mrkdwn("x")] * 10}],
        [
            {
                "type": "context",
                "elements": [{"type": "image", "image_url": "https://x.test/i.png", "alt_text": "i"}],
            }
        ],
        actions(*(button(action_id=str(n)) for n in range(25))),
        actions(button(text=plain("x" * 75), value="v" * 2000, url="u" * 3000, action_id="a" * 255)),
        actions(select(*[option("x" * 75, "v" * 150)] * 100)),
        actions(button(confirm=CONFIRM)),
        [{"type": "image", "image_url": "https://x.test/i.png", "alt_text": "i", "block_id": "b" * 255}],
    ],
)
def test_what_is_within_the_limits_passes(blocks):
    assert block_problems(blocks) == []


@pytest.mark.parametrize(
    ("blocks", "problem"),
    [
        ([{"type": "divider"}] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
        (["x"], "missing required field: type [json-pointer:/blocks/0]"),
        ([{"type": "nope"}], "Unsupported block type: nope [json-pointer:/blocks/0/type]"),
        (section(), "missing required field: text [json-pointer:/blocks/0]"),
        (section(text=mrkdwn("x" * 3001)), "less than 3001 characters [json-pointer:/blocks/0/text/text]"),
        (section(text=mrkdwn("")), "more than 0 characters [json-pointer:/blocks/0/text/text]"),
        (section(text="x"), "must be a plain_text or mrkdwn object [json-pointer:/blocks/0/text]"),
        (section(fields=[plain("x")] * 11), "no more than 10 items allowed [json-pointer:/blocks/0/fields]"),
        (
            section(fields=[plain("x" * 2001)]),
            "less than 2001 characters [json-pointer:/blocks/0/fields/0/text]",
        ),
        (
            [{"type": "header", "text": mrkdwn("x")}],
            "must be a plain_text object [json-pointer:/blocks/0/text]",
        ),
        ([{"type": "header", "text": plain("x" * 151)}], "less than 151 characters"),
        ([{"type": "context", "elements": [mrkdwn("x")] * 11}], "no more than 10 items allowed"),
        ([{"type": "context", "elements": []}], "no fewer than 1 items allowed"),
        ([{"type": "context"}], "must be an array [json-pointer:/blocks/0/elements]"),
        (actions(*(button(action_id=str(n)) for n in range(26))), "no more than 25 items allowed"),
        (actions(button(text=plain("x" * 76))), "less than 76 characters"),
        (actions(button(text=mrkdwn("x"))), "must be a plain_text object"),
        (
            actions(button(value="x" * 2001)),
            "less than 2001 characters [json-pointer:/blocks/0/elements/0/value]",
        ),
        (
            actions(button(url="x" * 3001)),
            "less than 3001 characters [json-pointer:/blocks/0/elements/0/url]",
        ),
        (actions(button(action_id="x" * 256)), "less than 256 characters"),
        (actions(button(), button()), "`action_id` already exists"),
        (
            [{"type": "divider", "block_id": "b"}] * 2,
            "`block_id` already exists [json-pointer:/blocks/1/block_id]",
        ),
        (actions({}), "missing required field: type [json-pointer:/blocks/0/elements/0]"),
        (actions(select(*[option()] * 101)), "no more than 100 items allowed"),
        (actions(select(option("x" * 76))), "less than 76 characters"),
        (actions(select(option(value="x" * 151))), "less than 151 characters"),
        (actions(select("x")), "must be an object"),
        (actions(button(confirm=CONFIRM | {"deny": plain("x" * 31)})), "less than 31 characters"),
        ([{"type": "image", "image_url": "https://x.test/i.png"}], "[json-pointer:/blocks/0/alt_text]"),
    ],
)
def test_what_breaks_a_limit_is_pointed_at(blocks, problem):
    problems = block_problems(blocks)

    assert any(problem in told for told in problems), problems
