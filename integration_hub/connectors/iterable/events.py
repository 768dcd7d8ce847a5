"""Events: each write tells what happened to a user, and carries an id, so that telling it again changes nothing.

Always by trackBulk: Iterable keeps no order between it and the single call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from integration_hub.connectors.errors import RejectedError
from integration_hub.connectors.iterable.errors import shape_error
from integration_hub.connectors.iterable.rows import Reason, Row, failures, made, unidentified
from integration_hub.connectors.moments import instant
from integration_hub.connectors.records import RecordWrite
from integration_hub.connectors.schema import FieldSchema, FieldType, ObjectSchema

OBJECT_TYPE = "event"
LABEL = "Event (one for each change)"
TRACK = "events/trackBulk"
FIELDS = (
    FieldSchema("email", "E-mail", FieldType.TEXT),
    FieldSchema("userId", "User ID", FieldType.TEXT),
    FieldSchema("eventName", "Name of the event", FieldType.TEXT),
    FieldSchema("createdAt", "When it happened", FieldType.DATETIME),
)
LONGEST_ID = 500
"""Iterable takes 512 bytes."""

_DISALLOWED = Reason(
    "event_disallowed",
    "The Iterable project takes no events of this name.",
    "Allow the event in Iterable, or map another name.",
)


def schema_of() -> ObjectSchema:
    return ObjectSchema(OBJECT_TYPE, LABEL, {field.name: field for field in FIELDS})


def row(position: int, write: RecordWrite, project_type: str) -> Row | RejectedError:
    values = write.values
    email = str(values.get("email") or "").strip().lower()
    user_id = str(values.get("userId") or "").strip()
    by_email = project_type == "email" or (project_type == "hybrid" and not user_id)
    key = email if by_email else user_id
    if not key:
        return unidentified("e-mail", "email") if by_email else unidentified("userId", "userId")
    name = values.get("eventName")
    if not isinstance(name, str) or not name.strip():
        return RejectedError(
            "The event has no name.", code="no_event_name", remedy="Fill what is mapped to eventName."
        )
    data = values.get("dataFields") or {}
    if not isinstance(data, dict):
        return shape_error("dataFields")
    payload: dict[str, Any] = {
        ("email" if by_email else "userId"): key,
        "eventName": name.strip(),
        "id": (write.dedup_key or write.ref)[:LONGEST_ID],
        "dataFields": data,
    }
    moment = _seconds(values.get("createdAt"), write)
    if moment is not None:
        payload["createdAt"] = moment
    return made(position, write, key, email, user_id, payload)


def reasons(rows: Sequence[Row], answer: Mapping[str, Any]) -> dict[int, Reason]:
    """Return, by position, why events failed: their user, or their name."""
    found = failures(rows, answer)
    disallowed = {str(name) for name in answer.get("disallowedEventNames") or ()}
    if disallowed:
        for one in rows:
            if str(one.write.values.get("eventName") or "").strip() in disallowed:
                found.setdefault(one.position, _DISALLOWED)
    return found


def _seconds(mapped: Any, write: RecordWrite) -> int | None:
    """Return the moment in whole seconds, which is what Iterable reads here; without a mapped one, the change's."""
    if isinstance(mapped, int | float) and not isinstance(mapped, bool):
        return int(mapped)
    said = instant(mapped.replace(" +", "+")) if isinstance(mapped, str) else None
    moment = said or write.happened_at
    return int(moment.timestamp()) if moment else None
