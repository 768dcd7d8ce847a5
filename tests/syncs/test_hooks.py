"""The border of change notices, with bytes: stored before it is answered, and no rubbish is an error of ours."""

import io
import json
import logging
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.stdlib import ProcessorFormatter

from integration_hub import logs
from integration_hub.simulator.salesforce.outbound import ACK, OutboundMessages
from syncs.models import Incident, Notice, NoticedRecord
from syncs.models.notices import NoticeState
from syncs.notices import reading as notices
from syncs.notices import watch as notice_watch
from tests.connectors.test_notices import EVENT, LEAD, ORG, SECRET, TOKEN, signed
from tests.factories import make_connection, make_salesforce, make_stream

PUBLIC = "https://hub.example.test"


@pytest.fixture
def hubspot(db, settings):
    settings.PUBLIC_URL = PUBLIC
    connection = make_connection("hubspot", key="crm", secrets={"client_secret": SECRET, "access_token": "t"})
    make_stream(connection, object_type="contacts")
    return connection


@pytest.fixture
def salesforce(db):
    connection = make_salesforce(
        key="org", settings={"auth_flow": "session", "organization_id": ORG}, secrets={"notice_token": TOKEN}
    )
    make_stream(connection)
    return connection


def post(client, body, *versions, path="/hooks/hubspot/crm/", **options):
    call = signed(body, *versions, at=timezone.now(), url=PUBLIC + path, **options)
    headers = call.headers
    return client.post(path, body, content_type="application/json", headers=headers)


def sort_out(connection):
    while notices.sort_out(connection, timezone.now()):
        pass


def test_a_signed_batch_is_stored_to_the_byte_and_then_answered(client, hubspot):
    body = b" " + json.dumps([EVENT]).encode() + b"\n"

    answer = post(client, body, "v3")

    notice = Notice.objects.get()
    assert (answer.status_code, bytes(notice.body), notice.verified) == (200, body, True)
    assert NoticedRecord.objects.count() == 0


def test_the_address_with_its_query_is_what_was_signed(client, hubspot):
    assert post(client, b"[]", "v3", path="/hooks/hubspot/crm/?from=a%20b").status_code == 200


def test_what_does_not_prove_itself_is_refused_and_counted_without_its_body(client, hubspot):
    for _ in range(30):
        assert post(client, b'[{"email":"a@x.test"}]', "v3", secret="other").status_code == 401

    rows = Notice.objects.filter(state=NoticeState.REFUSED)
    assert rows.count() <= 2  # a minute may have turned
    assert sum(row.count for row in rows) == 30
    assert {bytes(row.body) for row in rows} == {b""}


def test_repeats_lead_to_one_record_whatever_their_order(client, hubspot):
    events = [{**EVENT, "objectId": n, "occurredAt": 1_765_043_528_000 + n} for n in range(100)]

    for batch in (events, events[::-1], events[:50]):
        assert post(client, json.dumps(batch).encode(), "v3").status_code == 200
    sort_out(hubspot)

    assert NoticedRecord.objects.count() == 100
    assert sorted(Notice.objects.values_list("events", "repeated")) == [(50, 50), (100, 0), (100, 100)]


def test_a_poison_event_is_answered_kept_and_shown_and_stops_no_other(client, hubspot):
    answer = post(client, json.dumps([{"poison": True}, EVENT]).encode(), "v3")
    sort_out(hubspot)

    notice = Notice.objects.get()
    assert (answer.status_code, notice.state) == (200, NoticeState.QUARANTINED)
    assert notice.problem == "Event 1: it does not say what happened."
    assert NoticedRecord.objects.get().record_id == str(EVENT["objectId"])


def test_what_no_stream_listens_to_is_counted(client, hubspot):
    post(client, json.dumps([{**EVENT, "subscriptionType": "deal.creation"}]).encode(), "v1")
    sort_out(hubspot)

    assert Notice.objects.get().unheard == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(body=st.binary(max_size=80))
