"""A rule is written, corrected, previewed and tried on oneself."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from integration_hub.demo.world import DANA, PRIYA
from routing import work
from routing.models import MessageTemplate, Rule
from syncs.models import Connection, Stream


@pytest.fixture
def form(page):
    """The form of a new rule, filled in but for its row."""
    page.goto("/admin/routing/rule/add/")
    page.fill("[name=name]", "Warm leads")
    page.select_option("[name=stream]", str(Stream.objects.get(key="leads").pk))
    page.select_option("[name=destination]", str(Connection.objects.get(key="slack").pk))
    page.select_option("[name=template]", str(MessageTemplate.objects.get(key="hot-lead").pk))
    return page


def write_row(page, field, operator="equals", value="Warm"):
    if not page.locator("[name=criteria-0-field]").is_visible():
        page.get_by_role("link", name=re.compile("Add another", re.IGNORECASE)).first.click()
    page.fill("[name=criteria-0-field]", field)
    page.select_option("[name=criteria-0-operator]", operator)
    page.fill("[name=criteria-0-value]", value)


def test_a_misspelt_field_gets_a_suggestion_and_then_the_rule_is_saved(form):
    write_row(form, "Ratting")
    form.click("[name=_continue]")
    expect(form.get_by_text("Did you mean Rating?")).to_be_visible()
    assert not Rule.objects.filter(key="warm-leads").exists()

    write_row(form, "Rating")
    form.click("[name=_continue]")

    expect(form.get_by_text("The rule is still off.")).to_be_visible()
    assert [(c.number, c.field) for c in Rule.objects.get(key="warm-leads").criteria.all()] == [(1, "Rating")]


def test_a_broken_filter_logic_is_a_sentence(form):
    write_row(form, "Rating")
    form.fill("[name=filter_logic]", "1 AND (2")

    form.click("[name=_save]")

    expect(form.get_by_text("Not saved yet: see the fields that are marked.")).to_be_visible()


def test_the_preview_shows_what_matches_and_which_row_said_no(page, hub, simulator):
    simulator.set_clock(None)
    hub.stage.world.add_lead(PRIYA, FirstName="Ann", LastName="Lee")
    hub.stage.world.add_lead(PRIYA, FirstName="Ben", LastName="Ode", Rating="Cold")
    page.goto(f"/admin/routing/rule/{Rule.objects.get(key='hot-leads').pk}/change/")

    page.get_by_role("link", name="Preview").click()

    expect(page.get_by_text("7 days").first).to_be_visible()
    expect(page.get_by_text("Ann Lee")).to_be_visible()
    expect(page.get_by_text('Rating is "Cold", wanted "Hot"')).to_be_visible()
    assert simulator.slack.messages == []


def test_a_test_goes_to_the_one_who_asked(page, hub, simulator):
    simulator.set_clock(None)
    page.goto(f"/admin/routing/rule/{Rule.objects.get(key='hot-leads').pk}/change/")

    page.get_by_role("button", name="Send test to me").click()
    expect(page.get_by_text("A test is on its way to you by Slack")).to_be_visible()
    work.tick(timezone.now())

    assert [hub.stage.world.addressee(message) for message in simulator.slack.messages] == [DANA]


def test_a_rule_is_switched_off_and_on_for_what_happens_from_then(page):
    rule = Rule.objects.get(key="hot-leads")
    page.goto(f"/admin/routing/rule/{rule.pk}/change/")

    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_text("Its waiting messages stay where they are.").first).to_be_visible()
    page.get_by_role("button", name="Enable").click()
    expect(page.get_by_text("is on, for what happens from now.").first).to_be_visible()

    rule.refresh_from_db()
    assert rule.enabled
    assert timezone.now() - rule.active_from < timedelta(minutes=1)
