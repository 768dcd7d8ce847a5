"""Conditions on a record as data: the rules' criteria, before a vendor's query language or our evaluator reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from integration_hub.connectors.schema import FieldType


class Operator(StrEnum):
    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    ONE_OF = "one_of"
    NOT_ONE_OF = "not_one_of"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    STARTS_WITH = "starts_with"
    GREATER = "greater"
    GREATER_OR_EQUAL = "greater_or_equal"
    LESS = "less"
    LESS_OR_EQUAL = "less_or_equal"
    IS_EMPTY = "is_empty"
    IS_NOT_EMPTY = "is_not_empty"
    IS_TRUE = "is_true"
    IS_FALSE = "is_false"
    WITHIN_LAST_DAYS = "within_last_days"


@dataclass(frozen=True, slots=True)
class Condition:
    """`field` `operator` `operands`; operands are texts as a person typed them, several for ONE_OF, none for IS_…."""

    field: str
    type: FieldType
    operator: Operator
    operands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class And:
    parts: Sequence[Filter]


@dataclass(frozen=True, slots=True)
class Or:
    parts: Sequence[Filter]


@dataclass(frozen=True, slots=True)
class Not:
    part: Filter


Filter = Condition | And | Or | Not
