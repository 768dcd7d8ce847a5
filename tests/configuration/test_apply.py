from __future__ import annotations

from datetime import time, timedelta

import pytest

from integration_hub.configuration.errors import ConfigurationError
from routing.models import MessageTemplate, Person, Rule, RuleCriterion, WorkingHours
from syncs import connect
from syncs.models import Connection, HubSettings, Stream
from tests.configuration.documents import changed, imported, small
from tests.factories import LEAD_SCHEMA, NOON, make_connection, make_rule, make_slack, make_stream

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv("HUB_TEST_TOKEN", "xoxb-test")


def test_an_import_fills_an_empty_hub():
    imported(small())

    rule = Rule.objects.get()
    assert (rule.key, rule.stream.key, rule.destination.key) == ("hot", "leads", "slack")
    assert rule.template.fields.get().value == "{{ lead.Company }}"
    assert rule.recipient_person.time_zone == "Europe/Berlin"
    assert rule.recipient_person.working_hours.holidays.get().name == "Christmas"
    assert rule.recipient_person.working_hours.spans.filter(start=time(9), end=time(17)).count() == 5
    assert list(rule.criteria.values_list("number", "field", "operator", "value")) == [
        (1, "Rating", "equals", "Hot"),
        (2, "LeadSource", "one_of", 'Web, "Food, Beverage"'),
        (3, "NumberOfEmployees", "greater", "10"),
    ]
    assert HubSettings.get().escalation_connection.key == "slack"
    assert connect.secret_names(rule.destination)["bot_token"] == "environment variable HUB_TEST_TOKEN"


def test_the_same_import_again_changes_nothing():
    imported(small())

    again = imported(small())

    assert again.differences == ()
    assert again.same == 8


def test_the_order_of_sections_does_not_matter():
    imported(dict(reversed(small().items())))

    assert Rule.objects.get().stream.connection.key == "salesforce"


def test_a_dry_run_says_the_same_and_writes_nothing():
    dry = imported(small(), dry_run=True)

    assert not any(
        model.objects.exists()
        for model in (Connection, Stream, Rule, RuleCriterion, MessageTemplate, Person, WorkingHours)
    )
    assert HubSettings.get().escalation_address == ""
    assert list(dry.lines()) == list(imported(small()).lines())


def test_the_plan_says_in_words_what_changes():
    imported(small())
    document = changed(max_age_seconds=600, filter_logic="", recipient_channel="#x")
    document["rules"]["hot"]["criteria"].pop()
    document["rules"]["hot"]["criteria"][1]["value"][1] = "Other"
    document["templates"]["other"] = {"name": "Other"}
    document["connections"]["slack"]["secrets"]["bot_token"] = {"env": "HOME"}

    planned = imported(document)

    assert list(planned.lines()) == [
        "~ connections[slack].secrets.bot_token: environment variable HUB_TEST_TOKEN → environment variable HOME",
        "+ templates[other]: create “Other”",
        "~ rules[hot].criteria[2]: LeadSource one_of Web, Food, Beverage → LeadSource one_of Web, Other",
        "~ rules[hot].criteria[3]: NumberOfEmployees greater 10 → empty",
        "~ rules[hot].filter_logic: 1 AND (2 OR 3) → empty",
        "~ rules[hot].max_age_seconds: 300 → 600",
        "~ rules[hot].recipient_channel: empty → #x",
    ]
    assert planned.summary == "To create: 1. To change: 2. To remove: 0. The same: 6."


def test_what_a_file_does_not_mention_stays_as_it_is():
    imported(small())
    Connection.objects.filter(key="salesforce").update(
        base_url="http://127.0.0.1:8801", settings={"client_id": "abc", "username": "hub@acme.test"}
    )

    imported({"connections": {"salesforce": {"settings": {"client_id": "def"}}}})

    connection = Connection.objects.get(key="salesforce")
    assert connection.base_url == "http://127.0.0.1:8801"
    assert connection.settings == {"client_id": "def", "username": "hub@acme.test"}
    assert Rule.objects.count() == 1


def test_an_empty_text_removes_a_setting():
    imported(small())

    imported({"connections": {"salesforce": {"settings": {"client_id": ""}}}})

    assert Connection.objects.get(key="salesforce").settings == {}


def test_a_second_file_may_use_what_the_first_one_made():
    imported(small())

    imported({"streams": {"deals": {"connection": "salesforce", "object_type": "Opportunity"}}})

    assert set(Stream.objects.values_list("key", flat=True)) == {"leads", "deals"}


