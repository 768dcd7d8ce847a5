"""Making properties in HubSpot: a group of the hub's own, and in it one property for each field that is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from integration_hub.connectors.errors import ConfigError, RejectedError
from integration_hub.connectors.hubspot.auth import Session
from integration_hub.connectors.hubspot.paths import Paths
from integration_hub.connectors.schema import FieldSchema, FieldType

GROUP = "integration_hub"
_GROUP_LABEL = "Integration hub"
_THERE_ALREADY = 409
_KINDS: Mapping[FieldType, tuple[str, str]] = {
    FieldType.TEXT: ("string", "text"),
    FieldType.NUMBER: ("number", "number"),
    FieldType.BOOLEAN: ("bool", "booleancheckbox"),
    FieldType.DATE: ("date", "date"),
    FieldType.DATETIME: ("datetime", "date"),
}
"""HubSpot's type and how a form shows it. What is chosen from a list is made as a text: its options are not ours."""
_YES_NO = [
    {"label": "Yes", "value": "true", "displayOrder": 0, "hidden": False},
    {"label": "No", "value": "false", "displayOrder": 1, "hidden": False},
]


def create(session: Session, paths: Paths, object_type: str, fields: Sequence[FieldSchema]) -> list[str]:
    """Make those that are not there and return their names; a repetition makes nothing twice."""
    if not fields:
        return []
    bodies = [definition(field) for field in fields]
    where = paths.properties(object_type)
    _made(session, f"{where}/groups", {"name": GROUP, "label": _GROUP_LABEL, "displayOrder": -1})
    return [body["name"] for body in bodies if _made(session, where, body)]


def definition(field: FieldSchema) -> dict[str, Any]:
    """Return what HubSpot wants to know of a new property. ConfigError: it takes no such name."""
    name = field.name
    if (
        name != name.lower()
        or not name.replace("_", "").isalnum()
        or not name[:1].isalpha()
        or not name.isascii()
    ):
        raise ConfigError(
            f"HubSpot takes no property “{name}”.",
            code="property_name",
            remedy="Name it in lower case letters, digits and “_”, beginning with a letter, and correct the mapping.",
        )
    kind, shown_as = _KINDS.get(field.type, _KINDS[FieldType.TEXT])
    found: dict[str, Any] = {
        "name": name,
        "label": field.label or name,
        "type": kind,
        "fieldType": shown_as,
        "groupName": GROUP,
        "description": "Written by the integration hub.",
        "hasUniqueValue": field.unique,
    }
    return {**found, "options": _YES_NO} if field.type is FieldType.BOOLEAN else found


def _made(session: Session, path: str, body: Mapping[str, Any]) -> bool:
    try:
        session.request("POST", path, json=dict(body), purpose="create properties", repeatable=True)
    except RejectedError as error:
        if error.status == _THERE_ALREADY:
            return False
        raise
    return True
