"""One condition against one value of a record, with the results that the same condition has as SOQL."""

from __future__ import annotations

import operator as compare
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

from integration_hub.connectors import operands
from integration_hub.connectors.filters import Condition, Operator
from integration_hub.connectors.operands import NO_VALUE
from integration_hub.connectors.schema import FieldType

_POSITIVE: Mapping[Operator, Operator] = {
    Operator.NOT_EQUALS: Operator.EQUALS,
    Operator.NOT_ONE_OF: Operator.ONE_OF,
    Operator.NOT_CONTAINS: Operator.CONTAINS,
}
COMPARISONS: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.GREATER: compare.gt,
    Operator.GREATER_OR_EQUAL: compare.ge,
    Operator.LESS: compare.lt,
    Operator.LESS_OR_EQUAL: compare.le,
}


def meets(condition: Condition, actual: Any, *, now: datetime, zone: tzinfo) -> bool:
    """Decide as SOQL does: nothing is different from everything, and neither more nor less than anything.

    `actual` is as the vendor returned it; ValueError with a sentence if it is not of the condition's type.
    """
    operator = condition.operator
    value = _value(condition.type, actual)
    if operator in NO_VALUE:
        return {
            Operator.IS_EMPTY: value is None,
            Operator.IS_NOT_EMPTY: value is not None,
            Operator.IS_TRUE: value is True,
            Operator.IS_FALSE: value is not True,
        }[operator]
    if operator in _POSITIVE:
        return value is None or not _positive(_POSITIVE[operator], condition, value, now=now, zone=zone)
    return value is not None and _positive(operator, condition, value, now=now, zone=zone)


def _positive(operator: Operator, condition: Condition, value: Any, *, now: datetime, zone: tzinfo) -> bool:
    kind, texts = condition.type, condition.operands
    if operator is Operator.WITHIN_LAST_DAYS:
        return _within(kind, value, operands.parse_days(texts[0]), now=now, zone=zone)
    if kind is FieldType.MULTIPICKLIST:
        return any(operands.members(text) <= value for text in texts)
    if operator in COMPARISONS:
        return COMPARISONS[operator](value, operands.parse(kind, texts[0], zone))
    if operator is Operator.CONTAINS:
        return operands.folded(texts[0]) in value
    if operator is Operator.STARTS_WITH:
        return bool(value.startswith(operands.folded(texts[0])))
    return any(value == _comparable(kind, operands.parse(kind, text, zone)) for text in texts)


def _comparable(kind: FieldType, operand: operands.Operand) -> Any:
    return _READERS[kind](operand) if isinstance(operand, str) else operand


def _within(kind: FieldType, value: Any, days: int, *, now: datetime, zone: tzinfo) -> bool:
    # Salesforce keeps whole seconds, so a query cannot ask for less.
    end: Any = now.astimezone(zone).date() if kind is FieldType.DATE else now.replace(microsecond=0)
    return bool(end - timedelta(days=days) <= value <= end)


def _value(kind: FieldType, actual: Any) -> Any:
    """Return the value ready to be compared, None for nothing; ValueError if it is not of that kind."""
    if actual is None or actual == "":
        return None
    if isinstance(actual, Mapping | list | tuple):
        raise ValueError("It holds a whole record, not a value; choose a field of it, such as Owner.Name.")  # noqa: TRY004 # the caller's sentence, not a bug
    return _READERS[kind](actual)


def _as_boolean(actual: Any) -> bool:
    text = str(actual).strip().lower()
    if text not in {"true", "false"}:
        raise ValueError("Its value is neither true nor false.")
    return text == "true"


def _as_number(actual: Any) -> Decimal:
    try:
        number = Decimal(str(actual).strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ValueError("Its value is not a number.")
    return number


def _as_date(actual: Any) -> date:
    try:
        return date.fromisoformat(str(actual)[:10])
    except ValueError:
        raise ValueError("Its value is not a date.") from None


def _as_instant(actual: Any) -> datetime:
    try:
        moment = actual if isinstance(actual, datetime) else datetime.fromisoformat(str(actual))
    except ValueError:
        raise ValueError("Its value is not a date and time.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _as_text(actual: Any) -> str:
    return operands.folded(str(actual))


def _as_reference(actual: Any) -> str:
    """Return the id as it is compared: Salesforce ids by their first 15 characters, which tell case apart."""
    return str(actual)[:15] if len(str(actual)) == 18 else str(actual)


_READERS: Mapping[FieldType, Callable[[Any], Any]] = {
    FieldType.TEXT: _as_text,
    FieldType.PICKLIST: _as_text,
    FieldType.MULTIPICKLIST: lambda actual: operands.members(str(actual)) or None,
    FieldType.REFERENCE: _as_reference,
    FieldType.NUMBER: _as_number,
    FieldType.DATE: _as_date,
    FieldType.DATETIME: _as_instant,
    FieldType.BOOLEAN: _as_boolean,
}
