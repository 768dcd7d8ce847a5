"""E-mails that change hands between records: who ends up as which user."""

import pytest

from syncs.models import RecordLink, Sync
from tests.stories.test_audience_sync import CONTACT, LEAD, Audience

pytestmark = pytest.mark.django_db


@pytest.fixture
def company(simulator, db):
    company = Audience(simulator)
    company.sync(company.contacts, CONTACT, 10)
    company.sync(company.stream, LEAD, 20)
    company.tick()
    return company


def theirs(company, *names):
    """Give users something that only they have, as another integration would."""
    for name in names:
        company.iterable.project.with_email(f"{name}@x.test").data["Theirs"] = name


def who(company):
    """By address: the user's own mark, and the last name of the record that wrote it."""
    return {
        email.partition("@")[0]: (user["dataFields"].get("Theirs"), user["dataFields"]["Name"]["Last"])
        for email, user in company.iterable.users.items()
    }


def test_a_chain_of_moves_leaves_nobody_behind(company):
    ann, bob = company.contact("one@x.test", "Ann"), company.contact("two@x.test", "Bob")
    company.settle()
    theirs(company, "one", "two")

    company.salesforce.update(ann, Email="two@x.test")
    company.salesforce.update(bob, Email="three@x.test")
    company.settle(60)

    assert who(company) == {"two": ("one", "Ann"), "three": ("two", "Bob")}


def test_a_lead_follows_into_the_address_that_a_contact_leaves(company):
    bob, lead = company.contact("two@x.test", "Bob"), company.lead("one@x.test", "Lea")
    company.settle()
    theirs(company, "one", "two")

    company.salesforce.update(bob, Email="three@x.test")
    company.salesforce.update(lead, Email="two@x.test")
    company.settle(120)

    assert who(company) == {"two": ("one", "Lea"), "three": ("two", "Bob")}


def test_who_waits_for_an_address_is_told_of_the_next_who_takes_it(company):
    zoe = company.contact("one@x.test", "Zoe")
    company.settle()
    ann, bob = company.contact("one@x.test", "Ann"), company.contact("two@x.test", "Bob")
    company.settle()
    assert f" {ann} has the same email" in RecordLink.objects.get(record_id=zoe).reason

    company.salesforce.update(ann, Email="three@x.test")
    company.salesforce.update(bob, Email="one@x.test")
    company.settle(60)

    assert {email: last for email, (_, last) in who(company).items()} == {"one": "Bob", "three": "Ann"}
    assert f" {bob} has the same email" in RecordLink.objects.get(record_id=zoe).reason


def test_two_that_exchange_their_addresses_each_take_the_others_place(company):
    ann, bob = company.contact("one@x.test", "Ann"), company.contact("two@x.test", "Bob")
    company.settle()

    company.salesforce.update(ann, Email="two@x.test")
    company.salesforce.update(bob, Email="one@x.test")
    company.settle(60)

    assert {name: last for name, (_, last) in who(company).items()} == {"two": "Ann", "one": "Bob"}


def test_an_email_that_changes_again_after_a_move_without_an_answer_ends_as_one_user(company):
    ann = company.contact("one@x.test", "Ann")
    company.settle()
    theirs(company, "one")
    company.iterable.faults.fail_next(1, "drop_after", path="updateEmail")
    company.salesforce.update(ann, Email="two@x.test")
    company.tick()
    company.wait(1)
    company.tick()

    company.salesforce.update(ann, Email="three@x.test")
    company.settle(120)

    assert who(company) == {"three": ("one", "Ann")}


def test_an_email_that_changes_twice_while_no_answer_comes_ends_as_one_user(company):
    ann = company.contact("one@x.test", "Ann")
    company.settle()
    company.iterable.faults.set("drop_after", 1.0, path="updateEmail")
    for name in ("two", "three", "four"):
        company.salesforce.update(ann, Email=f"{name}@x.test")
        company.settle(30)
    company.iterable.faults.clear()

    company.settle(600)

    assert set(who(company)) == {"four"}


@pytest.mark.parametrize("when_deleted", ["mark", "remove"])
def test_when_the_first_is_deleted_the_one_behind_it_writes(company, when_deleted):
    Sync.objects.update(when_deleted=when_deleted, deleted_path="dataFields.IsDeleted")
    contact, _lead = company.contact("one@x.test", "Ann"), company.lead("one@x.test", "Lea")
    company.settle(60)
    assert who(company) == {"one": (None, "Ann")}

    company.salesforce.delete(contact)
    company.settle(300)

    assert who(company) == {"one": (None, "Lea")}


def test_when_the_first_moves_away_the_one_behind_it_writes(company):
    contact, _lead = company.contact("one@x.test", "Ann"), company.lead("one@x.test", "Lea")
    company.settle(60)

    company.salesforce.update(contact, Email="two@x.test")
    company.settle(60)

    assert {name: last for name, (_, last) in who(company).items()} == {"one": "Lea", "two": "Ann"}


def test_when_the_first_has_no_address_any_more_the_one_behind_it_writes(company):
    contact, _lead = company.contact("one@x.test", "Ann"), company.lead("one@x.test", "Lea")
    company.settle(60)

    company.salesforce.update(contact, Email="")
    company.settle(60)

    assert who(company) == {"one": (None, "Lea")}


def test_of_several_that_wait_the_best_writes_and_the_others_wait_on(company):
    contact = company.contact("one@x.test", "Ann")
    for name in ("Lea", "Leo"):
        company.lead("one@x.test", name)
        company.settle(20)

    company.salesforce.update(contact, Email="two@x.test")
    company.settle(60)

    assert who(company)["one"] == (None, "Leo")
    assert sorted(RecordLink.objects.values_list("state", flat=True)) == ["skipped", "written", "written"]


def test_a_field_that_is_emptied_is_cleared_where_the_line_says_so(company):
    company.contacts.syncs.get().mappings.filter(source="LeadSource").update(when_empty="clear")
    contact = company.contact("one@x.test", "Ann", FirstName="A", LeadSource="Web")
    company.settle()
    assert company.user("one@x.test")["Source"] == "Web"

    company.salesforce.update(contact, LeadSource=None, FirstName=None)
    company.settle(60)

    user = company.user("one@x.test")
    assert "Source" not in user
    assert user["Name"] == {"First": "A", "Last": "Ann"}
