"""Streams: chosen from what the vendor has, polled and learned by a button."""

from datetime import timedelta

from django.urls import reverse

from syncs.models import Change, Stream
from tests.admin.factories import change_url, choose, press
from tests.factories import make_salesforce, make_slack, make_stream


def add(page, connection, object_type="Lead", key="leads"):
    return page.post(
        reverse("admin:syncs_stream_add"),
        {"connection": connection.pk, "object_type": object_type, "key": key, "enabled": "on",
         "interval_seconds": 60, "overlap_seconds": 600},
    )  # fmt: skip


def test_object_types_are_offered_once_the_vendor_answers(page, simulator):
    make_salesforce(simulator)

    content = page.get(reverse("admin:syncs_stream_add")).content.decode()

    assert '<option value="Opportunity"' in content


def test_an_object_type_that_does_not_exist_is_refused(page, simulator):
    response = add(page, make_salesforce(simulator), "Leed")

    assert "has no object type “Leed”" in response.content.decode()


def test_the_object_type_is_stored_as_the_vendor_writes_it(page, simulator):
    add(page, make_salesforce(simulator), "lead")

    assert Stream.objects.get().object_type == "Lead"


def test_a_vendor_that_is_down_does_not_stop_the_form(page, db):
    add(page, make_salesforce(base_url="http://127.0.0.1:9"), "Lead")

    assert Stream.objects.get().object_type == "Lead"


def test_a_second_stream_of_one_object_type_is_refused_with_the_way_to_go(page, simulator):
    connection = make_salesforce(simulator)
    make_stream(connection)

    response = add(page, connection, key="again")

    assert "Add your rule to that stream: one read serves them all." in response.content.decode()


def test_only_connections_that_can_be_read_are_offered(page, db):
    slack = make_slack(name="My Slack")

    response = add(page, slack)

    assert "Select a valid choice" in response.content.decode()
    assert "My Slack" not in page.get(reverse("admin:syncs_stream_add")).content.decode()


def test_poll_now_says_what_it_found(page, simulator, said):
    stream = make_stream(make_salesforce(simulator), described_at=None)
    simulator.salesforce.add("Lead", LastName="Lee", Company="Acme")

    response = press(page, stream, "poll_now")

    assert "1 record read, 1 new and handed to the rules." in said(response)
    assert Change.objects.count() == 1


def test_poll_now_on_a_held_connection_says_why_not(page, simulator, said):
    connection = make_salesforce(simulator)
    stream = make_stream(connection)
    press(page, connection, "hold")

    response = choose(page, Stream, "poll_chosen", [stream])

    assert "cannot be called now (on hold)" in said(response)


def test_learning_current_values_sends_nothing_and_counts(page, simulator, said):
    stream = make_stream(make_salesforce(simulator), described_at=None)
    long_ago = stream.started_at - timedelta(days=30)
    simulator.salesforce.add("Lead", LastName="Lee", Company="Acme", created_at=long_ago)

    response = press(page, stream, "learn")

    assert "1 record read, 1 of them new to the hub." in said(response)
    assert Change.objects.get().origin == "baseline"


def test_learning_many_records_is_left_to_the_command(page, simulator, said, monkeypatch):
    monkeypatch.setattr("syncs.admin.streams.BASELINE_HERE", 0)
    stream = make_stream(make_salesforce(simulator), key="leads")
    simulator.salesforce.add("Lead", LastName="Lee", Company="Acme")

    response = press(page, stream, "learn")

    assert "manage.py baseline leads" in said(response)
    assert not Change.objects.exists()


def test_describing_shows_the_fields(page, simulator, said):
    stream = make_stream(make_salesforce(simulator), described_at=None)

    response = press(page, stream, "describe")

    assert "fields." in said(response)
    assert "<code>LeadSource</code>" in page.get(change_url(stream)).content.decode()


def test_a_vendor_that_refuses_is_a_sentence(page, simulator, said):
    stream = make_stream(make_salesforce(simulator, secrets={"client_secret": "wrong"}))

    answers = [press(page, stream, name) for name in ("poll_now", "learn", "describe")]

    assert [answer.status_code for answer in answers] == [302, 302, 302]
    assert all(said(answer) for answer in answers)
