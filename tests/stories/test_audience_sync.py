"""From a change in Salesforce to the user in Iterable, as a marketing person sees it."""

from collections import Counter
from datetime import timedelta
from itertools import chain, repeat

import pytest

from routing import router, timeline
from routing.models import Decision
from syncs.engine import parents, poll, push
from syncs.models import (
    Change,
    Connection,
    Delivery,
    FieldMapping,
    Incident,
    ParentChange,
    RecordLink,
    Sync,
    SyncRun,
)
from syncs.models.deliveries import DeliveryState
from syncs.models.runs import RunState
from tests.factories import make_iterable, make_rule, make_stream, make_sync
from tests.stories.world import Company

BOTH = {
    "Email": "email",
    "FirstName": "dataFields.Name.First",
    "LastName": "dataFields.Name.Last",
    "Id": "dataFields.Salesforce.Id",
    "LeadSource": "dataFields.Source",
    "Owner.Name": "dataFields.Owner.Name",
}
CONTACT = {**BOTH, "Account.Name": "dataFields.Company.Name"}
LEAD = {**BOTH, "Company": "dataFields.Company.Name"}


class Audience(Company):
    """A company that also markets by Iterable."""

    def __init__(self, simulator):
        super().__init__(simulator)
        self.iterable = simulator.iterable
        self.project = make_iterable(simulator, key="iterable", name="Iterable")
        self.contacts = self.watch("Contact", "contacts")

    def watch(self, object_type, key):
        return make_stream(self.crm, key=key, object_type=object_type, described_at=None, started_at=None)

    def sync(self, stream, mapping, precedence=50, **values):
        names = {"key": stream.key, "name": stream.key.title(), "precedence": precedence}
        return make_sync(*mapping.items(), stream=stream, destination=self.project, **names, **values)

    def contact(self, email, name="Lee", **values):
        return self.salesforce.add("Contact", LastName=name, Email=email, **values)

    def lead(self, email, name="Lee", **values):
        return self.salesforce.add("Lead", LastName=name, Email=email, Company="Acme", **values)

    def settle(self, seconds=20.0):
        """Let time pass until a poll has read what happened and everything is written."""
        self.pass_time(seconds)

    def forget_the_overlap(self):
        """Let so much time pass that no poll reads again what has happened until now."""
        self.settle()
        self.pass_time(720, step=120)

    def user(self, email):
        return self.iterable.users[email]["dataFields"]

    def bulk_calls(self):
        return [r for r in self.iterable.requests if r.path == "/api/users/bulkUpdate"]

    @staticmethod
    def synced(record_id):
        """What the newest change of a record came to: {sync: code}."""
        change = Change.objects.filter(record_id=record_id).order_by("-modified_at", "-id").first()
        return {key: code for key, (_outcome, code, _reason) in change.synced.items()}


@pytest.fixture
def company(simulator, db):
    company = Audience(simulator)
    yield company
    unbalanced = SyncRun.objects.filter(state=RunState.UNBALANCED)
    assert not unbalanced, [(run.kind, run.read, run.accounted) for run in unbalanced]


@pytest.fixture
def syncs(company):
    """Contacts go before leads; both have been watched from now on."""
    company.sync(company.contacts, CONTACT, 10)
    company.sync(company.stream, LEAD, 20)
    company.tick()
    return company


def links():
    return {link.record_id: link for link in RecordLink.objects.all()}


def test_a_new_contact_is_a_user_within_a_poll(syncs):
    account = syncs.salesforce.add("Account", Name="Acme")

    contact = syncs.contact("Ann@Acme.test", FirstName="Ann", AccountId=account)
    syncs.settle()

    user = syncs.user("ann@acme.test")
    assert user["Name"] == {"First": "Ann", "Last": "Lee"}
    assert user["Company"] == {"Name": "Acme"}
    assert user["Salesforce"] == {"Id": contact}
    assert (links()[contact].state, links()[contact].match_value) == ("written", "ann@acme.test")


