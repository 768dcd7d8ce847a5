"""The directory: refreshed by few calls, repaired after a failure, looked up on a miss."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from integration_hub.connectors.errors import AuthError, RateLimitError, RetryableError
from integration_hub.connectors.records import Member
from integration_hub.simulator.server import Simulator
from routing import directory, links
from routing.models import DirectoryLink, Person
from syncs.models import Connection, SyncRun
from tests.factories import NOON, make_connection, make_person, make_salesforce, make_slack
from tests.routing.factories import Systems, ann, make_link

pytestmark = pytest.mark.django_db

OWNER = "005A00000000001AAA"
HOUR = timedelta(hours=1)
OUTAGE = RetryableError("The vendor does not answer.")


@pytest.fixture
def systems(monkeypatch):
    systems = Systems()
    monkeypatch.setattr("syncs.connect.opened", systems.opened)
    return systems


@pytest.fixture
def crm():
    return make_connection("salesforce", key="crm")


@pytest.fixture
def chat():
    return make_connection("slack", key="chat")


def link(remote_id):
    return DirectoryLink.objects.get(remote_id=remote_id)


def test_one_person_is_found_behind_the_accounts_of_two_systems(systems, crm, chat):
    systems.set(crm, [ann(OWNER, email="Ann@X.test.invalid")])
    systems.set(chat, [ann("UANN", time_zone="Asia/Kolkata")])

    directory.refresh(crm, NOON)
    directory.refresh(chat, NOON)

    person = Person.objects.get()
    assert (person.name, person.email) == ("Ann Lee", "ann@x.test")
    assert link(OWNER).person == link("UANN").person == person
    assert {row.state for row in DirectoryLink.objects.all()} == {"matched"}


def test_a_refresh_says_what_it_did_and_its_run_balances(systems, chat):
    systems.set(chat, [ann(), Member("UBOT", "Bot", active=False)], [], [Member("UX", "No address")])

    report = directory.refresh(chat, NOON)

    assert report == directory.DirectoryReport(
        "chat", read=3, created=3, unmatched=1, inactive=1, new_people=1
    )
    run = SyncRun.objects.get()
    assert (run.kind, run.state, run.read, run.delivered, run.calls) == ("directory", "ok", 3, 3, 3)


def test_a_second_refresh_finds_everything_unchanged(systems, chat):
    systems.set(chat, [ann(), Member("UX", "No address", members=("a",), is_group=True)])
    directory.refresh(chat, NOON)

    report = directory.refresh(chat, NOON + HOUR)

    assert (report.read, report.unchanged, report.new_people) == (2, 2, 0)
    assert link("UANN").refreshed_at == NOON + HOUR


def test_changed_facts_are_taken_over(systems, chat):
    systems.set(chat, [ann(time_zone="Europe/Paris")])
    directory.refresh(chat, NOON)
    systems.set(chat, [ann(name="Ann Kay", time_zone="Europe/Rome")])

    report = directory.refresh(chat, NOON + HOUR)

    assert report.updated == 1
    assert (link("UANN").name, link("UANN").time_zone) == ("Ann Kay", "Europe/Rome")


def test_an_account_that_gets_its_person_later_counts_as_updated(systems, chat):
    systems.set(chat, [ann(active=False)])
    directory.refresh(chat, NOON)
    person = make_person(email="ann@x.test")

    report = directory.refresh(chat, NOON + HOUR)

    assert report.updated == 1
    assert link("UANN").person == person


def test_an_account_that_is_no_longer_listed_becomes_inactive_at_its_connection_only(systems, crm, chat):
    make_link(crm, OWNER)
    systems.set(chat, [ann(), Member("UBOB", "Bob")])
    directory.refresh(chat, NOON)
    systems.set(chat, [ann()])

    report = directory.refresh(chat, NOON + HOUR)

    assert (report.read, report.unchanged, report.deactivated, report.inactive) == (1, 1, 1, 1)
    assert not link("UBOB").active
    assert link(OWNER).active


def test_a_member_on_two_pages_is_one_account(systems, chat):
    systems.set(chat, [ann(name="Old")], [ann(name="New")])

    report = directory.refresh(chat, NOON)

    assert report.read == 1
    assert link("UANN").name == "New"


def test_two_members_with_one_address_are_in_doubt_with_the_person_as_candidate(systems, chat):
    systems.set(chat, [ann("U1"), ann("U2")])

    report = directory.refresh(chat, NOON)

    person = Person.objects.get()
    assert report.doubtful == 2
    assert [row.candidates for row in DirectoryLink.objects.all()] == [[person.pk], [person.pk]]
    assert directory.snapshot(NOON, chat).address(person.pk) is None


def test_a_link_set_by_hand_survives_while_its_facts_are_updated(systems, chat):
    boss = make_person(email="boss@x.test")
    make_link(chat, "UANN", boss, manual=True, name="Old name")
    systems.set(chat, [ann()])

    directory.refresh(chat, NOON)

    row = link("UANN")
    assert (row.person, row.manual, row.name) == (boss, True, "Ann Lee")


def test_a_failure_in_the_middle_of_reading_changes_nothing(systems, chat):
    systems.set(chat, [ann()], [Member("UBOB", "Bob")])
    directory.refresh(chat, NOON)
    systems.set(chat, [ann(name="New")], OUTAGE)

    with pytest.raises(RetryableError):
        directory.refresh(chat, NOON + HOUR)

    assert link("UBOB").active
    assert link("UANN").name == "Ann Lee"
    run = SyncRun.objects.latest("id")
    assert (run.state, run.error) == ("failed", "The vendor does not answer.")


def test_a_crash_in_the_middle_of_storing_is_repaired_by_the_next_refresh(systems, chat, monkeypatch):
    systems.set(chat, [ann()])
    with monkeypatch.context() as broken:
        broken.setattr(links, "_write", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            directory.refresh(chat, NOON)
    assert not Person.objects.exists()

    report = directory.refresh(chat, NOON + HOUR)

    assert (report.created, report.new_people) == (1, 1)


@pytest.mark.parametrize(
    ("pages", "sentence"),
    [([], "lists nobody"), ([[]], "lists nobody"), ([[ann(email="")]], "no e-mail addresses")],
)
def test_an_answer_that_lost_what_it_had_unlinks_nobody(systems, chat, pages, sentence):
    systems.set(chat, [ann()])
    directory.refresh(chat, NOON)
    systems.set(chat, *pages)

    with pytest.raises(RetryableError, match=sentence):
        directory.refresh(chat, NOON + HOUR)

    assert link("UANN").active
    assert link("UANN").state == "matched"


def test_many_members_take_few_statements(systems, chat, django_assert_max_num_queries):
    systems.set(chat, [ann(f"U{n}", email=f"p{n}@x.test") for n in range(450)])

    with django_assert_max_num_queries(40):
        directory.refresh(chat, NOON)

    assert DirectoryLink.objects.filter(state="matched").count() == 450


def test_one_connection_that_fails_leaves_the_others_alone(systems, crm, chat):
    make_connection("email", key="mail")
    make_connection("slack", key="off", enabled=False)
    systems.set(chat, OUTAGE)
    systems.set(crm, [ann(OWNER)])

    reports = directory.refresh_all(NOON)

    assert [(report.connection, report.error, report.read) for report in reports] == [
        ("chat", "The vendor does not answer.", 0),
        ("crm", "", 1),
    ]
    assert Connection.objects.get(key="chat").failing_since == NOON


def test_an_unexpected_error_leaves_the_others_alone_too(systems, crm, chat):
    systems.set(chat, [None])
    systems.set(crm, [ann(OWNER)])

    reports = directory.refresh_all(NOON)

    assert [report.ok for report in reports] == [False, True]


def test_refused_credentials_put_the_connection_on_hold(systems, chat):
    systems.set(chat, AuthError("The token was revoked."))

    directory.refresh_all(NOON)

    assert Connection.objects.get(key="chat").held_reason == "The token was revoked."


def test_a_rate_limit_on_listing_people_does_not_pause_the_sending(systems, chat):
    systems.set(chat, RateLimitError("Too many calls.", retry_after=60))

    [report] = directory.refresh_all(NOON)

    assert report.error == "Too many calls."
    assert Connection.objects.get(key="chat").paused_until is None


@pytest.mark.parametrize(
    ("pages", "after", "is_due"),
    [
        ([[ann()]], timedelta(minutes=59), False),
        ([[ann()]], HOUR, True),
        ([OUTAGE], timedelta(minutes=4), False),
        ([OUTAGE], timedelta(minutes=5), True),
    ],
)
def test_a_refresh_is_due_hourly_and_sooner_after_a_failure(systems, chat, pages, after, is_due):
    systems.set(chat, *pages)
    directory.refresh_due(NOON)

    due = directory.due(NOON + after)

    assert due == ([chat] if is_due else [])


def test_a_failure_that_was_repaired_is_not_repeated(systems, chat):
    systems.set(chat, OUTAGE)
    directory.refresh_due(NOON)
    systems.set(chat, [ann()])
    directory.refresh_due(NOON + timedelta(minutes=6))

    due = directory.due(NOON + timedelta(minutes=30))

    assert due == []


class TestLookUpOfAPersonWithoutAccount:
    @pytest.fixture
    def person(self):
        return make_person(name="Ann", email="ann@x.test")

    def test_somebody_new_is_found_and_can_be_addressed(self, systems, chat, person):
        roster = systems.set(chat, [ann(time_zone="Asia/Kolkata")])

        found = directory.look_up_missing(chat, person, NOON)

        assert found
        assert roster.calls == ["ann@x.test"]
        address = directory.snapshot(NOON, chat).address(person.pk)
        assert address == directory.Address("UANN", "Asia/Kolkata")

    def test_who_is_not_found_is_asked_for_once_an_hour(self, systems, chat, person):
        roster = systems.set(chat, [])

        answers = [
            directory.look_up_missing(chat, person, NOON + after)
            for after in (timedelta(0), timedelta(minutes=59), HOUR)
        ]

        assert answers == [False, False, False]
        assert len(roster.calls) == 2

    def test_an_outage_is_no_error_and_is_tried_again_soon(self, systems, chat, person):
        down = systems.set(chat, OUTAGE)
        first = directory.look_up_missing(chat, person, NOON)
        second = directory.look_up_missing(chat, person, NOON + timedelta(minutes=1))
        systems.set(chat, [ann()])

        third = directory.look_up_missing(chat, person, NOON + timedelta(minutes=5))

        assert (first, second, third) == (False, False, True)
        assert len(down.calls) == 1

    def test_who_has_an_account_is_not_asked_for(self, systems, chat, person):
        make_link(chat, "UANN", person)
        roster = systems.set(chat, [ann()])

        assert directory.look_up_missing(chat, person, NOON)
        assert roster.calls == []

    def test_nobody_is_asked_for_without_an_address_or_at_a_mail_server(self, chat, person):
        nameless = make_person(email=None)

        answers = [
            directory.look_up_missing(chat, nameless, NOON),
            directory.look_up_missing(make_connection("email"), person, NOON),
        ]

        assert answers == [False, False]

    def test_an_account_given_to_somebody_else_by_hand_stays_theirs(self, systems, chat, person):
        boss = make_person()
        make_link(chat, "UANN", boss, manual=True)
        systems.set(chat, [ann()])

        found = directory.look_up_missing(chat, person, NOON)

        assert not found
        assert link("UANN").person == boss


class TestLookUpOfUnknownOwners:
    def test_a_new_owner_is_found_and_known_from_then_on(self, systems, crm, chat):
        person = make_person(email="ann@x.test")
        roster = systems.set(crm, [ann(OWNER)])

        found = [directory.look_up_owner(crm, [OWNER, OWNER], NOON) for _ in range(2)]

        assert found == [1, 0]
        assert roster.calls == [(OWNER,)]
        assert directory.snapshot(NOON, chat).account(crm.pk, OWNER).person_id == person.pk

    def test_the_other_accounts_stay_as_they_are(self, systems, crm):
        make_link(crm, "005B00000000001AAA")
        systems.set(crm, [ann(OWNER)])

        directory.look_up_owner(crm, [OWNER], NOON)

        assert link("005B00000000001AAA").active

    def test_an_id_that_nobody_has_is_asked_for_once_an_hour_and_stays_unknown(self, systems, crm, chat):
        roster = systems.set(crm, [])

        for after in (timedelta(0), timedelta(minutes=59), HOUR):
            directory.look_up_owner(crm, [OWNER], NOON + after)

        assert roster.calls == [(OWNER,), (OWNER,)]
        assert directory.snapshot(NOON, chat).account(crm.pk, OWNER) is None

    def test_an_outage_is_no_error_and_is_tried_again_soon(self, systems, crm):
        down = systems.set(crm, OUTAGE)
        for minutes in (0, 1):
            directory.look_up_owner(crm, [OWNER], NOON + timedelta(minutes=minutes))
        systems.set(crm, [ann(OWNER)])

        found = directory.look_up_owner(crm, [OWNER], NOON + timedelta(minutes=5))

        assert found == 1
        assert len(down.calls) == 1

    def test_ids_that_differ_only_in_case_are_two_owners(self, systems, crm):
        make_link(crm, OWNER)
        roster = systems.set(crm, [])

        directory.look_up_owner(crm, [OWNER.swapcase(), OWNER[:15]], NOON)

        assert roster.calls == [(OWNER.swapcase(),)]


def test_the_issues_page_says_who_cannot_be_reached_and_why(crm, chat, django_assert_max_num_queries):
    fine, gone, absent = (make_person(name=name) for name in ("Fine", "Gone", "Absent"))
    make_link(chat, "U1", fine, time_zone="Europe/Paris")
    make_link(chat, "U2", gone, active=False)
    doubtful = make_link(chat, "U3", state="doubtful", candidates=[absent.pk])
    make_link(crm, "fine", fine)
    owner_gone = make_link(crm, "gone", gone)
    owner_absent = make_link(crm, "absent", absent)
    unknown = make_link(crm, "unknown")
    owner_doubtful = make_link(crm, "doubtful", state="doubtful", candidates=[fine.pk])
    make_link(crm, "left", active=False)
    make_link(crm, "queue", is_group=True)
    make_link(crm, "never listed", refreshed_at=None)

    with django_assert_max_num_queries(8):
        page = directory.issues_page(chat)
        found = {name: set(rows) for name, rows in page.items() if name != "candidates"}

    assert found == {
        "unmatched": {owner_absent, unknown},
        "inactive": {owner_gone},
        "doubtful": {doubtful, owner_doubtful},
        "without_zone": {gone, absent},
    }
    assert page["candidates"] == {absent.pk: absent, fine.pk: fine}


def test_the_command_prints_counts_and_fails_if_one_connection_did(systems, crm, chat, capsys):
    systems.set(chat, OUTAGE)
    systems.set(crm, [ann(OWNER)])

    with pytest.raises(CommandError, match=r"Not refreshed: chat\."):
        call_command("refresh_directory")

    printed = capsys.readouterr().out
    assert "chat: The vendor does not answer." in printed
    assert "crm: 1 read, 1 new" in printed


def test_the_command_refreshes_one_connection(systems, crm, chat, capsys):
    systems.set(crm, [ann(OWNER)])

    call_command("refresh_directory", connection="crm")

    assert capsys.readouterr().out.startswith("crm: 1 read")


@pytest.mark.parametrize(
    ("key", "sentence"),
    [("nope", "There is no connection"), ("mail", "knows no people"), ("off", "is switched off")],
)
def test_the_command_refuses_a_connection_it_cannot_refresh(key, sentence):
    make_connection("email", key="mail")
    make_connection("slack", key="off", enabled=False)

    with pytest.raises(CommandError, match=sentence):
        call_command("refresh_directory", connection=key)


class TestWithPretendVendors:
    @pytest.fixture
    def simulator(self):
        with Simulator() as simulator:
            yield simulator

    def test_owners_queues_and_members_are_read_in_few_calls_and_meet(self, simulator):
        owner = simulator.salesforce.add_user("Priya Nair", "Priya@x.test")
        queue = simulator.salesforce.add_queue("West", [owner])
        member = simulator.slack.add_member("Priya", "priya@x.test", tz="Asia/Kolkata")
        simulator.slack.add_member("No address", None)
        simulator.slack.add_member("Left", "left@x.test", deleted=True)
        crm, chat = make_salesforce(simulator), make_slack(simulator)

        reports = directory.refresh_all(NOON)

        assert [report.error for report in reports] == ["", ""]
        found = directory.snapshot(NOON, chat)
        person = found.account(crm.pk, owner[:15]).person_id
        assert found.address(person) == directory.Address(member, "Asia/Kolkata")
        assert [account.person_id for account in found.members(crm.pk, queue)] == [person]
        assert not Person.objects.filter(email="left@x.test").exists()
        assert {run.state for run in SyncRun.objects.all()} == {"ok"}

    def test_whoever_joined_since_the_refresh_is_looked_up(self, simulator):
        crm, chat = make_salesforce(simulator), make_slack(simulator)
        directory.refresh_all(NOON)
        owner = simulator.salesforce.add_user("Priya Nair", "priya@x.test")
        member = simulator.slack.add_member("Priya", "priya@x.test")

        directory.look_up_owner(crm, [owner], NOON)
        person = Person.objects.get(email="priya@x.test")

        assert directory.look_up_missing(chat, person, NOON)
        assert directory.snapshot(NOON, chat).address(person.pk).remote_id == member

    def test_an_outage_leaves_the_directory_as_it_was(self, simulator):
        simulator.slack.add_member("Priya", "priya@x.test")
        chat = make_slack(simulator)
        directory.refresh_all(NOON)
        simulator.slack.faults.outage(True)

        [report] = directory.refresh_all(NOON + HOUR)

        assert report.error
        assert chat.directory_links.filter(email="priya@x.test", active=True, state="matched").exists()
