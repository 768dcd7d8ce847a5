"""Switching on asks what is to become of the work that waited; nothing is sent before that."""

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from routing import switching
from routing.models import Rule
from routing.switching import SwitchError
from syncs import holds, outbox
from syncs.engine import push
from syncs.models import Connection, Delivery, HubSettings, Switching
from syncs.models.deliveries import DeliveryState, Priority
from syncs.models.switches import WaitingWork
from tests.factories import (
    NOON,
    make_change,
    make_delivery,
    make_iterable,
    make_rule,
    make_slack,
    make_stream,
    make_sync,
)

pytestmark = pytest.mark.django_db

AGES = (timedelta(minutes=5), timedelta(hours=5), timedelta(days=3), timedelta(days=30))


@pytest.fixture
def chat():
    return make_slack(key="chat", name="Chat")


def wait(connection, now=NOON, ages=AGES, **values):
    for age in ages:
        make_delivery(connection, created_at=now - age, due_at=now - age, **values)


def states():
    return sorted(Delivery.objects.values_list("state", flat=True))


def test_what_waits_is_counted_by_age_and_by_who_wants_it(chat):
    wait(chat, origin="rule:hot")
    wait(chat, ages=AGES[:1], origin="incident")

    found = switching.waiting(switching.find("connection:chat"), NOON)

    assert found.total == 5
    assert found.by_age == {"under an hour": 2, "1 to 24 hours": 1, "1 to 7 days": 1, "over 7 days": 1}
    assert found.by_kind == {"rule:hot": 4, "incident": 1}


@pytest.mark.parametrize(
    ("choice", "younger", "wanted"),
    [
        (WaitingWork.ALL, None, ["waiting"] * 4),
        (WaitingWork.FRESH, timedelta(days=1), ["dismissed"] * 2 + ["waiting"] * 2),
        (WaitingWork.DROP, None, ["dismissed"] * 4),
    ],
)
@pytest.mark.parametrize("name", ["hub", "connection:chat"])
def test_the_choice_decides_what_becomes_of_it_and_is_kept_with_who_made_it(
    chat, name, choice, younger, wanted
):
    wait(chat)
    target = switching.find(name)
    switching.switch_off(target, "ann", NOON)

    switching.switch_on(target, choice, "bob", NOON, younger_than=younger)

    dropped = wanted.count("dismissed")
    assert states() == wanted
    assert switching.find(name).row.enabled
    kept = Switching.objects.filter(target=name).values_list("on", "made_by", "choice")
    assert list(kept) == [(True, "bob", choice), (False, "ann", "")]
    assert Switching.objects.first().counts["dropped"] == dropped


def test_what_was_dropped_says_so_and_can_be_requeued(chat):
    wait(chat, ages=AGES[:1])
    switching.switch_on(switching.find("connection:chat"), WaitingWork.DROP, "bob", NOON)

    delivery = Delivery.objects.get()
    assert (delivery.error_code, delivery.state) == ("dropped", DeliveryState.DISMISSED)

    outbox.requeue(Delivery.objects.all(), NOON)

    assert states() == ["waiting"]


def test_nothing_is_sent_while_it_is_off(chat):
    wait(chat, ages=AGES[:1])
    switching.switch_off(switching.find("connection:chat"), "ann", NOON)

    assert push.run(Connection.objects.get(), NOON) is None
    assert states() == ["waiting"]


def test_records_that_changed_while_a_sync_was_off_are_decided_anew():
    sync = make_sync(key="contacts", stream=make_stream(object_type="Contact"), destination=make_iterable())
    target = switching.find("sync:contacts")
    switching.switch_off(target, "ann", NOON)
    for minute in (1, 2):
        make_change(
            sync.stream, record_id="003A", version=str(minute), state="routed",
            modified_at=NOON + timedelta(minutes=minute), captured_at=NOON + timedelta(minutes=minute),
        )  # fmt: skip

    assert switching.waiting(target, NOON).missed == 1


@pytest.mark.parametrize("name", ["sync:none", "nothing", "person:1", ""])
def test_what_is_not_there_cannot_be_switched(name):
    with pytest.raises(SwitchError, match="There is no"):
        switching.find(name)


