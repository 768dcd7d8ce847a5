"""What load balancers, supervisors and Prometheus are told."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone
from redis.exceptions import ConnectionError as RedisConnectionError

from integration_hub import health, metrics
from syncs import holds, tasks
from syncs.models import Heartbeat
from syncs.schedules import QUEUES
from tests.factories import NOON, make_salesforce, make_slack


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch):
    monkeypatch.setattr(health, "_migrated", False)
    metrics.forget()
    yield
    metrics.forget()


def beat_all(at):
    for queue in QUEUES:
        Heartbeat.objects.update_or_create(queue=queue, defaults={"beaten_at": at})


def refuse(error):
    def call(*args, **kwargs):
        raise error

    return call


def test_healthz_answers_without_asking_the_database(client):
    response = client.get("/healthz")

    assert (response.status_code, response.content) == (200, b"ok\n")


@pytest.mark.django_db
def test_a_fresh_installation_says_which_clusters_to_start(client):
    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["problems"] == [
        f"No task ever went through the queue {queue}: start `Q_CLUSTER_NAME={queue} manage.py qcluster`."
        for queue in QUEUES
    ]


@pytest.mark.django_db
def test_it_is_ready_when_a_task_went_through_each_queue(client):
    for queue in QUEUES:
        tasks.beat(queue)

    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == {
        "ready": True,
        "problems": [],
        "database": "ok",
        "migrations": "ok",
        "broker": "ok",
        "queues": {queue: {"heartbeat_age_seconds": 0} for queue in QUEUES},
        "connections": {},
    }


@pytest.mark.django_db
@pytest.mark.parametrize(("age", "ready"), [(0, True), (180, True), (181, False), (7_500, False)])
def test_a_queue_that_does_not_move_is_not_ready(age, ready):
    beat_all(NOON)
    Heartbeat.objects.filter(queue="alerts").update(beaten_at=NOON - timedelta(seconds=age))

    report = health.readiness(NOON)

    assert report["ready"] is ready
    assert report["queues"]["alerts"] == {"heartbeat_age_seconds": age}
    assert all(
        f"The queue alerts has not moved for {age // 60} minutes" in text for text in report["problems"]
    )


@pytest.mark.django_db
def test_connections_that_cannot_be_used_are_told_of_and_do_no_harm():
    beat_all(NOON)
    held, paused = make_salesforce(key="salesforce"), make_slack(key="slack")
    holds.hold(held, code="invalid_client", reason="Secret text of the vendor", now=NOON)
    holds.pause(paused, until=NOON + timedelta(hours=1), reason="Limit")

    report = health.readiness(NOON)

    assert report["ready"]
    assert report["connections"] == {"salesforce": "held", "slack": "paused"}
    assert "Secret text" not in str(report)


@pytest.mark.django_db
def test_tables_of_another_version_are_not_ready(monkeypatch):
    beat_all(NOON)
    monkeypatch.setattr(health.MigrationExecutor, "migration_plan", lambda *args: ["one to go"])

    report = health.readiness(NOON)

    assert report["migrations"] == "missing"
    assert report["problems"] == ["The tables are not those of this version: run `manage.py migrate`."]


@pytest.mark.django_db
def test_migrations_are_looked_for_only_until_they_are_applied(django_assert_max_num_queries):
    beat_all(NOON)
    health.readiness(NOON)

    with django_assert_max_num_queries(3):
        health.readiness(NOON)


@pytest.mark.django_db
def test_a_broker_that_does_not_answer_is_not_ready(monkeypatch):
    class Broker:
        ping = staticmethod(refuse(RedisConnectionError("Connection to redis://:password@host refused")))

    beat_all(NOON)
    monkeypatch.setattr(health, "get_broker", Broker)

    report = health.readiness(NOON)

    assert report["broker"] == "failed"
    assert report["problems"] == ["The task queue's broker (REDIS_URL) does not answer."]


@pytest.mark.django_db
def test_a_database_that_does_not_answer_is_a_sentence_not_a_traceback(client, monkeypatch):
    monkeypatch.setattr(health, "_migrations", refuse(DatabaseError("connection to host 10.0.0.5 failed")))

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["database"] == "failed"
    assert "10.0.0.5" not in response.content.decode()


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
@pytest.mark.django_db
def test_health_is_never_kept_by_a_cache_nor_changed_by_a_post(client, path):
    answers = client.get(path), client.post(path)

    assert "no-store" in answers[0].headers["Cache-Control"]
    assert answers[1].status_code == 405


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("token", "request_", "status"),
    [
        pytest.param("", {"REMOTE_ADDR": "127.0.0.1"}, 200, id="this machine"),
        pytest.param("", {"REMOTE_ADDR": "::1"}, 200, id="this machine, IPv6"),
        pytest.param("", {"REMOTE_ADDR": "10.0.0.7"}, 403, id="another machine"),
        pytest.param("", {"REMOTE_ADDR": ""}, 403, id="a socket, whoever is behind it"),
        pytest.param(
            "", {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}, 403, id="a proxy here"
        ),
        pytest.param("s3cret", {"REMOTE_ADDR": "127.0.0.1"}, 401, id="no token"),
        pytest.param("s3cret", {"HTTP_AUTHORIZATION": "Bearer wrong"}, 401, id="wrong token"),
        pytest.param("s3cret", {"HTTP_AUTHORIZATION": "Bearer ä"}, 401, id="odd token"),
        pytest.param(
            "s3cret",
            {"REMOTE_ADDR": "10.0.0.7", "HTTP_AUTHORIZATION": "Bearer s3cret"},
            200,
            id="right token",
        ),
    ],
)
def test_metrics_are_for_the_token_or_this_machine(client, settings, token, request_, status):
    settings.METRICS_TOKEN = token

    response = client.get("/metrics", **request_)

    assert response.status_code == status
    assert (b"hub_up 1.0" in response.content) is (status == 200)


@pytest.mark.django_db
def test_metrics_without_a_database_are_a_sentence(client, monkeypatch):
    monkeypatch.setattr(metrics, "exposition", refuse(DatabaseError("down")))

    response = client.get("/metrics")

    assert (response.status_code, response.content) == (503, b"The database does not answer.\n")


@pytest.mark.django_db
def test_a_supervisor_learns_by_the_exit_code_that_a_queue_is_frozen():
    Heartbeat.objects.create(queue="alerts", beaten_at=timezone.now() - timedelta(minutes=10))

    with pytest.raises(CommandError, match="has not moved for 10 minutes") as frozen:
        call_command("check_queue", "alerts")

    assert frozen.value.returncode == 3


@pytest.mark.django_db
def test_a_supervisor_leaves_a_moving_queue_alone():
    Heartbeat.objects.create(queue="alerts", beaten_at=timezone.now())
    out = StringIO()

    call_command("check_queue", "alerts", stdout=out)

    assert out.getvalue() == "The queue alerts moves.\n"
