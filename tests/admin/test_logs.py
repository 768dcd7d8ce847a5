"""The logs: what can be found, and the verbs on their rows."""

import pytest
from django.urls import reverse

from syncs.admin.runs import balance
from syncs.models import Change, Delivery, Incident
from tests.admin.factories import change_url, choose, make_alert, make_incident, make_run, press
from tests.factories import (
    NOON,
    make_change,
    make_connection,
    make_delivery,
    make_person,
    make_rule,
    make_slack,
    make_stream,
)


def listed(page, name, **query):
    return page.get(reverse(f"admin:{name}_changelist"), query).context["cl"].result_list


def test_a_dead_letter_shows_code_sentence_and_remedy(page, db):
    dead = make_delivery(
        state="dead", error_code="channel_not_found", error="No such channel.", remedy="Invite the bot."
    )

    content = page.get(reverse("admin:syncs_delivery_changelist"), {"state__exact": "dead"}).content.decode()

    assert all(text in content for text in ("channel_not_found", "No such channel.", "Invite the bot."))
    assert "What to do: Invite the bot." in page.get(change_url(dead)).content.decode()


def test_requeue_revives_and_says_how_many(page, db, said):
    slack = make_slack()
    rows = [make_delivery(slack, state=state) for state in ("dead", "expired", "delivered")]

    response = choose(page, Delivery, "requeue_chosen", rows)

    assert "2 deliveries requeued" in said(response)
    assert Delivery.objects.filter(state="waiting").count() == 2


def test_dismiss_gives_up_and_says_how_many(page, db, said):
    rows = [make_delivery(state="dead"), make_delivery(state="delivered")]

    response = choose(page, Delivery, "dismiss_chosen", rows)

    assert "1 delivery dismissed" in said(response)


def test_one_delivery_is_requeued_from_its_page(page, db, said):
    dead = make_delivery(state="dead")

    response = press(page, dead, "requeue")

    dead.refresh_from_db()
    assert dead.state == "waiting"
    assert "1 delivery requeued" in said(response)


def test_actions_on_logs_are_not_for_those_who_may_only_look(visitor, db, django_user_model):
    from django.contrib.auth.models import Permission

    dead = make_delivery(state="dead")
    guest = django_user_model.objects.get(username="guest")
    guest.user_permissions.add(Permission.objects.get(codename="view_delivery"))

    choose(visitor, Delivery, "requeue_chosen", [dead])
    press(visitor, dead, "requeue")

    dead.refresh_from_db()
    assert dead.state == "dead"


def test_deliveries_are_found_by_origin_and_by_record_here_and_there(page, db):
    change = make_change()
    mine = make_delivery(origin="rule:mine", change_id=change.pk, remote_id="D1:17")
    make_delivery(origin="rule:other")

    assert [row.pk for row in listed(page, "syncs_delivery", q="rule:mine")] == [mine.pk]
    assert [row.pk for row in listed(page, "syncs_delivery", q=change.record_id)] == [mine.pk]
    assert [row.pk for row in listed(page, "syncs_delivery", q="D1:17")] == [mine.pk]


def test_changes_are_found_by_id_email_and_beginning_of_the_name(page, db):
    stream = make_stream()
    ann = make_change(stream, title="Ann Lee", email="ann@x.test")
    make_change(stream, title="Bob Ann")

    for term in (ann.record_id, "ANN@x.test", "ann l"):
        assert [row.pk for row in listed(page, "syncs_change", q=term)] == [ann.pk]


def test_a_change_shows_its_values_and_leads_to_the_timeline(page, db):
    change = make_change(values={"Name": "<b>Ann</b>"})

    content = page.get(change_url(change)).content.decode()

    assert "&lt;b&gt;Ann&lt;/b&gt;" in content
    assert reverse("console:timeline_record", args=[change.record_id]) in content


