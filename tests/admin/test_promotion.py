"""A configuration file is shown in words before it is imported, and missing fields before they are made."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from integration_hub.simulator.hubspot import ACCESS_TOKEN
from syncs.models import Stream, Sync, Version
from tests.configuration.test_promotion import FILE
from tests.factories import make_connection, make_rule, make_salesforce

BINDS = {"bind:sandbox-crm": "crm", "bind:sandbox-hubspot": "hubspot", "promote": "on"}


@pytest.fixture
def production(simulator, db):
    cache.clear()
    make_salesforce(simulator, key="crm", name="CRM")
    return make_connection(
        "hubspot", key="hubspot", name="HubSpot", base_url=simulator.hubspot.url,
        settings={"credential": "token"}, secrets={"access_token": ACCESS_TOKEN},
    )  # fmt: skip


def send(page, **form):
    return page.post(reverse("console:configuration"), form)


def shown(page, **form):
    """Return the page, and the form that its button would send."""
    content = send(page, **form).content.decode()
    mark = re.search(r'name="mark" value="(\w+)"', content)
    return content, {**form, "mark": mark[1] if mark else ""}


def test_an_uploaded_file_is_shown_in_words_and_nothing_is_written(page, production):
    file = SimpleUploadedFile("sandbox.yaml", FILE.encode())

    content = send(page, file=file, **BINDS).content.decode()

    assert "+ syncs[deals]: create “Deals”" in content
    assert "To create: 2. To change: 0. To remove: 0. The same: 0." in content
    assert not Stream.objects.exists()


def test_slots_that_are_not_bound_are_asked_for(page, production):
    content, _ = shown(page, text=FILE, promote="on")

    assert "connections[sandbox-crm] is not bound." in content
    assert re.search(r'name="bind:sandbox-hubspot".*?<option value="hubspot"', content, re.DOTALL)
    assert 'name="apply"' not in content


def test_what_was_shown_is_imported_and_kept_as_versions_by_the_user(page, production, said):
    _, form = shown(page, text=FILE, **BINDS)

    answer = send(page, **form, apply="")

    assert answer.status_code == 302
    assert Sync.objects.get().destination == production
    assert "Imported. To create: 2." in said(answer)
    version = Version.objects.get(section="syncs")
    assert (version.cause, version.actor) == ("import", "boss")


def test_what_would_now_be_something_else_is_shown_again_instead(page, production, said):
    _, form = shown(page, text=FILE, **BINDS)
    Stream.objects.create(key="leads", connection=production, object_type="contacts")

    answer = send(page, **form, apply="")

    assert answer.status_code == 200
    assert "no longer what was shown" in said(answer)
    assert not Sync.objects.exists()


@pytest.mark.parametrize("text", ["{", "- a", "syncs: 7", "version: 1\nrules: {hot: {nam: x}}"])
def test_a_file_that_is_wrong_is_refused_in_words(page, text):
    content, _ = shown(page, text=text)

    assert "Nothing was changed." in content
    assert 'name="apply"' not in content


def test_the_connections_are_asked_before_the_import(page, production):
    content = send(page, text=FILE, **BINDS, check="").content.decode()

    assert "There is no field “order_total” of deals at HubSpot." in content
    assert not Sync.objects.exists()


def test_missing_properties_are_listed_and_the_chosen_ones_made(page, production, simulator, said):
    _, form = shown(page, text=FILE, **BINDS)
    send(page, **form, apply="")
    address = reverse("console:missing_fields")
    offered = re.findall(r'name="field" value="([^"]+)"', page.get(address).content.decode())
    assert [one.partition(" (")[0] for one in offered] == [
        "HubSpot: deals.hub_external_id",
        "HubSpot: deals.order_total",
    ]

    answer = page.post(address, {"field": [offered[1], "HubSpot: deals.never_shown (text, “x”)"]})

    made = simulator.hubspot.portal.types["deals"].properties
    assert "order_total" in made
    assert "hub_external_id" not in made
    assert "Made at HubSpot: deals: order_total." in said(answer)
    assert "order_total" in LogEntry.objects.get(object_id=str(production.pk)).change_message


def test_the_hub_can_be_downloaded_as_a_file(page, production):
    make_rule(key="hot")

    answer = page.get(reverse("console:export"))

    assert answer["Content-Disposition"] == 'attachment; filename="hub.yaml"'
    assert "hot:" in answer.content.decode()
    assert ACCESS_TOKEN not in answer.content.decode()


@pytest.mark.parametrize("name", ["configuration", "export", "missing_fields"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_only_superusers_come_near(visitor, name, method):
    answer = getattr(visitor, method)(reverse(f"console:{name}"))

    assert answer.status_code in (403, 405)