def hold(connection, now=NOON):
    holds.hold(connection, code="auth", reason="The token was refused.", now=now)
    return switching.kept_back(switching.find(f"connection:{connection.key}"), now)


@pytest.mark.parametrize(
    ("choice", "younger", "wanted"),
    [
        (WaitingWork.ALL, None, ["waiting"] * 5),
        (WaitingWork.FRESH, timedelta(days=1), ["dismissed"] * 2 + ["waiting"] * 3),
        (WaitingWork.DROP, None, ["dismissed"] * 4 + ["waiting"]),
    ],
)
def test_a_release_takes_the_same_choice_for_what_the_hold_kept_back(chat, choice, younger, wanted):
    wait(chat)
    make_delivery(
        chat, created_at=NOON - timedelta(days=9), due_at=NOON + timedelta(hours=1)
    )  # not before opening
    held = hold(chat)

    counts = switching.release(held, choice, "bob", NOON, younger_than=younger)

    assert states() == wanted
    assert counts == {"waited": 4, "dropped": wanted.count("dismissed"), "released": 1}
    assert Connection.objects.get().held_at is None
    kept = Switching.objects.get(target="connection:chat")
    assert (kept.verb, kept.made_by, kept.choice, kept.counts) == ("Released", "bob", choice, counts)


def test_what_a_release_dropped_says_so_and_can_be_requeued(chat):
    wait(chat, ages=AGES[:1])
    switching.release(hold(chat), WaitingWork.DROP, "bob", NOON)

    assert Delivery.objects.get().error == "Dropped by bob when Chat was released."

    outbox.requeue(Delivery.objects.all(), NOON)

    assert states() == ["waiting"]


def test_steps_of_flows_are_not_dropped_by_a_release(chat):
    wait(chat, ages=AGES[:1], priority=Priority.FLOW)

    assert switching.release(hold(chat), WaitingWork.DROP, "bob", NOON)["waited"] == 0
    assert states() == ["waiting"]


def test_a_pause_is_released_alike_and_what_is_in_use_is_not(chat):
    target = switching.find("connection:chat")
    assert switching.kept_back(target, NOON) is None

    holds.pause(chat, until=NOON + timedelta(hours=1), reason="Paused by ann.")

    assert switching.kept_back(switching.find("connection:chat"), NOON) is not None