def test_a_new_rule_is_off_unless_the_file_says_otherwise():
    imported(small())

    assert Rule.objects.get().enabled is False
    assert Rule.objects.get().active_from is None


def test_switching_a_rule_on_starts_it_now():
    imported(small())

    imported(changed(enabled=True), now=NOON + timedelta(hours=1))

    assert Rule.objects.get().active_from == NOON + timedelta(hours=1)


def test_a_rule_that_is_on_already_does_not_start_again():
    imported(changed(enabled=True))

    imported(changed(enabled=True, priority=3), now=NOON + timedelta(hours=1))

    assert Rule.objects.get().active_from == NOON


def test_a_rule_the_file_is_silent_about_stays_on():
    imported(changed(enabled=True))

    imported(changed(priority=3))

    assert Rule.objects.get().enabled is True


def test_the_new_default_schedule_takes_over_from_the_former():
    imported(small())

    imported({"working_hours": {"late": {"name": "Late", "is_default": True, "spans": "mon 12:00-20:00"}}})

    assert WorkingHours.objects.get(is_default=True).key == "late"


def test_rows_and_their_logic_are_numbered_together():
    imported(small())
    rule = Rule.objects.get()
    rule.criteria.filter(number=3).update(number=7)
    Rule.objects.update(filter_logic="1 AND (2 OR 7)")

    unchanged = imported(small())
    imported(changed(filter_logic="1 AND 2 AND 3"))

    assert unchanged.differences == ()
    assert list(rule.criteria.values_list("number", flat=True)) == [1, 2, 3]
    assert Rule.objects.get().filter_logic == "1 AND 2 AND 3"


# Secrets


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("keep", "stored"),
        ("remove", ""),
        ({"env": "HUB_TEST_TOKEN"}, "environment variable HUB_TEST_TOKEN"),
        (None, "stored"),
    ],
)
def test_a_stored_secret_is_kept_replaced_or_removed(given, kept):
    make_slack(key="slack", secrets={"bot_token": "xoxb-stored"})

    imported({"connections": {"slack": {"secrets": {"bot_token": given} if given else {}}}})

    assert connect.secret_names(Connection.objects.get())["bot_token"] == kept


def test_keeping_leaves_a_variable_that_is_named_here():
    imported(small())

    planned = imported({"connections": {"slack": {"secrets": {"bot_token": "keep"}}}})

    assert planned.differences == ()


@pytest.mark.parametrize(
    ("secret", "warning"),
    [
        (
            {"env": "HUB_TEST_UNSET"},
            "connections[slack].secrets.bot_token: the environment variable HUB_TEST_UNSET is not set in this process.",
        ),
        (
            "keep",
            "connections[slack].secrets.bot_token: none is stored here that could be kept. Enter it in the admin.",
        ),
    ],
)
def test_a_secret_that_is_missing_is_only_a_warning(secret, warning):
    planned = imported(
        {"connections": {"slack": {"name": "S", "kind": "slack", "secrets": {"bot_token": secret}}}}
    )

    assert planned.warnings == (warning,)
    assert Connection.objects.exists()


@pytest.mark.parametrize(
    "document",
    [
        {"connections": {"slack": {"name": "S", "kind": "slack", "secrets": {"bot_token": {"env": "SECRET_KEY"}}}}},
        {"event_sources": {"shop": {"name": "Shop", "secrets": {"first": {"env": "HUB_SECRET_KEYS"}}}}},
    ],
)  # fmt: skip
def test_the_hubs_own_keys_are_nobodys_secret(document):
    with pytest.raises(ConfigurationError, match="belongs to the hub itself"):
        imported(document)

    assert not Connection.objects.exists()


def test_a_variable_may_be_given_as_a_file(monkeypatch):
    monkeypatch.setenv("HUB_TEST_UNSET_FILE", "/run/secrets/token")

    planned = imported(
        {
            "connections": {
                "s": {"name": "S", "kind": "slack", "secrets": {"bot_token": {"env": "HUB_TEST_UNSET"}}}
            }
        }
    )

    assert planned.warnings == ()


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ({"settings": {"client_id": "other"}}, ""),
        ({"base_url": "http://127.0.0.1:1"}, ""),
        ({"environment": "production"}, ""),
        ({"name": "Other"}, "a token"),
    ],
)
def test_a_token_does_not_outlive_the_settings_it_came_from(values, kept):
    make_connection(key="salesforce", kept="a token")

    imported({"connections": {"salesforce": values}})

    assert Connection.objects.get().kept == kept


# Errors


