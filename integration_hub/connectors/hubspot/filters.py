"""Our filters as groups of HubSpot's: one group must hold whole.

Two operators are looser there: “contains” and “starts with” compare words, not any part of a text.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from integration_hub.connectors import operands
from integration_hub.connectors.errors import ConfigError
from integration_hub.connectors.filters import And, Condition, Filter, Not, Operator, Or
from integration_hub.connectors.operands import Operand
from integration_hub.connectors.schema import FieldType

MOST_GROUPS, MOST_FILTERS, MOST_ALTOGETHER = 5, 6, 18
OURS = 2
"""Filters of each group that reading needs for itself: the span of time, and the last id."""
Body = Mapping[str, Any]
Groups = list[list[Body]]

_OPPOSITES: Mapping[Operator, Operator] = {
    Operator.NOT_EQUALS: Operator.EQUALS,
    Operator.NOT_ONE_OF: Operator.ONE_OF,
    Operator.NOT_CONTAINS: Operator.CONTAINS,
    Operator.IS_NOT_EMPTY: Operator.IS_EMPTY,
    Operator.IS_FALSE: Operator.IS_TRUE,
}
_SIGNS = {
    Operator.GREATER: ("GT", "LTE"),
    Operator.GREATER_OR_EQUAL: ("GTE", "LT"),
    Operator.LESS: ("LT", "GTE"),
    Operator.LESS_OR_EQUAL: ("LTE", "GT"),
}
"""The operator, and its opposite."""


def groups(where: Filter | None, *, now: datetime, zone: tzinfo) -> Groups:
    """Return the filter as groups, of which there is always one. ConfigError: it cannot be said so."""
    if where is None:
        return [[]]
    try:
        found = _Writer(now, zone).write(where, wanted=True)
    except ValueError as error:
        raise ConfigError(str(error), code="query", remedy="Correct the criteria or the fields.") from None
    sizes = [len(group) + OURS for group in found]
    if len(found) > MOST_GROUPS or max(sizes) > MOST_FILTERS or sum(sizes) > MOST_ALTOGETHER:
        raise ConfigError(
            "The criteria are too many for one search of HubSpot.",
            code="query",
            remedy="Use fewer conditions: at most four that must all hold, and few alternatives.",
        )
    return found


@dataclass(frozen=True, slots=True)
class _Writer:
    """Carries a negation down to the conditions, where it says what becomes of empty properties."""

    now: datetime
    zone: tzinfo

    def write(self, part: Filter, *, wanted: bool) -> Groups:
        match part:
            case Condition():
                return self._condition(part, wanted=wanted)
            case Not(inner):
                return self.write(inner, wanted=not wanted)
            case And(parts):
                return self._joined(parts, wanted=wanted, all_of=wanted)
            case Or(parts):
                return self._joined(parts, wanted=wanted, all_of=not wanted)

    def _joined(self, parts: Sequence[Filter], *, wanted: bool, all_of: bool) -> Groups:
        if not parts:
            raise ValueError("A filter without conditions cannot be searched for.")
        written = [self.write(part, wanted=wanted) for part in parts]
        if not all_of:
            return [group for found in written for group in found]
        if len(list(itertools.islice(itertools.product(*written), MOST_ALTOGETHER + 1))) > MOST_ALTOGETHER:
            raise ValueError("The criteria are too many for one search of HubSpot.")
        return [[one for group in combined for one in group] for combined in itertools.product(*written)]

    def _condition(self, condition: Condition, *, wanted: bool) -> Groups:
        field, operator = condition.field, condition.operator
        if operator in _OPPOSITES:
            operator, wanted = _OPPOSITES[operator], not wanted
        empty = {"propertyName": field, "operator": "NOT_HAS_PROPERTY"}
        if operator is Operator.IS_EMPTY:
            return [[empty]] if wanted else [[{"propertyName": field, "operator": "HAS_PROPERTY"}]]
        found = self._compared(condition, operator, wanted=wanted)
        # What is empty is neither equal nor greater: it belongs to the opposite.
        return found if wanted else [*found, [empty]]

    def _compared(self, condition: Condition, operator: Operator, *, wanted: bool) -> Groups:
        field, kind, texts = condition.field, condition.type, condition.operands
        if operator is Operator.IS_TRUE:
            return [[_one(field, "EQ" if wanted else "NEQ", "true")]]
        if operator is Operator.WITHIN_LAST_DAYS:
            return self._within(field, operands.parse_days(texts[0]), wanted=wanted)
        if operator in _SIGNS:
            value = _text(operands.parse(kind, texts[0], self.zone))
            return [[_one(field, _SIGNS[operator][0 if wanted else 1], value)]]
        if operator in {Operator.CONTAINS, Operator.STARTS_WITH} or kind is FieldType.MULTIPICKLIST:
            return self._tokens(field, operator, texts, wanted=wanted)
        values = [_text(operands.parse(kind, text, self.zone)) for text in texts]
        if len(values) == 1:
            return [[_one(field, "EQ" if wanted else "NEQ", values[0])]]
        # In lists the case counts: options are as they are, other texts are kept in lower case.
        listed = values if kind is FieldType.PICKLIST else [value.lower() for value in values]
        return [[{"propertyName": field, "operator": "IN" if wanted else "NOT_IN", "values": listed}]]

    def _tokens(self, field: str, operator: Operator, texts: Sequence[str], *, wanted: bool) -> Groups:
        before = "*" if operator is Operator.CONTAINS else ""
        after = "*" if operator in {Operator.CONTAINS, Operator.STARTS_WITH} else ""
        sign = "CONTAINS_TOKEN" if wanted else "NOT_CONTAINS_TOKEN"
        found = [_one(field, sign, f"{before}{text.strip()}{after}") for text in texts]
        return [[one] for one in found] if wanted else [found]

    def _within(self, field: str, days: int, *, wanted: bool) -> Groups:
        start, end = _text(self.now - timedelta(days=days)), _text(self.now)
        if wanted:
            return [[{"propertyName": field, "operator": "BETWEEN", "value": start, "highValue": end}]]
        return [[_one(field, "LT", start)], [_one(field, "GT", end)]]


def _one(field: str, operator: str, value: str) -> Body:
    return {"propertyName": field, "operator": operator, "value": value}


def _text(operand: Operand) -> str:
    if isinstance(operand, datetime):
        return milliseconds(operand)
    if isinstance(operand, date):
        return milliseconds(datetime.combine(operand, time.min, UTC))
    return f"{operand:f}" if isinstance(operand, Decimal) else operand


def milliseconds(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))