def test_many_changes_are_one_call_and_one_settled_batch(syncs):
    syncs.salesforce.add_many(
        "Contact", [{"LastName": f"Lee {n}", "Email": f"lee{n}@x.test"} for n in range(300)]
    )

    syncs.settle()

    assert len(syncs.iterable.users) == 300
    assert len(syncs.bulk_calls()) == 1
    assert Counter(link.state for link in links().values()) == {"written": 300}


def test_a_batch_is_settled_in_few_statements(syncs, django_assert_max_num_queries):
    syncs.salesforce.add_many(
        "Contact", [{"LastName": f"Lee {n}", "Email": f"lee{n}@x.test"} for n in range(300)]
    )
    syncs.wait(10)
    syncs.contacts.refresh_from_db()
    poll.run(syncs.contacts, syncs.now, clock=lambda: syncs.now)
    router.run(syncs.contacts, syncs.now)

    with django_assert_max_num_queries(60):
        run = push.run(syncs.project, syncs.now, clock=lambda: syncs.now)

    assert (run.delivered, run.calls) == (300, 1)


def test_several_versions_of_a_record_are_written_once_as_the_newest(syncs):
    contact = syncs.contact("ann@x.test")
    syncs.project.enabled = False
    syncs.project.save()
    for number in range(3):
        syncs.salesforce.update(contact, LastName=f"Lee {number}")
        syncs.settle()
    Connection.objects.filter(pk=syncs.project.pk).update(enabled=True)
    syncs.settle()

    assert syncs.user("ann@x.test")["Name"]["Last"] == "Lee 2"
    assert len(syncs.bulk_calls()) == 1
    assert Counter(Delivery.objects.values_list("state", "error_code")) == {
        ("dismissed", "superseded"): 2,
        ("delivered", ""): 1,
    }


def test_what_stands_there_already_is_not_sent_again(syncs):
    contact = syncs.contact("ann@x.test")
    syncs.settle()

    syncs.salesforce.update(contact, Department="Sales")
    syncs.settle()
    syncs.salesforce.update(contact, Phone="1")  # neither field is mapped
    syncs.settle()

    assert len(syncs.bulk_calls()) == 1
    assert syncs.synced(contact) == {"contacts": "unchanged"}
    assert SyncRun.objects.filter(kind="route", unchanged=1).exists()


def test_an_invalid_email_costs_no_call_and_says_why(syncs):
    lead = syncs.lead("not an address")

    syncs.settle()

    assert syncs.iterable.users == {}
    assert syncs.bulk_calls() == []
    assert syncs.synced(lead) == {"leads": "invalid_email"}
    assert links()[lead].state == "skipped"
    assert "Email" in links()[lead].reason


def test_a_changed_email_moves_the_user(syncs):
    contact = syncs.contact("ann@old.test", FirstName="Ann")
    syncs.settle()

    syncs.salesforce.update(contact, Email="ann@new.test")
    syncs.settle()

    assert set(syncs.iterable.users) == {"ann@new.test"}
    assert links()[contact].match_value == "ann@new.test"


def test_an_email_changed_before_the_first_answer_makes_no_second_user(syncs):
    contact = syncs.contact("ann@old.test")
    syncs.iterable.faults.fail_next(1, "drop_after", path="bulkUpdate")
    syncs.settle(10)

    syncs.salesforce.update(contact, Email="ann@new.test")
    syncs.settle(60)

    assert set(syncs.iterable.users) == {"ann@new.test"}


def test_of_a_lead_and_a_contact_with_one_email_the_contact_writes(syncs):
    lead = syncs.lead("ann@x.test", "As lead")
    syncs.settle()
    assert syncs.user("ann@x.test")["Salesforce"] == {"Id": lead}

    contact = syncs.contact("ann@x.test", "As contact")
    syncs.settle()
    syncs.salesforce.update(lead, LastName="Still as lead")
    syncs.settle()

    assert syncs.user("ann@x.test")["Name"]["Last"] == "As contact"
    assert syncs.synced(lead) == {"leads": "collapsed"}
    assert links()[lead].reason == f"Contacts {contact} has the same email and goes first."
    assert links()[lead].written_at is None


