"""Does a rule match these values, and which row said no: its criteria evaluated, checked, compiled."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any

from integration_hub.connectors import operands
from integration_hub.connectors.filters import Condition, Filter, Operator
from integration_hub.connectors.operands import NO_VALUE, SEVERAL_VALUES
from integration_hub.connectors.records import Values
from integration_hub.connectors.schema import FieldSchema, FieldType
from routing import filter_logic
from routing.comparison import COMPARISONS, meets
from routing.filter_logic import FilterLogicError

OPERATOR_LABELS: Mapping[Operator, str] = {
    Operator.EQUALS: "is",
    Operator.NOT_EQUALS: "is not",
    Operator.ONE_OF: "is one of",
    Operator.NOT_ONE_OF: "is none of",
    Operator.CONTAINS: "contains",
    Operator.NOT_CONTAINS: "does not contain",
    Operator.STARTS_WITH: "starts with",
    Operator.GREATER: "is greater than",
    Operator.GREATER_OR_EQUAL: "is at least",
    Operator.LESS: "is less than",
    Operator.LESS_OR_EQUAL: "is at most",
    Operator.IS_EMPTY: "is empty",
    Operator.IS_NOT_EMPTY: "is not empty",
    Operator.IS_TRUE: "is true",
    Operator.IS_FALSE: "is false",
    Operator.WITHIN_LAST_DAYS: "is within the last (days)",
}

_WANTED: Mapping[Operator, str] = {
    Operator.EQUALS: "{}",
    Operator.NOT_EQUALS: "anything but {}",
    Operator.ONE_OF: "one of {}",
    Operator.NOT_ONE_OF: "none of {}",
    Operator.CONTAINS: "something with {} in it",
    Operator.NOT_CONTAINS: "nothing with {} in it",
    Operator.STARTS_WITH: "something that starts with {}",
    Operator.GREATER: "more than {}",
    Operator.GREATER_OR_EQUAL: "at least {}",
    Operator.LESS: "less than {}",
    Operator.LESS_OR_EQUAL: "at most {}",
    Operator.IS_EMPTY: "nothing in it",
    Operator.IS_NOT_EMPTY: "any value",
    Operator.IS_TRUE: "true",
    Operator.IS_FALSE: "false",
    Operator.WITHIN_LAST_DAYS: "within the last {} days",
}
_UNQUOTED = frozenset(
    {
        Operator.GREATER,
        Operator.GREATER_OR_EQUAL,
        Operator.LESS,
        Operator.LESS_OR_EQUAL,
        Operator.WITHIN_LAST_DAYS,
    }
)
_SHOWN_LENGTH = 80


class CriterionError(ValueError):
    """A row that cannot be evaluated; the message names the row and its field, `detail` does not."""

    def __init__(self, number: int, field: str, part: str, detail: str) -> None:
        super().__init__(f"Row {number} ({field}): {detail}")
        self.number = number
        self.field = field
        self.part = part
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Criterion:
    """One row as the admin form holds it, its value as typed: see split_values for several."""

    number: int
    field: str
    operator: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one row said about one record; `actual` is the value as the vendor returned it."""

    number: int
    field: str
    operator: Operator
    value: str
    actual: Any
    matched: bool

    @property
    def text(self) -> str:
        """Say it to a person: `Rating is "Warm", wanted "Hot"`."""
        found = f"{self.field} is {_shown(self.actual)}"
        return f"{found}, as wanted" if self.matched else f"{found}, wanted {self.wanted}"

    @property
    def wanted(self) -> str:
        if self.operator in NO_VALUE:
            return _WANTED[self.operator]
        values = split_values(self.value) if self.operator in SEVERAL_VALUES else [self.value.strip()]
        plain = self.operator in _UNQUOTED or isinstance(self.actual, int | float)
        return _WANTED[self.operator].format(", ".join(v if plain else _shown(v) for v in values))


