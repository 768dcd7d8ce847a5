"""Rules: mistakes are said next to the field, and a rule is tried before it is switched on."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from routing.models import Rule, RuleCriterion
from routing.preview import Found, Preview
from syncs.models import Delivery
from tests.admin.factories import change_url, make_link, make_template, press, rule_form
from tests.factories import (
    NOON,
    make_change,
    make_person,
    make_rule,
    make_salesforce,
    make_slack,
    make_stream,
)

HOT = ("1", "Rating", "equals", "Hot")


@pytest.fixture
def rule(db):
    return make_rule(
        ("Rating", "equals", "Hot"), template=make_template(), enabled=False, active_from=None,
        destination=make_slack(base_url="http://127.0.0.1:9/"),
    )  # fmt: skip


def errors(response):
    """Return the sentences by field: those of the form, and those of each row."""
    form = response.context["adminform"].form
    rows = response.context["inline_admin_formsets"][0].formset
    found = {name: " ".join(texts) for name, texts in form.errors.items()}
    for index, row in enumerate(rows.errors):
        found |= {f"{index}.{name}": " ".join(texts) for name, texts in row.items()}
    return found


@pytest.mark.parametrize(
    ("rows", "values", "place", "sentence"),
    [
        ([("1", "Ratng", "equals", "Hot")], {}, "0.field", "Rating"),
        ([("1", "AnnualRevenue", "greater", "lots")], {}, "0.value", "number"),
        ([("1", "DoNotCall", "contains", "x")], {}, "0.operator", ""),
        ([HOT, ("2", "Nowhere", "equals", "x")], {}, "1.field", "Nowhere"),
        ([HOT], {"filter_logic": "1 AND (2"}, "filter_logic", ""),
        ([HOT], {"filter_logic": "1 OR 7"}, "filter_logic", "row 7 does not exist"),
        ([HOT, ("2", "Status", "equals", "Open")], {"filter_logic": "1"}, "filter_logic", "Row 2"),
        ([HOT, ("1", "Status", "equals", "Open")], {}, "1.number", "number 1 already"),
        ([HOT], {"trigger": "changed"}, "watched_field", "Say which field is watched"),
        ([HOT], {"trigger": "changed", "watched_field": "Sttus"}, "watched_field", "Status"),
        ([HOT], {"recipient": "person"}, "recipient_person", "Choose the person"),
        ([HOT], {"recipient": "channel"}, "recipient_channel", "Name the channel"),
        ([HOT], {"outside_hours": "channel"}, "outside_channel", "Name the channel"),
        ([HOT], {"queue_handling": "channel"}, "queue_channel", "Name the channel"),
        ([HOT], {"max_age_seconds": "5"}, "max_age_seconds", "At least 30."),
        ([HOT], {"max_age_seconds": "soon"}, "max_age_seconds", "Enter a whole number."),
        ([HOT], {"template": "4711"}, "template", "Select a valid choice"),
        ([HOT], {"stream": ""}, "stream", "Stream is missing: fill it in."),
    ],
)
def test_a_mistake_is_said_next_to_its_field_and_nothing_is_saved(page, rule, rows, values, place, sentence):
    response = page.post(change_url(rule), rule_form(rule, *rows, **{"name": "Changed", **values}))

    assert response.status_code == 200
    assert sentence in errors(response)[place]
    rule.refresh_from_db()
    assert rule.name != "Changed"


def test_a_template_that_does_not_fit_the_record_is_refused(page, rule):
    bad = make_template(header="{{ lead.Nmae }}")

    response = page.post(change_url(rule), rule_form(rule, HOT, template=bad.pk))

    assert "Did you mean “lead.Name”?" in errors(response)["template"]


def test_a_connection_that_cannot_send_is_not_offered(page, rule):
    response = page.post(change_url(rule), rule_form(rule, HOT, destination=rule.stream.connection_id))

    assert "Select a valid choice" in errors(response)["destination"]


def test_a_good_rule_is_saved_with_its_rows_and_stays_off(page, db, said):
    new = Rule(name="New", stream=make_stream(), destination=make_slack(), template=make_template())
    form = rule_form(new, ("", "Rating", "equals", "Hot"), ("", "Status", "one_of", "Open, New"), key="new")

    response = page.post(reverse("admin:routing_rule_add"), form)

    rule = Rule.objects.get(key="new")
    assert [(row.number, row.field) for row in rule.criteria.all()] == [(1, "Rating"), (2, "Status")]
    assert not rule.enabled
    assert "The rule is still off." in said(response)


def test_warnings_are_shown_and_prevent_nothing(page, rule, said):
    response = page.post(change_url(rule), rule_form(rule, HOT, fallback_channel=""))

    assert response.status_code == 302
    assert "Without a fallback nobody hears" in said(response)


def test_a_stream_that_was_never_described_is_a_warning(page, rule, said):
    rule.stream.schema = {}
    rule.stream.save()

    response = page.post(change_url(rule), rule_form(rule, ("1", "Anything__c", "equals", "x")))

    assert response.status_code == 302
    assert "fields are not known yet" in said(response)


def test_rows_can_swap_their_numbers(page, db):
    rule = make_rule(("Rating", "equals", "Hot"), ("Status", "equals", "Open"), template=make_template())

    page.post(
        change_url(rule), rule_form(rule, ("2", "Rating", "equals", "Hot"), ("1", "Status", "equals", "Open"))
    )

    rows = RuleCriterion.objects.filter(rule=rule).values_list("number", "field")
    assert sorted(rows) == [(1, "Status"), (2, "Rating")]


def test_a_row_deleted_by_somebody_else_meanwhile_is_no_server_error(page, rule):
    form = rule_form(rule, HOT)
    rule.criteria.all().delete()

    response = page.post(change_url(rule), form)

    assert response.status_code == 200


def test_fields_of_the_stream_are_offered_with_their_names(page, rule):
    content = page.get(change_url(rule)).content.decode()

    assert '<datalist id="stream-fields"><option value="AnnualRevenue"' in content
    assert content.count('<datalist id="stream-fields">') == 1


def test_enabling_counts_from_now(page, rule, said):
    response = press(page, rule, "enable")

    rule.refresh_from_db()
    assert rule.enabled
    assert abs(rule.active_from - timezone.now()) < timedelta(minutes=1)
    assert "is on, for what happens from now." in said(response)


def test_a_rule_with_a_mistake_is_not_enabled(page, rule, said):
    rule.criteria.update(field="Gone__c")

    response = press(page, rule, "enable")

    rule.refresh_from_db()
    assert not rule.enabled
    assert "Gone__c" in said(response)


def test_disabling_keeps_what_waits(page, db, said):
    rule = make_rule()

    response = press(page, rule, "disable")

    rule.refresh_from_db()
    assert not rule.enabled
    assert "waiting messages stay where they are" in said(response)


def test_preview_shows_matching_and_near_misses_and_sends_nothing(page, simulator):
    stream = make_stream(make_salesforce(simulator), described_at=None)
    rule = make_rule(("Rating", "equals", "Hot"), stream=stream)
    simulator.salesforce.add("Lead", LastName="Lee", Company="Acme", Rating="Hot")
    simulator.salesforce.add("Lead", LastName="Moss", Company="Acme", Rating="Warm")

    content = page.get(reverse("admin:routing_rule_do", args=[rule.pk, "preview"])).content.decode()

    assert "Matching in the last 7 days: 1." in content
    assert "Lee" in content
    assert "Rating is &quot;Warm&quot;, wanted &quot;Hot&quot;" in content
    assert not Delivery.objects.exists()


def test_preview_of_a_vendor_that_is_down_is_a_sentence(page, db):
    rule = make_rule(stream=make_stream(make_salesforce(base_url="http://127.0.0.1:9")))

    response = page.get(reverse("admin:routing_rule_do", args=[rule.pk, "preview"]))

    assert response.status_code == 200
    assert not response.context["preview"].ok
    assert "hub-alarm" in response.content.decode()


def test_preview_does_not_follow_a_script_as_a_link(page, rule, monkeypatch):
    found = Found("Ann", "javascript:alert(1)", "Priya", NOON)
    monkeypatch.setattr("routing.preview.preview", lambda *args, **more: Preview(1, (found,), (), "1"))

    content = page.get(reverse("admin:routing_rule_do", args=[rule.pk, "preview"])).content.decode()

    assert "javascript:" not in content


def test_a_test_goes_to_the_one_who_asked(page, rule, said):
    boss = make_person(email="boss@acme.test")
    make_link(rule.destination, boss, remote_id="UBOSS", email="boss@acme.test")
    make_change(rule.stream, title="Ann Lee")

    response = press(page, rule, "send_test")

    sent = Delivery.objects.get()
    assert (sent.origin, sent.lane, sent.payload["header"]) == (
        f"test:{rule.key}",
        "UBOSS",
        "Test: New lead: Ann Lee",
    )
    assert "A test is on its way to you" in said(response)


@pytest.mark.parametrize("person", [False, True])
def test_a_test_that_cannot_reach_me_says_why(page, rule, said, person):
    if person:
        make_person(email="boss@acme.test")

    response = press(page, rule, "send_test")

    wanted = "has no active account" if person else "Nobody in the directory has the address"
    assert wanted in said(response)
    assert not Delivery.objects.exists()
