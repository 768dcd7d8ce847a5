"""HubSpot's webhooks: batches of events, signed with the app's client secret."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from integration_hub.connectors.hubspot import signature
from integration_hub.connectors.notices import Call, Mention, Reading

MOST_EVENTS = 100
MOST_TOLD = 10
_TYPES = {
    "contact": "contacts",
    "company": "companies",
    "deal": "deals",
    "ticket": "tickets",
    "product": "products",
    "line_item": "line_items",
    "0-1": "contacts",
    "0-2": "companies",
    "0-3": "deals",
    "0-5": "tickets",
    "0-7": "products",
    "0-8": "line_items",
}
_GONE = frozenset({"deletion", "privacyDeletion"})
Event = Mapping[str, Any]


class UnreadableError(ValueError):
    """An event is none; the text says why, without its values."""


class HubSpotNotices:
    largest = 1_000_000
    content_type = "text/plain"
    answer = b""

    def refusal(self, config: Mapping[str, str], call: Call, now: datetime) -> str:
        given = {name.lower() for name in call.headers}
        if signature.V3 not in given and config.get("webhook_signature") == "v3":
            return "not signed" if signature.V1 not in given else "only signed by an older version"
        return signature.verify(
            config.get("client_secret", ""),
            method="POST",
            url=call.url,
            body=call.body,
            headers=call.headers,
            now=now,
        )

    def read(self, config: Mapping[str, str], body: bytes) -> Reading:
        """Order is not promised and repeats happen, so an event only says that its records are to be read."""
        try:
            events = json.loads(body)
        except (ValueError, RecursionError):
            return Reading(problems=["The body is not JSON."])
        events = [events] if isinstance(events, dict) else events
        if not isinstance(events, list):
            return Reading(problems=["The body is no list of events."])
        mentions: list[Mention] = []
        problems: list[str] = []
        strange = 0
        for number, event in enumerate(events, 1):
            try:
                found = list(_mentions(event))
                own = config.get("portal_id", "").strip()
                if own and str(event.get("portalId")) != own:
                    strange += 1
                else:
                    mentions += found
            except UnreadableError as error:
                problems.append(f"Event {number}: {error}")
        more = len(problems) - MOST_TOLD
        told = problems[:MOST_TOLD] + ([f"{more} more cannot be read."] if more > 0 else [])
        return Reading(mentions, len(events), strange, told)


def _mentions(event: Any) -> Iterator[Mention]:
    if not isinstance(event, dict):
        raise UnreadableError("it is no object.")
    name = event.get("subscriptionType") or event.get("eventType")  # older samples have the latter
    if not isinstance(name, str) or "." not in name:
        raise UnreadableError("it does not say what happened.")
    kind, _, what = name.partition(".")
    object_type = _object_type(kind, event)
    at = _moment(event.get("occurredAt"))
    if what == "merge":
        yield _mention(event, object_type, event.get("newObjectId", event.get("primaryObjectId")), at)
        losers = event.get("mergedObjectIds")
        for loser in losers if isinstance(losers, list) else ():
            yield _mention(event, object_type, loser, at, gone=True)
        return
    record = event.get("objectId", event.get("fromObjectId"))
    yield _mention(event, object_type, record, at, gone=what in _GONE)


def _object_type(kind: str, event: Event) -> str:
    if kind != "object":
        if kind not in _TYPES:
            raise UnreadableError("it is about an object type that is not known.")
        return _TYPES[kind]
    found = event.get("objectTypeId")
    if not isinstance(found, str) or not found or len(found) > 80:
        raise UnreadableError("it does not say of which object type its record is.")
    return _TYPES.get(found, found)


def _mention(
    event: Event, object_type: str, record: Any, at: datetime | None, *, gone: bool = False
) -> Mention:
    record_id = str(record) if isinstance(record, int | str) and not isinstance(record, bool) else ""
    if not (record_id.isascii() and record_id.isdecimal() and len(record_id) <= 20):
        raise UnreadableError("it names no record.")
    names = ("portalId", "subscriptionId", "objectId", "propertyName", "occurredAt", "propertyValue")
    told = [*(event.get(name) for name in names), object_type, record_id, gone]
    content = json.dumps(told, sort_keys=True).encode()
    return Mention(object_type, record_id, hashlib.blake2b(content, digest_size=16).hexdigest(), at, gone)


def _moment(stamp: Any) -> datetime | None:
    if isinstance(stamp, bool) or not isinstance(stamp, int):
        return None
    try:
        return datetime.fromtimestamp(stamp / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
