"""What a worker does when it is woken: once, however often it was woken; and it keeps no failure to itself."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from routing import router, tasks, work
from syncs import holds, queues, schedules
from syncs import tasks as sync_tasks
from syncs.engine import poll, push
from syncs.models import Change, HubSettings, Incident, SyncRun
from tests.factories import make_change, make_delivery, make_salesforce, make_slack, make_stream

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def woken(monkeypatch):
    calls = []
    monkeypatch.setattr("syncs.queues.wake", lambda *given, queue: calls.append(given))
    return calls


@pytest.fixture
def stream(simulator):
    return make_stream(make_salesforce(simulator), key="leads", started_at=timezone.now(), described_at=None)


def broken(*_args, **_values):
    raise RuntimeError


def open_incidents():
    return list(Incident.objects.filter(closed_at=None).order_by("pk").values_list("title", flat=True))


def test_of_many_tasks_that_waited_in_the_queue_one_polls(stream):
    for _ in range(5):
        tasks.poll_and_route(stream.pk)

    assert SyncRun.objects.filter(kind="poll").count() == 1


def test_a_task_that_waited_reads_the_switches_first(stream):
    holds.hold(stream.connection, code="x", reason="y", now=timezone.now())
    tasks.poll_and_route(stream.pk)
    holds.release(stream.connection, timezone.now())
    HubSettings.objects.update_or_create(pk=1, defaults={"enabled": False})
    make_change(stream)
    tasks.poll_and_route(stream.pk)
    tasks.route(stream.pk)
    tasks.refresh_directory()

    assert not SyncRun.objects.exists()


def test_a_queue_that_nobody_serves_does_not_grow_for_ever(stream, woken):
    make_delivery(make_slack(), due_at=timezone.now())
    waiting = [OrmQ(key=schedules.ALERTS, payload="", lock=timezone.now()) for _ in range(queues.LONG - 1)]
    OrmQ.objects.bulk_create(waiting)

    work.dispatch(timezone.now(), {})
    before = len(woken)
    OrmQ.objects.create(key=schedules.ALERTS, payload="", lock=timezone.now())
    work.dispatch(timezone.now(), {})

    assert before == 2
    assert len(woken) == before


def test_what_was_deleted_meanwhile_is_no_error():
    tasks.poll_and_route(4711)
    tasks.route(4711)
    sync_tasks.push_connection(4711)

    assert not Incident.objects.exists()


def test_an_error_of_our_own_in_a_worker_is_told(stream, monkeypatch):
    slack = make_slack(key="slack")
    make_delivery(slack, due_at=timezone.now())
    make_change(stream)
    for module, name in ((poll, "run"), (router, "run"), (push, "run")):
        monkeypatch.setattr(module, name, broken)

    tasks.poll_and_route(stream.pk)
    tasks.route(stream.pk)
    sync_tasks.push_connection(slack.pk)

    assert open_incidents() == [
        f"Internal error in {step}" for step in ("poll leads", "route leads", "push slack")
    ]


def test_routing_that_fails_while_polling_works_is_one_incident(stream, monkeypatch):
    make_change(stream)
    monkeypatch.setattr(router, "run", broken)

    for seconds in range(0, 60, 20):
        work.tick(timezone.now() + timedelta(seconds=seconds))

    assert Incident.objects.count() == 1
    assert Incident.objects.get().count == 3
    assert Change.objects.filter(state="waiting").exists()


def test_a_directory_that_failed_is_tried_again_before_its_hour_is_over():
    planned = {plan.function: plan.minutes for plan in schedules.PLANS}

    assert planned["routing.tasks.refresh_directory"] == 5
