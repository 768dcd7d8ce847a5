"""The sender of webhooks: batches, signatures, duplicates, disorder and retries, whenever a test asks for them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import itertools
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from integration_hub.simulator.hubspot.access import CLIENT_SECRET
from integration_hub.simulator.hubspot.portal import Portal, Row
from integration_hub.simulator.hubspot.properties import milliseconds

MOST_EVENTS = 100
ATTEMPTS = 10
TIMEOUT = 5.0
NEVER_SENT = frozenset({"lastmodifieddate", "hs_lastmodifieddate", "num_unique_conversion_events"})
Event = dict[str, Any]
_SOURCES = {"INTEGRATION": "INTEGRATION", "CRM_UI": "CRM_UI", "AUTOMATION": "AUTOMATION_PLATFORM"}


@dataclass(frozen=True, slots=True)
class Manner:
    """How a delivery goes wrong, or not. `signatures`: any of "v1", "v3"."""

    signatures: Sequence[str] = ("v1", "v3")
    wrong: bool = False
    duplicates: bool = False
    shuffled: bool = False
    batch: int = MOST_EVENTS
    attempts: int = 1
    """How often a refused batch is tried, at once; HubSpot tries ten times in a day."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST: what was sent and what came back; status 0: no answer."""

    status: int
    events: Sequence[Event]


@dataclass(slots=True)
class Webhooks:
    """Notes an event for every change, and sends those that wait when it is told to.

    `subscribed` None: everything; else subscription types such as "contact.creation", and for propertyChange
    "contact.propertyChange:email".
    """

    portal: Portal
    secret: str = CLIENT_SECRET
    app_id: int = 25_681_700
    subscribed: set[str] | None = None
    waiting: list[Event] = field(default_factory=list)
    lost: list[Event] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(714_285_774))
    _chance: random.Random = field(default_factory=lambda: random.Random(23))  # noqa: S311 - no secret

    def note(self, what: str, row: Row, properties: Mapping[str, str], source: str) -> None:
        """Be told of a change; one event for each property of a propertyChange."""
        kind = "object" if row.kind.custom else row.kind.singular.lower()
        event = self._event(f"{kind}.{what}", row, source)
        if what == "propertyChange":
            for name, value in properties.items():
                if name not in NEVER_SENT and self._wants(f"{kind}.{what}:{name}"):
                    self.waiting.append({**event, "eventId": next(self._numbers)} | _property(name, value))
            return
        if self._wants(f"{kind}.{what}"):
            self.waiting.append(event | _particulars(what, row, properties))

    def deliver(self, url: str, manner: Manner | None = None) -> list[Delivery]:
        """Send what waits to `url`; return every POST. What is still refused after the last try is lost."""
        manner = manner or Manner()
        events, self.waiting = self.waiting, []
        if manner.duplicates:
            events = [*events, *events]
        if manner.shuffled:
            self._chance.shuffle(events)
        sent: list[Delivery] = []
        for start in range(0, len(events), manner.batch):
            batch = events[start : start + manner.batch]
            sent += self._batch(url, batch, manner)
            if not 200 <= sent[-1].status < 300:
                self.lost += batch
        return sent

    def headers(self, url: str, body: bytes, manner: Manner) -> dict[str, str]:
        """Return the signatures of a POST."""
        secret = self.secret + ("-wrong" if manner.wrong else "")
        headers = {"Content-Type": "application/json", "User-Agent": "HubSpot Connect 2.0"}
        if "v1" in manner.signatures:
            headers["X-HubSpot-Signature-Version"] = "v1"
            headers["X-HubSpot-Signature"] = hashlib.sha256(secret.encode() + body).hexdigest()
        if "v3" in manner.signatures:
            at = str(milliseconds(self.portal.clock()))
            text = b"POST" + url.encode() + body + at.encode()
            digest = hmac.new(secret.encode(), text, hashlib.sha256).digest()
            headers["X-HubSpot-Request-Timestamp"] = at
            headers["X-HubSpot-Signature-v3"] = base64.b64encode(digest).decode()
        return headers

    def _batch(self, url: str, batch: list[Event], manner: Manner) -> list[Delivery]:
        tries: list[Delivery] = []
        for attempt in range(manner.attempts):
            events = [{**event, "attemptNumber": attempt} for event in batch]
            body = json.dumps(events, separators=(",", ":")).encode()
            tries.append(Delivery(_post(url, body, self.headers(url, body, manner)), events))
            if 200 <= tries[-1].status < 300:
                break
        return tries

    def _wants(self, name: str) -> bool:
        return self.subscribed is None or bool({name, name.partition(":")[0]} & self.subscribed)

    def _event(self, subscription: str, row: Row, source: str) -> Event:
        event: Event = {
            "eventId": next(self._numbers),
            "subscriptionId": 4_849_549,
            "portalId": self.portal.portal_id,
            "appId": self.app_id,
            "occurredAt": milliseconds(self.portal.clock()),
            "subscriptionType": subscription,
            "attemptNumber": 0,
            "objectId": int(row.id),
            "changeSource": _SOURCES.get(source, "API"),
            "sourceId": "userId:10202051",
        }
        return event | ({"objectTypeId": row.kind.type_id} if row.kind.custom else {})


def _property(name: str, value: str) -> Event:
    return {"propertyName": name, "propertyValue": value, "isSensitive": False}


def _particulars(what: str, row: Row, given: Mapping[str, str]) -> Event:
    if what == "merge":
        return {
            "primaryObjectId": int(row.id),
            "mergedObjectIds": [int(given["mergedObjectIds"])],
            "newObjectId": int(row.id),
            "numberOfPropertiesMoved": 1,
        }
    if what == "associationChange":
        return {
            "associationType": f"{row.kind.singular}_TO_{given['to'].upper()}",
            "fromObjectId": int(given["fromObjectId"]),
            "toObjectId": int(given["toObjectId"]),
            "associationRemoved": False,
            "isPrimaryAssociation": False,
        }
    return {"changeFlag": {"creation": "NEW", "deletion": "DELETED", "restore": "RESTORED"}[what]}


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", path or "/", body, dict(headers))
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()
