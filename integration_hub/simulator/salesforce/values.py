"""A record as it comes in: known fields, values of their types, parents named by an external id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from integration_hub.simulator.salesforce.ids import is_id, to18
from integration_hub.simulator.salesforce.rest import ApiError
from integration_hub.simulator.salesforce.rules import RowError
from integration_hub.simulator.salesforce.schema import ID_TYPES, NUMBER_TYPES, Field, ObjectType, Row

if TYPE_CHECKING:
    from integration_hub.simulator.salesforce.org import Org


@dataclass(slots=True)
class Draft:
    """What one record is to become. `parents` are (lookup, parent's external id field, its value)."""

    kind: ObjectType
    record_id: str = ""
    values: Row = field(default_factory=dict)
    parents: list[tuple[Field, Field, Any]] = field(default_factory=list)

    def resolved(self, org: Org) -> Row:
        """Return the values with the ids of parents; RowError: one is not there."""
        row = dict(self.values)
        for lookup, key, value in self.parents:
            parent = org.schema[lookup.reference_to[0]]
            found = org.having(parent.name, key.name, value)
            if len(found) != 1:
                told = (
                    f"Foreign key external ID: {value} not found for field {key.name} in entity {parent.name}"
                )
                raise RowError("INVALID_FIELD", told)
            row[lookup.name] = found[0]["Id"]
        for name, value in row.items():
            item = self.kind.fields[name.lower()]
            if item.type == "reference" and value:
                _require_target(org, item, str(value))
        return row


def drafted(org: Org, kind: ObjectType, raw: Any) -> Draft:
    """Return the record's draft. ApiError: the request is not well formed, so no record of it is looked at."""
    if not isinstance(raw, Mapping):
        raise ApiError(400, "JSON_PARSER_ERROR", "A record must be an object.")
    draft = Draft(kind)
    for name, value in raw.items():
        if name == "attributes":
            continue
        if name.lower() == "id":
            draft.record_id = str(value or "")
        elif isinstance(value, Mapping):
            draft.parents.append(_parent(org, kind, name, value))
        else:
            item = kind.fields.get(name.lower())
            if item is None:
                raise ApiError(
                    400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {kind.name}"
                )
            draft.values[item.name] = _typed(item, value)
    return draft


def _parent(org: Org, kind: ObjectType, name: str, value: Mapping[str, Any]) -> tuple[Field, Field, Any]:
    lookup = kind.relationships.get(name.lower())
    if lookup is None:
        raise ApiError(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {kind.name}")
    given = {inner: one for inner, one in value.items() if inner != "attributes"}
    parent = org.schema[lookup.reference_to[0]]
    keys = [item for inner in given if (item := parent.fields.get(inner.lower())) and item.external_id]
    if lookup.polymorphic or len(given) != 1 or not keys:
        told = f"No such column '{next(iter(given), '')}' on sobject of type {parent.name}"
        raise ApiError(400, "INVALID_FIELD", told)
    return lookup, keys[0], next(iter(given.values()))


def _typed(item: Field, value: Any) -> Any:
    if value is None or value == "":
        return None
    try:
        if item.type == "boolean":
            return _expect(value, bool)
        if item.type in NUMBER_TYPES:
            return _number(item, value)
        if item.type == "date":
            return date.fromisoformat(_expect(value, str)[:10]).isoformat()
        if item.type == "datetime":
            return datetime.fromisoformat(_expect(value, str).replace(" ", "")).isoformat()
        return (
            value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
        )
    except (TypeError, ValueError):
        told = (
            f"Cannot deserialize instance of {item.type} from VALUE_STRING value {value} or request may be "
            "missing a required field at [line:1, column:1]"
        )
        raise ApiError(400, "JSON_PARSER_ERROR", told) from None


def _number(item: Field, value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    number = float(value)
    if item.type in {"int", "long"} and number != int(number):
        raise ValueError
    return number


def _expect(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError
    return value


def _require_target(org: Org, item: Field, value: str) -> None:
    if not is_id(value) or item.type not in ID_TYPES:
        raise RowError("MALFORMED_ID", f"{item.label}: id value of incorrect type: {value}", [item.name])
    found = org.row(to18(value))
    name = org.schema.by_prefix().get(value[:3])
    if found is None or name not in item.reference_to:
        raise RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [item.name])
    if found.get("IsDeleted"):
        raise RowError("ENTITY_IS_DELETED", "entity is deleted")
