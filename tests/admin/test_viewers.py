"""Somebody who may look at everything and change nothing."""

import re

import pytest
from django.contrib.auth.models import Permission, User

from routing.models import Flow
from syncs.models import Conflict, EventSource, Sync, Version
from tests.admin.factories import change_url

SEEN = {
    Version: ("Compare", "Restore"),
    Sync: ("Export mapping", "Import mapping"),
    Flow: ("Test run", "Add a step"),
    Conflict: ("At the source", "Type a value"),
}
"""What a viewer sees on a page, and the button that only others get."""


@pytest.fixture
def viewer(client, db):
    user = User.objects.create_user("viewer", password="secret", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    return client


@pytest.mark.parametrize(("model", "words"), SEEN.items())
def test_a_viewer_gets_no_button_that_would_be_refused(viewer, everything, model, words):
    seen, withheld = words
    row = model.objects.last()
    content = viewer.get(change_url(row)).content.decode()

    assert seen in content
    assert withheld not in content


@pytest.mark.parametrize(("model", "words"), SEEN.items())
def test_who_may_change_it_gets_the_button(page, everything, model, words):
    assert words[1] in page.get(change_url(model.objects.last())).content.decode()


def test_a_viewer_sees_fields_that_depend_on_others(viewer, everything):
    content = viewer.get(change_url(EventSource.objects.last())).content.decode()

    assert "Replay window" in content
    assert "proof ==" not in content


def test_a_visitor_without_rights_is_led_to_no_page_that_refuses(visitor, everything):
    content = visitor.get("/admin/").content.decode()

    inside = content[content.index("<body") :]
    for address in set(re.findall(r'href="(/admin/[^"#]*)"', inside)):
        assert visitor.get(address.replace("&amp;", "&")).status_code != 403, address


def test_a_viewer_is_led_to_no_page_that_refuses(viewer, everything):
    content = viewer.get("/admin/").content.decode()

    inside = content[content.index("<body") :]
    for address in set(re.findall(r'href="(/admin/[^"#]*)"', inside)):
        assert viewer.get(address.replace("&amp;", "&")).status_code != 403, address


def test_the_dashboard_finds_what_happened_to_a_record(page, everything):
    content = page.get("/admin/").content.decode()

    assert 'action="/admin/timeline/"' in content
    assert 'aria-label="Record id, e-mail or name"' in content