def test_a_script_as_a_link_of_a_record_is_not_followed(page, db):
    change = make_change(url="javascript:alert(1)")

    contents = (
        page.get(change_url(change)).content
        + page.get(reverse("console:timeline_record", args=[change.record_id])).content
    )

    assert b'href="javascript:' not in contents


@pytest.mark.parametrize(
    ("kind", "origin", "place"),
    [
        ("parked", "flow:register", "/admin/routing/flowrun/?stage__exact=parked"),
        ("expired", "rule:hot", "/admin/syncs/delivery/?state__exact=expired&q=rule%3Ahot"),
        ("events", "", "/admin/syncs/inboundevent/?state__exact=refused"),
        ("held", "", "/admin/syncs/connection/{connection}/change/"),
    ],
)
def test_an_incident_leads_to_what_is_behind_it(page, db, kind, origin, place):
    incident = make_incident(kind=kind, origin=origin, connection=make_connection())

    assert "See what is behind it" in page.get(change_url(incident)).content.decode()
    answer = page.get(reverse("admin:syncs_incident_do", args=[incident.pk, "behind"]))

    assert answer["Location"] == place.format(connection=incident.connection_id)
    assert page.get(answer["Location"]).status_code == 200


def test_incidents_show_open_ones_first_and_can_be_closed(page, db, said):
    opened = make_incident()
    make_incident(key="old", closed_at=NOON)

    shown = [row.pk for row in listed(page, "syncs_incident")]
    response = choose(page, Incident, "close_chosen", [opened])

    assert shown == [opened.pk]
    assert "1 incident closed." in said(response)
    assert not Incident.objects.filter(closed_at=None).exists()


def test_the_period_filter_narrows_and_survives_nonsense(page, db):
    make_change(captured_at=NOON.replace(year=2000))

    assert len(listed(page, "syncs_change", hours="24")) == 0
    assert len(listed(page, "syncs_change", hours="lots")) == Change.objects.count()


def test_a_balance_that_does_not_hold_is_seen(db):
    good = make_run(read=5, delivered=3, skipped=2)
    bad = make_run(read=5, delivered=3)

    assert balance(good) == "5 read = 3 delivered + 2 skipped"
    assert balance(bad) == "5 read ≠ 3 delivered"


def test_hub_settings_go_straight_to_the_form(page, db):
    response = page.get(reverse("admin:syncs_hubsettings_changelist"))

    assert response["Location"].endswith("/hubsettings/1/change/")


def test_hub_settings_say_what_an_escalation_needs(page, db):
    slack = make_slack()
    page.get(reverse("admin:syncs_hubsettings_changelist"))

    response = page.post(
        reverse("admin:syncs_hubsettings_change", args=[1]),
        {"enabled": "on", "escalation_connection": slack.pk, "reminder_hours": 4, "keep_history_days": 90,
         "keep_runs_days": 30, "keep_callouts_days": 7},
    )  # fmt: skip

    assert "Say which channel or e-mail address incidents go to." in response.content.decode()


@pytest.mark.parametrize("name", ["syncs_delivery", "routing_alert"])
def test_lists_name_people_and_channels_not_only_their_ids(page, db, name):
    rule = make_rule()
    make_alert(rule, person=make_person(name="Priya Nair"), lane="U0001")
    make_alert(rule, lane="#sales-alerts")

    content = page.get(reverse(f"admin:{name}_changelist")).content.decode()

    assert 'Priya Nair <small class="hub-small">U0001</small>' in content
    assert "#sales-alerts" in content


def test_a_delivery_names_its_addressee(page, db):
    alert = make_alert(make_rule(), person=make_person(name="Priya Nair"), lane="U0001")
    nobody = make_delivery(lane="#hub-alerts")

    shown = page.get(change_url(alert.delivery)).content.decode()

    assert 'Priya Nair <small class="hub-small">U0001</small>' in shown
    assert f"Delivery {alert.delivery.pk}" in shown
    assert "#hub-alerts" in page.get(change_url(nobody)).content.decode()
