"""Is the hub alive, is it ready, how is it doing: for load balancers, supervisors and Prometheus."""

from __future__ import annotations

import hmac
import ipaddress
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_q.brokers import get_broker
from prometheus_client import CONTENT_TYPE_LATEST
from redis.exceptions import RedisError

from integration_hub import metrics
from syncs.models import Connection, Heartbeat
from syncs.schedules import QUEUES

logger = logging.getLogger(__name__)

FROZEN_AFTER = timedelta(minutes=3)
"""A heartbeat is due each minute; so much later the queue does not move any more."""
PROXY_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP")

_migrated = False


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer as long as the process does; asks nothing else, so that a database at rest restarts nobody."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 503 with sentences unless work is being done: database, migrations, broker, and each queue moving."""
    report = readiness(timezone.now())
    return JsonResponse(report, status=200 if report["ready"] else 503)


@never_cache
@require_safe
def metrics_view(request: HttpRequest) -> HttpResponse:
    """Give the figures to whoever has METRICS_TOKEN; without a token, to this machine."""
    refusal = _refusal(request)
    if refusal is not None:
        return refusal
    try:
        body = metrics.exposition(timezone.now())
    except DatabaseError:
        logger.exception("metrics could not be read")
        return HttpResponse("The database does not answer.\n", status=503, content_type="text/plain")
    return HttpResponse(body, content_type=CONTENT_TYPE_LATEST)


def readiness(now: datetime) -> dict[str, Any]:
    """Tell what stands and what does not. Connections are told of; they never make the hub unready."""
    report: dict[str, Any] = {"ready": False, "problems": [], "database": "ok"}
    problems: list[str] = report["problems"]
    try:
        for name, check in (
            ("migrations", _migrations),
            ("broker", _broker),
            ("queues", partial(_queues, now)),
        ):
            report[name] = check(problems)
        report["connections"] = {c.key: c.state(now).value for c in Connection.objects.order_by("key")}
    except DatabaseError:
        logger.exception("not ready")
        report["database"] = "failed"
        problems.append("The database does not answer as it should. The log has the reason.")
    report["ready"] = not problems
    return report


def _migrations(problems: list[str]) -> str:
    """What is applied stays applied while this code runs, so a yes is remembered."""
    global _migrated
    if not _migrated:
        executor = MigrationExecutor(connection)
        _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not _migrated:
        problems.append("The tables are not those of this version: run `manage.py migrate`.")
    return "ok" if _migrated else "missing"


def _broker(problems: list[str]) -> str:
    try:
        get_broker().ping()
    except RedisError:
        logger.exception("broker does not answer")
        problems.append("The task queue's broker (REDIS_URL) does not answer.")
        return "failed"
    return "ok"


def queue_problem(queue: str, beaten_at: datetime | None, now: datetime) -> str:
    """Say what is wrong with a queue whose last heartbeat was then; "": nothing."""
    if beaten_at is None:
        return (
            f"No task ever went through the queue {queue}: start `Q_CLUSTER_NAME={queue} manage.py qcluster`."
        )
    if now - beaten_at > FROZEN_AFTER:
        minutes = (now - beaten_at) // timedelta(minutes=1)
        return f"The queue {queue} has not moved for {minutes} minutes: see whether its cluster runs, and restart it."
    return ""


def _queues(now: datetime, problems: list[str]) -> dict[str, Any]:
    beaten = dict(Heartbeat.objects.values_list("queue", "beaten_at"))
    problems += filter(None, (queue_problem(queue, beaten.get(queue), now) for queue in QUEUES))
    return {
        queue: {
            "heartbeat_age_seconds": round((now - beaten[queue]).total_seconds()) if queue in beaten else None
        }
        for queue in QUEUES
    }


def _refusal(request: HttpRequest) -> HttpResponse | None:
    say: Callable[..., HttpResponse] = partial(HttpResponse, content_type="text/plain")
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if hmac.compare_digest(given.encode(), settings.METRICS_TOKEN.encode()):
            return None
        return say(
            "Send METRICS_TOKEN as a bearer token.\n", status=401, headers={"WWW-Authenticate": "Bearer"}
        )
    if _is_from_this_machine(request):
        return None
    return say("Set METRICS_TOKEN and send it as a bearer token, or ask from this machine.\n", status=403)


def _is_from_this_machine(request: HttpRequest) -> bool:
    """A proxy on this machine makes everybody look local; what it forwards is not."""
    if any(name in request.headers for name in PROXY_HEADERS):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
