"""The decide loop on the database: what is stored, counted, and never done twice."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import DataError, IntegrityError, OperationalError, connection

from integration_hub.connectors.records import Member
from routing import decide, directory, drafting, router
from routing.models import Alert, Decision, Rule
from routing.models.decisions import Reason, Role, Verdict
from syncs import changes, leases, outbox
from syncs.engine import audience
from syncs.models import Change, Delivery, Incident, SyncRun
from syncs.models.changes import ChangeState
from syncs.models.runs import RunState
from tests.factories import (
    NOON,
    make_change,
    make_iterable,
    make_person,
    make_rule,
    make_slack,
    make_stream,
    make_sync,
    make_template,
    make_working_hours,
)
from tests.routing.factories import Systems, make_link

pytestmark = pytest.mark.django_db

HOT = ("Rating", "equals", "Hot")
PRIYA_AT_SALESFORCE = "005PRIYA0000000AAA"


@pytest.fixture
def stream():
    return make_stream(key="leads")


@pytest.fixture
def slack():
    return make_slack(name="Slack")


@pytest.fixture
def priya(stream, slack):
    person = make_person(name="Priya Nair", email="priya@x.test")
    make_link(stream.connection, PRIYA_AT_SALESFORCE, person)
    make_link(slack, "UPRIYA", person, time_zone="Asia/Kolkata")
    return person


@pytest.fixture
def hot_leads(stream, slack):
    return make_rule(HOT, key="hot", stream=stream, destination=slack)


def make_lead(stream, rating="Hot", **values):
    values.setdefault("owner_id", PRIYA_AT_SALESFORCE)
    values.setdefault("modified_at", NOON - timedelta(minutes=1))
    values.setdefault("values", {"Name": values.get("title", "Ann Lee"), "Rating": rating})
    return make_change(stream, **values)


def waiting():
    return Change.objects.filter(state=ChangeState.WAITING).count()


def test_a_matching_lead_becomes_a_decision_an_alert_and_a_delivery(stream, priya, hot_leads):
    lead = make_lead(stream, title="Ann Lee", url="https://crm.test/00Q1")

    run = router.run(stream, NOON)

    decision = Decision.objects.get()
    assert (decision.verdict, decision.reason, decision.change) == (Verdict.DELIVER, Reason.MATCHED, lead)
    assert decision.text == "Matched. Goes to Priya Nair."
    assert decision.rows == [[1, True, 'Rating is "Hot", as wanted']]
    alert = Alert.objects.get(decision=decision)
    assert (alert.person, alert.role) == (priya, Role.RECIPIENT)
    delivery = alert.delivery
    assert (delivery.lane, delivery.origin, delivery.due_at) == ("UPRIYA", "rule:hot", NOON)
    assert delivery.expires_at == NOON + timedelta(minutes=4)
    assert delivery.payload["header"] == "Ann Lee"
    assert delivery.payload["link"] == {"label": "Open record", "url": "https://crm.test/00Q1"}
    assert delivery.payload["channel"] == "UPRIYA"
    assert delivery.payload["trigger_at"] == "2026-11-20T11:59:00+00:00"
    assert (run.state, run.read, run.waiting, waiting()) == (RunState.OK, 1, 1, 0)


def test_messages_print_record_alias_owner_person_rule_and_age(stream, slack, priya):
    body = "{{ lead.Name }}|{{ owner.name }}|{{ person.email }}|{{ rule.name }}|{{ age_minutes }}"
    make_rule(
        name="Hot", stream=stream, destination=slack, template=make_template(body=body), max_age_seconds=600
    )
    make_lead(stream, modified_at=NOON - timedelta(minutes=3))

    router.run(stream, NOON)

    assert Delivery.objects.get().payload["body"] == "Ann Lee|Priya Nair|priya@x.test|Hot|3"


def test_a_held_alert_waits_for_the_opening_and_is_fresh_from_then_on(stream, slack, priya):
    make_working_hours(start="18:00", end="20:00", is_default=True)
    make_rule(stream=stream, destination=slack)
    make_lead(stream)

    router.run(stream, NOON)

    decision, delivery = Decision.objects.get(), Delivery.objects.get()
    opening = NOON + timedelta(minutes=30)
    assert decision.text == "Matched. Priya Nair: 17:30 in Asia/Kolkata, opens 18:00, held 30 min."
    assert (decision.verdict, decision.hold_until) == (Verdict.HOLD, opening)
    assert (delivery.due_at, delivery.expires_at) == (opening, opening + timedelta(minutes=5))


def test_nothing_waiting_is_no_run(stream, hot_leads):
    assert router.run(stream, NOON) is None
    assert not SyncRun.objects.exists()


def test_who_finds_the_lease_taken_does_nothing(stream, priya, hot_leads):
    make_lead(stream)

    with leases.held(f"route:{stream.pk}", 60, NOON):
        assert router.run(stream, NOON) is None

    assert waiting() == 1


def test_a_change_that_no_rule_is_about_is_routed_all_the_same(stream):
    make_rule(HOT, stream=stream, enabled=False)
    make_lead(stream)

    run = router.run(stream, NOON)

    assert (run.state, run.skipped, run.reasons, waiting()) == (RunState.OK, 1, {"no_rules": 1}, 0)
    assert not Decision.objects.exists()


def test_each_change_is_counted_once_by_the_reason_nearest_to_sending(stream, slack, priya, hot_leads):
    make_rule(("Rating", "equals", "Warm"), stream=stream, destination=slack, max_age_seconds=30)
    make_lead(stream)
    make_lead(stream, "Cold")
    make_lead(stream, "Warm")
    make_lead(stream, owner_id="")

    run = router.run(stream, NOON)

    assert (run.read, run.waiting, run.skipped, run.dead) == (4, 1, 3, 0)
    assert run.reasons == {"no_match": 1, "too_old": 1, "no_recipient": 1}
    assert run.state == RunState.OK
    assert Decision.objects.count() == 8


def test_versions_of_one_record_in_a_batch_are_compared_in_order(stream, slack, priya):
    make_rule(HOT, stream=stream, destination=slack, trigger="enters")
    for minute, rating in ((4, "Hot"), (3, "Cold"), (2, "Hot"), (1, "Hot")):
        make_lead(stream, rating, record_id="00Q1", modified_at=NOON - timedelta(minutes=minute))

    router.run(stream, NOON)

    said = Decision.objects.order_by("change__modified_at").values_list("reason", flat=True)
    assert list(said) == ["matched", "no_match", "matched", "not_triggered"]
    assert Delivery.objects.count() == 2


def test_a_stored_earlier_version_is_what_a_change_is_compared_with(stream, slack, priya):
    make_rule(HOT, stream=stream, destination=slack, trigger="changed", watched_field="Rating")
    make_lead(
        stream,
        "Warm",
        record_id="00Q1",
        modified_at=NOON - timedelta(days=3),
        origin="baseline",
        state="routed",
    )
    make_lead(stream, "Hot", record_id="00Q1")

    router.run(stream, NOON)

    assert Decision.objects.get().reason == Reason.MATCHED


@pytest.mark.parametrize(
    ("created", "reason"), [(timedelta(hours=1), "matched"), (timedelta(days=9), "unknown_before")]
)
def test_a_first_version_is_new_only_if_the_record_was_created_since_the_stream_is_watched(
    stream, slack, priya, created, reason
):
    make_rule(HOT, stream=stream, destination=slack, trigger="enters")
    make_lead(stream, created_at=NOON - created)

    router.run(stream, NOON)

    assert Decision.objects.get().reason == reason


@pytest.mark.parametrize("same_batch", [True, False])
def test_a_creation_is_announced_once_whatever_versions_follow(stream, priya, hot_leads, same_batch):
    created = NOON - timedelta(minutes=3)
    make_lead(stream, record_id="00Q1", created_at=created, modified_at=created)
    if not same_batch:
        router.run(stream, NOON - timedelta(minutes=1))
    make_lead(stream, record_id="00Q1", created_at=created)

    run = router.run(stream, NOON)

    first, second = Decision.objects.order_by("change__modified_at")
    assert first.pk < second.pk
    assert Alert.objects.get().decision == first
    assert (second.verdict, second.reason) == (Verdict.SKIP, Reason.ALREADY_SENT)
    assert Delivery.objects.count() == Alert.objects.count() == 1
    assert run.reasons == {"already_sent": 1}
    assert run.state == RunState.OK


def test_a_new_owner_within_the_time_hears_of_it_too(stream, slack, priya, hot_leads):
    ann = make_person(name="Ann Lee")
    make_link(stream.connection, "005ANN", ann)
    make_link(slack, "UANN", ann)
    created = NOON - timedelta(minutes=2)
    make_lead(stream, record_id="00Q1", created_at=created, modified_at=created)
    router.run(stream, NOON)
    make_lead(stream, record_id="00Q1", created_at=created, owner_id="005ANN")

    router.run(stream, NOON)

    assert list(Delivery.objects.order_by("pk").values_list("lane", flat=True)) == ["UPRIYA", "UANN"]


def test_one_change_that_fails_unexpectedly_does_not_hold_up_its_neighbours(
    stream, priya, hot_leads, monkeypatch
):
    bad = make_lead(stream, title="Bad")
    make_lead(stream)
    real = decide.decide

    def explode(rule, state, *args, **values):
        if state.record_id == bad.record_id:
            raise ZeroDivisionError
        return real(rule, state, *args, **values)

    monkeypatch.setattr(router, "decide", explode)

    run = router.run(stream, NOON)

    decision = Decision.objects.get(change=bad)
    assert (decision.verdict, decision.text) == (
        Verdict.ERROR,
        "Internal error (ZeroDivisionError); the log has the details.",
    )
    assert (run.read, run.waiting, run.dead, run.state) == (2, 1, 1, RunState.OK)
    assert waiting() == 0


def test_what_the_database_refuses_is_found_by_halves(stream, priya, hot_leads, monkeypatch):
    leads = [make_lead(stream) for _ in range(5)]
    real = outbox.enqueue

    def refuse(drafts, now):
        if any(draft.change_id == leads[3].pk for draft in drafts):
            raise ValueError
        return real(drafts, now)

    monkeypatch.setattr(outbox, "enqueue", refuse)

    run = router.run(stream, NOON)

    assert Delivery.objects.count() == 4
    assert Decision.objects.get(change=leads[3]).verdict == Verdict.ERROR
    assert (run.read, run.waiting, run.dead, run.reasons, waiting()) == (5, 4, 1, {"internal": 1}, 0)


def test_a_template_that_fails_on_a_record_is_an_error_of_that_record(stream, slack, priya):
    template = make_template(body="{{ record.Rating | divided_by: 0 }}")
    make_rule(stream=stream, destination=slack, template=template)
    make_lead(stream, values={"Name": "Ann", "Rating": 5})

    run = router.run(stream, NOON)

    decision = Decision.objects.get()
    assert (decision.verdict, run.dead) == (Verdict.ERROR, 1)
    assert decision.text.startswith("Template, body: ")
    assert not Delivery.objects.exists()


@pytest.mark.parametrize("breaking", ["enqueue", "alerts"])
def test_a_crash_in_the_middle_loses_and_doubles_nothing(stream, priya, hot_leads, monkeypatch, breaking):
    make_lead(stream)

    def crash(*_args, **_values):
        raise OperationalError("the database went away")

    with monkeypatch.context() as patched:
        if breaking == "enqueue":
            patched.setattr(outbox, "enqueue", crash)
        else:
            patched.setattr(Alert.objects, "bulk_create", crash)
        with pytest.raises(OperationalError):
            router.run(stream, NOON)
    assert (waiting(), Decision.objects.count(), Delivery.objects.count()) == (1, 0, 0)

    router.run(stream, NOON)

    assert (waiting(), Decision.objects.count(), Delivery.objects.count(), Alert.objects.count()) == (
        0,
        1,
        1,
        1,
    )
    assert set(SyncRun.objects.values_list("state", flat=True)) == {RunState.FAILED, RunState.OK}


@pytest.mark.django_db(transaction=True)
def test_a_rule_deleted_meanwhile_takes_no_change_from_the_others(
    stream, slack, priya, hot_leads, monkeypatch
):
    make_rule(HOT, key="other", stream=stream, destination=slack)
    make_lead(stream)
    real = changes.previous

    def meanwhile(batch):
        Rule.objects.filter(key="hot").delete()
        return real(batch)

    monkeypatch.setattr(changes, "previous", meanwhile)
    with pytest.raises(IntegrityError):
        router.run(stream, NOON)
    assert waiting() == 1

    router.run(stream, NOON)

    assert Decision.objects.get().rule.key == "other"
    assert Delivery.objects.count() == 1


def test_a_person_deleted_during_the_look_up_stops_nothing(stream, slack, systems, hot_leads, monkeypatch):
    bob = make_person(name="Bob Ray", email="bob@x.test")
    make_link(stream.connection, "005BOB", bob)
    make_lead(stream, owner_id="005BOB")
    real = router.Person.objects.in_bulk

    def meanwhile(pks):
        bob.delete()
        return real(pks)

    monkeypatch.setattr(router.Person.objects, "in_bulk", meanwhile)

    run = router.run(stream, NOON)

    assert run.state == RunState.OK


def test_a_change_that_the_database_refuses_has_a_decision_that_says_so(
    stream, priya, hot_leads, monkeypatch
):
    bad, good = make_lead(stream), make_lead(stream)
    real = outbox.enqueue

    def enqueue(drafts, now):
        if bad.pk in {draft.change_id for draft in drafts}:
            raise DataError("value too long")
        return real(drafts, now)

    monkeypatch.setattr(outbox, "enqueue", enqueue)

    run = router.run(stream, NOON)

    decision = Decision.objects.get(change=bad)
    assert (decision.verdict, decision.text) == (
        Verdict.ERROR,
        "Internal error (DataError); the log has the details.",
    )
    assert Delivery.objects.get().change == good
    assert (run.read, run.dead, run.waiting, run.state) == (2, 1, 1, RunState.OK)
    assert Incident.objects.get().kind == "errors"


def test_a_batch_that_another_process_routed_meanwhile_is_left_alone(stream, priya, hot_leads, monkeypatch):
    make_lead(stream)
    real = changes.previous

    def meanwhile(batch):
        Change.objects.update(state=ChangeState.ROUTED)
        return real(batch)

    monkeypatch.setattr(changes, "previous", meanwhile)

    run = router.run(stream, NOON)

    assert (run.state, run.read) == (RunState.OK, 0)
    assert not Decision.objects.exists()
    assert not Delivery.objects.exists()


def test_a_rule_that_cannot_be_evaluated_opens_one_incident_until_it_can(stream, priya, hot_leads):
    for _ in range(3):
        make_lead(stream, values={"Name": "no rating was read"})
    run = router.run(stream, NOON)
    incident = Incident.objects.get()
    assert (incident.key, incident.count, incident.closed_at) == ("rule:hot:errors", 3, None)
    assert (run.dead, run.state) == (3, RunState.OK)

    make_lead(stream, "Cold")
    router.run(stream, NOON + timedelta(minutes=1))

    incident.refresh_from_db()
    assert incident.closed_at == NOON + timedelta(minutes=1)


@pytest.fixture
def systems(monkeypatch):
    known = Systems()
    monkeypatch.setattr(directory.connect, "opened", known.opened)
    return known


def test_an_owner_missing_in_slack_is_looked_up_once_for_all_their_leads(stream, slack, systems, hot_leads):
    bob = make_person(name="Bob Ray", email="bob@x.test")
    make_link(stream.connection, "005BOB", bob)
    roster = systems.set(slack, [Member("UBOB", "Bob Ray", "bob@x.test")])
    for _ in range(3):
        make_lead(stream, owner_id="005BOB")

    router.run(stream, NOON)

    assert roster.calls == ["bob@x.test"]
    assert set(Delivery.objects.values_list("lane", flat=True)) == {"UBOB"}
    assert Delivery.objects.count() == 3


def test_a_vendor_that_hangs_is_not_asked_for_everybody(stream, slack, hot_leads, monkeypatch):
    seconds = iter(range(0, 1000, 8))
    asked = []
    for number in range(5):
        make_link(stream.connection, f"005BOB{number}", make_person())
        make_lead(stream, owner_id=f"005BOB{number}")
    monkeypatch.setattr(directory, "look_up_missing", lambda *given: bool(asked.append(given[1])))
    monkeypatch.setattr(router, "time", SimpleNamespace(monotonic=lambda: next(seconds)))

    router.run(stream, NOON)

    assert len(asked) == 1


def test_nobody_is_looked_up_for_leads_that_no_rule_wants(stream, slack, systems, hot_leads):
    bob = make_person(email="bob@x.test")
    make_link(stream.connection, "005BOB", bob)
    roster = systems.set(slack, [])
    make_lead(stream, "Cold", owner_id="005BOB")

    router.run(stream, NOON)

    assert roster.calls == []


def test_nobody_is_looked_up_at_a_connection_on_hold(stream, slack, systems, hot_leads):
    slack.held_at = NOON
    slack.save()
    make_link(stream.connection, "005BOB", make_person(email="bob@x.test"))
    roster = systems.set(slack, [])
    make_lead(stream, owner_id="005BOB")

    router.run(stream, NOON)

    assert roster.calls == []
    assert Decision.objects.get().reason == Reason.NO_RECIPIENT


def test_an_owner_whom_the_source_listed_only_now_is_asked_for(stream, slack, priya, systems, hot_leads):
    systems.set(stream.connection, [Member("005NEW000000001AAA", "Priya N.", "priya@x.test")])
    make_lead(stream, owner_id="005NEW000000001AAA")

    router.run(stream, NOON)

    assert Delivery.objects.get().lane == "UPRIYA"


def test_the_number_of_queries_does_not_grow_with_the_number_of_changes(
    stream, slack, priya, hot_leads, django_assert_max_num_queries
):
    make_rule(("Rating", "equals", "Warm"), stream=stream, destination=slack)

    def queries(count):
        for number in range(count):
            make_lead(stream, "Hot" if number % 2 else "Cold")
        with django_assert_max_num_queries(100) as captured:
            router.run(stream, NOON)
        return len(captured)

    queries(2)

    assert queries(60) - queries(10) <= 5


def test_more_than_one_batch_is_routed_in_one_run(stream, priya, hot_leads, monkeypatch):
    monkeypatch.setattr(router, "BATCH", 2)
    for _ in range(5):
        make_lead(stream)

    run = router.run(stream, NOON)

    assert (run.read, run.waiting, waiting()) == (5, 5, 0)


def test_a_stream_that_fails_stops_no_other(stream, slack, priya, hot_leads, monkeypatch):
    broken = make_stream(key="broken", connection=stream.connection, object_type="Contact")
    make_lead(broken)
    make_lead(stream)
    real = router.rulebook.load

    def load(one):
        if one == broken:
            raise RuntimeError
        return real(one)

    monkeypatch.setattr(router.rulebook, "load", load)

    runs = router.run_all(NOON)

    assert Counter(run.state for run in runs) == {RunState.FAILED: 1, RunState.OK: 1}
    assert Delivery.objects.count() == 1


def test_no_transaction_is_open_while_vendors_are_asked(stream, slack, hot_leads, monkeypatch):
    make_link(stream.connection, "005BOB", make_person(email="bob@x.test"))
    make_lead(stream, owner_id="005BOB")
    depth = len(connection.savepoint_ids)
    seen = []

    def look_up(*_args):
        seen.append(len(connection.savepoint_ids))
        return False

    monkeypatch.setattr(directory, "look_up_missing", look_up)

    router.run(stream, NOON)

    assert seen == [depth]


def test_a_test_template_sample_names_every_field_of_the_schema(stream):
    sample = drafting.sample_variables(stream.object_schema.fields, "lead", NOON)

    assert sample["lead"]["Owner"]["Email"] == "Sample Owner.Email"
    assert sample["record"]["AnnualRevenue"] == 1000


def test_a_change_that_no_sync_can_decide_holds_up_nothing(stream, monkeypatch):
    make_sync(stream=stream, destination=make_iterable(), key="leads", name="Leads")
    bad, good = (
        make_change(stream, values={"Email": f"{name}@x.test", "Name": name}) for name in ("bad", "good")
    )
    real = audience.Mapper.__call__

    def explode(mapper, values, *others):
        if values["Name"] == "bad":
            raise ZeroDivisionError
        return real(mapper, values, *others)

    monkeypatch.setattr(audience.Mapper, "__call__", explode)

    run = router.run(stream, NOON)

    bad.refresh_from_db()
    assert Delivery.objects.get().change == good
    assert bad.synced["leads"][1:] == [
        "internal",
        "Internal error (ZeroDivisionError); the log has the details.",
    ]
    assert (run.read, run.waiting, run.dead, run.state, waiting()) == (2, 1, 1, RunState.OK, 0)
