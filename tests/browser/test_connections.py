"""A connection is made, checked, and explains what is wrong with it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from integration_hub.simulator.order_system import TOKEN
from integration_hub.simulator.slack import SLACK_TOKEN
from syncs.models import Connection


@pytest.fixture
def messenger(page):
    """The page of a Slack connection that was just added by hand; its settings are still empty."""
    page.goto("/admin/syncs/connection/add/")
    page.select_option("[name=kind]", "slack")
    page.fill("[name=name]", "Team chat")
    page.click("[name=_save]")
    expect(page.get_by_text("Team chat was added. Now fill in its settings")).to_be_visible()
    return page


def save(page, **values):
    for name, value in values.items():
        page.fill(f"[name={name}]", value)
    page.click("[name=_continue]")


def test_a_slack_connection_is_added_and_checked(messenger, simulator):
    save(messenger, secret_bot_token=SLACK_TOKEN, base_url=f"{simulator.slack.url}/api/")
    messenger.get_by_role("button", name="Check connection").click()

    expect(messenger.get_by_text("Works, checked just now")).to_be_visible()
    expect(messenger.get_by_text("Connected to Demo Workspace").first).to_be_visible()
    assert Connection.objects.get(key="team-chat").check_ok


def test_a_stored_secret_is_never_shown_again(messenger, simulator):
    save(messenger, secret_bot_token=SLACK_TOKEN, base_url=f"{simulator.slack.url}/api/")

    expect(messenger.get_by_text("Now: stored.")).to_be_visible()
    assert SLACK_TOKEN not in messenger.content()


def test_saving_again_without_a_secret_keeps_it(messenger, simulator):
    save(messenger, secret_bot_token=SLACK_TOKEN, base_url=f"{simulator.slack.url}/api/")
    save(messenger, name="Team chat 2")
    messenger.get_by_role("button", name="Check connection").click()

    expect(messenger.get_by_text("Works, checked just now")).to_be_visible()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"base_url": ""}, "Bot token is needed."),
        ({"secret_bot_token": "env:1st"}, "After env: comes the name of an environment variable"),
        (
            {"secret_bot_token": "xoxb-1", "base_url": "http://example.com/"},
            "Plain http is allowed for this machine only",
        ),
    ],
)
def test_what_cannot_be_saved_is_a_sentence(messenger, values, sentence):
    save(messenger, **values)

    expect(messenger.get_by_text(sentence).first).to_be_visible()
    assert Connection.objects.get(key="team-chat").secrets == {}


def test_only_the_settings_of_the_chosen_login_flow_are_shown(page):
    page.goto(f"/admin/syncs/connection/{Connection.objects.get(key='salesforce').pk}/change/")
    expect(page.locator("[name=secret_client_secret]")).to_be_visible()
    expect(page.locator("[name=secret_private_key]")).to_be_hidden()

    page.select_option("[name=setting_auth_flow]", "jwt_bearer")

    expect(page.locator("[name=secret_private_key]")).to_be_visible()
    expect(page.locator("[name=secret_client_secret]")).to_be_hidden()
    expect(page.locator("[name=setting_api_version]")).to_be_visible()
    page.click("[name=_save]")
    expect(page.get_by_text("User name is needed for “JWT bearer (certificate)”.")).to_be_visible()


def test_a_wrong_token_is_a_sentence_with_its_remedy(messenger, simulator):
    save(messenger, secret_bot_token="xoxb-wrong", base_url=f"{simulator.slack.url}/api/")

    messenger.get_by_role("button", name="Check connection").click()

    expect(messenger.get_by_text("Does not work, checked just now")).to_be_visible()
    expect(messenger.get_by_text("Copy the bot token (xoxb-…) again").first).to_be_visible()


def test_a_vendor_that_is_down_is_a_sentence(messenger, simulator):
    save(messenger, secret_bot_token=SLACK_TOKEN, base_url=f"{simulator.slack.url}/api/")
    simulator.slack.faults.outage(True, "refuse")

    messenger.get_by_role("button", name="Check connection").click()

    expect(messenger.get_by_text("Does not work, checked just now")).to_be_visible()


def test_a_connection_is_held_and_released(page):
    page.goto(f"/admin/syncs/connection/{Connection.objects.get(key='slack').pk}/change/")

    page.get_by_role("button", name="Hold").click()
    expect(page.get_by_text("Put on hold by demo.").first).to_be_visible()
    page.get_by_role("button", name="Release").click()

    expect(page.get_by_text("In use.").first).to_be_visible()


def test_an_api_is_declared_in_a_text_that_is_checked_when_saved(page, simulator):
    page.goto("/admin/syncs/connection/add/")
    page.select_option("[name=kind]", "http_json")
    page.fill("[name=name]", "Shop")
    page.click("[name=_save]")
    expect(page.locator("[name=secret_token]")).to_be_hidden()
    page.select_option("[name=setting_auth]", "bearer")
    address = simulator.order_system.url

    save(
        page,
        setting_address=address,
        secret_token=TOKEN,
        setting_objects="customers:\n  lst: {path: /customers}",
    )
    expect(page.get_by_text("there is no “lst”. Did you mean “list”?")).to_be_visible()
    save(page, secret_token=TOKEN, setting_objects="customers:\n  list: {path: /customers, records: data}")
    page.get_by_role("button", name="Check connection").click()

    expect(page.get_by_text("Works, checked just now")).to_be_visible()
    expect(page.get_by_text("The API answers.").first).to_be_visible()