def test_a_lead_and_a_contact_read_together_cost_one_write(syncs):
    lead = syncs.lead("ann@x.test", "As lead")
    contact = syncs.contact("ann@x.test", "As contact")

    syncs.settle()

    assert syncs.user("ann@x.test")["Salesforce"] == {"Id": contact}
    assert sum(len(call.body["users"]) for call in syncs.bulk_calls()) == 1
    assert lead not in links() or links()[lead].written_at is None


def test_of_two_contacts_with_one_email_the_newest_writes(syncs):
    first = syncs.contact("ann@x.test", "First")
    syncs.settle()
    second = syncs.contact("ann@x.test", "Second")
    syncs.settle()
    assert syncs.user("ann@x.test")["Name"]["Last"] == "Second"

    syncs.salesforce.update(first, LastName="First again")
    syncs.settle()

    assert syncs.user("ann@x.test")["Name"]["Last"] == "First again"
    assert (links()[first].state, links()[second].state) == ("written", "skipped")


def test_who_lost_a_user_does_not_move_it_away(syncs):
    lead = syncs.lead("ann@x.test")
    syncs.settle()
    syncs.contact("ann@x.test", "As contact")
    syncs.settle()

    syncs.salesforce.update(lead, Email="other@x.test")
    syncs.settle()

    assert syncs.user("ann@x.test")["Name"]["Last"] == "As contact"
    assert set(syncs.iterable.users) == {"ann@x.test", "other@x.test"}


def test_two_contacts_that_exchange_their_emails_end_with_the_right_ones(syncs):
    ann = syncs.contact("ann@x.test", "Ann")
    bob = syncs.contact("bob@x.test", "Bob")
    syncs.settle()

    syncs.salesforce.update(ann, Email="bob@x.test")
    syncs.salesforce.update(bob, Email="ann@x.test")
    syncs.settle(60)

    assert syncs.user("bob@x.test")["Name"]["Last"] == "Ann"
    assert syncs.user("ann@x.test")["Name"]["Last"] == "Bob"
    assert len(syncs.iterable.users) == 2
    links = RecordLink.objects.values_list("record_id", "match_value", "state")
    assert set(links) == {(ann, "bob@x.test", "written"), (bob, "ann@x.test", "written")}


def test_a_converted_lead_follows_its_contact(syncs):
    lead = syncs.lead("ann@x.test", "Ann")
    syncs.settle()

    contact = syncs.salesforce.convert(lead)
    syncs.settle()

    assert syncs.user("ann@x.test")["Salesforce"] == {"Id": contact}
    assert syncs.synced(lead) == {"leads": "converted"}


def test_a_renamed_account_reaches_its_contacts_and_nobody_else(syncs):
    syncs.watch("Account", "accounts")
    acme, other = (syncs.salesforce.add("Account", Name=name) for name in ("Acme", "Other"))
    for number in range(3):
        syncs.contact(f"lee{number}@x.test", AccountId=acme)
    syncs.contact("max@x.test", AccountId=other)
    syncs.forget_the_overlap()

    syncs.salesforce.update(acme, Name="Acme Group")
    syncs.settle()

    names = {email: user["dataFields"]["Company"]["Name"] for email, user in syncs.iterable.users.items()}
    assert names == {f"lee{n}@x.test": "Acme Group" for n in range(3)} | {"max@x.test": "Other"}
    assert not ParentChange.objects.exists()


