"""Does everything stand there as it should? What differs is found, said, and put right the ordinary way."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from integration_hub.simulator.iterable import API_KEY
from syncs import incidents, tasks
from syncs.engine.reconcile import engine as reconcile
from syncs.engine.reconcile import repair
from syncs.engine.reconcile import scan as reconcile_scan
from syncs.engine.reconcile.engine import ReconcileError
from syncs.models import (
    Change,
    Connection,
    Delivery,
    FieldMapping,
    Incident,
    Reconciliation,
    RecordLink,
    Sync,
    SyncRun,
)
from syncs.models.reconciliations import AT_SOURCE
from syncs.models.runs import RunState
from tests.factories import NOON, make_iterable, make_stream, make_sync
from tests.stories.world import Company

LINES = [
    ("Email", "email"),
    ("LastName", "dataFields.Name"),
    {"source": "CreatedDate", "destination": "dataFields.Since", "transform": "date"},
    {
        "source": "LastModifiedDate",
        "destination": "dataFields.At",
        "transform": "datetime",
        "write_mode": "on_create",
    },
]


class Audience(Company):
    def __init__(self, simulator):
        super().__init__(simulator)
        self.iterable = simulator.iterable
        self.project = make_iterable(simulator, key="iterable")
        self.contacts = make_stream(
            self.crm, key="contacts", object_type="Contact", described_at=None, started_at=None
        )
        self.sync = make_sync(*LINES, key="contacts", stream=self.contacts, destination=self.project)
        self.tick()

    def contact(self, email, name="Lee", **values):
        return self.salesforce.add("Contact", LastName=name, Email=email, **values)

    def settle(self, seconds=3600.0, step=900.0):
        """Let everything be written, and so long ago that nothing is on its way."""
        self.pass_time(60)
        self.pass_time(seconds, step)

    def reconcile(self, days=30, sample=200):
        one = reconcile.start(self.sync, self.now, days=days, sample=sample)
        while not reconcile.work(one, clock=lambda: self.now):
            pass
        return one

    def lose(self, *records):
        """Let the hub forget that it ever met these records."""
        RecordLink.objects.filter(record_id__in=records).delete()

    def user(self, email):
        return self.iterable.users[email]["dataFields"]


@pytest.fixture
def company(simulator, db):
    company = Audience(simulator)
    yield company
    assert not SyncRun.objects.filter(state=RunState.UNBALANCED).exists()


def counted(one):
    return {kind: count for kind, count in one.counts.items() if count}


def named(one, kind):
    return {entry["record"]: entry["words"] for entry in one.examples.get(kind, [])}


def test_nothing_differs_where_all_was_written(company):
    for number in range(5):
        company.contact(f"lee{number}@x.test")
    company.contact("nobody")
    company.settle()

    one = company.reconcile()

    assert counted(one) == {"written": 5, "skipped": 1, "sampled": 5}
    assert one.days == {"2026-11-20": {"written": 5, "skipped": 1}}
    assert (one.run.state, one.run.read, one.differences) == ("ok", 6, 0)


def test_missing_records_are_found_and_written_by_a_repair(company):
    lost, invalid = company.contact("ann@x.test"), company.contact("nobody")
    company.contact("bob@x.test")
    company.settle()
    company.lose(lost, invalid)
    project = company.iterable.project
    project.remove(project.with_email("ann@x.test"))

    one = company.reconcile()
    done = repair.repair(one, 10, company.now)
    company.settle()

    assert counted(one) == {"written": 1, "missing": 2, "sampled": 1}
    assert "It would be skipped: Email → email" in named(one, "missing")[invalid]
    assert (done.queued, one.repaired) == (2, 2)
    assert Change.objects.filter(origin="repair").count() == 2
    assert company.user("ann@x.test")["Name"] == "Lee"
    assert counted(company.reconcile()) == {"written": 2, "skipped": 1, "sampled": 2}


def test_differences_are_one_incident_until_a_reconciliation_finds_none(company):
    lost = company.contact("ann@x.test")
    company.settle()
    company.lose(lost)

    one = company.reconcile()
    company.reconcile()

    incident = Incident.objects.get()
    assert (incident.kind, incident.count, incident.closed_at) == ("differences", 2, None)
    assert incident.detail == "missing: 1."

    repair.repair(one, 10, company.now)
    company.settle()
    company.reconcile()

    incident.refresh_from_db()
    assert incident.closed_at is not None


def test_the_incident_ends_with_its_sync(company):
    company.lose(company.contact("ann@x.test"))
    company.settle()
    RecordLink.objects.all().delete()
    company.reconcile()

    company.sync.enabled = False
    company.sync.save()
    incidents.settle(company.now)

    assert Incident.objects.get().closed_at is not None


def test_a_stale_record_is_found_by_its_age_or_by_its_values(company):
    older, other = company.contact("ann@x.test"), company.contact("bob@x.test")
    company.settle()
    FieldMapping.objects.create(
        sync=company.sync, position=9, source="Account.Name", destination="dataFields.Company"
    )
    company.salesforce.update(other, AccountId=company.salesforce.add("Account", Name="Acme"))
    company.settle()
    RecordLink.objects.filter(record_id=older).update(
        version_at=NOON - timedelta(days=1), payload_hash="an older one"
    )
    account = company.salesforce.records("Contact")[1]["AccountId"]
    company.salesforce.update(account, Name="Acme Group")  # which changes no contact

    one = company.reconcile()
    repair.repair(one, 10, company.now)
    company.settle()

    assert set(named(one, "stale")) == {older, other}
    assert "after what was decided last" in named(one, "stale")[older]
    assert "a parent's field or the mapping changed" in named(one, "stale")[other]
    assert company.user("bob@x.test")["Company"] == "Acme Group"
    assert counted(company.reconcile()) == {"written": 2, "sampled": 2}


@pytest.mark.parametrize(("policy", "left"), [("remove", None), ("mark", True), ("ignore", False)])
def test_what_is_gone_in_the_source_is_extra_and_repaired_by_policy(company, policy, left):
    contact = company.contact("ann@x.test")
    company.contact("bob@x.test")
    company.settle()
    company.salesforce.delete(contact)
    company.wait(1800)  # and no poll hears of it
    Sync.objects.update(when_deleted=policy, deleted_path="dataFields.IsDeleted")
    company.sync.refresh_from_db()

    one = company.reconcile()
    done = repair.repair(one, 10, company.now)
    company.settle()

    assert counted(one) == {"written": 1, "extra": 1, "sampled": 1}
    assert set(named(one, "extra")) == {contact}
    user = company.iterable.users.get("ann@x.test")
    assert (user and user["dataFields"].get("IsDeleted", False)) == left
    assert tuple(done) == ((0, 1) if policy == "ignore" else (1, 0))
    assert one.left("extra") == (one.examples["extra"] if policy == "ignore" else [])


def test_a_record_last_changed_before_the_days_is_found_when_it_was_deleted_in_them(company):
    contact = company.contact("ann@x.test")
    company.settle()
    company.settle(9 * 86_400, step=86_400)
    company.salesforce.delete(contact)
    company.settle()

    one = company.reconcile(days=7)

    assert counted(one) == {"extra": 1}


def test_all_records_are_compared_if_asked_for(company):
    company.contact("ann@x.test")
    gone = company.contact("bob@x.test")
    company.settle()
    company.settle(40 * 86_400, step=86_400 * 5)
    company.salesforce.delete(gone)
    company.wait(1800)

    assert counted(company.reconcile()) == {"extra": 1}
    assert counted(company.reconcile(days=0)) == {"written": 1, "extra": 1, "sampled": 1}


def test_what_is_on_its_way_is_no_difference(company):
    Connection.objects.filter(pk=company.project.pk).update(enabled=False)
    company.contact("ann@x.test")
    company.settle()

    one = company.reconcile()

    assert counted(one) == {"waiting": 1}


def test_what_was_deleted_just_now_is_left_for_the_next_time(company):
    contact = company.contact("ann@x.test")
    company.settle()
    company.salesforce.delete(contact)
    company.wait(120)

    assert counted(company.reconcile()) == {}
    company.wait(1800)
    assert counted(company.reconcile()) == {"extra": 1}


def test_what_changed_just_now_is_left_for_the_next_time(company):
    contact = company.contact("ann@x.test")
    company.settle()
    company.salesforce.update(contact, LastName="Other")
    company.contact("bob@x.test")

    assert counted(company.reconcile()) == {}


def test_a_field_that_somebody_else_changed_there_is_found_by_the_sample_and_put_right(company):
    contact = company.contact("ann@x.test")
    company.contact("bob@x.test")
    company.settle()
    company.iterable.project.with_email("ann@x.test").data |= {"Name": "Other", "More": 1}

    one = company.reconcile()
    repair.repair(one, 10, company.now)
    company.settle()

    assert named(one, "different") == {contact: "dataFields.Name has another value there."}
    assert counted(one) == {"written": 2, "sampled": 2, "different": 1}
    assert company.user("ann@x.test")["Name"] == "Lee"
    assert company.user("ann@x.test")["More"] == 1
    assert counted(company.reconcile()) == {"written": 2, "sampled": 2}


def test_a_user_that_was_deleted_there_is_created_again_as_a_new_one(company):
    contact = company.contact("ann@x.test")
    company.settle()
    project = company.iterable.project
    project.remove(project.with_email("ann@x.test"))

    one = company.reconcile()
    repair.repair(one, 10, company.now)
    company.settle()

    assert named(one, "different") == {contact: "It was written, but is not there."}
    assert set(company.user("ann@x.test")) == {"Name", "Since", "At"}


def test_no_value_of_a_record_is_kept(company):
    company.contact("secret.person@x.test", "Confidential")
    lost = company.contact("lost.person@x.test", "Hidden")
    company.settle()
    company.lose(lost)
    company.iterable.project.with_email("secret.person@x.test").data["Name"] = "Private"

    one = company.reconcile()

    kept = json.dumps([one.examples, one.counts, one.days, one.progress, one.warnings])
    assert one.differences == 2
    assert not any(word in kept for word in ("person", "Confidential", "Hidden", "Private"))


def test_it_takes_few_calls_and_goes_page_by_page(company):
    company.salesforce.page_size = 10
    company.salesforce.add_many("Contact", [{"LastName": "Lee", "Email": f"l{n}@x.test"} for n in range(60)])
    company.settle()
    before = len(company.salesforce.requests)

    one = company.reconcile(sample=5)

    asked = [request.path for request in company.salesforce.requests[before:]]
    assert counted(one) == {"written": 60, "sampled": 5}
    assert len([path for path in asked if "/query" in path]) == 6
    assert one.run.calls == len(asked) + 5


def test_work_that_was_interrupted_goes_on_where_it_stood(company, monkeypatch):
    company.salesforce.page_size = 10
    ids = company.salesforce.add_many(
        "Contact", [{"LastName": "Lee", "Email": f"l{n:02}@x.test"} for n in range(45)]
    )
    company.settle()
    company.lose(*ids[::9])
    for gone in ids[1::9]:
        company.salesforce.delete(gone)
    monkeypatch.setattr(reconcile_scan, "CONFIRMED_AT_ONCE", 2)
    one = reconcile.start(company.sync, company.now, sample=30)
    stretches = 1

    while not reconcile.work(one, seconds=0, clock=lambda: company.now):
        stretches += 1
        one = Reconciliation.objects.get(pk=one.pk)

    assert stretches > 4
    assert counted(one) == {"written": 35, "missing": 5, "extra": 5, "sampled": 30}
    assert set(named(one, "missing")) == set(ids[::9])
    assert set(named(one, "extra")) == set(ids[1::9])
    assert sum(sum(kinds.get(kind, 0) for kind in AT_SOURCE) for kinds in one.days.values()) == 40


def test_a_source_that_fails_ends_it_and_what_was_found_stays(company):
    company.contact("ann@x.test")
    company.settle()
    company.salesforce.hide_field("Contact", "LastName")
    Connection.objects.update(held_at=None)

    one = company.reconcile()

    assert one.run.state == "failed"
    assert "LastName" in one.run.error


def test_a_destination_that_fails_is_a_warning(company):
    company.contact("ann@x.test")
    company.settle()
    company.iterable.revoke()

    one = company.reconcile()

    assert counted(one) == {"written": 1}
    assert one.run.state == "ok"
    assert one.warnings[0].startswith("1 record was not compared with Iterable: ")
    assert API_KEY not in one.warnings[0]


def test_a_connection_that_is_on_hold_is_not_called(company):
    company.contact("ann@x.test")
    company.settle()
    one = reconcile.start(company.sync, company.now)
    Connection.objects.filter(pk=company.crm.pk).update(held_at=company.now)
    before = len(company.salesforce.requests)

    with pytest.raises(ReconcileError, match="it is on hold"):
        reconcile.work(one, clock=lambda: company.now)

    assert len(company.salesforce.requests) == before


def test_a_used_up_budget_ends_it_before_live_work_suffers(company):
    company.contact("ann@x.test")
    company.settle()
    Connection.objects.filter(pk=company.crm.pk).update(daily_budget=10, vendor_limit=None)

    one = company.reconcile()

    assert one.run.state == "failed"
    assert "call budget" in one.run.error


def test_a_repair_takes_as_many_as_it_was_told_and_the_next_one_the_others(company):
    ids = [company.contact(f"lee{number}@x.test") for number in range(5)]
    company.settle()
    company.lose(*ids)
    one = company.reconcile()

    assert [repair.repair(one, 2, company.now + timedelta(seconds=n)).queued for n in range(4)] == [
        2,
        2,
        1,
        0,
    ]
    company.settle()

    assert RecordLink.objects.filter(state="written").count() == 5
    assert Delivery.objects.filter(state="delivered").count() == 10


def test_nothing_is_repaired_for_a_sync_that_is_switched_off(company):
    company.lose(company.contact("ann@x.test"))
    Sync.objects.update(enabled=False)
    company.sync.refresh_from_db()
    company.settle()
    one = company.reconcile()

    with pytest.raises(ReconcileError, match="is switched off"):
        repair.repair(one, 10, company.now)

    assert not Change.objects.filter(origin="repair").exists()


def test_a_converted_lead_is_not_missing(company):
    leads = make_sync(*LINES, key="leads", stream=company.stream, destination=company.project)
    lead = company.salesforce.add("Lead", LastName="Lee", Company="Acme", Email="ann@x.test")
    company.settle()
    company.salesforce.convert(lead)
    company.settle()

    company.sync = leads
    assert counted(company.reconcile()) == {"skipped": 1}
    company.lose(lead)
    assert "its contact is synced" in named(company.reconcile(), "missing")[lead]


def test_the_week_goes_by_until_the_next_and_a_failed_one_is_repeated_sooner(company):
    company.contact("ann@x.test")
    company.settle()
    week = timedelta(days=7)
    began = company.now

    assert reconcile.due(began) == []
    assert reconcile.due(began + week) == [company.sync]
    company.wait(week.total_seconds())
    one = company.reconcile()
    assert reconcile.due(company.now + week - timedelta(hours=1)) == []
    assert reconcile.due(company.now + week + timedelta(hours=1)) == [company.sync]
    SyncRun.objects.filter(pk=one.run_id).update(state=RunState.FAILED)
    assert reconcile.due(company.now + timedelta(hours=5)) == []
    assert reconcile.due(company.now + timedelta(hours=7)) == [company.sync]


def test_one_that_was_left_in_the_middle_is_taken_up(company):
    company.wait(8 * 86_400)
    company.reconcile()
    left = reconcile.start(company.sync, company.now)

    assert reconcile.due(company.now) == [company.sync]
    assert not reconcile.begin_or_go_on(company.sync, company.now, lambda: company.now)

    left.run.refresh_from_db()
    assert left.run.state == "ok"
    assert reconcile.due(company.now) == []


def test_a_task_works_on_it_and_wakes_the_next(company, monkeypatch):
    company.wait(8 * 86_400)
    woken = []
    monkeypatch.setattr("syncs.queues.wake", lambda name, *args, queue: woken.append((name, *args, queue)))
    monkeypatch.setattr("django.utils.timezone.now", lambda: company.now)
    monkeypatch.setattr(reconcile, "work", lambda one, clock: False)

    tasks.reconcile_due()
    tasks.reconcile_sync(company.sync.pk)

    assert woken == [("syncs.tasks.reconcile_sync", company.sync.pk, "sync")] * 2


def run(*args):
    out = StringIO()
    call_command("reconcile", *args, stdout=out)
    return out.getvalue()


@pytest.fixture
def now(company, monkeypatch):
    """Let commands live in the company's time."""
    monkeypatch.setattr("django.utils.timezone.now", lambda: company.now)
    monkeypatch.setattr(reconcile.work, "__kwdefaults__", {"seconds": None, "clock": lambda: company.now})


