"""Iterable's user fields: their types, which values fit them, and how a mapping names them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from integration_hub.connectors.iterable.errors import TypeConflict
from integration_hub.connectors.schema import FieldSchema, FieldType, ObjectSchema

OBJECT_TYPE = "user"
LABEL = "User"
PREFIX = "dataFields."
MANAGED = frozenset(
    {"emailListIds", "userListIds", "profileUpdatedAt", "signupDate", "signupSource", "itblInternal"}
    | {"itblUserId", "devices", "subscribedMessageTypeIds", "unsubscribedChannelIds"}
    | {"unsubscribedMessageTypeIds", "email", "userId"}
)
"""Iterable's own: writing them does harm, or they are the identifiers, which stand beside dataFields."""

_FIELD_TYPES = {
    "string": FieldType.TEXT,
    "long": FieldType.NUMBER,
    "double": FieldType.NUMBER,
    "boolean": FieldType.BOOLEAN,
    "date": FieldType.DATETIME,
    "geo_location": FieldType.TEXT,
}
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?(Z|[+-]\d\d:\d\d))?)?")


def schema_of(types: Mapping[str, str]) -> ObjectSchema:
    """Return the writable fields; objects are left out, their members are there by dotted names."""
    fields = {
        "email": FieldSchema("email", "E-mail", FieldType.TEXT),
        "userId": FieldSchema("userId", "User ID", FieldType.TEXT),
    }
    for name, kind in sorted(types.items()):
        field_type = _FIELD_TYPES.get(kind)
        if field_type is not None and name.partition(".")[0] not in MANAGED:
            fields[PREFIX + name] = FieldSchema(PREFIX + name, f"{name} ({kind})", field_type)
    return ObjectSchema(OBJECT_TYPE, LABEL, fields)


def misfits(data: Mapping[str, Any], conflicts: Mapping[str, TypeConflict]) -> dict[str, TypeConflict]:
    """Return those of `conflicts` that this record has a part in."""
    return conflicts_with(data, {field: conflict.expected for field, conflict in conflicts.items()})


def conflicts_with(data: Mapping[str, Any], types: Mapping[str, str]) -> dict[str, TypeConflict]:
    """Return the fields of a record whose values do not fit these types."""
    found = {}
    for field, kind in types.items():
        value = _value_at(data, field)
        if not _fits(value, kind):
            found[field] = TypeConflict(kind, _word_for(value))
    return found


def likely_project_type(types: Mapping[str, str]) -> str:
    """Return the project type that the list fields speak for; "" when they say nothing."""
    by_email, by_user_id = "emailListIds" in types, "userListIds" in types
    if by_email and by_user_id:
        return "hybrid"
    return "email" if by_email else "userid" if by_user_id else ""


def _value_at(data: Any, field: str) -> Any:
    if not isinstance(data, Mapping):
        return None
    if field in data:
        return data[field]
    head, _, rest = field.partition(".")
    value = data.get(head)
    if isinstance(value, list):
        return [_value_at(item, rest) for item in value]
    return _value_at(value, rest) if rest else None


def _word_for(value: Any) -> str:
    words = {bool: "true or false", int: "a whole number", float: "a number with decimals", str: "text"}
    return words.get(type(value)) or ("a list" if isinstance(value, list) else "an object")


def _fits(value: Any, kind: str) -> bool:
    if value is None:
        return True
    if isinstance(value, list):
        return all(_fits(item, kind) for item in value)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in {"long", "double"}:
        number = int if kind == "long" else int | float
        return isinstance(value, number) and not isinstance(value, bool)
    if kind == "date":
        return isinstance(value, str) and _DATE.fullmatch(value) is not None
    if kind in {"object", "nested"}:
        return isinstance(value, Mapping)
    return kind != "string" or isinstance(value, str)