def test_any_field_of_any_parent_reaches_the_children_and_its_edits_too(company):
    company.salesforce.add_field("Contact", "Region__c", "reference", label="Region", reference_to="Account")
    mapping = {
        "Email": "email",
        "Account.BillingCountry": "dataFields.Country",
        "Region__r.Name": "dataFields.Region",
    }
    company.sync(company.contacts, mapping)
    company.watch("Account", "accounts")
    acme, emea = (
        company.salesforce.add("Account", Name="Acme"),
        company.salesforce.add("Account", Name="EMEA"),
    )
    company.tick()
    company.contact("lee@x.test", AccountId=acme, Region__c=emea)
    company.contact("max@x.test")
    company.forget_the_overlap()

    company.salesforce.update(acme, BillingCountry="DE")
    company.salesforce.update(emea, Name="Europe")
    company.settle()

    assert company.user("lee@x.test") == {"Country": "DE", "Region": "Europe"}
    assert company.user("max@x.test") == {}


def test_an_account_renamed_back_reaches_its_contacts_again(syncs):
    syncs.watch("Account", "accounts")
    acme = syncs.salesforce.add("Account", Name="Acme")
    syncs.contact("lee@x.test", AccountId=acme)
    syncs.forget_the_overlap()

    for name in ("Acme Group", "Acme"):
        syncs.salesforce.update(acme, Name=name)
        syncs.settle()
        assert syncs.user("lee@x.test")["Company"]["Name"] == name


def test_a_parents_field_that_is_not_mapped_reads_no_children(syncs):
    syncs.watch("Account", "accounts")
    acme = syncs.salesforce.add("Account", Name="Acme")
    syncs.contact("lee@x.test", AccountId=acme)
    syncs.forget_the_overlap()
    before = Change.objects.filter(origin="parent").count()

    syncs.salesforce.update(acme, Phone="123")
    syncs.settle()

    assert Change.objects.filter(origin="parent").count() == before


def test_a_renamed_owner_reaches_leads_and_contacts(syncs):
    syncs.watch("User", "users")
    syncs.hire("Priya")
    owner = syncs.owners["Priya"]
    syncs.contact("ann@x.test", OwnerId=owner)
    syncs.lead("bob@x.test", OwnerId=owner)
    syncs.forget_the_overlap()

    syncs.salesforce.update(owner, LastName="Nair")
    syncs.settle()

    assert {user["dataFields"]["Owner"]["Name"] for user in syncs.iterable.users.values()} == {"Nair"}


def test_children_are_read_after_a_crash_and_an_outage(syncs):
    accounts = syncs.watch("Account", "accounts")
    acme = syncs.salesforce.add("Account", Name="Acme")
    syncs.contact("lee@x.test", AccountId=acme)
    syncs.forget_the_overlap()
    accounts.refresh_from_db()
    syncs.salesforce.update(acme, Name="Acme Group")
    syncs.wait(10)
    poll.run(accounts, syncs.now, clock=lambda: syncs.now)
    router.run(accounts, syncs.now)  # and the process dies before it reads the children
    assert ParentChange.objects.count() == 1
    syncs.salesforce.faults.fail_next(6, "unavailable")
    syncs.settle(120)

    assert syncs.user("lee@x.test")["Company"]["Name"] == "Acme Group"


def test_more_children_than_one_run_can_read_are_read_by_the_next(syncs):
    acme = syncs.salesforce.add("Account", Name="Acme")
    syncs.salesforce.add_many(
        "Contact",
        [{"LastName": f"Lee {n}", "Email": f"lee{n}@x.test", "AccountId": acme} for n in range(5)],
    )
    syncs.forget_the_overlap()
    ParentChange.objects.create(
        stream=syncs.contacts, field="AccountId", record_id=acme, requested_at=syncs.now
    )
    syncs.salesforce.page_size = 2
    syncs.contacts.refresh_from_db()
    before = Change.objects.filter(origin="parent").count()
    moments = chain(
        [syncs.now] * 2, repeat(syncs.now + timedelta(seconds=31))
    )  # the time is up after one page

    first = parents.run(syncs.contacts, syncs.now, clock=lambda: next(moments))
    assert 0 < first < 5
    assert ParentChange.objects.get().resume_at is not None
    parents.run(syncs.contacts, syncs.now + timedelta(seconds=60), clock=lambda: syncs.now)

    assert Change.objects.filter(origin="parent").count() - before == 5
    assert not ParentChange.objects.exists()


