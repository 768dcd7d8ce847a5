"""What a rule's form says before the rule is saved."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from routing import rulebook, validation
from routing.models import Rule, RuleCriterion, TemplateField
from routing.validation import Finding
from tests.factories import (
    NOON,
    make_person,
    make_rule,
    make_salesforce,
    make_slack,
    make_stream,
    make_template,
)

pytestmark = pytest.mark.django_db

HOT = ("Rating", "equals", "Hot")


def say(*criteria, **values):
    values.setdefault("fallback_channel", "#leads")
    rule = make_rule(*criteria, **values)
    return validation.problems(rulebook.draft_of(rule, list(rule.criteria.all())), NOON)


def test_a_rule_without_faults_has_no_findings():
    template = make_template(
        body="{{ lead.Company }}: {{ record.Owner.Email }} {{ lead.AnnualRevenue | money }}"
    )

    assert say(HOT, ("Email", "contains", "@"), filter_logic="1 OR 2", template=template) == []


@pytest.mark.parametrize(
    ("criteria", "values", "finding"),
    [
        (
            [("Ratings", "equals", "Hot")],
            {},
            Finding(("criteria", 0, "field"), "There is no field “Ratings”. Did you mean Rating?"),
        ),
        (
            [HOT, ("AnnualRevenue", "greater", "lots")],
            {},
            Finding(
                ("criteria", 1, "value"),
                "“lots” is not a number; write it like 10000 or 12.5, without separators or units.",
            ),
        ),
        (
            [HOT],
            {"filter_logic": "1 AND 2"},
            Finding("filter_logic", "Filter logic: row 2 does not exist; there is 1 row."),
        ),
        ([], {}, Finding("filter_logic", "Without criteria every record matches.", warning=True)),
        (
            [HOT],
            {"trigger": "changed"},
            Finding("watched_field", "Say which field is watched, such as StageName."),
        ),
        (
            [HOT],
            {"trigger": "changed", "watched_field": "Statis"},
            Finding("watched_field", "There is no field “Statis”. Did you mean Status?"),
        ),
        (
            [HOT],
            {"recipient": "person"},
            Finding("recipient_person", "Choose the person who gets the messages."),
        ),
        (
            [HOT],
            {"recipient": "channel", "recipient_channel": " "},
            Finding("recipient_channel", "Name the channel that gets the messages."),
        ),
        (
            [HOT],
            {"outside_hours": "channel"},
            Finding("outside_channel", "Name the channel for messages outside working hours."),
        ),
        (
            [HOT],
            {"queue_handling": "channel"},
            Finding("queue_channel", "Name the channel for records that a queue owns."),
        ),
        (
            [HOT],
            {"fallback_channel": ""},
            Finding(
                "fallback_channel",
                "Without a fallback nobody hears of records whose owner is inactive or unknown.",
                warning=True,
            ),
        ),
    ],
)
def test_each_fault_is_said_at_its_field(criteria, values, finding):
    assert say(*criteria, **values) == [finding]


@pytest.mark.parametrize(
    "values",
    [
        {"trigger": "changed", "watched_field": "DoNotCall"},
        {
            "recipient": "channel",
            "recipient_channel": "#hot",
            "fallback_channel": "",
            "queue_handling": "channel",
        },
    ],
)
def test_what_is_not_needed_is_not_asked_for(values):
    assert say(HOT, **values) == []


def test_a_named_person_is_enough():
    assert say(HOT, recipient="person", recipient_person=make_person()) == []


def test_an_operator_that_does_not_fit_says_which_do():
    [finding] = say(("DoNotCall", "contains", "x"))

    assert finding.place == ("criteria", 0, "operator")
    assert finding.message.startswith("“contains” does not fit a boolean field; use ")


def test_a_destination_must_send_messages():
    crm = make_salesforce(name="Salesforce")

    [finding] = say(HOT, destination=crm)

    assert finding.place == "destination"
    assert finding.message.startswith("Salesforce cannot send messages.")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (
            {"body": "{{ record.Compny }}"},
            "Body: Line 1: there is no “record.Compny”. Did you mean “record.Company”?",
        ),
        ({"header": "{{ deal.Name }}"}, "Header: Line 1: there is no “deal”."),
    ],
)
def test_a_template_must_render_on_a_sample_of_the_object(texts, message):
    assert say(HOT, template=make_template(**texts)) == [Finding("template", message)]


def test_a_fault_in_a_field_of_the_template_names_the_field_by_its_place():
    template = make_template()
    TemplateField.objects.create(template=template, label="Phone", value="{{ record.Email")

    [finding] = say(HOT, template=template)

    assert finding.message.startswith("Field 1: ")


def test_without_a_stored_schema_that_is_said_and_nothing_is_refused():
    stream = make_stream()
    type(stream).objects.filter(pk=stream.pk).update(schema={})
    stream.refresh_from_db()

    findings = say(
        ("Whatever", "equals", "x"),
        stream=stream,
        trigger="changed",
        watched_field="Anything",
        template=make_template(body="{{ record.Something.Else }} {{ lead.More }}"),
    )

    assert [(finding.place, finding.warning) for finding in findings] == [("stream", True)]


def test_without_a_stored_schema_the_filter_logic_and_the_template_are_checked_all_the_same():
    stream = make_stream()
    type(stream).objects.filter(pk=stream.pk).update(schema={})
    stream.refresh_from_db()

    findings = say(HOT, stream=stream, filter_logic="1 OR", template=make_template(body="{{ nobody.x }}"))

    assert {finding.place for finding in findings if not finding.warning} == {"filter_logic", "template"}


def test_rows_with_one_number_are_told_apart_by_their_place():
    draft = rulebook.draft_of(
        Rule(stream=make_stream(), destination=make_slack(), template=make_template(), fallback_channel="#x"),
        [RuleCriterion(number=1, field=f, operator="is_not_empty") for f in ("Rating", "Email")],
    )

    assert validation.problems(draft, NOON) == [
        Finding(("criteria", 1, "number"), "Another row has the number 1 already.")
    ]


def test_an_empty_form_is_no_crash():
    draft = rulebook.draft_of(Rule(), [RuleCriterion(number=1)])

    assert all(isinstance(finding.message, str) for finding in validation.problems(draft, NOON))


def test_a_rule_whose_findings_are_empty_can_be_routed():
    rule = make_rule(HOT)

    call_command("route", stream=rule.stream.key)
