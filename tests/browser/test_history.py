"""What happened is found again, counted, and put right."""

from __future__ import annotations

import csv
from pathlib import Path

from django.utils import timezone
from playwright.sync_api import expect

from routing import work
from syncs.models import Delivery


def test_the_timeline_finds_a_lead_that_was_not_sent_and_says_why(page, played):
    page.goto("/admin/")
    page.get_by_role("link", name="Timeline").first.click()

    for text in ("Ben Ode", "ode@example.test", played.stage.records["cold"]):
        page.fill("[name=q]", text)
        page.get_by_role("button", name="Search").click()

        expect(page.get_by_role("heading", name="Ben Ode").first).to_be_visible()
        expect(page.get_by_text('Rating is "Cold", wanted "Hot"').first).to_be_visible()


def test_the_timeline_of_an_unknown_name_is_a_sentence(page):
    page.goto("/admin/timeline/?q=nobody")

    expect(page.get_by_text("Nothing found for “nobody”")).to_be_visible()


def test_a_dead_letter_is_requeued_and_arrives(page, hub, simulator):
    simulator.set_clock(None)
    world = hub.stage.world
    channel = next(found for found, name in world.addressees.items() if name == "#sales-alerts")
    world.simulator.slack.archive(channel)
    world.add_lead("Luis Ortega", FirstName="Jon", LastName="Gone")
    hub.stage.read_now()
    work.tick(timezone.now())
    dead = Delivery.objects.get(state="dead", origin="rule:hot-leads")
    world.simulator.slack.archive(channel, on=False)

    page.goto(f"/admin/syncs/delivery/{dead.pk}/change/")
    expect(page.get_by_text("The channel is archived: choose another one.").first).to_be_visible()
    page.get_by_role("button", name="Requeue").click()
    expect(page.get_by_text("1 delivery requeued")).to_be_visible()
    work.tick(timezone.now())

    assert next(m.text for m in simulator.slack.messages_for(channel)).startswith("Hot lead: Jon Gone")


def test_dead_letters_are_requeued_from_the_list(page, played):
    Delivery.objects.filter(state="expired").update(state="dead")
    page.goto("/admin/syncs/delivery/?state__exact=dead")

    page.locator("[name=_selected_action]").first.check()
    page.select_option("[name=action]", "requeue_chosen")
    page.get_by_role("button", name="Run").click()

    expect(page.get_by_text("1 delivery requeued")).to_be_visible()


def test_answer_times_are_shown_and_can_be_downloaded(page, played):
    page.goto("/admin/answer-times/")
    expect(page.get_by_text("Hot leads to their owner").first).to_be_visible()

    with page.expect_download() as started:
        page.get_by_role("link", name="CSV by day").click()

    with Path(started.value.path()).open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["rule"] == "Hot leads to their owner"]
    assert sum(int(row["sent"]) for row in rows) == 8
    assert sum(int(row["expired"]) for row in rows) == 1
