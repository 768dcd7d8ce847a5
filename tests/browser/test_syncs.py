"""The mapping of a sync: all of a line on the screen, and a line added in the page saved after the others."""

import pytest
from playwright.sync_api import expect

from syncs.models import Sync

SIDEWAYS = """() => [document.documentElement, ...document.querySelectorAll("#mappings-group, #mappings-group *")]
    .filter(one => /auto|scroll/.test(getComputedStyle(one).overflowX) && one.scrollWidth > one.clientWidth + 1)
    .map(one => one.className)"""


@pytest.fixture
def mapping(page):
    sync = Sync.objects.get(key="leads-to-iterable")
    page.goto(f"/admin/syncs/sync/{sync.pk}/change/")
    return sync


def test_a_mapping_needs_no_sideways_scrolling(page, mapping):
    expect(page.get_by_label("Destination").first).to_be_visible()

    for width in (1400, 1280, 1024, 480):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(SIDEWAYS) == [], width


def test_a_line_that_is_added_goes_to_the_end(page, mapping):
    count = mapping.mappings.count()

    page.get_by_text("Add another line").click()
    line = f"mappings-{count}"
    expect(page.locator(f"#id_{line}-position")).to_have_value("")
    page.locator(f"#id_{line}-source").fill("Rating")
    page.locator(f"#id_{line}-destination").fill("dataFields.Rating")
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert mapping.mappings.last().source == "Rating"
