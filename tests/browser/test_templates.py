"""A message template is tried out before it is saved."""

from __future__ import annotations

from playwright.sync_api import expect

from routing.models import MessageTemplate


def test_the_preview_shows_what_is_typed_and_the_form_stays_as_it_is(page, played):
    template = MessageTemplate.objects.get(key="hot-lead")
    page.goto(f"/admin/routing/messagetemplate/{template.pk}/change/")
    page.fill("[name=header]", "Typed: {{ lead.Name | upcase }}")

    with page.expect_popup() as opened:
        page.get_by_role("button", name="Preview").click()

    preview = opened.value
    expect(preview.get_by_role("heading", name="Typed:")).to_be_visible()
    expect(preview.get_by_text("As typed, not saved.")).to_be_visible()
    preview.get_by_role("button", name="Lead at Salesforce").click()
    expect(preview.get_by_role("heading", name="Typed:")).to_be_visible()
    expect(page.locator("[name=header]")).to_have_value("Typed: {{ lead.Name | upcase }}")
    assert MessageTemplate.objects.get(pk=template.pk).header == template.header
