"""Everything that is due: done in this process (tick), or handed to the workers (dispatch)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.utils import timezone

from routing import directory, reroute, router
from routing.flows import engine as flows
from syncs import heartbeats, incidents, queues
from syncs.engine import parents, poll, push, runs
from syncs.isolation import isolated
from syncs.models import Change, Connection, Delivery, HubSettings, Stream, SyncRun
from syncs.models.changes import ChangeState
from syncs.notices import reading as notices
from syncs.schedules import ALERTS, QUEUES, SYNC

COUNTED = ("read", "delivered", "unchanged", "skipped", "waiting", "dead")

FLOW_ROUNDS = 20
"""A tick takes runs of flows through so many steps that wait for an answer; the next tick goes on."""
WOKEN_AGAIN_AFTER = timedelta(seconds=3)
"""A worker that was woken gets so long to take the work up before another is woken for it."""


def tick(
    now: datetime,
    *,
    clock: Callable[[], datetime] = timezone.now,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Do everything that is due, once, in this process; return what was done, by step.

    A step that fails is logged, opens an incident, and stops no other.
    """
    report: dict[str, Any] = {"polls": [], "routes": [], "flows": [], "pushes": [], "errors": []}
    errors = report["errors"]
    if HubSettings.get().enabled:
        isolated("directory", partial(directory.refresh_due, now), errors, now)
        for stream in Stream.objects.due(now).select_related("connection"):
            done = isolated(f"poll {stream.key}", partial(poll.run, stream, now, clock=clock), errors, now)
            report["polls"] += _summary(stream.key, done)
        for connection in notices.due(clock()):
            take = partial(notices.run, connection, clock(), clock=clock)
            isolated(f"notices {connection.key}", take, errors, now)
        report["routes"] += _route(errors, now, clock)
        renamed = list(parents.waiting(clock()))
        for stream in renamed:
            read = partial(parents.run, stream, clock(), clock=clock)
            isolated(f"children of {stream.key}", read, errors, now)
        if renamed:
            report["routes"] += _route(errors, now, clock)
    report["expired"] = isolated("expire", lambda: push.expire(clock()), errors, now) or 0
    for _ in range(FLOW_ROUNDS):
        report["flows"] += _move_flows(errors, clock)
        report["pushes"] += _push(errors, now, clock, sleep)
        if not HubSettings.get().enabled or not flows.is_due(clock()):
            break
    report["rerouted"] = isolated("reroute", lambda: reroute.run(clock()), errors, now) or 0
    isolated("incidents", lambda: incidents.settle(clock()), errors, now)
    isolated("lost runs", lambda: runs.close_lost(clock()), errors, now)
    for queue in QUEUES:  # this process has just done the work of both
        heartbeats.beat(queue, clock())
    return report


def _push(
    errors: list[str], now: datetime, clock: Callable[[], datetime], sleep: Callable[[float], None]
) -> list[dict[str, Any]]:
    report = []
    for connection in _connections_to_push(clock()):
        send = partial(push.run, connection, clock(), clock=clock, sleep=sleep)
        done = isolated(f"push {connection.key}", send, errors, now)
        report += _summary(connection.key, done)
    return report


def _move_flows(errors: list[str], clock: Callable[[], datetime]) -> list[dict[str, int]]:
    """Start and move flow runs, if there is anything to do; return what was done."""
    now = clock()
    if not HubSettings.get().enabled or not flows.is_due(now):
        return []
    moved = isolated("flows", lambda: flows.run(now), errors, now)
    return [asdict(moved)] if moved and moved.total else []


def _route(errors: list[str], now: datetime, clock: Callable[[], datetime]) -> list[dict[str, Any]]:
    report = []
    for stream in _streams_to_route():
        done = isolated(f"route {stream.key}", partial(router.run, stream, clock()), errors, now)
        report += _summary(stream.key, done)
    return report


