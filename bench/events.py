"""How many events a second the hub takes in, and whether one is lost when its web workers are killed.

`python -m bench.events DATABASE [SECONDS]`: gunicorn as deployed, signed posts from this process on the same cores.
Two rounds on a fresh database: one undisturbed, for the figures; one in which every worker is killed (-9) again and
again while the senders go on, each repeating what had no answer under the same idempotency key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import staging
from syncs.models import InboundEvent
from syncs.models.events import EventState
from tests.factories import make_event_source
from tests.stories.processes import ROOT, environment, until

SENDERS = 8
KILLS = 2
SECRET = "bench-secret"
SCHEMA = {
    "type": "object",
    "required": ["event", "id", "email", "company"],
    "properties": {
        "email": {"type": "string", "format": "email"},
        "seats": {"type": "integer", "minimum": 1},
    },
}
"""What the source asks of each event, so that the check is part of the figure."""
ID = re.compile(rb'"id": ?"([0-9a-f-]{36})"')


@dataclass
class Sender:
    """One connection that posts one event after the other and remembers what was answered."""

    number: int
    port: int
    source: str
    answers: dict[str, str] = field(default_factory=dict)
    """The id that was promised, by the key of the event."""
    latencies: list[float] = field(default_factory=list)
    others: list[bytes] = field(default_factory=list)
    """Answers that are no 202."""
    repeats: int = 0
    _socket: socket.socket | None = None

    def run(self, end: float) -> None:
        made = 0
        while time.perf_counter() < end:
            made += 1
            key = f"{self.source}-{self.number}-{made}"
            request = self._request(key)
            while not self._sent(key, request):
                self.repeats += 1

    def _sent(self, key: str, request: bytes) -> bool:
        """Post once; False: no answer came, or one that says to come back."""
        begun = time.perf_counter()
        try:
            self._socket = self._socket or socket.create_connection(("127.0.0.1", self.port), timeout=30)
            self._socket.sendall(request)
            answer = self._socket.recv(65_536)
            while b"}" not in answer:
                more = self._socket.recv(65_536)
                if not more:
                    raise ConnectionError
                answer += more
        except OSError:
            self._close()
            time.sleep(0.05)  # the other workers, or their successors, answer soon
            return False
        self.latencies.append(time.perf_counter() - begun)
        if b"connection: close" in answer.lower():
            self._close()
        if not answer.startswith(b"HTTP/1.1 202"):
            self.others.append(answer[:400])
            return not answer.startswith(b"HTTP/1.1 503")
        found = ID.search(answer)
        assert found, answer
        self.answers[key] = found[1].decode()
        return True

    def _request(self, key: str) -> bytes:
        body = json.dumps(
            {"event": "register", "id": key, "email": f"{key}@example.test", "company": "Example Ltd", "seats": 12,
             "plan": "team", "address": {"city": "Berlin", "country": "DE"}, "tags": ["trial", "web"]}
        ).encode()  # fmt: skip
        stamp = str(int(time.time()))
        made = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        head = (
            f"POST /events/{self.source}/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"X-Hub-Timestamp: {stamp}\r\nX-Hub-Signature: sha256={made}\r\n"
            f"Idempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _close(self) -> None:
        if self._socket:
            self._socket.close()
        self._socket = None


@contextmanager
def web(url: str) -> Iterator[tuple[int, int]]:
    """Give the port and the first process of a gunicorn as deployed, on the database at `url`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--config",
        "deploy/gunicorn.conf.py",
        "integration_hub.wsgi",
    ]
    told = environment(url, BIND=f"127.0.0.1:{port}", LOG_LEVEL="ERROR", PUBLIC_URL="http://127.0.0.1")
    process = subprocess.Popen(  # noqa: S603
        command,
        cwd=ROOT,
        env=told,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until(lambda: _answers(port), 30, "gunicorn starts")
        yield port, process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def post(port: int, source: str, seconds: float, master: int, *, kills: int = 0) -> dict[str, Any]:
    """Post for so long, with SENDERS at once, and kill all workers so often. Compare with the table."""
    senders = [Sender(number, port, source) for number in range(SENDERS)]
    begun, ours, theirs = time.perf_counter(), time.process_time(), cpu(master)
    threads = [threading.Thread(target=one.run, args=(begun + seconds,)) for one in senders]
    for thread in threads:
        thread.start()
    killed = 0
    for _ in range(kills):
        time.sleep(seconds / (kills + 1))
        for pid in workers(master):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    for thread in threads:
        thread.join()
    took = time.perf_counter() - begun
    accepted = sum(len(one.answers) for one in senders)
    costs = {"our_cpu": time.process_time() - ours, "web_cpu": cpu(master) - theirs}
    each = {name: 1000 * seconds / accepted for name, seconds in costs.items()}
    return {**_figures(senders, took), **_compared(senders, source), **each, "killed": killed}


def workers(master: int) -> list[int]:
    """Return the processes that the first one has started."""
    children = Path(f"/proc/{master}/task/{master}/children").read_text()
    return [int(pid) for pid in children.split()]


def cpu(master: int) -> float:
    """Return the seconds of processor time that the workers alive now have used."""
    ticks = 0
    for pid in workers(master):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as one:
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        return b" 200 " in one.recv(1_000)
    return False


def _figures(senders: list[Sender], took: float) -> dict[str, Any]:
    latencies = sorted(latency for one in senders for latency in one.latencies)
    accepted = sum(len(one.answers) for one in senders)
    shares = {name: latencies[int(len(latencies) * share)] * 1000 for name, share in QUANTILES.items()}
    others = [answer.decode(errors="replace") for one in senders for answer in one.others]
    return {
        "accepted": accepted,
        "each_second": accepted / took,
        **shares,
        "others": len(others),
        "example": others[0] if others else "",
        "repeats": sum(one.repeats for one in senders),
    }


QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def _compared(senders: list[Sender], source: str) -> dict[str, Any]:
    """Hold what was promised against what stands in the table."""
    promised = {key: uid for one in senders for key, uid in one.answers.items()}
    rows = InboundEvent.objects.filter(source__key=source, state=EventState.WAITING)
    stored = {key: str(uid) for key, uid in rows.values_list("idempotency_key", "uid")}
    return {
        "lost": sum(stored.get(key) != uid for key, uid in promised.items()),
        "doubled": rows.count() - len(stored),
        "stored": len(stored),
    }


def main(database: str, seconds: float) -> None:
    found = {}
    with staging.scratch(database) as scratch:
        for name in ("warm", "calm", "killed"):
            make_event_source(
                {"name": "register", "schema": SCHEMA}, key=name, secret=SECRET, per_minute=600_000
            )
        with web(scratch.url) as (port, master):
            post(port, "warm", 2, master)
            found["calm"] = post(port, "calm", seconds, master)
            found["killed"] = post(port, "killed", seconds, master, kills=KILLS)
    staging.say(found)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 20)
