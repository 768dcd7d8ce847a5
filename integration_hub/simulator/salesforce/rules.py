"""What a record must fulfill to be kept: required and unique fields, lengths, validation and duplicate rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from integration_hub.simulator.salesforce.schema import FILLED_IN, TEXT_TYPES, Field, ObjectType, Row

if TYPE_CHECKING:
    from integration_hub.simulator.salesforce.org import Org

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class RowError(Exception):
    """One record is refused, and its neighbors are not."""

    def __init__(
        self, code: str, message: str, fields: Sequence[str] = (), more: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields = list(fields)
        self.more = dict(more or {})

    def in_collection(self) -> dict[str, Any]:
        return {"statusCode": self.code, "message": self.message, "fields": self.fields, **self.more}

    def alone(self) -> dict[str, Any]:
        return {"message": self.message, "errorCode": self.code, "fields": self.fields, **self.more}


@dataclass(frozen=True, slots=True)
class ValidationRule:
    """Refuses the records of a type for which `refuses` is true."""

    object_type: str
    message: str
    refuses: Callable[[Row], bool]


@dataclass(frozen=True, slots=True)
class DuplicateRule:
    """Takes records of a type with the same value in a field for one. Without `blocks` it only alerts."""

    object_type: str
    field: str
    blocks: bool = False


class Rules:
    def __init__(self, org: Org) -> None:
        self.org = org
        self.validation: list[ValidationRule] = []
        self.duplicates: list[DuplicateRule] = []

    def check(self, kind: ObjectType, row: Row, old: Row | None, given: Row, *, saves_anyway: bool) -> None:
        """Raise RowError unless the record, as it would be, may be kept; `given` is what the caller named."""
        if old is not None and old.get("IsConverted"):
            raise RowError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        for name in given:
            _check_field(kind.fields[name.lower()], given[name], is_new=old is None)
        missing = [
            item.name for item in kind.fields.values() if _is_missing(item, row, given, is_new=old is None)
        ]
        if missing:
            told = f"Required fields are missing: [{', '.join(missing)}]"
            raise RowError("REQUIRED_FIELD_MISSING", told, missing)
        self._unique(kind, row, old, given)
        for rule in self.validation:
            if rule.object_type == kind.name and rule.refuses(row):
                raise RowError("FIELD_CUSTOM_VALIDATION_EXCEPTION", rule.message)
        self._duplicates(kind, row, old, saves_anyway=saves_anyway)

    def _unique(self, kind: ObjectType, row: Row, old: Row | None, given: Row) -> None:
        for name in given:
            item = kind.fields[name.lower()]
            others = self._others(kind, item.name, row, old) if item.unique else []
            if others:
                told = (
                    f"duplicate value found: {item.name} duplicates value on record with id: {others[0][:15]}"
                )
                raise RowError("DUPLICATE_VALUE", told)

    def _duplicates(self, kind: ObjectType, row: Row, old: Row | None, *, saves_anyway: bool) -> None:
        for rule in self.duplicates:
            if rule.object_type != kind.name or (saves_anyway and not rule.blocks):
                continue
            others = self._others(kind, rule.field, row, old)
            if others:
                raise RowError("DUPLICATES_DETECTED", "Use one of these records?", [], _matches(rule, others))

    def _others(self, kind: ObjectType, name: str, row: Row, old: Row | None) -> list[str]:
        own = old["Id"] if old else ""
        found = self.org.having(kind.name, name, row.get(name)) if row.get(name) else []
        return [one["Id"] for one in found if one["Id"] != own]


def _check_field(item: Field, value: Any, *, is_new: bool) -> None:
    if not item.writable or item.compute is not None:
        told = (
            f"Unable to create/update fields: {item.name}. Please check the security settings of this field "
            "and verify that it is read/write for your profile or permission set."
        )
        raise RowError("INVALID_FIELD_FOR_INSERT_UPDATE", told, [item.name])
    if item.type in TEXT_TYPES and item.length and isinstance(value, str) and len(value) > item.length:
        told = f"{item.label}: data value too large: {value} (max length={item.length})"
        raise RowError("STRING_TOO_LONG", told, [item.name])
    if item.restricted and value and not set(_chosen(item, value)) <= set(item.picklist):
        told = f"{item.label}: bad value for restricted picklist field: {value}"
        raise RowError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", told, [item.name])
    if item.type == "email" and value and not _EMAIL.fullmatch(str(value)):
        raise RowError("INVALID_EMAIL_ADDRESS", f"{item.label}: invalid email address: {value}", [item.name])


def _chosen(item: Field, value: Any) -> list[str]:
    return str(value).split(";") if item.type == "multipicklist" else [str(value)]


def _is_missing(item: Field, row: Row, given: Row, *, is_new: bool) -> bool:
    if not item.required or not item.writable or item.name in FILLED_IN:
        return False
    return row.get(item.name) in (None, "") and (is_new or item.name in given)


def _matches(rule: DuplicateRule, ids: Sequence[str]) -> dict[str, Any]:
    records = [
        {
            "additionalInformation": [],
            "fieldDiffs": [],
            "matchConfidence": 100.0,
            "record": {"attributes": {"type": rule.object_type}, "Id": record_id},
        }
        for record_id in ids
    ]
    match = {
        "entityType": rule.object_type,
        "errors": [],
        "matchEngine": "ExactMatchEngine",
        "matchRecords": records,
        "rule": f"Same_{rule.field}",
        "size": len(records),
        "success": True,
    }
    result = {
        "allowSave": not rule.blocks,
        "duplicateRule": f"Same_{rule.field}",
        "duplicateRuleEntityType": rule.object_type,
        "errorMessage": "Use one of these records?",
        "matchResults": [match],
    }
    return {"duplicateResult": result}
