"""Rows and forms for the tests of the admin."""

from datetime import timedelta

from django.contrib.auth.models import Group
from django.urls import reverse
from django_q.models import OrmQ, Schedule, Task

from routing.models import Absence, Alert, Decision, DirectoryLink, Holiday, TemplateField
from syncs.models import (
    Backfill,
    CalloutLog,
    Conflict,
    Correction,
    HubSettings,
    Incident,
    MatchCandidate,
    Notice,
    Partition,
    Reconciliation,
    RecordLink,
    RecordPair,
    RecordTie,
    SyncRun,
    SyncTie,
    Version,
)
from tests import factories, flow_factories
from tests.factories import NOON


def make_decision(rule, change, **values):
    values.setdefault("verdict", "deliver")
    values.setdefault("reason", "matched")
    values.setdefault("text", "Matched. Goes to Priya Nair.")
    values.setdefault("trigger_at", change.created_at)
    values.setdefault("decided_at", NOON)
    values.setdefault("rows", [[1, True, "Rating is “Hot”, as wanted"]])
    return Decision.objects.create(rule=rule, change=change, **values)


def make_alert(rule, change=None, *, role="recipient", person=None, decision=None, **delivery):
    change = change or factories.make_change(rule.stream)
    decision = decision or make_decision(rule, change)
    delivery.setdefault("origin", rule.origin)
    sent = factories.make_delivery(rule.destination, change_id=change.pk, **delivery)
    return Alert.objects.create(decision=decision, delivery=sent, person=person, role=role)


def make_incident(**values):
    values.setdefault("key", "dead_letters:rule:hot-leads")
    values.setdefault("kind", "dead_letters")
    values.setdefault("title", "Dead letters of rule:hot-leads")
    values.setdefault("remedy", "Invite the bot to the channel, then requeue.")
    return Incident.objects.create(opened_at=NOON, last_seen_at=NOON, **values)


def make_run(**values):
    return SyncRun.objects.create(**{"kind": "poll", "started_at": NOON, "finished_at": NOON, **values})


def make_version(rule, **values):
    values.setdefault("document", {"name": rule.name, "max_age_seconds": 300})
    return Version.objects.create(
        **{"section": "rules", "key": rule.key, "name": rule.name, "at": NOON, "cause": "admin", **values}
    )


def make_callout(connection, **values):
    return CalloutLog.objects.create(
        **{
            "connection": connection, "at": NOON, "method": "GET", "url": "/query", "status": 200,
            "milliseconds": 120, "bytes_out": 0, "bytes_in": 900, **values,
        }
    )  # fmt: skip


def make_link(connection, person=None, **values):
    values.setdefault("remote_id", f"U{DirectoryLink.objects.count():08d}")
    values.setdefault("name", "Priya Nair")
    values.setdefault("email", "priya@acme.test")
    values.setdefault("state", "matched" if person else "unmatched")
    values.setdefault("refreshed_at", NOON)
    return DirectoryLink.objects.create(connection=connection, person=person, **values)


def everything(rows=1):
    """Make rows of every model; return the rule they are about."""
    HubSettings.get()
    rule = factories.make_rule(("Rating", "equals", "Hot"), template=make_template())
    hours = factories.make_working_hours(is_default=True)
    Holiday.objects.create(working_hours=hours, date=NOON.date(), name="Diwali")
    Group.objects.create(name="Marketing")
    sync = factories.make_sync(stream=rule.stream)
    make_backfill(sync)
    make_reconciliation(sync, days={"2026-11-20": {"missing": 1}}, counts={"missing": 1})
    make_tie(sync)
    pair = RecordPair.objects.create(sync=sync, left_id="1", right_id="501", created_at=NOON)
    Notice.objects.create(
        connection=sync.stream.connection, received_at=NOON, verified=True, body=b"[]", state="taken"
    )
    Conflict.objects.create(sync=sync, pair=pair, label="phone", opened_at=NOON)
    Correction.objects.create(
        sync=sync, record_id="1", source="Email", kind="value", made_by="boss", made_at=NOON
    )
    MatchCandidate.objects.create(sync=sync, key="a@x.test", source_id="1", remote_id="501", why="Several.")
    factories.make_value_map(hot="1")
    flow = flow_factories.make_onboarding()
    Schedule.objects.create(name="pump", func="routing.tasks.pump")
    OrmQ.objects.create(key="sync", payload="", lock=NOON)
    for number in range(rows):
        flow_factories.make_run(flow)
        person = factories.make_person()
        Absence.objects.create(person=person, start=NOON, end=NOON + timedelta(days=1))
        make_link(rule.destination, person, email=person.email)
        make_alert(rule, person=person, state="dead", settled_at=NOON, error="No such channel.")
        make_run(stream=rule.stream, connection=rule.stream.connection, read=3, unchanged=2, waiting=1)
        make_callout(rule.destination)
        make_version(rule, at=NOON + timedelta(hours=number))
        make_incident(key=f"incident:{number}", connection=rule.destination)
        for success in (True, False):
            Task.objects.create(
                id=f"{number}-{success}", name="task", func="f", started=NOON, stopped=NOON, success=success
            )
    return rule