def test_signed_rubbish_is_no_error_of_ours(client, hubspot, body):
    assert post(client, body, "v3").status_code == 200
    sort_out(hubspot)

    assert Notice.objects.filter(state=NoticeState.WAITING).count() == 0


@pytest.mark.parametrize(
    ("path", "status"),
    [("/hooks/hubspot/none/", 404), ("/hooks/salesforce/crm/token/", 404), ("/hooks/hubspot/crm/", 401)],
)
def test_unknown_addresses_and_strangers_are_refused(client, hubspot, path, status):
    assert client.post(path, b"[]", content_type="application/json").status_code == status
    assert client.get("/hooks/hubspot/crm/").status_code == 405


def test_a_body_without_end_is_not_read(client, hubspot):
    assert post(client, b" " * 1_000_001, "v3").status_code == 413


def test_a_secret_that_cannot_be_read_lets_the_vendor_come_back(client, hubspot):
    hubspot.secrets = {"client_secret": {"env": "NOT_THERE"}, "access_token": {"env": "NOT_THERE"}}
    hubspot.save()

    assert post(client, b"[]", "v3").status_code == 503


def test_an_outbound_message_is_stored_and_acknowledged(client, salesforce):
    body = OutboundMessages(ORG, lambda _id: {}).message("Lead", [LEAD])

    for _ in range(2):  # Salesforce repeats what it believes lost
        answer = client.post(f"/hooks/salesforce/org/{TOKEN}/", body, content_type="text/xml; charset=utf-8")
    sort_out(salesforce)

    assert (answer.status_code, ACK in answer.content) == (200, True)
    assert answer["Content-Type"].startswith("text/xml")
    assert NoticedRecord.objects.get().record_id == LEAD
    assert client.post("/hooks/salesforce/org/guess/", body, content_type="text/xml").status_code == 401


@pytest.mark.parametrize(
    ("announced", "status"),
    [
        ({"CONTENT_LENGTH": "5000"}, 400),
        ({"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}, 411),
        ({"CONTENT_LENGTH": "-1"}, 411),
        ({"CONTENT_LENGTH": "2000001"}, 413),
    ],
)
def test_what_did_not_come_whole_is_not_acknowledged(client, salesforce, announced, status):
    """An acknowledged message is never sent again."""
    body = OutboundMessages(ORG, lambda _id: {}).message("Lead", [LEAD])

    cut = {**announced, "wsgi.input": io.BytesIO(body)}
    answer = client.post(f"/hooks/salesforce/org/{TOKEN}/", body, content_type="text/xml", **cut)

    assert answer.status_code == status
    assert ACK not in answer.content
    assert not Notice.objects.filter(verified=True).exists()


@pytest.mark.parametrize("style", ["text", "json"])
def test_the_token_in_an_address_is_not_logged(client, salesforce, style):
    """A refused notice is logged by its address, also when its token was the right one."""
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    structured = logs.configure(style, "INFO")["formatters"]["structured"]
    handler.setFormatter(ProcessorFormatter(**{k: v for k, v in structured.items() if k != "()"}))
    logger = logging.getLogger("django.request")
    logger.addHandler(handler)
    try:
        body = OutboundMessages("00D000000000009AAA", lambda _id: {}).message("Lead", [LEAD])
        answer = client.post(f"/hooks/salesforce/org/{TOKEN}/", body, content_type="text/xml")
        logger.error("x", exc_info=ValueError(f"https://hub.test/hooks/salesforce/org/{TOKEN}/"))
    finally:
        logger.removeHandler(handler)

    assert answer.status_code == 401
    assert output.getvalue().count("/hooks/salesforce/org/***/") == 2
    assert TOKEN not in output.getvalue()


def test_refusals_again_and_again_are_one_incident(client, hubspot):
    for _ in range(notice_watch.REPEATED):
        post(client, b"[]")

    notice_watch.look(timezone.now())
    notice_watch.look(timezone.now() + timedelta(seconds=5))

    assert "are refused" in Incident.objects.get().title
