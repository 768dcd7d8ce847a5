"""Slack's limits and troubles: what is refused, what is lost, what was stored all the same."""

from datetime import timedelta

import pytest
import requests

from .conftest import NOON


@pytest.fixture
def ann(slack):
    return slack.add_member("Ann Lee", "Ann@Example.test")


def post(web, channel):
    return web("chat.postMessage", raw=True, channel=channel, text="x")


def test_a_channel_takes_one_message_a_second(simulator, slack, web, ann):
    slack.enforce_limits = True

    first, second, elsewhere = post(web, ann), post(web, ann), post(web, slack.add_channel("wins"))
    simulator.set_clock(NOON + timedelta(seconds=1))
    later = post(web, ann)

    assert [answer.status_code for answer in (first, second, elsewhere, later)] == [200, 429, 200, 200]
    assert second.json() == {"ok": False, "error": "ratelimited"}
    assert second.headers["Retry-After"] == "1"
    assert len(slack.messages) == 3


def test_the_workspace_takes_so_many_messages_a_minute(simulator, slack, web):
    slack.enforce_limits = True
    slack.workspace.pace.messages_per_minute = 2
    channels = [slack.add_channel(f"c{n}") for n in range(3)]

    statuses = [post(web, channel).status_code for channel in channels]
    simulator.set_clock(NOON + timedelta(seconds=20))
    refused = post(web, channels[2])
    simulator.set_clock(NOON + timedelta(seconds=60))

    assert statuses == [200, 200, 429]
    assert refused.headers["Retry-After"] == "40"
    assert post(web, channels[2]).status_code == 200


def test_each_method_has_its_tier(slack, web):
    slack.enforce_limits = True

    statuses = [web("users.list", raw=True, limit=10).status_code for _ in range(21)]

    assert statuses == [200] * 20 + [429]
    assert web("users.info", user="USLACKBOT")["ok"] is True


def test_limits_are_off_unless_asked_for(slack, web, ann):
    assert [post(web, ann).status_code for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize(
    ("kind", "options", "status", "error", "stored"),
    [
        ("rate_limited", {"retry_after": 7}, 429, "ratelimited", 0),
        ("rate_limited_200", {}, 200, "rate_limited", 0),
        ("fatal_error", {}, 200, "fatal_error", 1),
        ("internal_error", {}, 200, "internal_error", 0),
        ("error", {"code": "service_unavailable"}, 200, "service_unavailable", 0),
    ],
)
def test_faults_that_answer(slack, web, ann, kind, options, status, error, stored):
    slack.faults.fail_next(1, kind, path="chat.postMessage", **options)

    answer = post(web, ann)

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers.get("Retry-After") == ("7" if status == 429 else None)
    assert len(slack.messages) == stored


@pytest.mark.parametrize(("kind", "status"), [("server_error", 500), ("unavailable", 503)])
def test_gateway_faults_answer_with_a_page(slack, web, ann, kind, status):
    slack.faults.fail_next(1, kind)

    answer = post(web, ann)

    assert (answer.status_code, answer.text[:6]) == (status, "<html>")
    assert slack.messages == []


@pytest.mark.parametrize(("kind", "stored"), [("drop", 0), ("drop_after", 1)])
def test_a_connection_can_be_lost_before_or_after_the_message_is_stored(slack, web, ann, kind, stored):
    slack.faults.fail_next(1, kind)

    with pytest.raises(requests.ConnectionError):
        post(web, ann)

    assert len(slack.messages) == stored


def test_an_answer_can_come_after_the_caller_gave_up_on_a_stored_message(slack, web, ann):
    slack.faults.fail_next(1, "delay", seconds=0.3)

    with pytest.raises(requests.Timeout):
        web.session.post(f"{web.url}chat.postMessage", json={"channel": ann, "text": "x"}, timeout=0.1)

    assert len(slack.messages) == 1
