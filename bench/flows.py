"""How onboarding flows come through trouble, beside the plain script. `python -m bench.flows DATABASE [EVENTS]`

Real processes: gunicorn takes the events in, a cluster for each queue moves the runs on. HubSpot limits, lags, fails
one call in twenty and is away for a minute; before that the cluster that talks to it is killed (-9) and started anew.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.utils import timezone

from bench import flows_script, staging
from bench.events import SECRET, web
from bench.flows_world import domain_of, email_of
from integration_hub.configuration import apply, reading
from integration_hub.simulator.hubspot import ACCESS_TOKEN
from routing.models import Flow, FlowRun
from syncs import connect, queues
from syncs.events import sources as event_sources
from syncs.models import Connection, Delivery, EventSource, InboundEvent
from syncs.schedules import ALERTS
from tests.stories.processes import ROOT, Cluster, until

SENDERS = 4
AWAY = 60.0
PLAIN = 20
"""The plain script does a twentieth: it takes minutes for that, too, though HubSpot is not away for it."""
AT_MOST = 900.0
QUEUES = ("alerts", "sync")


class World:
    """HubSpot, in a process of its own."""

    def __init__(self, records: int) -> None:
        command = [sys.executable, "-m", "bench.flows_world", str(records)]
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.url: str = self._read()["hubspot"]

    def ask(self, what: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def configure(url: str) -> None:
    """Import the example as it is shipped, lead it to the pretend HubSpot, and switch its flows on."""
    content = (settings.BASE_DIR / "examples" / "hubspot-onboarding.yaml").read_bytes()
    apply.run(reading.parse(content), now=timezone.now())
    connection = Connection.objects.get(key="hubspot")
    connect.set_secret(connection, "access_token", ACCESS_TOKEN)
    connection.base_url = url
    connection.save()
    EventSource.objects.update(per_minute=None)
    event_sources.add_secret(EventSource.objects.get(), "bench", SECRET, timezone.now())
    Flow.objects.update(enabled=True)


def post(port: int, numbers: range) -> None:
    """Post registrations one after the other, each until it is taken."""
    session = requests.Session()
    for number in numbers:
        body = json.dumps(
            {"event": "register", "id": f"evt-{number}", "customer": {"id": f"C{number}", "email": email_of(number)},
             "company": {"domain": domain_of(number), "name": domain_of(number).title()}}
        ).encode()  # fmt: skip
        stamp = str(int(time.time()))
        made = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-Hub-Timestamp": stamp,
            "X-Hub-Signature": f"sha256={made}",
        }
        answer = session.post(
            f"http://127.0.0.1:{port}/events/product/", data=body, headers=headers, timeout=30
        )
        assert answer.status_code == 202, answer.text


def through_trouble(database: Any, world: World, events: int, stack: ExitStack) -> dict[str, Any]:
    """Post all, kill the cluster that sends, take HubSpot away for a minute, and wait until every run has ended."""
    port, _ = stack.enter_context(web(database.url))
    clusters = [Cluster(database.url, queue) for queue in QUEUES]
    for cluster in clusters:
        stack.callback(cluster.destroy)
        cluster.wait_until_ready()
    queues.wake("routing.tasks.pump", queue=ALERTS)
    spent, begun = sum(map(cpu, clusters)), time.monotonic()
    senders = [threading.Thread(target=post, args=(port, range(n, events, SENDERS))) for n in range(SENDERS)]
    for sender in senders:
        sender.start()
    until(lambda: _ended() >= events // 10, AT_MOST, "a tenth of the runs")
    lost = clusters.pop()
    spent -= cpu(lost)
    lost.destroy()
    clusters.append(Cluster(database.url, QUEUES[-1]))
    stack.callback(clusters[-1].destroy)
    until(lambda: _ended() >= events // 5, AT_MOST, "a fifth of the runs")
    world.ask("down")
    time.sleep(AWAY)
    world.ask("up")
    for sender in senders:
        sender.join()
    posted = time.monotonic() - begun
    until(lambda: _ended() >= events, AT_MOST, "the last run")
    return {
        "seconds": time.monotonic() - begun,
        "posted": posted,
        "milliseconds": (sum(map(cpu, clusters)) - spent) / events * 1000,
    }


def cpu(cluster: Cluster) -> float:
    """Return the seconds of processor time of its processes, also of those that have ended."""
    ticks = 0
    for pid in cluster.pids():
        with suppress(OSError):  # it ended meanwhile
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _ended() -> int:
    return FlowRun.objects.filter(stage="done").count()


def _balance(events: int) -> int:
    """Return by how much the books are out: events taken, routed, runs done, deliveries left over."""
    taken = InboundEvent.objects.filter(state="routed").count()
    open_or_dead = Delivery.objects.exclude(state="delivered").count()
    return abs(events - taken) + abs(events - _ended()) + open_or_dead


def main(kind: str, events: int) -> None:
    found: dict[str, Any] = {}
    with ExitStack() as stack:
        database = stack.enter_context(staging.scratch(kind))
        world = World(events)
        stack.callback(world.close)
        configure(world.url)
        found["hub"] = {
            **through_trouble(database, world, events, stack), "unbalanced": _balance(events),
            **world.ask("facts"), "events": events,
        }  # fmt: skip
    few = events // PLAIN
    world = World(few)
    begun, used = time.monotonic(), time.process_time()
    given_up = flows_script.run(world.url, few)
    found["plain"] = {
        "seconds": time.monotonic() - begun, "milliseconds": (time.process_time() - used) / few * 1000,
        "given_up": given_up, **world.ask("facts"), "events": few,
    }  # fmt: skip
    world.close()
    staging.say(found)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000)