@pytest.mark.parametrize("policy", ["ignore", "mark", "remove"])
def test_a_deleted_contact_is_treated_by_policy(company, policy):
    company.sync(
        company.contacts, CONTACT, when_deleted=policy, deleted_path="dataFields.Salesforce.IsDeleted"
    )
    company.tick()
    contact = company.contact("ann@x.test")
    company.settle()

    company.salesforce.delete(contact)
    company.settle(150)

    expected = {
        "ignore": {"Id": contact},
        "mark": {"Id": contact, "IsDeleted": True},
        "remove": None,
    }[policy]
    found = company.iterable.users.get("ann@x.test")
    assert (found and found["dataFields"]["Salesforce"]) == expected
    assert links()[contact].state == ("written" if policy == "ignore" else "removed")
    asked = [r for r in company.salesforce.requests if r.path.endswith("/Contact/deleted/")]
    assert bool(asked) == (policy != "ignore")


def test_deletions_concern_no_rule(company):
    company.sync(company.contacts, CONTACT, when_deleted="remove")
    make_rule(stream=company.contacts, destination=company.chat)
    company.tick()
    contact = company.contact("ann@x.test")
    company.settle()
    before = Decision.objects.count()

    company.salesforce.delete(contact)
    company.settle(150)

    assert Change.objects.filter(origin="deleted").count() == 1
    assert Decision.objects.count() == before


def test_the_loser_of_a_merge_is_removed_and_the_winner_keeps_the_shared_user(company):
    company.sync(company.contacts, CONTACT, when_deleted="remove")
    company.tick()
    winner = company.contact("ann@x.test", "Winner")
    same = company.contact("ann@x.test", "Same address")
    company.settle()
    other = company.contact("old@x.test", "Other address")
    company.settle()

    company.salesforce.merge(winner, same)
    company.salesforce.merge(winner, other)
    company.settle(150)

    assert set(company.iterable.users) == {"ann@x.test"}
    assert company.user("ann@x.test")["Name"]["Last"] == "Winner"


def test_a_contact_that_comes_back_is_written_and_unmarked(company):
    path = "dataFields.Salesforce.IsDeleted"
    company.sync(company.contacts, CONTACT, when_deleted="mark", deleted_path=path)
    company.tick()
    contact = company.contact("ann@x.test")
    company.settle()
    company.salesforce.delete(contact)
    company.settle(150)

    company.salesforce.update(contact, IsDeleted=False)
    company.settle()

    assert company.user("ann@x.test")["Salesforce"] == {"Id": contact, "IsDeleted": False}


def test_write_modes_are_honoured(company):
    sync = company.sync(company.contacts, {"Email": "email", "LastName": "dataFields.Last"})
    for source, mode in (("LeadSource", "on_create"), ("Department", "if_empty")):
        FieldMapping.objects.create(
            sync=sync, source=source, destination=f"dataFields.{source}", write_mode=mode
        )
    company.tick()
    contact = company.contact("ann@x.test", LeadSource="Web")
    company.settle()
    assert company.user("ann@x.test")["LeadSource"] == "Web"

    company.salesforce.update(contact, LastName="Two", LeadSource="Other", Department="Sales")
    company.settle()
    company.salesforce.update(contact, LastName="Three", Department="Support")
    company.settle()

    assert company.user("ann@x.test") == {"Last": "Three", "LeadSource": "Web", "Department": "Sales"}


def test_a_sync_that_is_switched_off_keeps_what_waits_and_takes_nothing_new(syncs):
    Connection.objects.filter(pk=syncs.project.pk).update(enabled=False)
    first = syncs.contact("ann@x.test")
    syncs.settle()
    Sync.objects.update(enabled=False)
    Connection.objects.filter(pk=syncs.project.pk).update(enabled=True)
    syncs.contact("bob@x.test")
    syncs.settle()

    assert syncs.iterable.users == {}
    assert Delivery.objects.get().record_id == first
    Sync.objects.update(enabled=True)
    syncs.settle()
    assert "ann@x.test" in syncs.iterable.users