def make_troubles(count):
    """Records of one sync that could not be written, each for a reason of its own."""
    sync = factories.make_sync()
    for number in range(count):
        RecordLink.objects.create(
            sync=sync, record_id=f"00Q{number}", version_at=NOON, state="skipped", problem="unknown_value",
            reason=f"Country → dataFields.Country: unknown “{number}”",
        )  # fmt: skip


def make_tie(sync, **values):
    """A tie of the sync to another one, and one record that waits for its partner."""
    tie = SyncTie.objects.create(
        sync=sync, partner=factories.make_sync(stream=sync.stream), source_path="AccountId"
    )
    return RecordTie.objects.create(
        **{"tie": tie, "record_id": "003A", "foreign_id": "001A", "changed_at": NOON, **values}
    )


def make_backfill(sync, **values):
    """A backfill of 120 records that has come to the 30th, and the fate of one of them."""
    run = make_run(kind="backfill", state="running", stream=sync.stream, read=30, delivered=30)
    backfill = Backfill.objects.create(sync=sync, run=run, expected=120, **values)
    Partition.objects.create(backfill=backfill, number=0)
    RecordLink.objects.create(
        sync=sync, record_id=f"00Q{run.pk:012d}AAA", version_at=NOON, state="written", run=run
    )
    return backfill


def make_reconciliation(sync, **values):
    values.setdefault("since", NOON - timedelta(days=30))
    run = make_run(kind="reconcile", state="ok", stream=sync.stream)
    return Reconciliation.objects.create(**{"sync": sync, "run": run, "until": NOON, **values})


def make_template(**values):
    values.setdefault("header", "New lead: {{ lead.Name }}")
    template = factories.make_template(**values)
    TemplateField.objects.create(template=template, label="Rating", value="{{ lead.Rating }}")
    return template


def rule_form(rule, *rows, **values):
    """Return the rule's form as the browser sends it; `rows` are (number, field, operator, value)."""
    stored = list(rule.criteria.all()) if rule.pk else []
    form = {
        "name": rule.name, "priority": "50", "stream": rule.stream_id, "trigger": "created",
        "max_age_seconds": "300", "filter_logic": "", "destination": rule.destination_id,
        "recipient": "owner", "queue_handling": "members", "fallback_channel": "#sales",
        "outside_hours": "hold", "template": rule.template_id,
        "criteria-TOTAL_FORMS": len(rows), "criteria-INITIAL_FORMS": len(stored),
        "criteria-MIN_NUM_FORMS": 0, "criteria-MAX_NUM_FORMS": 1000, **values,
    }  # fmt: skip
    for index, (number, field, operator, value) in enumerate(rows):
        start = f"criteria-{index}-"
        form |= {
            start + "number": number,
            start + "field": field,
            start + "operator": operator,
            start + "value": value,
        }
        if index < len(stored):
            form |= {start + "id": stored[index].pk, start + "rule": rule.pk}
    return form


def change_url(row):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def press(page, row, name, **data):
    """Press a button of the row's page."""
    meta = row._meta
    url = reverse(f"admin:{meta.app_label}_{meta.model_name}_do", args=[row.pk, name])
    return page.post(url, data)


def choose(page, model, action, rows):
    """Run an action of the model's list on rows."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return page.post(url, {"action": action, "_selected_action": [row.pk for row in rows]})