class TestThePage:
    @pytest.fixture
    def page(self, client):
        client.force_login(User.objects.create_superuser("boss", "boss@acme.test", "secret"))
        return client

    def test_ticking_the_hub_on_leads_to_the_choice_and_leaves_it_off(self, page, chat):
        wait(chat, now=timezone.now())
        HubSettings.objects.update_or_create(pk=1, defaults={"enabled": False})
        form = {
            "enabled": "on", "reminder_hours": 4, "keep_history_days": 90, "keep_runs_days": 30,
            "keep_callouts_days": 7,
        }  # fmt: skip

        response = page.post(reverse("admin:syncs_hubsettings_change", args=[1]), form)

        assert response.headers["Location"] == reverse("console:switch", args=["hub"])
        assert not HubSettings.get().enabled

        shown = page.get(response.headers["Location"]).content.decode()
        assert "4 waiting" in shown

        page.post(response.headers["Location"], {"do": "fresh", "hours": "24"})
        assert HubSettings.get().enabled
        assert states() == ["dismissed"] * 2 + ["waiting"] * 2

    def test_enabling_a_rule_whose_messages_wait_asks_first(self, page, chat):
        rule = make_rule(key="hot", destination=chat, enabled=False)
        wait(chat, now=timezone.now(), ages=AGES[:1], origin=rule.origin)

        response = page.post(reverse("admin:routing_rule_do", args=[rule.pk, "enable"]))

        assert response.headers["Location"] == reverse("console:switch", args=["rule:hot"])
        assert not Rule.objects.get().enabled

    def test_releasing_after_more_than_an_hour_leads_to_the_choice_and_keeps_the_hold(self, page, chat):
        now = timezone.now()
        wait(chat, now=now)
        hold(chat, now)

        response = page.post(reverse("admin:syncs_connection_do", args=[chat.pk, "release"]))

        assert response.headers["Location"] == reverse("console:switch", args=["connection:chat"])
        assert Connection.objects.get().held_at
        shown = page.get(response.headers["Location"]).content.decode()
        assert "4 waiting" in shown
        assert "Release and drop it" in shown

        page.post(response.headers["Location"], {"do": "fresh", "hours": "24"})
        assert Connection.objects.get().held_at is None
        assert states() == ["dismissed"] * 2 + ["waiting"] * 2
        assert "Released. Of 4 waiting, 2 dropped." in LogEntry.objects.get().get_change_message()
        shown = page.get(response.headers["Location"]).content.decode()
        assert "<b>Released</b> Only what is younger" in shown

    def test_an_hours_work_is_released_with_one_click_and_who_did_is_kept(self, page, chat):
        now = timezone.now()
        wait(chat, now=now, ages=AGES[:1])
        hold(chat, now)

        page.post(reverse("admin:syncs_connection_do", args=[chat.pk, "release"]))

        assert Connection.objects.get().held_at is None
        kept = Switching.objects.get()
        assert (kept.verb, kept.made_by, kept.counts["waited"]) == ("Released", "boss", 1)
        assert states() == ["waiting"]

    def test_of_several_those_with_old_work_stay_on_hold(self, page, chat):
        now, other = timezone.now(), make_slack(key="other", name="Other")
        wait(chat, now=now)
        hold(chat, now)
        hold(other, now)

        chosen = {"action": "release_chosen", "_selected_action": [chat.pk, other.pk]}
        shown = page.post(reverse("admin:syncs_connection_changelist"), chosen, follow=True).content.decode()

        assert "1 connection released." in shown
        assert "Release it on its page" in shown
        assert list(Connection.objects.exclude(held_at=None)) == [chat]

    def test_who_may_not_change_it_is_turned_away(self, client):
        client.force_login(User.objects.create_user("guest", password="secret", is_staff=True))

        assert client.post(reverse("console:switch", args=["hub"]), {"do": "off"}).status_code == 403
        assert HubSettings.get().enabled


class TestTheCommand:
    def test_it_asks_what_becomes_of_waiting_work(self, chat):
        wait(chat, now=timezone.now(), origin="rule:hot")
        call_command("switch", "off", "connection:chat", stdout=StringIO())

        with pytest.raises(CommandError, match=r"4 waiting .* Say --process all, fresh or drop"):
            call_command("switch", "on", "connection:chat", stdout=StringIO())
        out = StringIO()
        call_command("switch", "on", "connection:chat", "--process", "drop", stdout=out)

        assert "4 waited, 4 dropped" in out.getvalue()
        assert Connection.objects.get().enabled

    def test_a_release_asks_only_about_more_than_an_hours_work(self, chat):
        now = timezone.now()
        wait(chat, now=now, origin="rule:hot")
        hold(chat, now)

        with pytest.raises(CommandError, match=r"4 waiting .* Say --process all, fresh or drop"):
            call_command("switch", "release", "connection:chat", stdout=StringIO())
        out = StringIO()
        call_command("switch", "release", "connection:chat", "--process", "fresh", "--hours", "1", stdout=out)
        assert "Chat is released. 4 waited, 3 dropped." in out.getvalue()

        hold(chat, now)
        call_command("switch", "release", "connection:chat", stdout=out)
        assert "Chat is released. 1 waited, 0 dropped." in out.getvalue()

    @pytest.mark.parametrize("name", ["connection:chat", "hub"])
    def test_what_is_not_on_hold_is_not_released(self, chat, name):
        with pytest.raises(CommandError, match="no connection that is on hold or paused"):
            call_command("switch", "release", name, stdout=StringIO())

    def test_fresh_needs_an_age(self, chat):
        with pytest.raises(CommandError, match="how young"):
            call_command("switch", "on", "hub", "--process", "fresh", stdout=StringIO())