def dispatch(now: datetime, woken: dict[str, datetime]) -> int:
    """Wake a worker for each thing that is due; return how many. `woken` remembers the recent ones."""
    calls = 0
    due: list[tuple[str, int | None, str]] = []
    if HubSettings.get().enabled:
        due += [("routing.tasks.poll_and_route", stream.pk, ALERTS) for stream in Stream.objects.due(now)]
        due += [("routing.tasks.take_notices", one.pk, ALERTS) for one in notices.due(now)]
        due += [("routing.tasks.route", stream.pk, ALERTS) for stream in _streams_to_route()]
        due += [("syncs.tasks.read_children", stream.pk, SYNC) for stream in parents.waiting(now)]
        due += [("routing.tasks.move_flows", None, SYNC)] if flows.is_due(now) else []
        due += [("syncs.tasks.push_connection", c.pk, queues.queue_for(c)) for c in _connections_to_push(now)]
    full = {queue for queue in {queue for _, _, queue in due} if queues.is_long(queue)}
    for function, pk, queue in due:
        if queue in full:
            continue  # what is due stays due: a queue that stood still for days must not have to catch up with itself
        name = f"{function}:{pk}"
        if name not in woken or now - woken[name] >= WOKEN_AGAIN_AFTER:
            woken[name] = now
            queues.wake(function, *([] if pk is None else [pk]), queue=queue)
            calls += 1
    return calls


def move_flows() -> None:
    """Move the runs of flows on, and wake the senders of what they want sent."""
    if _move_flows([], timezone.now):
        _wake_senders(timezone.now())


def refresh_directory(now: datetime) -> None:
    if HubSettings.get().enabled:
        isolated("directory", partial(directory.refresh_due, now), [], now)


def poll_and_route(stream_id: int, now: datetime) -> None:
    """Poll the stream if that is due still, and route what came; its task may be one of many that waited."""
    stream = Stream.objects.due(now).filter(pk=stream_id).select_related("connection").first()
    if stream is None or not HubSettings.get().enabled:
        return
    done = isolated(f"poll {stream.key}", partial(poll.run, stream, now), [], now)
    if done and done.waiting:
        route(stream_id, timezone.now())


def take_notices(connection_id: int, now: datetime) -> None:
    """Read what notices name, and route what came of it."""
    connection = Connection.objects.filter(pk=connection_id).first()
    if connection is None or not HubSettings.get().enabled:
        return
    take = partial(notices.run, connection, now)
    for stream_id in isolated(f"notices {connection.key}", take, [], now) or ():
        route(stream_id, timezone.now())


def route(stream_id: int, now: datetime) -> None:
    """Route what waits and wake the senders of what came of it."""
    stream = Stream.objects.filter(pk=stream_id).select_related("connection").first()
    if stream is None or not HubSettings.get().enabled:
        return
    done = isolated(f"route {stream.key}", partial(router.run, stream, now), [], now)
    _push_after(done, timezone.now())


def _push_after(stream_run: SyncRun | None, now: datetime) -> None:
    """Wake the senders of what routing just enqueued, without waiting for the next look around."""
    if stream_run and stream_run.waiting:
        _wake_senders(now)


def _wake_senders(now: datetime) -> None:
    for connection in _connections_to_push(now):
        queues.wake("syncs.tasks.push_connection", connection.pk, queue=queues.queue_for(connection))


def _streams_to_route() -> list[Stream]:
    waiting = Change.objects.filter(state=ChangeState.WAITING).values("stream")
    return list(Stream.objects.filter(pk__in=waiting).select_related("connection"))


def _connections_to_push(now: datetime) -> list[Connection]:
    due = Delivery.objects.due(now).values("connection")
    return list(Connection.objects.usable(now).filter(pk__in=due))


def _summary(name: str, run: SyncRun | None) -> list[dict[str, Any]]:
    """Return the run as one line of the report, or nothing where there was nothing to do."""
    if run is None:
        return []
    counts = {field: getattr(run, field) for field in COUNTED}
    return [{"name": name, "state": run.state, **counts, **({"error": run.error} if run.error else {})}]