def test_a_refused_record_is_a_dead_letter_and_its_neighbours_go_on(syncs):
    syncs.iterable.forget("gone@x.test")
    gone = syncs.contact("gone@x.test")
    for number in range(20):
        syncs.contact(f"lee{number}@x.test")

    syncs.settle()

    assert len(syncs.iterable.users) == 20
    assert links()[gone].state == "refused"
    assert Delivery.objects.get(state=DeliveryState.DEAD).record_id == gone
    assert Incident.objects.get().kind == "dead_letters"


TROUBLES = [
    ("rate_limited", {}),
    ("server_error", {}),
    ("drop_after", {}),
    ("malformed", {}),
    ("unavailable", {}),
]


@pytest.mark.parametrize(("kind", "options"), TROUBLES)
def test_trouble_loses_nothing_and_alarms_nobody(syncs, kind, options):
    syncs.iterable.faults.fail_next(4, kind, path="bulkUpdate", **options)
    for number in range(50):
        syncs.contact(f"lee{number}@x.test")

    syncs.settle(200)

    assert len(syncs.iterable.users) == 50
    assert Counter(Delivery.objects.values_list("state", flat=True)) == {"delivered": 50}
    assert Counter(link.state for link in links().values()) == {"written": 50}
    assert Incident.objects.count() <= 1
    assert not Incident.objects.filter(closed_at=None).exists()


@pytest.mark.parametrize("is_rival", [False, True])
def test_a_write_that_landed_unanswered_is_taken_back_by_the_former_values(syncs, is_rival):
    ann = syncs.contact("ann@x.test", "Ann")
    syncs.settle()
    syncs.iterable.faults.set("drop_after", 1.0, path="bulkUpdate")
    if is_rival:
        syncs.contact("ann@x.test", "Namesake")
    else:
        syncs.salesforce.update(ann, LastName="Wrong")
    syncs.settle()
    assert syncs.user("ann@x.test")["Name"]["Last"] != "Ann"

    syncs.salesforce.update(ann, LastName="Ann")
    syncs.settle(30)
    syncs.iterable.faults.clear()
    syncs.settle(200)

    assert syncs.user("ann@x.test")["Name"]["Last"] == "Ann"


def test_a_storm_of_all_troubles_loses_nothing(syncs):
    for kind, rate in (
        ("rate_limited", 0.3),
        ("server_error", 0.1),
        ("drop_after", 0.1),
        ("malformed", 0.05),
    ):
        syncs.iterable.faults.set(kind, rate, path="bulkUpdate")
    for wave in range(10):
        for number in range(20):
            syncs.contact(f"lee{wave}-{number}@x.test")
        syncs.settle(20)
    syncs.iterable.faults.clear()

    syncs.settle(300)

    assert len(syncs.iterable.users) == 200
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}
    assert not Delivery.objects.open().exists()
    assert Incident.objects.count() <= 1


def test_the_timeline_tells_what_a_sync_did(syncs):
    contact = syncs.contact("ann@x.test", FirstName="Ann")
    syncs.settle()
    syncs.salesforce.update(contact, Department="Sales")
    syncs.settle()
    syncs.salesforce.update(contact, Email="nobody")
    syncs.settle()

    told = [(event.kind, event.title) for event in timeline.events(contact)]

    assert ("queued", "Contacts: mapped and queued") in told
    assert ("settled", "Contacts: ann@x.test at Iterable written") in told
    assert ("decided", "Contacts: unchanged") in told
    assert ("decided", "Contacts: skipped") in told
    assert not any(title == "No rule looked at it" for _, title in told)
    mapped = next(event for event in timeline.events(contact) if event.kind == "queued")
    assert (None, "dataFields.Name.First: “Ann”") in mapped.lines
