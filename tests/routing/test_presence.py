"""Schedules from rows, and the directory in memory that serves them."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from routing import directory, hours, presence
from routing.models import Absence, Holiday
from tests.factories import NOON, make_connection, make_person, make_working_hours
from tests.routing.factories import make_link

pytestmark = pytest.mark.django_db

OWNER = "005A00000000001AAA"


@pytest.fixture
def crm():
    return make_connection("salesforce", key="crm")


@pytest.fixture
def chat():
    return make_connection("slack", key="chat")


def schedules(person, destination):
    """The same question, asked of a page and of the router."""
    yield presence.schedule_for(person)
    yield directory.snapshot(NOON, destination).schedule(person.pk)


def test_a_person_has_their_own_hours_else_the_default_ones(chat):
    default = make_working_hours(range(5), is_default=True)
    nights = make_working_hours(range(1), "22:00", "06:00")
    Holiday.objects.create(working_hours=default, date=date(2026, 12, 25), name="Christmas")
    usual, own = make_person(), make_person(working_hours=nights)

    for schedule in schedules(usual, chat):
        assert len(schedule.spans) == 5
        assert schedule.holidays == {date(2026, 12, 25): "Christmas"}
    for schedule in schedules(own, chat):
        assert schedule.spans == (hours.Span(0, time(22), time(6)),)
        assert schedule.holidays == {}


def test_without_any_default_everybody_is_always_at_work(chat):
    make_working_hours(range(5))
    person = make_person()

    for schedule in schedules(person, chat):
        assert hours.at(schedule, datetime(2026, 11, 22, 3, 0, tzinfo=UTC)).open


def test_hours_without_spans_are_never_open(chat):
    make_working_hours(range(0), is_default=True)
    person = make_person()

    for schedule in schedules(person, chat):
        assert not hours.at(schedule, NOON).open


def test_absences_that_are_not_over_count(chat):
    person = make_person()
    Absence.objects.create(person=person, start=NOON - timedelta(hours=1), end=NOON + timedelta(hours=1))
    Absence.objects.create(person=person, start=NOON - timedelta(days=9), end=NOON - timedelta(days=8))

    for schedule in schedules(person, chat):
        found = hours.at(schedule, NOON)
        assert found.opens_at == NOON + timedelta(hours=1)
    assert len(directory.snapshot(NOON, chat).schedule(person.pk).absences) == 1


@pytest.mark.parametrize(
    ("override", "slack", "crm_zone", "hours_zone", "expected"),
    [
        ("Asia/Tokyo", "Asia/Kolkata", "Europe/Rome", "Europe/Paris", "Asia/Tokyo"),
        ("", "Asia/Kolkata", "Europe/Rome", "Europe/Paris", "Asia/Kolkata"),
        ("", "", "Europe/Rome", "Europe/Paris", "Europe/Rome"),
        ("", "", "", "Europe/Paris", "Europe/Paris"),
        ("", "", "", "", "UTC"),
        ("", "Mars/Base", "Europe/Rome", "", "Europe/Rome"),
    ],
)
def test_the_zone_is_the_nearest_one_known(crm, chat, override, slack, crm_zone, hours_zone, expected):
    make_working_hours(range(5), is_default=True, time_zone=hours_zone)
    person = make_person(time_zone=override)
    make_link(crm, OWNER, person, time_zone=crm_zone)
    make_link(chat, "UANN", person, time_zone=slack)

    for schedule in schedules(person, chat):
        assert schedule.zone == expected
    assert directory.snapshot(NOON, chat).address(person.pk).zone == expected


def test_the_zone_of_an_account_in_use_comes_before_that_of_a_former_one(crm, chat):
    person = make_person()
    make_link(crm, "old", person, time_zone="Europe/Rome", active=False)
    make_link(crm, "new", person, time_zone="Europe/Paris")

    for schedule in schedules(person, chat):
        assert schedule.zone == "Europe/Paris"


def test_the_snapshot_takes_five_queries_whatever_its_size(crm, chat, django_assert_num_queries):
    week = make_working_hours(range(5), is_default=True)
    Holiday.objects.create(working_hours=week, date=date(2026, 12, 25), name="Christmas")
    for number in range(20):
        person = make_person()
        make_link(crm, f"005A{number:011d}AAA", person)
        make_link(chat, f"U{number}", person)

    with django_assert_num_queries(5):
        found = directory.snapshot(NOON, chat)
        for number in range(20):
            account = found.account(crm.pk, f"005A{number:011d}AAA")
            assert found.address(account.person_id).remote_id == f"U{number}"
            assert found.schedule(account.person_id).spans


@pytest.mark.parametrize(
    ("asked", "is_found"),
    [(OWNER, True), (OWNER[:15], True), (OWNER.lower(), False), ("005A00000000002AAA", False), ("", False)],
)
def test_an_owner_is_found_by_the_long_and_the_short_id(crm, chat, asked, is_found):
    make_link(crm, OWNER)

    account = directory.snapshot(NOON, chat).account(crm.pk, asked)

    assert (account is not None) == is_found


def test_an_id_means_nothing_at_another_connection(crm, chat):
    make_link(crm, OWNER)

    assert directory.snapshot(NOON, chat).account(chat.pk, OWNER) is None


def test_only_an_active_account_at_the_destination_is_an_address(crm, chat):
    elsewhere, gone, here = make_person(), make_person(), make_person()
    make_link(make_connection("slack"), "U1", elsewhere)
    make_link(chat, "U2", gone, active=False)
    make_link(chat, "U3", here, active=False)
    make_link(chat, "U4", here)

    found = directory.snapshot(NOON, chat)

    addresses = [found.address(person.pk) for person in (elsewhere, gone, here)]
    assert addresses == [None, None, directory.Address("U4", "UTC")]


def test_an_account_given_by_hand_is_the_first_address(chat):
    person = make_person()
    make_link(chat, "U1", person)
    make_link(chat, "U2", person, manual=True)

    assert directory.snapshot(NOON, chat).address(person.pk).remote_id == "U2"


def test_by_e_mail_a_person_is_reached_at_their_address():
    person, without = make_person(email="ann@x.test"), make_person(email=None)

    found = directory.snapshot(NOON, make_connection("email"))

    assert found.address(person.pk) == directory.Address("ann@x.test", "UTC")
    assert found.address(without.pk) is None


def test_the_members_of_a_queue_are_the_accounts_known(crm, chat):
    person = make_person(name="Ann")
    make_link(crm, OWNER, person)
    make_link(crm, "00GA00000000001AAA", name="West", is_group=True, members=[OWNER, "005A00000000009AAA"])

    found = directory.snapshot(NOON, chat)

    assert [account.name for account in found.members(crm.pk, "00GA00000000001AAA")] == ["Ann"]
    assert found.members(crm.pk, "00GA00000000009AAA") == []
    assert found.account(crm.pk, "00GA00000000001AAA").is_group


def test_a_person_who_is_gone_has_no_name_and_no_address(chat):
    found = directory.snapshot(NOON, chat)

    assert (found.name(999), found.email(999), found.address(999)) == ("", "", None)
    assert hours.at(found.schedule(999), NOON).open
