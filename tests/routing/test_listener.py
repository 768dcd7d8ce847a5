"""Which fields a stream must carry for its rules, and whose messages must not be sent."""

from __future__ import annotations

import pytest

from routing.listener import RuleListener
from routing.models import TemplateField
from syncs import listeners
from tests.factories import make_rule, make_stream, make_template

pytestmark = pytest.mark.django_db

HOT = ("Rating", "equals", "Hot")


@pytest.mark.parametrize(
    ("texts", "fields"),
    [
        ({"header": "New lead"}, set()),
        ({"header": "{{ record.Name }}"}, {"Name"}),
        (
            {"header": "{{ lead.Company | upcase }}", "body": "{{ record.Owner.Name }}"},
            {"Company", "Owner.Name"},
        ),
        ({"header": "{% if lead.Status == 'Open' %}x{% endif %}"}, {"Status"}),
        (
            {"header": '{{ record["LeadSource"] }}', "context": "{{ lead.Email.size }}"},
            {"LeadSource", "Email"},
        ),
        (
            {
                "header": "{{ owner.name }} {{ person.email }} {{ rule.name }} {{ age_minutes }}",
                "link_label": "Open",
            },
            set(),
        ),
        ({"header": "{% for one in record.Items %}{{ one.Title }}{% endfor %}"}, {"Items"}),
        ({"header": "{{ record }}"}, set()),
    ],
)
def test_a_template_asks_for_the_fields_of_the_record_that_it_prints(texts, fields):
    stream = make_stream()
    make_rule(stream=stream, template=make_template(**texts))

    assert RuleListener().fields(stream) == fields


def test_criteria_the_watched_field_and_field_values_are_asked_for_too():
    stream = make_stream()
    template = make_template(header="x")
    TemplateField.objects.create(template=template, label="Phone", value="{{ lead.Phone }}")
    make_rule(HOT, stream=stream, template=template, trigger="changed", watched_field="Status")
    make_rule(("Owner.Email", "is_not_empty", ""), stream=stream, template=make_template(header="x"))

    assert RuleListener().fields(stream) == {"Rating", "Status", "Phone", "Owner.Email"}


def test_a_rule_that_is_off_asks_too_so_that_it_can_be_tried_and_finds_values_known():
    stream = make_stream()
    make_rule(HOT, stream=stream, enabled=False, template=make_template(header="x"))

    assert RuleListener().fields(stream) == {"Rating"}


def test_rules_elsewhere_ask_for_nothing():
    make_rule(HOT)

    assert RuleListener().fields(make_stream()) == set()


def test_the_alias_is_the_object_type_in_lower_case():
    deals = make_stream(object_type="Opportunity")
    make_rule(stream=deals, template=make_template(header="{{ opportunity.Amount }} {{ lead.Name }}"))

    assert RuleListener().fields(deals) == {"Amount"}


def test_an_object_type_called_like_a_variable_of_ours_gets_no_alias():
    people = make_stream(object_type="Person")
    make_rule(stream=people, template=make_template(header="{{ person.name }} {{ record.Name }}"))

    assert RuleListener().fields(people) == {"Name"}


def test_the_origins_of_rules_that_are_off_must_not_be_sent():
    make_rule(key="on")
    make_rule(key="off", enabled=False)

    assert RuleListener().switched_off() == {"rule:off"}
    assert listeners.switched_off() == {"rule:off"}


def test_the_number_of_queries_does_not_grow_with_the_number_of_rules(django_assert_num_queries):
    stream = make_stream()
    for _ in range(5):
        make_rule(HOT, stream=stream)

    with django_assert_num_queries(3):
        RuleListener().fields(stream)


def test_incidents_call_a_rule_by_its_name():
    rule = make_rule(name="Hot leads")

    assert RuleListener().name(rule.origin) == "the rule “Hot leads”"
    assert [RuleListener().name(origin) for origin in ("rule:gone", "incident", rule.key)] == ["", "", ""]
