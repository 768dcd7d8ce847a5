"""Who comes in, and who does not."""

from __future__ import annotations

from playwright.sync_api import expect


def log_in(page, password):
    page.goto("/admin/")
    page.fill("[name=username]", "demo")
    page.fill("[name=password]", password)
    page.click("button[type=submit]")


def test_the_right_password_leads_to_the_dashboard(stranger, operator):
    log_in(stranger, "demo")

    expect(stranger).to_have_title("Dashboard | Integration hub")
    expect(stranger.get_by_text("Salesforce").first).to_be_visible()


def test_a_wrong_password_is_a_sentence(stranger, operator):
    log_in(stranger, "wrong")

    expect(stranger.get_by_text("Please enter the correct username and password")).to_be_visible()


def test_a_visitor_of_the_bare_address_ends_at_the_login(stranger, operator):
    stranger.goto("/")

    expect(stranger.locator("[name=password]")).to_be_visible()


def test_a_login_without_a_destination_leads_to_the_dashboard(stranger, operator):
    stranger.goto("/admin/login/")
    stranger.fill("[name=username]", "demo")
    stranger.fill("[name=password]", "demo")

    stranger.click("button[type=submit]")

    expect(stranger).to_have_title("Dashboard | Integration hub")