def connection(**values):
    return {"connections": {"salesforce": values}}


@pytest.mark.parametrize(
    ("document", "sentences"),
    [
        ({"rules": {"new": {"name": "New"}}}, ["rules[new] is new and lacks stream, destination, template."]),
        (changed(stream=""), ["rules[hot].stream must not be empty."]),
        (
            changed(stream="leeds"),
            ["rules[hot].stream: “leeds” is not among the streams. Did you mean leads?"],
        ),
        (
            changed(recipient_person="bob@acme.test"),
            [
                (
                    "rules[hot].recipient_person: “bob@acme.test” is not among the people. "
                    "Add them under people, with a name."
                )
            ],
        ),
        (
            {"hub": {"escalation_connection": "pigeon"}},
            [
                "hub.escalation_connection: “pigeon” is not among the connections. Known here: salesforce, slack."
            ],
        ),
        (
            {"connections": {"x": {"name": "X", "kind": "salesfroce"}}},
            ["connections[x].kind: there is no vendor “salesfroce”. Did you mean salesforce?"],
        ),
        (
            connection(kind="slack"),
            ["connections[salesforce].kind is salesforce and cannot become slack. Add a new connection."],
        ),
        (
            connection(settings={"client": "x"}),
            ["connections[salesforce].settings.client: there is no such setting. Did you mean client_id?"],
        ),
        (
            connection(settings={"client_secret": "hunter2"}),
            [
                (
                    "connections[salesforce].settings.client_secret is a secret. Name its environment variable under "
                    "secrets: client_secret: {env: NAME}."
                )
            ],
        ),
        (
            connection(settings={"auth_flow": "magic"}),
            [
                (
                    "connections[salesforce].settings.auth_flow must be one of client_credentials, jwt_bearer, "
                    "refresh_token, password, session."
                )
            ],
        ),
        (
            connection(secrets={"pasword": "keep"}),
            ["connections[salesforce].secrets.pasword: there is no such secret. Did you mean password?"],
        ),
        (
            connection(base_url="http://example.test"),
            ["connections[salesforce].base_url: "],
        ),
        (
            connection(reserve_live=60, reserve_flows=60),
            ["connections[salesforce].reserve_flows: The two reserves together are more than 100 %."],
        ),
        (
            {
                "working_hours": {
                    "a": {"name": "A", "is_default": True},
                    "b": {"name": "B", "is_default": True},
                }
            },
            ["working_hours: a, b are all marked is_default. Keep one of them."],
        ),
        (
            {"working_hours": {"office": {"spans": "moo 09:00-17:00"}}},
            ["working_hours[office].spans: “moo” is not a day; use mon, tue, wed, thu, fri, sat, sun."],
        ),
        (
            {"working_hours": {"office": {"holidays": {"2026-02-30": "x"}}}},
            ["working_hours[office].holidays: “2026-02-30” is not a day of the calendar."],
        ),
        (
            {"working_hours": {"office": {"time_zone": "Berlin"}}},
            [
                (
                    "working_hours[office].time_zone: “Berlin” is not a time zone. Use a name such as Europe/Berlin or "
                    "America/New_York."
                )
            ],
        ),
        (
            {"people": {"Ann@acme.test": {"name": "Ann"}, "ann@acme.test": {"name": "Ann"}}},
            ["people: somebody stands here twice, in upper and lower case."],
        ),
        ({"people": {"a@b@c": {"name": "Ann"}}}, ["people: “a@b@c” is not an e-mail address."]),
        ({"people": {"ann@x": {"name": "Ann"}}}, ["people[ann@x].email: Enter a valid email address."]),
        (
            {"streams": {"second": {"connection": "salesforce", "object_type": "Lead"}}},
            [
                (
                    "streams[second]: This connection already has a stream for that object type. Add your rule to that "
                    "stream: one read serves them all."
                )
            ],
        ),
        (
            {"streams": {"messages": {"connection": "slack", "object_type": "Message"}}},
            ["streams[messages].connection: nothing can be read from slack. Choose another one."],
        ),
        (
            changed(criteria=[{"field": "Rating", "operator": "equals", "value": ["Hot", "Warm"]}]),
            ["rules[hot].criteria: row 1: equals takes a single value, not a list."],
        ),
        (
            changed(criteria=[{"field": "Ratng", "operator": "equals", "value": "Hot"}], filter_logic=""),
            ["rules[hot].criteria[1].field: There is no field “Ratng”. Did you mean Rating?"],
        ),
        (
            changed(criteria=[{"field": "DoNotCall", "operator": "contains", "value": "x"}], filter_logic=""),
            [
                "rules[hot].criteria[1].operator: “contains” does not fit a boolean field; use “is true”, “is false”."
            ],
        ),
        (
            changed(filter_logic="1 AND (2 OR 4)"),
            ["rules[hot].filter_logic: Filter logic: row 4 does not exist; there are 3 rows."],
        ),
        (changed(destination="salesforce"), ["rules[hot].destination: Salesforce cannot send messages. "]),
        (
            changed(recipient_person=""),
            ["rules[hot].recipient_person: Choose the person who gets the messages."],
        ),
        (
            changed(trigger="changed"),
            ["rules[hot].watched_field: Say which field is watched, such as StageName."],
        ),
        (
            {"templates": {"lead": {"header": "{{ lead.Nam }}"}}},
            ["rules[hot].template: Header: "],
        ),
        (
            {"templates": {"new": {"name": "New", "fields": [{"label": "A", "value": "{{ x"}]}}},
            ["templates[new].fields[1].value: "],
        ),
        (
            {"hub": {"escalation_address": ""}},
            ["hub.escalation_address: Say which channel or e-mail address incidents go to."],
        ),
        (
            {"hub": {"escalation_connection": "salesforce"}},
            ["hub.escalation_connection: Choose a connection that can send messages: Slack or e-mail."],
        ),
    ],
)
def test_each_mistake_is_a_sentence_with_its_path_and_nothing_is_written(document, sentences):
    imported(small())
    stream = Stream.objects.get()
    stream.object_schema = LEAD_SCHEMA
    stream.save()
    before = (
        list(Connection.objects.values()),
        list(Rule.objects.values()),
        list(RuleCriterion.objects.values()),
    )

    with pytest.raises(ConfigurationError) as refused:
        imported(document)

    assert len(refused.value.sentences) == len(sentences)
    assert all(
        said.startswith(wanted) for said, wanted in zip(refused.value.sentences, sentences, strict=True)
    )
    assert (
        list(Connection.objects.values()),
        list(Rule.objects.values()),
        list(RuleCriterion.objects.values()),
    ) == before