@dataclass(frozen=True, slots=True)
class Match:
    matched: bool
    rows: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a rule's rows: `part` is the form field; a warning does not prevent saving."""

    number: int | None
    part: str
    message: str
    warning: bool = False


def evaluate(
    criteria: Sequence[Criterion],
    logic: str,
    values: Values,
    fields: Mapping[str, FieldSchema],
    *,
    now: datetime,
    zone: tzinfo,
) -> Match:
    """Return whether the rows match, and what each row said; as SOQL they find the same records.

    A row that cannot be evaluated raises CriterionError, a wrong logic FilterLogicError: neither is a "no".
    """
    parsed = filter_logic.parse(logic, tuple(row.number for row in criteria))
    verdicts = tuple(_verdict(row, values, fields, now=now, zone=zone) for row in criteria)
    return Match(filter_logic.holds(parsed, {v.number: v.matched for v in verdicts}), verdicts)


def problems(criteria: Sequence[Criterion], logic: str, fields: Mapping[str, FieldSchema]) -> list[Problem]:
    """Return what a person should hear when saving these rows."""
    found: list[Problem] = []
    for row in criteria:
        try:
            condition = _condition(row, _schema(row, fields).type)
        except CriterionError as error:
            found.append(Problem(row.number, error.part, error.detail))
        else:
            found.extend(_unknown_options(row, condition, fields[row.field].options))
    try:
        filter_logic.parse(logic, tuple(row.number for row in criteria))
    except FilterLogicError as error:
        found.append(Problem(None, "logic", str(error)))
    return found


def compile_filter(
    criteria: Sequence[Criterion], logic: str, fields: Mapping[str, FieldSchema]
) -> Filter | None:
    """Return the rows as a filter that a connector makes a query of; None: no rows, everything matches."""
    if not criteria:
        return None
    parsed = filter_logic.parse(logic, tuple(row.number for row in criteria))
    conditions = {row.number: _condition(row, _schema(row, fields).type) for row in criteria}
    return filter_logic.combine(parsed, conditions)


def field_names(criteria: Iterable[Criterion]) -> set[str]:
    return {row.field for row in criteria}


def split_values(text: str) -> list[str]:
    """Return the values of "is one of": separated by commas or lines, quotes around a value with a comma."""
    try:
        lines = csv.reader(text.splitlines(), skipinitialspace=True, strict=True)
        cells = [cell.strip() for line in lines for cell in line]
    except csv.Error:
        raise ValueError(
            'The quotes do not pair up; write a value with a comma as "Food, Beverage".'
        ) from None
    return list(dict.fromkeys(cell for cell in cells if cell))


def numerals(number: float) -> str:
    """Write a number as people do: 20000000 and 1.5, never 20000000.0 or 1e-07."""
    return format(Decimal(repr(number)), "f").removesuffix(".0")


def _schema(row: Criterion, fields: Mapping[str, FieldSchema]) -> FieldSchema:
    if row.field in fields:
        return fields[row.field]
    if not row.field:
        raise CriterionError(row.number, "no field", "field", "Choose a field.")
    by_folded = {name.lower(): name for name in fields}
    near = difflib.get_close_matches(row.field.lower(), by_folded, n=1, cutoff=0.7)
    by_label = [schema.name for schema in fields.values() if schema.label.lower() == row.field.lower()]
    names = by_label or [by_folded[name] for name in near]
    hint = f" Did you mean {names[0]}?" if names else " It may be hidden from the connection's user."
    raise CriterionError(row.number, row.field, "field", f"There is no field “{row.field}”.{hint}")


@lru_cache(maxsize=4096)
def _condition(row: Criterion, kind: FieldType) -> Condition:
    """Return the row in the neutral form, every operand known to be readable."""
    try:
        operator = Operator(row.operator)
    except ValueError:
        raise CriterionError(row.number, row.field, "operator", "Choose an operator.") from None
    if operator not in operands.FITTING[kind]:
        fitting = ", ".join(f"“{OPERATOR_LABELS[op]}”" for op in Operator if op in operands.FITTING[kind])
        detail = f"“{OPERATOR_LABELS[operator]}” does not fit a {kind} field; use {fitting}."
        raise CriterionError(row.number, row.field, "operator", detail)
    if operator in NO_VALUE:
        return Condition(row.field, kind, operator)
    try:
        texts = _operands(kind, operator, row.value)
    except ValueError as error:
        raise CriterionError(row.number, row.field, "value", str(error)) from None
    return Condition(row.field, kind, operator, texts)


