"""The sender of the order system's events: signed, and as unreliable as a test wants it."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from integration_hub.simulator.order_system.shop import Row, shown
from integration_hub.simulator.world import Clock

TIMEOUT = 5.0
SENT = {"customer": {"created", "updated", "deleted"}, "order": {"accepted", "updated", "cancelled"}}
Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Manner:
    """How events go out wrong, or not: `wrong` signatures, each event twice, in disorder, so many tries."""

    wrong: bool = False
    duplicates: bool = False
    shuffled: bool = False
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST; status 0: no answer."""

    event: Event
    status: int


@dataclass(slots=True)
class Webhooks:
    """Notes an event for each change and sends those that wait when it is told to."""

    clock: Clock
    secret: str
    waiting: list[Event] = field(default_factory=list)
    lost: list[Event] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _chance: random.Random = field(default_factory=lambda: random.Random(29))  # noqa: S311 - no secret

    def note(self, what: str, kind: str, row: Row) -> None:
        if what in SENT[kind]:
            self.waiting.append(
                {
                    "id": f"evt_{next(self._numbers)}",
                    "event": f"{kind}.{what}",
                    "occurred_at": shown(self.clock()),
                    "changed_by": row["changed_by"],
                    kind: dict(row),
                }
            )

    def deliver(self, url: str, manner: Manner | None = None) -> list[Delivery]:
        """Post what waits to `url`; return every POST. What is still refused after the last try is lost."""
        manner = manner or Manner()
        events, self.waiting = self.waiting, []
        if manner.duplicates:
            events = [event for event in events for _ in range(2)]
        if manner.shuffled:
            self._chance.shuffle(events)
        sent: list[Delivery] = []
        for event in events:
            sent += self._tried(url, event, manner)
            if not 200 <= sent[-1].status < 300 and event not in self.lost:
                self.lost.append(event)
        return sent

    def headers(self, event: Event, body: bytes, *, wrong: bool = False) -> dict[str, str]:
        at = str(int(self.clock().timestamp()))
        secret = self.secret + ("-wrong" if wrong else "")
        digest = hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
        return {
            "Content-Type": "application/json",
            "X-Hub-Timestamp": at,
            "X-Hub-Signature": f"sha256={digest}",
            "Idempotency-Key": str(event["id"]),
        }

    def _tried(self, url: str, event: Event, manner: Manner) -> Sequence[Delivery]:
        body = json.dumps(event, separators=(",", ":")).encode()
        tries: list[Delivery] = []
        for _ in range(manner.attempts):
            tries.append(Delivery(event, _post(url, body, self.headers(event, body, wrong=manner.wrong))))
            if 200 <= tries[-1].status < 300:
                break
        return tries


def _post(url: str, body: bytes, headers: dict[str, str]) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        connection.request("POST", parts.path or "/", body, headers)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()
