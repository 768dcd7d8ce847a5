"""The demo: it plays as written, notices what went wrong, and touches nobody's data."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from rich.console import Console

from integration_hub.connectors.hubspot.connector import HubSpot
from integration_hub.demo import audience, onboarding, orders, outcome, run, script, staging
from integration_hub.demo.report import Report
from integration_hub.simulator.slack import Message
from routing.models import Decision, Rule
from syncs.models import Connection, Delivery, RecordLink
from tests.factories import NOON, make_connection

TIME_ENOUGH = 60
SECRETS = (
    "SALESFORCE_CLIENT_SECRET",
    "SLACK_BOT_TOKEN",
    "ITERABLE_API_KEY",
    "HUBSPOT_ACCESS_TOKEN",
    "PRODUCT_EVENT_SECRET",
    "ORDERS_TOKEN",
    "ORDERS_EVENT_SECRET",
)


@pytest.fixture
def printed():
    return io.StringIO()


@pytest.fixture
def show(db, simulator, printed, monkeypatch):
    """A performance whose time is moved instead of waited for."""
    for name in SECRETS:
        monkeypatch.setenv(name, "")
    simulator.set_clock(timezone.now())  # the rate limits of checks and of the directory go by the real one
    monkeypatch.setattr(HubSpot, "rates", {})  # as do those of what it is asked for its fields
    opened = run.opened(simulator, Report(Console(file=printed, width=160)))
    opened.sleep = lambda seconds: simulator.set_clock(simulator.clock() + timedelta(seconds=seconds))
    return opened


def test_every_scene_ends_as_the_script_says_and_the_report_says_why(show, printed):
    ended = show.play(TIME_ENOUGH)

    found = {scene.key: outcome.outcome(scene, show.stage).problems for scene in show.scenes}
    found |= {scene.key: audience.outcome(scene, show.stage).problems for scene in show.user_scenes}
    found |= {scene.key: onboarding.outcome(scene, show.stage).problems for scene in show.onboarding_scenes}
    found |= {scene.key: orders.outcome(scene, show.stage).problems for scene in show.order_scenes}
    written = (*script.scenes(), *audience.scenes(), *onboarding.scenes(), *orders.scenes())
    assert found == {scene.key: [] for scene in written}
    assert len(found) == len(written) == 27
    assert outcome.stray_problems(show.stage) == []
    assert ended
    assert "Ben Ode" in printed.getvalue()
    assert 'Rating is "Cold", wanted "Hot"' in printed.getvalue()
    assert (
        "Ody Typo: no user at Iterable, by Leads to Iterable. Email → email: it does not hold a valid e-mail"
        in printed.getvalue()
    )
    assert "Initech Global" in printed.getvalue()
    assert f"All {len(found)} scenes ended exactly as they should." in printed.getvalue()


def test_a_performance_that_was_cut_short_is_no_success(show, printed):
    ended = show.play(3)

    assert not ended
    assert "scenes did not end as they should" in printed.getvalue()


def test_a_message_about_no_record_is_noticed(show):
    show.stage.world.simulator.slack.messages.append(message(show.stage.world, "#sales-alerts"))

    assert outcome.stray_problems(show.stage) == [
        "Messages about no record: 1 for #sales-alerts, expected 1 for #hub-alerts."
    ]


def message(world, addressee, text="An alert", blocks=()):
    ids = {name: found for found, name in world.addressees.items()} if world else {}
    return Message(ids.get(addressee, addressee), "", "1.0", text, list(blocks), None, NOON)


def well(**changes):
    """An outcome just as the scene below wants it, but for the changes."""
    scene = script.Scene(
        "any",
        "Any",
        (),
        says="Goes to Ann",
        fate="late",
        messages={"Ann": 1},
        attempts=2,
        reads=script.nobody_is_pinged,
    )
    decision = Decision(verdict="deliver", reason="matched", text="Matched. Goes to Ann.", trigger_at=NOON)
    delivery = Delivery(state="delivered", attempts=2, error="It was late.")
    sent = message(None, "Ann", "&lt;!channel&gt;")
    return outcome.Outcome(
        scene,
        **{
            "decision": decision,
            "deliveries": [delivery],
            "messages": [sent],
            "arrived": {"Ann": 1},
            **changes,
        },
    )


PINGS = [{"type": "section", "text": {"type": "mrkdwn", "text": "<!channel>"}}]


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({}, []),
        ({"decision": None}, ["No decision was taken."]),
        (
            {"decision": Decision(verdict="skip", reason="too_old", text="Goes to Ann")},
            ["Decided skip/too_old, expected deliver/matched."],
        ),
        (
            {"decision": Decision(verdict="deliver", reason="matched", text="Goes to Bo")},
            ["The reason does not say “Goes to Ann”."],
        ),
        ({"arrived": {"Ann": 2}}, ["At Slack: 2 for Ann, expected 1 for Ann."]),
        ({"arrived": {}}, ["At Slack: nothing, expected 1 for Ann."]),
        (
            {"deliveries": [Delivery(state="dead", attempts=2, error="late")]},
            ["Deliveries: dead, expected delivered."],
        ),
        ({"deliveries": []}, ["Deliveries: none, expected delivered."]),
        (
            {"deliveries": [Delivery(state="delivered", attempts=2, error="")]},
            ["The delivery does not say “late”."],
        ),
        ({"deliveries": [Delivery(state="delivered", attempts=1, error="late")]}, ["Expected 2 tries."]),
        (
            {"messages": [message(None, "Ann", "&lt;!channel&gt;", PINGS)]},
            ["The message would ping the whole channel."],
        ),
        ({"messages": [message(None, "Ann")]}, ["The lead's name is not in the message."]),
    ],
)
def test_what_is_not_as_written_is_named(changes, problems):
    assert well(**changes).problems == problems


def test_a_user_that_somebody_else_overwrote_is_noticed(show):
    show.play(TIME_ENOUGH)
    users = show.stage.world.simulator.iterable.users
    users["quin.desk@example.test"]["dataFields"]["Company"]["Name"] = "Initech"
    renamed = next(scene for scene in show.user_scenes if scene.key == "renamed-account")

    ended = audience.outcome(renamed, show.stage)

    assert ended.problems == ["quin.desk@example.test: Company.Name is 'Initech', expected 'Initech Global'."]


def test_a_contact_that_is_tied_wrongly_is_noticed(show):
    show.play(TIME_ENOUGH)
    hubspot = show.stage.world.simulator.hubspot
    contact = next(one for one in hubspot.records("contacts") if one["email"] == "register@example.test")
    other = hubspot.add("companies", domain="register.test")
    hubspot.tie("contacts", contact["hs_object_id"], "companies", other)
    hubspot.update("contacts", contact["hs_object_id"], firstname="Eve")

    ended = onboarding.outcome(onboarding.scenes()[0], show.stage)

    assert ended.problems == [
        "At HubSpot are 2 such companies, expected 1.",
        "Tied to register.test, register.test, expected register.test.",
        "firstname is ['Eve'], expected 'Sol'.",
    ]


def test_an_onboarding_that_has_not_begun_is_not_well(show):
    ended = onboarding.outcome(onboarding.scenes()[-1], show.stage)

    assert ended.problems[0] == "Runs: none, expected 1 done."
    assert (ended.why, ended.took) == (["Nothing was posted yet."], None)


def user(**changes):
    """An outcome of a user's scene just as the scene wants it, but for the changes."""
    scene = audience.UserScene("any", "Any", (), {"a@x.test": {"Name.First": "Ann"}}, says="as")
    link = RecordLink(state="written", reason="as it is")
    there = {"a@x.test": {"Name": {"First": "Ann"}, "Salesforce": {"Id": "00Q1"}}}
    right = {"salesforce_id": "00Q1", "link": link, "delivered": [Delivery()], "users": there}
    return audience.UserOutcome(scene, **{**right, **changes})


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({}, []),
        ({"link": None}, ["No sync has decided about it."]),
        ({"link": RecordLink(state="skipped", reason="as it is")}, ["It is skipped, expected written."]),
        ({"link": RecordLink(state="written")}, ["The reason does not say “as”."]),
        ({"delivered": [Delivery(), Delivery()]}, ["It was written 2 times, expected 1."]),
        ({"users": {}}, ["At Iterable: nobody, expected a@x.test."]),
        ({"salesforce_id": "003"}, ["a@x.test: Salesforce.Id is '00Q1', expected '003'."]),
    ],
)
def test_what_is_wrong_with_a_user_is_named(changes, problems):
    assert user(**changes).problems == problems


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: User.objects.create_user("ann"), "the login “ann”"),
        (lambda: make_connection(name="Acme production"), "the connection “Acme production”"),
        (
            lambda: make_connection(name="Rehearsal", base_url="http://127.0.0.1:8801"),
            "the connection “Rehearsal”",
        ),
    ],
)
def test_a_database_with_somebodys_data_is_refused(make, named):
    make()

    with pytest.raises(CommandError, match=named):
        staging.refuse_foreign_data()


@pytest.mark.django_db
def test_a_real_connection_beside_the_demos_login_is_refused():
    User.objects.create_user(staging.LOGIN)
    make_connection(name="Acme production")

    with pytest.raises(CommandError, match="the connection “Acme production”"):
        staging.refuse_foreign_data()


@pytest.mark.django_db(transaction=True)
def test_an_earlier_demos_rows_are_emptied(settings, simulator, tmp_path, monkeypatch):
    settings.ON_SQLITE = True
    for name in SECRETS:
        monkeypatch.setenv(name, "")
    staging.prepare_database()
    staging.configure(simulator, NOON)

    staging.prepare_database()

    assert (Connection.objects.count(), Rule.objects.count()) == (0, 0)
    assert [user.username for user in User.objects.all()] == [staging.LOGIN]


def test_a_database_server_is_refused(settings):
    settings.ON_SQLITE = False

    with pytest.raises(CommandError, match="only runs on a SQLite file"):
        call_command("demo", once=True)


def test_a_taken_port_is_a_sentence_before_anything_is_prepared(simulator):
    port = int(simulator.slack.url.rpartition(":")[2])

    with pytest.raises(CommandError, match=f"Port {port} cannot be opened"):
        call_command("demo", port=port)
