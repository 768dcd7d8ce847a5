from __future__ import annotations

import pytest

from integration_hub.configuration.errors import ConfigurationError
from routing.models import Decision, MessageTemplate, Person, Rule
from syncs.models import Connection, Stream
from tests.configuration.documents import imported, small
from tests.factories import NOON, make_change, make_delivery, make_slack

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setenv("HUB_TEST_TOKEN", "xoxb-test")
    imported(small())


def decide():
    Decision.objects.create(
        change=make_change(Stream.objects.get()),
        rule=Rule.objects.get(),
        verdict="skip",
        reason="no_match",
        text="No.",
        trigger_at=NOON,
        decided_at=NOON,
    )


def test_without_prune_nothing_is_removed():
    imported({"rules": {}, "streams": {}})

    assert Rule.objects.exists()


def test_prune_removes_what_a_present_section_does_not_name():
    planned = imported({"rules": {}}, prune=True)

    assert list(planned.lines()) == ["- rules[hot]: remove “Hot leads”"]
    assert not Rule.objects.exists()


def test_prune_leaves_absent_sections_alone():
    imported({"rules": {}}, prune=True)

    assert Stream.objects.exists()
    assert Connection.objects.count() == 2


def test_prune_never_removes_people():
    imported({"rules": {}, "people": {}}, prune=True)

    assert Person.objects.exists()


def test_prune_clears_everything_in_one_go():
    imported(
        {
            "rules": {},
            "streams": {},
            "templates": {},
            "connections": {},
            "hub": {"escalation_connection": None},
        },
        prune=True,
    )

    assert not any(model.objects.exists() for model in (Rule, Stream, MessageTemplate, Connection))


def test_a_rule_may_leave_its_template_in_the_file_that_removes_it():
    document = small()
    document["templates"] = {"other": {"name": "Other"}}
    document["rules"]["hot"]["template"] = "other"

    imported(document, prune=True)

    assert [template.key for template in MessageTemplate.objects.all()] == ["other"]


def test_a_dry_run_removes_nothing():
    imported({"rules": {}}, prune=True, dry_run=True)

    assert Rule.objects.exists()


@pytest.mark.parametrize(
    ("document", "prepare", "sentence"),
    [
        (
            {"rules": {}},
            decide,
            "rules[hot] cannot be removed: 1 stored decision(s) belong to it. Switch it off instead: enabled: false.",
        ),
        (
            {"rules": {}, "streams": {}},
            lambda: make_change(Stream.objects.get()),
            "streams[leads] cannot be removed: 1 stored change(s) belong to it. Switch it off instead: enabled: false.",
        ),
        (
            {"streams": {}},
            lambda: None,
            "streams[leads] cannot be removed: 1 rule(s) listen to it. Let the rest refer to another one first.",
        ),
        (
            {"templates": {}},
            lambda: None,
            "templates[lead] cannot be removed: 1 rule(s) use it. Let the rest refer to another one first.",
        ),
        (
            {"working_hours": {}},
            lambda: None,
            "working_hours[office] cannot be removed: 1 person(s) work by it. Give them another one first.",
        ),
        (
            {"connections": {"salesforce": {}, "slack": {}}},
            lambda: make_delivery(make_slack(key="old")),
            (
                "connections[old] cannot be removed: 1 stored deliveries went through it. "
                "Switch it off instead: enabled: false."
            ),
        ),
        (
            {"connections": {"slack": {}}},
            lambda: None,
            (
                "connections[salesforce] cannot be removed: 1 stream(s) read from it. "
                "Let the rest refer to another one first."
            ),
        ),
    ],
)
def test_what_is_still_needed_is_not_removed(document, prepare, sentence):
    prepare()

    with pytest.raises(ConfigurationError) as refused:
        imported(document, prune=True)

    assert refused.value.sentences == (sentence,)
    assert Rule.objects.exists()
