from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration_hub.configuration import document, reading, spans, validate
from integration_hub.configuration.errors import ConfigurationError
from integration_hub.connectors.filters import Operator
from routing.hours import Span
from routing.models import MessageTemplate, Person, Rule, RuleCriterion, TemplateField, WorkingHours
from syncs.models import Connection, HubSettings, Stream
from tests.configuration.documents import changed, imported, small
from tests.factories import make_person, make_rule, make_slack

TABLES = (
    Connection,
    WorkingHours,
    Person,
    MessageTemplate,
    TemplateField,
    Stream,
    Rule,
    RuleCriterion,
    HubSettings,
)
LEFT_OUT = {"id", "created_at", "active_from"}


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv("HUB_TEST_TOKEN", "xoxb-test")


def exported():
    return reading.parse(document.text(document.exported()).encode())


def rows():
    """Return all rows without what an import sets by itself; references by key, as ids differ."""
    return {
        model.__name__: [
            {
                field.name: _plain(getattr(row, field.name))
                for field in model._meta.concrete_fields
                if field.name not in LEFT_OUT
            }
            for row in model.objects.order_by("pk")
        ]
        for model in TABLES
    }


def _plain(value):
    return getattr(value, "key", getattr(value, "email", value))


def clear():
    for model in (Rule, Stream, MessageTemplate, Person, WorkingHours):
        model.objects.all().delete()
    HubSettings.objects.update(escalation_connection=None, escalation_address="", reminder_hours=1)
    Connection.objects.all().delete()


@pytest.mark.django_db
def test_an_export_fills_an_empty_hub_with_the_same_rows():
    imported(changed(enabled=True))
    before, written = rows(), exported()
    clear()

    imported(written)

    assert rows() == before


@pytest.mark.django_db
def test_an_export_is_no_change_here_and_fits_the_schema():
    imported(small())

    written = exported()

    assert validate.sentences(written) == []
    assert imported(written, prune=True).differences == ()


@pytest.mark.django_db
def test_an_empty_hub_can_be_exported():
    assert imported(exported()).differences == ()


@pytest.mark.django_db
def test_a_secret_never_leaves():
    make_slack(key="slack", secrets={"bot_token": "xoxb-hunter2", "signing_secret": "env:HUB_TEST_TOKEN"})

    text = document.text(document.exported())

    assert exported()["connections"]["slack"]["secrets"] == {
        "bot_token": "keep",
        "signing_secret": {"env": "HUB_TEST_TOKEN"},
    }
    assert "hunter2" not in text
    assert "xoxb" not in text


@pytest.mark.django_db
def test_only_people_whom_rules_name_are_exported():
    make_person(email="nobody@acme.test")
    make_rule(fallback_person=make_person(email="ann@acme.test"))

    assert list(exported()["people"]) == ["ann@acme.test"]


@pytest.mark.django_db
def test_a_person_without_email_cannot_be_exported():
    make_rule(key="hot", recipient_person=make_person(name="Ann Lee", email=None))

    with pytest.raises(ConfigurationError) as refused:
        document.exported()

    assert refused.value.sentences == (
        "rules[hot].recipient_person: Ann Lee has no e-mail, by which a file names people. Enter it first.",
    )


@pytest.mark.django_db
def test_a_person_without_email_does_not_prevent_an_import():
    make_rule(key="hot", recipient_person=make_person(name="Ann Lee", email=None))

    imported({"rules": {"hot": {"priority": 3}}})

    assert Rule.objects.get().recipient_person.name == "Ann Lee"


@pytest.mark.django_db
def test_lines_that_a_browser_ended_are_no_difference():
    imported(small())
    MessageTemplate.objects.update(body="one\r\ntwo")

    assert exported()["templates"]["lead"]["body"] == "one\ntwo"
    assert imported(exported()).differences == ()


@pytest.mark.django_db
def test_an_export_costs_few_queries(django_assert_max_num_queries):
    for _ in range(5):
        make_rule(("Rating", "equals", "Hot"), recipient_person=make_person())

    with django_assert_max_num_queries(20):
        document.exported()


values = st.text(max_size=30) | st.integers(-(10**9), 10**9) | st.booleans() | st.none()


@settings(suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(
    st.recursive(
        values,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    )
)
def test_whatever_is_written_is_read_back(value):
    assert reading.parse(document.text({"key": value}).encode()) == {"key": value}


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=12)
keys = st.from_regex(r"\A[a-z][a-z0-9-]{0,9}\Z")
several = st.fixed_dictionaries(
    {
        "field": words,
        "operator": st.sampled_from([Operator.ONE_OF.value, Operator.NOT_ONE_OF.value]),
        "value": st.lists(words, min_size=1, max_size=4, unique=True),
    }
)
single = st.fixed_dictionaries(
    {
        "field": words,
        "operator": st.sampled_from([Operator.EQUALS.value, Operator.CONTAINS.value]),
        "value": words | st.integers(0, 10**6),
    }
)
weeks = st.sets(st.builds(Span, st.integers(0, 6), st.times(), st.times()), max_size=4).map(spans.lines)


@pytest.mark.django_db
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rule_key=keys,
    criteria=st.lists(several | single, max_size=4),
    week=weeks,
    labels=st.lists(words, max_size=3),
)
def test_any_small_document_survives_import_and_export(rule_key, criteria, week, labels):
    clear()
    wanted = changed(criteria=criteria, filter_logic="")
    wanted["rules"] = {rule_key: wanted["rules"]["hot"]}
    wanted["working_hours"]["office"]["spans"] = week
    wanted["templates"]["lead"]["fields"] = [{"label": label, "value": "x"} for label in labels]

    imported(wanted)
    written, before = exported(), rows()
    clear()
    imported(written)

    assert rows() == before
    assert imported(wanted).differences == ()