def test_a_stream_that_was_read_stays_where_it_is():
    imported(small())
    Stream.objects.update(started_at=NOON)

    with pytest.raises(ConfigurationError) as refused:
        imported({"streams": {"leads": {"object_type": "Contact"}}})

    assert refused.value.sentences == (
        (
            "streams[leads].object_type is Lead and cannot become Contact: the stream has been read already. "
            "Add a new stream."
        ),
    )


def test_one_mistake_undoes_the_whole_file():
    document = small()
    document["hub"]["escalation_address"] = ""

    with pytest.raises(ConfigurationError):
        imported(document)

    assert not Connection.objects.exists()


def test_what_depends_on_a_mistake_is_not_a_mistake_of_its_own():
    document = small()
    document["connections"]["salesforce"]["base_url"] = "http://example.test"
    document["working_hours"]["office"]["time_zone"] = "Berlin"

    with pytest.raises(ConfigurationError) as refused:
        imported(document)

    assert [sentence.split(":")[0] for sentence in refused.value.sentences] == [
        "connections[salesforce].base_url",
        "working_hours[office].time_zone",
    ]


def test_fields_that_are_not_known_yet_are_a_warning():
    [warning] = [warning for warning in imported(small()).warnings if warning.startswith("rules")]

    assert warning.startswith("rules[hot].stream: The stream's fields are not known yet")


def test_a_changed_template_is_checked_with_the_rules_that_use_it():
    stream = make_stream(key="leads")
    make_rule(key="hot", stream=stream, template=MessageTemplate.objects.create(key="lead", name="Lead"))

    with pytest.raises(ConfigurationError) as refused:
        imported({"templates": {"lead": {"body": "{{ lead.Compny }}"}}})

    assert refused.value.sentences[0].startswith("rules[hot].template: Body: ")


def test_a_stream_that_was_never_read_may_move():
    imported(small())

    imported({"streams": {"leads": {"object_type": "Contact"}}})

    assert Stream.objects.get().object_type == "Contact"


def test_people_are_known_whatever_the_case_of_their_email():
    imported(changed(recipient_person="ANN@acme.test"))

    assert Rule.objects.get().recipient_person.email == "ann@acme.test"


def test_a_whole_number_with_a_point_is_one_without():
    imported(small())

    planned = imported(changed(max_age_seconds=60.0))

    assert list(planned.lines()) == ["~ rules[hot].max_age_seconds: 300 → 60"]
