"""The commands: what they do, what they print, how they end."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_q.models import Schedule

from syncs import connect, holds, schedules
from syncs.models import Change, Connection, Delivery, HubSettings, Stream
from syncs.models.deliveries import DeliveryState
from tests.factories import make_delivery, make_message, make_salesforce, make_slack, make_stream

pytestmark = pytest.mark.django_db


def run(*args):
    out = StringIO()
    call_command(*args, stdout=out, stderr=out)
    return out.getvalue()


def refused(*args):
    """Return what the command printed and how it ended, with exit code 1."""
    out = StringIO()
    with pytest.raises(CommandError) as ended:
        call_command(*args, stdout=out, stderr=out)
    assert ended.value.returncode == 1
    return out.getvalue(), str(ended.value)


@pytest.fixture
def leads(simulator):
    """A stream of leads at the simulator, with one lead that is new."""
    now = timezone.now()
    stream = make_stream(
        make_salesforce(simulator, key="salesforce"),
        key="leads",
        started_at=now - timedelta(hours=1),
        described_at=None,
    )
    Stream.objects.update(described_at=None, schema={})
    simulator.salesforce.add("Lead", LastName="Lee", Company="Acme")
    return stream


def dead_letter(connection, **values):
    return make_delivery(connection, **{"state": DeliveryState.DEAD, "error_code": "rejected", **values})


def waiting():
    return set(Delivery.objects.filter(state=DeliveryState.WAITING).values_list("pk", flat=True))


class TestPoll:
    def test_it_reads_what_is_due(self, leads):
        printed = run("poll")

        assert printed == "leads: OK: 1 read, 1 waiting\n"
        assert Change.objects.count() == 1

    def test_it_leaves_what_is_not_due(self, leads):
        Stream.objects.update(next_poll_at=timezone.now() + timedelta(hours=1))

        assert run("poll") == "Nothing is due.\n"

    def test_a_named_stream_is_read_whether_due_or_not(self, leads):
        Stream.objects.update(next_poll_at=timezone.now() + timedelta(hours=1))

        assert run("poll", "--stream", "leads") == "leads: OK: 1 read, 1 waiting\n"

    def test_json_is_for_programs(self, leads):
        [run_] = json.loads(run("poll", "--json"))

        assert (run_["name"], run_["state"], run_["read"], run_["waiting"], run_["dead"]) == (
            "leads",
            "ok",
            1,
            1,
            0,
        )
        assert run_["calls"] > 0

    def test_a_failed_poll_is_told_and_ends_with_an_error(self, leads, simulator):
        simulator.salesforce.faults.outage(on=True, kind="unavailable")

        printed, error = refused("poll")

        assert printed.startswith("leads: Failed")
        assert error == "Not everything went well; see above."

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            (lambda: Stream.objects.update(enabled=False), "The stream leads is switched off."),
            (
                lambda: Connection.objects.update(enabled=False),
                "The connection of leads cannot be used: Switched off.",
            ),
            (
                lambda: HubSettings.objects.update_or_create(pk=1, defaults={"enabled": False}),
                "The hub is switched off.",
            ),
            (lambda: Stream.objects.update(key="other"), "There is no stream “leads”. There are: other."),
            (lambda: Stream.objects.all().delete(), "There is no stream “leads”. There are: none."),
        ],
    )
    def test_what_is_switched_off_or_not_there_is_not_read(self, leads, simulator, change, sentence):
        change()

        _printed, error = refused("poll", "--stream", "leads")

        assert error.startswith(sentence)
        assert simulator.salesforce.requests == []


class TestPush:
    def test_it_sends_what_is_due(self, simulator):
        member = simulator.slack.add_member("Priya", "priya@example.test")
        slack = make_slack(simulator, key="slack")
        delivery = make_delivery(slack, lane=member, payload=make_message(member))

        printed = run("push")

        assert printed == "slack: OK: 1 read, 1 delivered\n"
        delivery.refresh_from_db()
        assert delivery.state == DeliveryState.DELIVERED

    def test_only_the_named_connection_sends(self, simulator):
        member = simulator.slack.add_member("Priya", "priya@example.test")
        one, two = make_slack(simulator, key="one"), make_slack(simulator, key="two")
        for connection in (one, two):
            make_delivery(connection, lane=member, payload=make_message(member))

        printed = run("push", "--connection", "two")

        assert printed == "two: OK: 1 read, 1 delivered\n"
        assert waiting() == set(Delivery.objects.filter(connection=one).values_list("pk", flat=True))

    def test_a_connection_on_hold_sends_nothing(self):
        slack = make_slack(key="slack")
        make_delivery(slack)
        holds.hold(slack, code="x", reason="y", now=timezone.now())

        assert run("push") == "Nothing is due.\n"

    def test_a_hub_that_is_off_says_so(self):
        HubSettings.objects.update_or_create(pk=1, defaults={"enabled": False})

        assert refused("push")[1].startswith("The hub is switched off.")


class TestBaseline:
    def test_it_learns_what_is_there_and_decides_nothing(self, leads, simulator):
        long_ago = timezone.now() - timedelta(days=30)
        simulator.salesforce.add("Lead", LastName="Old", Company="Acme", created_at=long_ago)

        printed = run("baseline", "leads")

        assert printed == "leads: OK: 1 read, 1 skipped\n"
        assert [change.state for change in Change.objects.all()] == ["routed"]

    def test_what_the_vendor_refuses_is_a_sentence(self, leads):
        Connection.objects.update(settings={})

        _printed, error = refused("baseline", "leads")

        assert error.endswith("needs: Consumer key (client id). Fill these fields.")


class TestRequeue:
    @pytest.fixture
    def dead(self):
        slack, other = make_slack(key="slack"), make_slack(key="other")
        return {
            "hot": dead_letter(slack, origin="rule:hot").pk,
            "cold": dead_letter(slack, origin="rule:cold", error_code="channel_not_found").pk,
            "elsewhere": dead_letter(other, origin="rule:hot").pk,
            "expired": make_delivery(slack, origin="rule:hot", state=DeliveryState.EXPIRED).pk,
            "sent": make_delivery(slack, origin="rule:hot", state=DeliveryState.DELIVERED).pk,
        }

    @pytest.mark.parametrize(
        ("args", "revived"),
        [
            (["--all"], {"hot", "cold", "elsewhere"}),
            (["--rule", "hot"], {"hot", "elsewhere"}),
            (["--connection", "slack"], {"hot", "cold"}),
            (["--all", "--code", "channel_not_found"], {"cold"}),
            (["--connection", "slack", "--code", "rejected"], {"hot"}),
            (["--rule", "hot", "--state", "expired"], {"expired"}),
            (["--connection", "other", "--state", "expired"], set()),
        ],
    )
    def test_it_revives_what_is_meant_and_nothing_else(self, dead, args, revived):
        printed = run("requeue", *args)

        assert printed == f"{len(revived)} requeued.\n"
        assert waiting() == {dead[name] for name in revived}

    def test_single_ones_by_id(self, dead):
        run("requeue", "--id", str(dead["hot"]), str(dead["sent"]))

        assert waiting() == {dead["hot"]}

    def test_a_dry_run_only_counts(self, dead):
        printed = run("requeue", "--all", "--dry-run")

        assert printed == "3 would be requeued.\n"
        assert waiting() == set()

    @pytest.mark.parametrize(
        ("args", "sentence"),
        [
            (["--rule", "warm"], "No delivery comes from a rule “warm”."),
            (["--connection", "slakc"], "There is no connection “slakc”. There are: other, slack."),
            ([], "Error: one of the arguments --rule --connection --id --all is required"),
        ],
    )
    def test_a_slip_is_a_sentence_and_revives_nothing(self, dead, args, sentence):
        assert refused("requeue", *args)[1] == sentence
        assert waiting() == set()


class TestCheckConnections:
    def test_it_says_who_we_are_at_each(self, simulator):
        make_slack(simulator, key="slack")
        make_salesforce(simulator, key="salesforce", environment="production")

        printed = run("check_connections")

        assert "slack (Sandbox): " in printed
        assert "salesforce (Production): " in printed
        assert set(Connection.objects.values_list("check_ok", flat=True)) == {True}

    def test_one_that_does_not_work_is_an_error_and_the_others_are_asked_still(self, simulator):
        make_slack(simulator, key="broken", name="A", secrets={})
        make_slack(simulator, key="slack", name="B")

        printed, error = refused("check_connections")

        assert error == "Not working: broken."
        assert "broken (Sandbox): A is not complete" in printed
        assert "! Open the connection in the admin" in printed
        assert "slack (Sandbox): " in printed

    def test_one_that_is_switched_off_is_not_asked(self, simulator):
        make_salesforce(simulator, settings={}, enabled=False)

        assert run("check_connections") == "There are no connections yet.\n"

    def test_a_hold_is_told_of_though_the_account_works(self, simulator):
        slack = make_slack(simulator, key="slack")
        holds.hold(slack, code="x", reason="Somebody must look.", now=timezone.now())

        assert "On hold. Somebody must look." in run("check_connections", "--connection", "slack")


def test_prune_logs_says_what_went_by_kind():
    make_delivery(state=DeliveryState.DELIVERED, settled_at=timezone.now() - timedelta(days=100))

    printed = run("prune_logs")

    assert "deliveries: 1 deleted\n" in printed
    assert "changes: 0 deleted\n" in printed


def test_prune_logs_says_when_the_time_was_up():
    make_delivery(state=DeliveryState.DELIVERED, settled_at=timezone.now() - timedelta(days=100))

    printed = run("prune_logs", "--seconds", "0")

    assert printed.endswith("The time is up. Run it again for the rest.\n")


def test_rotate_secrets_makes_the_former_key_needless(settings):
    former, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.HUB_SECRET_KEYS = [former]
    connection = make_slack()
    settings.HUB_SECRET_KEYS = [new, former]

    printed = run("rotate_secrets")

    settings.HUB_SECRET_KEYS = [new]
    connection.refresh_from_db()
    assert (
        printed == "The secrets of 1 connection and 0 secrets of event sources are under the first key now.\n"
    )
    assert connect.configuration(connection)["bot_token"].startswith("xoxb-")


def test_rotate_secrets_says_when_a_key_is_missing(settings):
    settings.HUB_SECRET_KEYS = [Fernet.generate_key().decode()]
    make_slack()
    settings.HUB_SECRET_KEYS = [Fernet.generate_key().decode()]

    assert "Put the former key back" in refused("rotate_secrets")[1]


def test_install_schedules_can_be_repeated():
    Schedule.objects.all().delete()

    first, second = run("install_schedules"), run("install_schedules")

    assert first == f"{len(schedules.PLANS)} schedules changed.\n"
    assert second == "All schedules are as planned.\n"


def test_schedules_that_two_installations_made_at_once_become_one_again():
    run("install_schedules")
    for twin in Schedule.objects.all():
        twin.pk = None
        twin.save()

    run("install_schedules")

    assert Schedule.objects.count() == len(schedules.PLANS)
