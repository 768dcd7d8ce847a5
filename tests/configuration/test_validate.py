from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from integration_hub.configuration import validate
from tests.configuration.documents import small


def rule(**values):
    return {"rules": {"hot-leads": values}}


def connection(**values):
    return {"connections": {"slack": values}}


EXPECTED_SECRET = "{env: NAME_OF_A_VARIABLE}, keep or remove; a secret itself does not belong in a file"


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"rulez": {}}, "rulez: there is no such key. Did you mean rules?"),
        (
            {"zzz": {}},
            (
                "zzz: there is no such key. Known here: version, connections, working_hours, people, templates, "
                "streams, rules, value_maps, syncs, event_sources, flows, hub."
            ),
        ),
        ({"version": 2}, "version must be 1; this hub reads no other version."),
        ({"rules": []}, "rules must be a mapping of keys to values."),
        ({"rules": {"a b": {}}}, "rules: “a b” is not 1 to 50 letters, digits, “-” or “_”."),
        ({"people": {"ann": {}}}, "people: “ann” is not an e-mail address."),
        (rule(max_age=1), "rules[hot-leads].max_age: there is no such key. Did you mean max_age_seconds?"),
        (rule(max_age_seconds="5 min"), "rules[hot-leads].max_age_seconds must be a whole number."),
        (rule(max_age_seconds=True), "rules[hot-leads].max_age_seconds must be a whole number."),
        (rule(max_age_seconds=5), "rules[hot-leads].max_age_seconds must be at least 30."),
        (rule(priority=100), "rules[hot-leads].priority must be at most 99."),
        (rule(enabled="yes"), "rules[hot-leads].enabled must be true or false."),
        (rule(stream=3), "rules[hot-leads].stream must be a text or null."),
        (rule(name=""), "rules[hot-leads].name must not be empty."),
        (rule(name="x" * 101), "rules[hot-leads].name is 101 characters long; at most 100 are allowed."),
        (
            rule(trigger="create"),
            "rules[hot-leads].trigger must be one of created, enters, changed. Did you mean created?",
        ),
        (rule(recipient=7), "rules[hot-leads].recipient must be one of owner, person, channel."),
        (
            rule(criteria=[{"field": "A", "operator": "is_true"}, {"field": "B"}]),
            "rules[hot-leads].criteria[2] lacks operator.",
        ),
        (
            rule(criteria=[{"feild": "A", "field": "A", "operator": "is_true"}]),
            "rules[hot-leads].criteria[1].feild: there is no such key. Did you mean field?",
        ),
        (
            rule(criteria=[{"field": 1, "operator": "is_true"}]),
            "rules[hot-leads].criteria[1].field must be a text.",
        ),
        (
            rule(criteria=[{"field": "A", "operator": "equals", "value": True}]),
            (
                "rules[hot-leads].criteria[1].value must be a text, a number, or a list of them; for true and false "
                "use the operators is_true and is_false."
            ),
        ),
        (
            rule(criteria=[{"field": "A", "operator": "is_true"}] * 101),
            "rules[hot-leads].criteria has 101 rows; at most 100 are allowed.",
        ),
        (
            {"working_hours": {"office": {"spans": 9}}},
            "working_hours[office].spans must be a text such as “mon-fri 09:00-17:00”, or a list of them.",
        ),
        (
            {"working_hours": {"office": {"holidays": {"Christmas": "x"}}}},
            "working_hours[office].holidays: “Christmas” is not a date such as 2026-12-25.",
        ),
        ({"hub": {"reminder": 4}}, "hub.reminder: there is no such key. Did you mean reminder_hours?"),
        ({"hub": {"reminder_hours": -1}}, "hub.reminder_hours must be at least 0."),
        (
            connection(settings={"a": []}),
            "connections[slack].settings.a must be a text, a number, true or false.",
        ),
        (
            connection(secrets={"bot_token": "hunter2"}),
            f"connections[slack].secrets.bot_token must be {EXPECTED_SECRET}.",
        ),
        (
            connection(secrets={"bot_token": {"value": "hunter2"}}),
            f"connections[slack].secrets.bot_token must be {EXPECTED_SECRET}.",
        ),
        (
            connection(secrets={"bot_token": {"env": "hunter 2"}}),
            f"connections[slack].secrets.bot_token must be {EXPECTED_SECRET}.",
        ),
    ],
)
def test_what_does_not_fit_is_said_with_its_path(document, sentence):
    assert validate.sentences(document) == [sentence]


def test_all_that_is_wrong_is_said_at_once():
    document = small()
    document["rules"]["hot"] |= {"priority": 0, "trigger": "never", "colour": 1}

    assert [sentence.split()[0].rstrip(":") for sentence in validate.sentences(document)] == [
        "rules[hot].colour",
        "rules[hot].priority",
        "rules[hot].trigger",
    ]


def test_a_good_document_has_nothing_wrong():
    assert validate.sentences(small()) == []


def test_the_schema_is_one():
    Draft202012Validator.check_schema(validate.schema())
