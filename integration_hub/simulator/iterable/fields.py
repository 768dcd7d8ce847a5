"""The project's memory of field types: the first value fixes a type for ever."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from integration_hub.simulator.iterable.errors import IterableError

Types = dict[str, Any]
"""Field name → type name, or the same again for an object."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d:\d\d(\.\d+)? ?(Z|[+-]\d\d:\d\d)?)?")
_FITS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "long": (int,),
    "double": (float, int),
    "boolean": (bool,),
}
_KINDS = {bool: "boolean", int: "long", float: "double", str: "string", dict: "object"}
_DROPPED = object()
_INCOMING = {"string": ["string", "keyword"], "date": ["date", "string", "keyword"]}
MANAGED = {
    "email": "string",
    "userId": "string",
    "signupDate": "date",
    "signupSource": "string",
    "profileUpdatedAt": "date",
    "itblUserId": "string",
}
FIELD_LIMIT = 1_000


class FieldMemory:
    """The known fields and their types."""

    def __init__(self, list_fields: tuple[str, ...]) -> None:
        self.limit = FIELD_LIMIT
        self.types: Types = dict(MANAGED) | dict.fromkeys(list_fields, "long")
        self.count = 0

    def admitted(self, data: dict[str, Any], admission: Admission) -> dict[str, Any]:
        """Return what is stored of `data`, itself if possible; what is wrong, new or dropped is in `admission`."""
        return self._object(data, self.types, "", admission)

    def undo(self, admission: Admission) -> None:
        """Forget the fields that came with `admission`."""
        for types, name in reversed(admission.added):
            del types[name]
        self.count -= len(admission.added)
        admission.added.clear()

    def flat(self) -> dict[str, str]:
        """Return dotted name → type, objects included."""
        return _flat(self.types, "")

    def _object(self, data: dict[str, Any], types: Types, path: str, to: Admission) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        for name, value in data.items():
            known, kind = types.get(name), value.__class__
            stored: Any
            if kind is dict and known.__class__ is dict:
                stored = self._object(value, known, f"{path}{name}.", to)
            elif value is None or known == _KINDS.get(kind, _KINDS):
                continue  # a plain value of a field known for long: nearly all are
            elif known is not None or self._added(name, value, types, path, to):
                stored = self._value(value, types[name], path + name, to)
            else:
                stored = _DROPPED
            if stored is not value:
                changes[name] = stored
        if not changes:
            return data
        return {name: value for name, value in {**data, **changes}.items() if value is not _DROPPED}

    def _added(self, name: str, value: Any, types: Types, path: str, to: Admission) -> bool:
        """Fix the type of a new field, unless the caller wants none."""
        if not to.create:
            to.dropped.add(path + name)
            return False
        kind = _kind(value[0] if isinstance(value, list) and value else value)
        types[name] = {} if kind == "object" else kind
        to.added.append((types, name))
        to.created.append(path + name)
        self.count += 1
        return True

    def _value(self, value: Any, known: Any, path: str, to: Admission) -> Any:
        if isinstance(value, list):
            return [self._value(item, known, path, to) for item in value]
        if isinstance(known, dict) and isinstance(value, dict):
            return self._object(value, known, path + ".", to)
        expected = "object" if isinstance(known, dict) else known
        kind = _kind(value)
        if expected == "date" and kind == "date":
            return _stamp(value)
        if expected == kind or type(value) in _FITS.get(expected, ()):
            return value
        to.conflicts[path] = {
            "incomingTypes": _INCOMING.get(kind, [kind]),
            "expectedType": expected,
            "_type": "UnexpectedType",
            "offendingValue": value,
            "category": "user",
        }
        return value


class Admission:
    """What came of showing one row to the field memory."""

    __slots__ = ("added", "conflicts", "create", "created", "dropped")

    def __init__(self, *, create: bool) -> None:
        self.create = create
        self.added: list[tuple[Types, str]] = []
        self.created: list[str] = []
        self.dropped: set[str] = set()
        self.conflicts: dict[str, dict[str, Any]] = {}

    def mismatch(self, project_id: int) -> IterableError:
        """Return the refusal that names the conflicting fields."""
        field, conflict = next(iter(self.conflicts.items()))
        incoming = ", ".join(conflict["incomingTypes"])
        return IterableError(
            400,
            "RequestFieldsTypesMismatched",
            f"Project {project_id}: The request does not have the same data types as the data previously "
            f"submitted. Field '{field}' already exists for type 'user' and has a data type of "
            f"'{conflict['expectedType']}' but possible types '{incoming}' in the request.",
            {"validationErrors": dict(self.conflicts)},
        )

    def too_many(self, project_id: int, count: int, limit: int) -> IterableError:
        """Return the refusal of more fields than a project may have."""
        return IterableError(
            400,
            "UniqueFieldsLimitExceeded",
            f"Project {project_id}: The request would increase the number of object fields to {count} by "
            f"adding {self.created}, which exceeds the limit of {limit}",
            {"limit": limit, "requestedTotal": count, "newFields": list(self.created)},
        )


def _kind(value: Any) -> str:
    if isinstance(value, str) and _DATE.fullmatch(value):
        return "date"
    return _KINDS.get(type(value), "string")


@lru_cache(maxsize=10_000)
def _stamp(text: str) -> str:
    """Return a date the way Iterable gives it back; a day that does not exist stays as it is."""
    try:
        at = datetime.fromisoformat(text.replace(" +", "+").replace(" -", "-").replace(" Z", "Z"))
    except ValueError:
        return text
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%M:%S} +00:00"


def _flat(types: Types, path: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, known in types.items():
        if isinstance(known, dict):
            found[path + name] = "object"
            found |= _flat(known, f"{path}{name}.")
        else:
            found[path + name] = known
    return found
