"""How a vendor describes its object types and fields, in our words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class FieldType(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    PICKLIST = "picklist"
    MULTIPICKLIST = "multipicklist"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class FieldSchema:
    """One field as the vendor describes it. `options` are the values a picklist offers now."""

    name: str
    label: str
    type: FieldType
    options: tuple[str, ...] = ()
    filterable: bool = True


@dataclass(frozen=True, slots=True)
class ObjectSchema:
    """An object type as the vendor describes it to us: a field we may not see is absent."""

    object_type: str
    label: str
    fields: Mapping[str, FieldSchema]
