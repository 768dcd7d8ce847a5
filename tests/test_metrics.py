"""The figures for Prometheus."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from integration_hub import metrics
from routing.models import FlowRun
from syncs import holds
from syncs.events import inbox
from syncs.events import tallies as event_tallies
from syncs.models import (
    CalloutLog,
    Connection,
    ConnectionUsage,
    Heartbeat,
    HubSettings,
    InboundEvent,
    Incident,
    Priority,
    SyncRun,
)
from syncs.models.changes import ChangeState
from syncs.models.deliveries import DeliveryState
from syncs.models.incidents import IncidentKind
from syncs.models.runs import RunKind, RunState
from tests.factories import (
    NOON,
    make_change,
    make_delivery,
    make_event_source,
    make_rule,
    make_salesforce,
    make_slack,
    make_stream,
)
from tests.routing.crm import make_flow

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_remembered():
    metrics.forget()
    yield
    metrics.forget()


def scrape(now=NOON):
    """Return {name: {label values, in the order of the labels' names: value}}."""
    metrics.forget()
    families = text_string_to_metric_families(metrics.exposition(now).decode())
    return {
        family.name: {
            tuple(sample.labels[name] for name in sorted(sample.labels)): sample.value
            for sample in family.samples
        }
        for family in families
    }


def test_an_empty_hub_has_figures_too():
    found = scrape()

    assert found["hub_up"] == {(): 1}
    assert found["hub_enabled"] == {(): 1}
    assert found["hub_queue_heartbeat_age_seconds"] == {("alerts",): math.inf, ("sync",): math.inf}
    assert set(found["hub_incidents_open"].values()) == {0}


def test_the_switch_is_a_figure():
    HubSettings.objects.update_or_create(pk=1, defaults={"enabled": False})

    assert scrape()["hub_enabled"] == {(): 0}


def test_deliveries_by_connection_and_state():
    slack = make_slack(key="slack")
    make_delivery(slack, due_at=NOON - timedelta(seconds=90))
    make_delivery(slack, due_at=NOON + timedelta(hours=1))
    make_delivery(slack, state=DeliveryState.SENDING)
    make_delivery(slack, state=DeliveryState.DEAD, settled_at=NOON - timedelta(days=9))
    make_delivery(slack, state=DeliveryState.DELIVERED, settled_at=NOON - timedelta(minutes=59))
    make_delivery(slack, state=DeliveryState.DELIVERED, settled_at=NOON - timedelta(minutes=61))
    make_delivery(slack, state=DeliveryState.EXPIRED, settled_at=NOON)

    found = scrape()

    assert found["hub_deliveries"] == {("slack", "waiting"): 2, ("slack", "sending"): 1, ("slack", "dead"): 1}
    assert found["hub_delivery_overdue_seconds"] == {("slack",): 90}
    assert found["hub_deliveries_settled_last_hour"] == {("slack", "delivered"): 1, ("slack", "expired"): 1}


def test_what_waits_for_later_is_not_overdue():
    make_delivery(make_slack(key="slack"), due_at=NOON + timedelta(hours=1))

    assert scrape()["hub_delivery_overdue_seconds"] == {("slack",): 0}


def test_changes_that_wait_by_stream():
    stream = make_stream(key="leads")
    make_change(stream)
    make_change(stream, state=ChangeState.ROUTED)

    assert scrape()["hub_changes_waiting"] == {("leads",): 1}


def test_runs_of_the_last_hour():
    for minutes, state in ((5, RunState.OK), (6, RunState.OK), (7, RunState.FAILED), (61, RunState.OK)):
        SyncRun.objects.create(kind=RunKind.POLL, state=state, started_at=NOON - timedelta(minutes=minutes))

    assert scrape()["hub_runs_last_hour"] == {("poll", "ok"): 2, ("poll", "failed"): 1}


def test_callouts_of_the_last_hour_by_class_of_status():
    connection = make_salesforce(key="salesforce")
    for minutes, status in ((1, 200), (2, 204), (3, 503), (4, None), (61, 200)):
        CalloutLog.objects.create(
            connection=connection, at=NOON - timedelta(minutes=minutes), method="GET", url="https://x.test/?email=a@b.test",
            status=status, milliseconds=1, bytes_out=1, bytes_in=1,
        )  # fmt: skip

    assert scrape()["hub_callouts_last_hour"] == {
        ("salesforce", "2xx"): 2, ("salesforce", "5xx"): 1, ("salesforce", "none"): 1,
    }  # fmt: skip


def test_open_incidents_by_kind():
    for number, closed_at in enumerate((None, NOON)):
        Incident.objects.create(
            key=f"k{number}",
            kind=IncidentKind.HELD,
            title="x",
            opened_at=NOON,
            last_seen_at=NOON,
            closed_at=closed_at,
        )

    found = scrape()["hub_incidents_open"]

    assert {kind: n for kind, n in found.items() if n} == {("held",): 1}


def test_the_state_of_each_connection():
    held = make_salesforce(key="salesforce", environment="production")
    make_slack(key="slack")
    holds.hold(held, code="x", reason="y", now=NOON)

    found = scrape()["hub_connection_state"]

    assert {labels for labels, value in found.items() if value} == {
        ("salesforce", "production", "held"),
        ("slack", "sandbox", "ok"),
    }
    assert len(found) == 8


@pytest.mark.parametrize(
    ("budget", "vendor", "used", "limit"),
    [
        pytest.param(None, None, 30, None, id="no limit is known"),
        pytest.param(100, None, 30, 100, id="our own"),
        pytest.param(0, None, 30, 0, id="none at all"),
        pytest.param(None, (800, 1_000), 800, 1_000, id="the vendor's"),
        pytest.param(900, (800, 1_000), 800, 1_000, id="the vendor's is the tighter one"),
        pytest.param(100, (800, 1_000), 30, 100, id="our own is the tighter one"),
        pytest.param(0, (800, 1_000), 30, 0, id="none at all, whatever the vendor says"),
        pytest.param(None, (20, 1_000), 30, 1_000, id="the vendor counts late"),
    ],
)
def test_the_budget_of_a_connection(budget, vendor, used, limit):
    connection = make_salesforce(key="salesforce", daily_budget=budget)
    for priority, calls in ((Priority.LIVE, 10), (Priority.BACKFILL, 20)):
        ConnectionUsage.objects.create(connection=connection, day=NOON.date(), priority=priority, calls=calls)
    ConnectionUsage.objects.create(
        connection=connection, day=NOON.date() - timedelta(days=1), priority=Priority.LIVE, calls=5_000
    )
    if vendor:
        Connection.objects.update(vendor_used=vendor[0], vendor_limit=vendor[1], vendor_reported_at=NOON)

    found = scrape()

    assert found["hub_budget_used_calls"] == {("salesforce",): used}
    assert found["hub_budget_limit_calls"] == ({} if limit is None else {("salesforce",): limit})


def test_the_age_of_heartbeats():
    Heartbeat.objects.create(queue="alerts", beaten_at=NOON - timedelta(seconds=42))

    assert scrape()["hub_queue_heartbeat_age_seconds"] == {("alerts",): 42, ("sync",): math.inf}


def make_alert(rule, seconds, state=DeliveryState.DELIVERED):
    from routing.models import Alert, Decision

    trigger_at = NOON - timedelta(hours=2)
    change = make_change(
        rule.stream, created_at=trigger_at, captured_at=trigger_at, title="Ann Lee", email="ann@lee.test"
    )
    decision = Decision.objects.create(
        change=change,
        rule=rule,
        verdict="deliver",
        reason="matched",
        text="x",
        trigger_at=trigger_at,
        decided_at=trigger_at,
    )
    delivery = make_delivery(
        rule.destination, state=state, settled_at=trigger_at + timedelta(seconds=seconds)
    )
    return Alert.objects.create(decision=decision, delivery=delivery, role="recipient")


def test_how_fast_alerts_were():
    rule = make_rule(key="hot", name="hot", max_age_seconds=300)
    for seconds in (10, 20, 30):
        make_alert(rule, seconds)
    make_alert(rule, 400, DeliveryState.EXPIRED)

    found = scrape()

    assert found["hub_alerts_last_day"] == {
        ("hot", "delivered"): 3,
        ("hot", "expired"): 1,
        ("hot", "dead"): 0,
    }
    assert found["hub_alert_latency_seconds"] == {
        ("0.5", "hot"): 20,
        ("0.95", "hot"): 30,
        ("0.99", "hot"): 30,
    }
    assert found["hub_alerts_within_target_ratio"] == {("hot",): 0.75}


def test_flow_runs_by_stage():
    flow = make_flow()
    for number, (stage, ended_at) in enumerate([("parked", None), ("ready", None), ("done", NOON)]):
        event = inbox.emit(flow.source, "register", {"n": number}, None, None, NOON)
        FlowRun.objects.create(flow=flow, event=event, stage=stage, started_at=NOON, ended_at=ended_at)

    found = scrape()

    assert found["hub_flow_runs"] == {("register", "parked"): 1, ("register", "ready"): 1}
    assert found["hub_flow_runs_last_day"] == {("register", "done"): 1}
    assert found["hub_flow_latency_seconds"][("register", "0.95")] == 0
    assert found["hub_flow_oldest_seconds"].keys() == {("register",)}


def test_no_label_says_anything_about_a_person():
    make_alert(make_rule(), 10)

    text = metrics.exposition(NOON).decode()

    assert "Ann" not in text
    assert "@" not in text


def test_a_process_asks_the_database_once_in_ten_seconds(django_assert_num_queries):
    first = metrics.exposition(NOON, clock=lambda: 0)
    Incident.objects.create(key="k", kind=IncidentKind.HELD, title="x", opened_at=NOON, last_seen_at=NOON)
    with django_assert_num_queries(0):
        second = metrics.exposition(NOON, clock=lambda: 9.9)
    third = metrics.exposition(NOON, clock=lambda: 10.0)

    assert first == second != third


def test_events_are_counted_by_source_and_what_is_refused_by_code():
    shop, quiet = make_event_source(key="shop"), make_event_source(key="quiet")
    for minutes, state in ((70, "routed"), (50, "routed"), (20, "waiting"), (10, "waiting"), (5, "refused")):
        InboundEvent.objects.create(
            source=shop, state=state, received_at=NOON - timedelta(minutes=minutes), body=b"{}"
        )
    event_tallies.count(shop.pk, "schema", NOON)
    event_tallies.count(quiet.pk, "taken", NOON)
    event_tallies.write()

    found = scrape()

    assert found["hub_events_accepted_last_hour"] == {("shop",): 3, ("quiet",): 0}
    assert found["hub_events_refused_last_hour"] == {("schema", "shop"): 1}
    assert found["hub_events_waiting"] == {("shop",): 2, ("quiet",): 0}
    assert found["hub_event_waiting_seconds"] == {("shop",): 1200}


def test_the_number_of_queries_does_not_grow_with_the_rows(django_assert_max_num_queries):
    HubSettings.get()
    for _ in range(5):
        make_delivery(make_slack())
        make_change(make_stream())
        make_alert(make_rule(), 10)

    with django_assert_max_num_queries(28):
        metrics.exposition(NOON)