def test_the_command_tells_by_day_and_repairs(company, now):
    lost = company.contact("ann@x.test")
    company.contact("bob@x.test")
    company.settle()
    company.lose(lost)

    told = run("contacts", "--repair", "5")

    assert "2026-11-20: 2 at the source = 1 written + 1 missing" in told
    assert "1 record is at the source, but nothing was ever decided about it." in told
    assert f"Missing: {lost}: Nothing was ever sent or decided about it." not in told  # it is queued by now
    assert "1 record is queued" in told


def test_the_command_gives_json(company, now):
    lost = company.contact("ann@x.test")
    company.settle()
    company.lose(lost)

    found = json.loads(run("contacts", "--json", "--days", "7", "--sample", "0"))

    assert found["counts"] == {"missing": 1}
    assert found["examples"]["missing"][0]["record"] == lost


@pytest.mark.parametrize(
    ("args", "words"),
    [(["nothing"], "There is no sync “nothing”"), (["contacts", "--days", "-1"], "take numbers from 0 on")],
)
def test_the_command_refuses_in_a_sentence(company, now, args, words):
    with pytest.raises(CommandError, match=words):
        run(*args)


def test_the_command_fails_when_the_source_does(company, now):
    company.salesforce.hide_field("Contact", "LastName")

    with pytest.raises(CommandError, match="LastName"):
        run("contacts")
