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
    """One field as the vendor describes it. `options` are the values a picklist offers now; of a reference, the
    object types it leads to.

    `read_only`: it cannot be written; `unique`: no two records have the same value, so it can be matched by.
    `longest`: so many characters of a text are taken at most, 0 if that is not known; `required`: no record is
    created without it; `any_value`: the options are suggestions, other values are taken, too.
    `labels`: what people see in the place of options, as (option, label); `within`: the options that go only with
    some values of another field, as (value there, option): a stage with its pipeline.
    """

    name: str
    label: str
    type: FieldType
    options: tuple[str, ...] = ()
    filterable: bool = True
    read_only: bool = False
    unique: bool = False
    longest: int = 0
    required: bool = False
    any_value: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    within: tuple[tuple[str, str], ...] = ()

    def named(self, option: str) -> str:
        """Return the option as a person knows it, and as it is written."""
        label = dict(self.labels).get(option, "")
        return f"{label} ({option})" if label and label != option else option


@dataclass(frozen=True, slots=True)
class ObjectSchema:
    """An object type as the vendor describes it to us: a field we may not see is absent."""

    object_type: str
    label: str
    fields: Mapping[str, FieldSchema]
