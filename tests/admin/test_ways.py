"""The way to a page stands above it, in the words of the sidebar."""

import re

import pytest

from routing.models import Flow, FlowStep, Rule, WorkingHours
from syncs.models import Connection, EventSource, InboundEvent
from tests.admin.factories import change_url


def way(page, url):
    """Return the parts of the way to the page, as they are read."""
    [shown] = re.findall(r"<h1.*?</h1>", page.get(url).content.decode(), re.DOTALL)
    return re.findall(r"<(?:a|span)[^>]*>([^<]+)</(?:a|span)>", shown)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/admin/syncs/inboundevent/", ["Events and flows", "Events"]),
        ("/admin/syncs/syncrun/", ["What happened", "Runs"]),
        ("/admin/routing/person/", ["People"]),
        ("/admin/syncs/version/", ["System", "Versions"]),
        ("/admin/syncs/connection/add/", ["Connections", "Add connection"]),
        ("/admin/timeline/", ["Timeline"]),
    ],
)
def test_a_page_is_named_as_in_the_sidebar(page, db, url, expected):
    assert way(page, url) == expected


def test_the_way_leads_over_what_the_page_is_a_part_of(page, everything):
    step = FlowStep.objects.first()

    shown = way(page, change_url(step))

    assert shown == ["Events and flows", "Flows", str(step.flow), str(step)]


@pytest.mark.parametrize("model", [Connection, EventSource, Flow, InboundEvent, Rule])
def test_the_way_ends_with_the_row_that_is_shown(page, everything, model):
    row = model.objects.first()

    assert way(page, change_url(row))[-1] == str(row)


def test_a_search_says_how_many_it_found(page, everything):
    content = page.get("/admin/syncs/connection/", {"q": "nobody"}).content.decode()

    assert "0 found" in content
    assert "found (" not in page.get("/admin/syncs/connection/").content.decode()


@pytest.mark.parametrize("model", [Rule, FlowStep, WorkingHours, EventSource])
def test_each_box_of_a_row_has_a_name_for_those_who_do_not_see_its_column(page, everything, model):
    content = page.get(change_url(model.objects.first())).content.decode()

    boxes = re.findall(
        r'<(?:input|select|textarea)\b[^>]*name="[a-z]+-(?:\d+|__prefix__)-(?!id|DELETE)[^>]*>', content
    )
    named = [one for one in boxes if 'type="hidden"' not in one]
    ids = set(re.findall(r'<label[^>]*for="([^"]+)"', content))
    assert named
    assert [
        one for one in named if "aria-label=" not in one and not ids & set(re.findall(r' id="([^"]+)"', one))
    ] == []
