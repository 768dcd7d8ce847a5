"""The log of change notices, and what the page of a stream says of them."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from syncs import connect
from syncs.models import Connection, Notice
from syncs.models.notices import NoticeState
from tests.admin.factories import change_url, choose, press
from tests.connectors.test_notices import EVENT, ORG, SECRET
from tests.factories import NOON, make_connection, make_salesforce, make_stream


@pytest.fixture
def crm(db):
    return make_connection("hubspot", key="crm", secrets={"client_secret": SECRET, "access_token": "t"})


def make_notice(connection, **values):
    values.setdefault("body", json.dumps([EVENT]).encode())
    values.setdefault("state", NoticeState.TAKEN)
    return Notice.objects.create(connection=connection, received_at=NOON, verified=True, **values)


def test_a_notice_shows_its_body_in_lines_and_its_problem(page, crm):
    notice = make_notice(crm, state=NoticeState.QUARANTINED, problem="Event 2: it names no record.")

    content = page.get(change_url(notice)).content.decode()

    assert "Event 2: it names no record." in content
    assert "&quot;objectId&quot;: 173595202426" in content
    listed = page.get(reverse("admin:syncs_notice_changelist")).content.decode()
    assert "Cannot be read" in listed


def test_a_body_that_is_no_text_is_shown_too(page, crm):
    assert page.get(change_url(make_notice(crm, body=b"\xff\x00<a>"))).status_code == 200


def test_notices_are_taken_up_once_more_from_page_and_list(page, crm, said):
    one, other = make_notice(crm), make_notice(crm)
    make_notice(crm, state=NoticeState.REFUSED)

    press(page, one, "reprocess")
    response = choose(page, Notice, "reprocess_chosen", [other])

    assert "1 notice to be taken up once more" in said(response)
    assert Notice.objects.filter(state=NoticeState.WAITING).count() == 2


def test_the_page_of_a_stream_names_the_address(page, crm, settings):
    settings.PUBLIC_URL = "https://hub.example.test"
    stream = make_stream(crm, object_type="contacts", noticed_at=NOON, missed_by_notices=3)

    content = page.get(change_url(stream)).content.decode()

    assert "https://hub.example.test/hooks/hubspot/crm/" in content
    assert "3 changes" in content


def test_the_command_lists_and_reprocesses(crm, capsys):
    make_stream(crm, object_type="contacts", key="contacts")
    notice = make_notice(crm, state=NoticeState.QUARANTINED)

    call_command("notices", "list")
    call_command("notices", "reprocess", "--quarantined", "crm")

    out = capsys.readouterr().out
    assert "/hooks/hubspot/crm/" in out
    assert "contacts: last notice never" in out
    assert "1 to be taken up once more." in out
    notice.refresh_from_db()
    assert notice.state == NoticeState.WAITING
    with pytest.raises(CommandError):
        call_command("notices", "reprocess", "99")
    with pytest.raises(CommandError):
        call_command("notices", "reprocess")


def test_a_token_is_made_and_told_once(db, capsys):
    org = make_salesforce(key="org", settings={"auth_flow": "session", "organization_id": ORG})

    call_command("notices", "token", "org")

    token = capsys.readouterr().out.strip().rstrip("/").rpartition("/")[2]
    assert connect.configuration(Connection.objects.get(pk=org.pk))["notice_token"] == token
    call_command("notices", "list", "--json")
    assert token not in capsys.readouterr().out
