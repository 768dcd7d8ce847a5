"""Does a condition of a flow hold? Events have no schema: the type is told by the value. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from integration_hub.connectors import operands
from integration_hub.connectors.filters import Operator
from integration_hub.connectors.schema import FieldSchema, FieldType
from routing.comparison import COMPARISONS
from routing.conditions import Criterion, evaluate
from syncs.engine import mapping

EMPTINESS = (Operator.IS_EMPTY, Operator.IS_NOT_EMPTY)


def holds(row: Criterion, values: Mapping[str, Any], now: datetime) -> bool:
    """Say whether one row holds; `field` is a dotted path. CriterionError: it cannot be told, which is no "no"."""
    actual = _flat(mapping.at(values, row.field.split(".")), row.operator)
    kind = _kind(row, actual)
    if kind is FieldType.TEXT and actual is not None:
        actual = str(actual)
    schema = {row.field: FieldSchema(row.field, row.field, kind)}
    return evaluate([row], "", {row.field: actual}, schema, now=now, zone=UTC).matched


def all_hold(rows: Sequence[Criterion], values: Mapping[str, Any], now: datetime) -> bool:
    return all(holds(row, values, now) for row in rows)


def _flat(actual: Any, operator: str) -> Any:
    """A list is compared as a set of its values; of an object it can only be asked whether it is empty."""
    if isinstance(actual, list | tuple | Mapping) and (not actual or operator in EMPTINESS):
        return "something" if actual else None
    if isinstance(actual, list | tuple) and not any(isinstance(one, list | Mapping) for one in actual):
        return ";".join(str(one) for one in actual)
    return actual


def _kind(row: Criterion, actual: Any) -> FieldType:
    operator = row.operator
    if operator in (Operator.IS_TRUE, Operator.IS_FALSE):
        return FieldType.BOOLEAN
    is_number = isinstance(actual, int | float) and not isinstance(actual, bool)
    if is_number and operator in operands.FITTING[FieldType.NUMBER]:
        return FieldType.NUMBER
    if operator == Operator.WITHIN_LAST_DAYS:
        return FieldType.DATETIME
    if operator in COMPARISONS:
        text = row.value.strip()
        plain = text.lstrip("+-").replace(".", "", 1)
        return (
            FieldType.NUMBER if plain.isdecimal() else FieldType.DATETIME if "T" in text else FieldType.DATE
        )
    return FieldType.TEXT
