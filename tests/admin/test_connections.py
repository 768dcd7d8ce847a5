"""Connections: a form that follows the kind, secrets that never come back, states in words."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from syncs import connect, holds
from syncs.admin.connections import in_words
from syncs.models import Connection
from tests.admin.factories import change_url, choose, press
from tests.factories import NOON, make_connection, make_salesforce, make_slack

SECRET = "xoxb-very-secret-token"


FLOW = {
    "setting_auth_flow": "client_credentials", "setting_login_url": "https://acme.my.salesforce.test",
    "setting_client_id": "key",
}  # fmt: skip


def form(connection, **values):
    return {
        "name": connection.name, "environment": connection.environment, "enabled": "on",
        "base_url": connection.base_url, "reserve_live": 20, "reserve_flows": 10, **values,
    }  # fmt: skip


def logged_in(connection):
    connection.kept = "a former login"
    connection.save()
    return connection


def test_adding_asks_for_the_kind_first_and_then_for_its_own_settings(page, db, said):
    response = page.post(
        reverse("admin:syncs_connection_add"),
        {"kind": "salesforce", "name": "Sales", "key": "sales", "environment": "production"},
    )
    content = page.get(response["Location"]).content.decode()

    assert "Now fill in its settings" in said(response)
    assert "Consumer secret" in content
    assert "Bot token" not in content


def test_a_stored_secret_is_never_in_the_page(page, db):
    slack = make_slack(secrets={"bot_token": SECRET})

    content = page.get(change_url(slack)).content.decode()

    assert SECRET not in content
    assert slack.secrets["bot_token"]["encrypted"] not in content
    assert "Now: stored." in content


def test_a_refused_form_does_not_repeat_the_secret(page, db):
    slack = make_slack()

    response = page.post(change_url(slack), form(slack, name="", secret_bot_token=SECRET))

    assert response.status_code == 200
    assert SECRET not in response.content.decode()


def test_saving_without_a_new_secret_keeps_the_old_one(page, db):
    slack = make_slack(secrets={"bot_token": SECRET})

    page.post(change_url(slack), form(slack, secret_bot_token="", name="Renamed"))

    slack.refresh_from_db()
    assert slack.name == "Renamed"
    assert connect.configuration(slack)["bot_token"] == SECRET


def test_a_new_secret_replaces_the_old_one_and_the_login_got_with_it(page, db):
    slack = logged_in(make_slack())

    page.post(change_url(slack), form(slack, secret_bot_token=f"  {SECRET}\r\n"))

    slack.refresh_from_db()
    assert connect.configuration(slack)["bot_token"] == SECRET
    assert slack.kept == ""


def test_a_secret_can_name_an_environment_variable(page, db, said, monkeypatch):
    monkeypatch.delenv("SLACK_TOKEN_HERE", raising=False)
    slack = make_slack()

    response = page.post(change_url(slack), form(slack, secret_bot_token="env:SLACK_TOKEN_HERE"))

    slack.refresh_from_db()
    assert slack.secrets["bot_token"] == {"env": "SLACK_TOKEN_HERE"}
    assert "SLACK_TOKEN_HERE is not set here" in said(response)
    assert "Now: environment variable SLACK_TOKEN_HERE." in page.get(change_url(slack)).content.decode()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"secret_client_secret": "env:not a name"}, "After env: comes the name of an environment variable"),
        ({"secret_client_secret": "env:SECRET_KEY"}, "SECRET_KEY belongs to the hub itself."),
        (
            {"secret_client_secret": "new", "remove_client_secret": "on"},
            "Either enter a new one or remove it, not both.",
        ),
        ({"setting_auth_flow": "guessing"}, "Select a valid choice"),
        ({"base_url": "http://elsewhere.test"}, "https"),
        ({"reserve_live": 80, "reserve_flows": 40}, "more than 100 %"),
        ({"daily_budget": "many"}, "Enter a whole number."),
    ],
)
def test_what_is_wrong_with_a_connection_is_said_on_the_form(page, db, values, sentence):
    salesforce = make_salesforce()

    response = page.post(change_url(salesforce), form(salesforce, setting_auth_flow="jwt_bearer") | values)

    assert response.status_code == 200
    assert sentence in response.content.decode()


@pytest.mark.parametrize(
    ("values", "errors"),
    [
        (
            {"setting_auth_flow": "jwt_bearer", "setting_login_url": ""},
            {
                "setting_username": "User name is needed for “JWT bearer (certificate)”.",
                "secret_private_key": "Private key (PEM) is needed for “JWT bearer (certificate)”.",
            },
        ),
        (
            {"setting_login_url": ""},
            {
                "setting_login_url": "Login address is needed for “Client credentials (recommended for servers)”."
            },
        ),
        ({"setting_login_url": "", "base_url": "http://127.0.0.1:9/"}, {}),
        (
            {
                "setting_auth_flow": "session",
                "secret_access_token": "00D",
                "setting_instance_url": "https://a.test",
            },
            {},
        ),
        ({}, {}),
    ],
)
def test_what_the_chosen_login_flow_needs_is_named_at_its_field(page, db, values, errors):
    salesforce = make_connection("salesforce", secrets={"client_secret": "secret"})

    response = page.post(change_url(salesforce), form(salesforce, **FLOW) | values)

    found = response.context["adminform"].form.errors if response.context else {}
    assert {name: list(said) for name, said in found.items()} == {
        name: [said] for name, said in errors.items()
    }


def test_a_setting_tells_the_page_for_which_choices_it_is(page, db):
    content = page.get(change_url(make_salesforce())).content.decode()

    marks = dict(
        re.findall(r'name="(\w+)"[^>]* data-only-for="setting_auth_flow" data-choices="([^"]+)"', content)
    )
    assert marks["setting_username"] == "jwt_bearer password"
    assert marks["secret_private_key"] == "jwt_bearer"
    assert "setting_api_version" not in marks
    assert "hub/settings.js" in content


def test_a_setting_of_several_lines_is_checked_when_saved(page, db):
    api = make_connection("http_json", settings={"address": "https://orders.example.test"})
    values = {"setting_address": "https://orders.example.test", "setting_auth": "none"}
    objects = "customers:\n  list: {path: /customers}\n"

    refused = page.post(change_url(api), form(api, **values, setting_objects="customers: {lst: {}}"))
    page.post(change_url(api), form(api, **values, setting_objects=objects))

    assert "customers: there is no “lst”. Did you mean “list”?" in refused.content.decode()
    assert "<textarea" in refused.content.decode().partition('name="setting_objects"')[0][-20:]
    assert connect.configuration(Connection.objects.get())["objects"] == objects.strip()


def test_a_hub_without_keys_says_so_on_the_field(page, db, settings):
    slack = make_slack()
    settings.HUB_SECRET_KEYS = []

    response = page.post(change_url(slack), form(slack, secret_bot_token=SECRET))

    assert "HUB_SECRET_KEYS is not set" in response.content.decode()


def test_a_secret_can_be_removed(page, db):
    salesforce = make_salesforce()

    page.post(
        change_url(salesforce),
        form(salesforce, **FLOW, remove_client_secret="on"),
    )

    salesforce.refresh_from_db()
    assert salesforce.secrets == {}


def test_changing_the_environment_says_what_stays_and_forgets_the_login(page, db, said):
    slack = logged_in(make_slack(environment="sandbox"))

    response = page.post(change_url(slack), form(slack, environment="production"))

    slack.refresh_from_db()
    assert slack.kept == ""
    assert slack.secrets
    assert "It logs in anew with the next call. Stored secrets, streams and their history were kept" in said(
        response
    )


def test_kind_and_key_do_not_change_any_more(page, db):
    slack = make_slack(key="slack")

    page.post(change_url(slack), form(slack, kind="email", key="other"))

    slack.refresh_from_db()
    assert (slack.kind, slack.key) == ("slack", "slack")


def test_checking_shows_the_answer_in_sentences(page, simulator, said):
    slack = make_slack(simulator)

    response = press(page, slack, "check_now")
    content = page.get(change_url(slack)).content.decode()

    assert "Connected to Demo Workspace" in said(response)
    assert "Works, checked just now: Connected to Demo Workspace" in content


def test_wrong_credentials_and_a_vendor_that_is_down_are_sentences(page, simulator, said):
    slack = make_slack(simulator, secrets={"bot_token": "xoxb-wrong"})
    down = make_slack(base_url="http://127.0.0.1:9/", name="Down")

    refused = press(page, slack, "check_now")
    unreachable = press(page, down, "check_now")

    assert "token" in said(refused).lower()
    assert said(unreachable)
    assert refused.status_code == unreachable.status_code == 302


def test_a_connection_without_its_secret_says_which_one(page, db, said):
    slack = make_slack(secrets={})

    response = press(page, slack, "check_now")

    assert "Bot token" in said(response)


def test_a_secret_file_that_is_gone_is_a_sentence(page, db, said, monkeypatch, tmp_path):
    monkeypatch.delenv("BOT_TOKEN_HERE", raising=False)
    monkeypatch.setenv("BOT_TOKEN_HERE_FILE", str(tmp_path / "gone"))
    slack = make_slack(secrets={"bot_token": "env:BOT_TOKEN_HERE"})

    response = press(page, slack, "check_now")

    assert "The file that BOT_TOKEN_HERE_FILE names cannot be read." in said(response)
    assert "Correct BOT_TOKEN_HERE_FILE" in page.get(change_url(slack)).content.decode()


def test_hold_and_release_say_what_happens(page, db, said):
    slack = make_slack()

    held = press(page, slack, "hold")
    slack.refresh_from_db()
    was_held = slack.held_at is not None
    released = press(page, slack, "release")
    slack.refresh_from_db()

    assert was_held
    assert slack.held_at is None
    assert "waits until you release it" in said(held)
    assert "waiting work goes on now" in said(released)


def test_pausing_is_for_an_hour(page, db):
    slack = make_slack()

    press(page, slack, "pause")

    slack.refresh_from_db()
    assert timedelta(minutes=59) < slack.paused_until - timezone.now() <= timedelta(hours=1)


def test_a_button_that_no_longer_fits_says_so(page, db, said):
    slack = make_slack()

    response = press(page, slack, "release")

    assert "its state has changed meanwhile" in said(response)


def test_actions_say_how_many_they_touched(page, db, said):
    connections = [make_slack(), make_slack(), make_slack(held_at=NOON)]

    held = choose(page, Connection, "hold_chosen", connections)
    released = choose(page, Connection, "release_chosen", connections)

    assert "2 connections put on hold." in said(held)
    assert "3 connections released." in said(released)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "In use."),
        ({"enabled": False}, "Switched off: nothing is read or written, its work waits."),
        (
            {"held_at": NOON - timedelta(hours=2), "held_reason": "Refused."},
            "On hold for 2\xa0hours: Refused. Correct it, check it, and release it.",
        ),
        (
            {"paused_until": NOON + timedelta(minutes=5), "pause_reason": "Too many calls."},
            "Paused for 5\xa0minutes more: Too many calls. It goes on by itself.",
        ),
        (
            {"failing_since": NOON - timedelta(minutes=3)},
            "In use, but not answering for 3\xa0minutes; it is tried again by itself.",
        ),
    ],
)
def test_states_read_as_sentences(db, values, words):
    connection = make_connection("slack", **values)

    assert in_words(connection, NOON) == words


def test_environment_is_marked_wherever_a_connection_is_used(page, everything):
    Connection.objects.update(environment="production")

    contents = [page.get(reverse(f"admin:{name}_changelist")).content.decode() for name in (
        "syncs_connection", "syncs_stream", "syncs_delivery", "syncs_syncrun", "routing_rule", "routing_alert"
    )]  # fmt: skip

    assert all("hub-pill hub-red" in content and ">Production<" in content for content in contents)


def test_holding_opens_an_incident_that_is_closed_by_release(page, db):
    slack = make_slack()

    holds.hold(slack, code="x", reason="Refused.", now=NOON)
    press(page, slack, "release")

    assert not slack.incidents.filter(closed_at=None).exists()