def _operands(kind: FieldType, operator: Operator, value: str) -> tuple[str, ...]:
    texts = split_values(value) if operator in SEVERAL_VALUES else [value.strip()]
    if not any(texts):
        raise ValueError("A value is missing. To find records without one, use “is empty”.")
    for text in texts:
        if operator is Operator.WITHIN_LAST_DAYS:
            operands.parse_days(text)
        else:
            operands.parse(kind, text, UTC)
        if kind is FieldType.MULTIPICKLIST and not operands.members(text):
            raise ValueError("A value is missing between the semicolons.")
    return tuple(texts)


def _unknown_options(row: Criterion, condition: Condition, options: tuple[str, ...]) -> list[Problem]:
    whole_values = condition.type is FieldType.MULTIPICKLIST or condition.operator in SEVERAL_VALUES | {
        Operator.EQUALS,
        Operator.NOT_EQUALS,
    }
    if not options or not whole_values or condition.type is FieldType.REFERENCE:
        return []
    known = {operands.folded(option): option for option in options}
    multiple = condition.type is FieldType.MULTIPICKLIST
    wanted = [
        part.strip() for text in condition.operands for part in (text.split(";") if multiple else [text])
    ]
    found = []
    for value in wanted:
        if value and operands.folded(value) not in known:
            near = difflib.get_close_matches(operands.folded(value), known, n=1)
            hint = f" Did you mean “{known[near[0]]}”?" if near else ""
            found.append(
                Problem(row.number, "value", f"{row.field} offers no “{value}”.{hint}", warning=True)
            )
    return found


_ABSENT = object()


def _verdict(
    row: Criterion, values: Values, fields: Mapping[str, FieldSchema], *, now: datetime, zone: tzinfo
) -> Verdict:
    actual = _look_up(values, row.field)
    if actual is _ABSENT:
        _schema(row, fields)
        actual = None
    schema = fields.get(row.field)
    condition = _condition(row, schema.type if schema else _guessed_type(row, actual))
    try:
        matched = meets(condition, actual, now=now, zone=zone)
    except ValueError as error:
        raise CriterionError(row.number, row.field, "field", str(error)) from None
    return Verdict(row.number, row.field, condition.operator, row.value, actual, matched)


def _look_up(values: Values, path: str) -> Any:
    if path in values:
        return values[path]
    found: Any = values
    for name in path.split("."):
        if found is None:
            return None
        if not isinstance(found, Mapping) or name not in found:
            return _ABSENT
        found = found[name]
    return found


def _guessed_type(row: Criterion, actual: Any) -> FieldType:
    """Return a type for a field that the schema does not list but the record has."""
    if isinstance(actual, bool) or row.operator in {Operator.IS_TRUE, Operator.IS_FALSE}:
        return FieldType.BOOLEAN
    if isinstance(actual, int | float | Decimal):
        return FieldType.NUMBER
    if row.operator == Operator.WITHIN_LAST_DAYS or row.operator in COMPARISONS:
        return FieldType.DATETIME if "T" in str(actual) or actual is None else FieldType.DATE
    return FieldType.TEXT


def _shown(actual: Any) -> str:
    if actual is None or actual == "":
        return "empty"
    if isinstance(actual, bool):
        return "true" if actual else "false"
    if isinstance(actual, str):
        return f'"{actual}"' if len(actual) <= _SHOWN_LENGTH else f'"{actual[:_SHOWN_LENGTH]}…"'
    return numerals(actual) if isinstance(actual, float) else str(actual)
