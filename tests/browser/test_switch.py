"""The switch of the whole hub, and its other pages at a glance."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from integration_hub.demo.world import PRIYA
from routing import work


def switch(page, on):
    page.goto("/admin/syncs/hubsettings/")
    page.set_checked("[name=enabled]", on)
    page.click("[name=_save]")
    page.goto("/admin/")


def test_while_the_hub_is_off_nothing_is_sent_and_the_dashboard_says_so(page, hub, simulator):
    simulator.set_clock(None)
    switch(page, on=False)
    expect(page.get_by_text("The hub is off: nothing is read and nothing is sent.")).to_be_visible()
    hub.stage.world.add_lead(PRIYA, FirstName="Ann", LastName="Lee")
    hub.stage.read_now()
    work.tick(timezone.now())
    assert simulator.slack.messages == []

    switch(page, on=True)
    expect(page.get_by_text("The hub is off")).to_have_count(0)
    work.tick(timezone.now())

    assert [hub.stage.world.addressee(message) for message in simulator.slack.messages] == [PRIYA]


PHONE = 390
PAGES = [
    "admin:index",
    "console:timeline",
    "console:sla",
    "console:directory",
    *(f"admin:{m._meta.app_label}_{m._meta.model_name}_changelist" for m in admin.site._registry),
]


def test_every_page_opens_and_the_dashboard_fits_a_phone(page, played):
    for name in PAGES:
        answer = page.goto(reverse(name))

        assert answer.status == 200, name
        expect(page.get_by_text("Integration hub").first).to_be_visible()
    page.set_viewport_size({"width": PHONE, "height": 800})
    page.goto(reverse("admin:index"))

    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
