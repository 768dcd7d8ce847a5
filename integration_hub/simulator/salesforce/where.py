"""A WHERE clause as one Python function, with what it says about Id and SystemModstamp kept for the indexes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from integration_hub.simulator.salesforce.operands import Span, Today, operand
from integration_hub.simulator.salesforce.schema import ID_TYPES, TEXT_TYPES, Field, Getter, Row
from integration_hub.simulator.salesforce.soql import (
    AllOf,
    Comparison,
    Condition,
    Negated,
    Path,
    SoqlError,
)

Test = Callable[[Row], bool]
ValueTest = Callable[[Any], bool]
Bind = Callable[[Path], tuple[Field, Getter]]

LOWEST, HIGHEST = "", "~"
INDEXED = frozenset({"Id", "SystemModstamp"})
FOLDED_TYPES = TEXT_TYPES | {"multipicklist"}
LIST_OPERATORS = frozenset({"INCLUDES", "EXCLUDES"})
ORDER_OPERATORS = frozenset({"<", "<=", ">", ">="})
POSITIVE = {"!=": "=", "NOT IN": "IN", "EXCLUDES": "INCLUDES"}
"""The negative operators; a row without a value passes them."""


@dataclass(frozen=True, slots=True)
class Predicate:
    """`test` decides. `spans` and `ids` may only be used to leave out rows that cannot pass it."""

    test: Test
    spans: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    ids: frozenset[str] | None = None


def compile_where(condition: Condition, bind: Bind, today: Today) -> Predicate:
    """Return the function for `condition`; `bind` finds a field and how to read it from a row."""
    if isinstance(condition, Comparison):
        return _comparison(condition, bind, today)
    if isinstance(condition, Negated):
        inner = compile_where(condition.part, bind, today).test
        return Predicate(lambda row: not inner(row))
    parts = [compile_where(part, bind, today) for part in condition.parts]
    return _all(parts) if isinstance(condition, AllOf) else _any(parts)


def _all(parts: list[Predicate]) -> Predicate:
    tests = [part.test for part in parts]
    spans: dict[str, tuple[str, str]] = {}
    for part in parts:
        for name, (low, high) in part.spans.items():
            known_low, known_high = spans.get(name, (LOWEST, HIGHEST))
            spans[name] = (max(low, known_low), min(high, known_high))
    id_sets = [part.ids for part in parts if part.ids is not None]
    ids = frozenset.intersection(*id_sets) if id_sets else None
    if len(tests) == 2:
        first, second = tests
        return Predicate(lambda row: first(row) and second(row), spans, ids)
    return Predicate(lambda row: all(test(row) for test in tests), spans, ids)


def _any(parts: list[Predicate]) -> Predicate:
    tests = [part.test for part in parts]
    shared = set.intersection(*(set(part.spans) for part in parts))
    spans = {
        name: (min(part.spans[name][0] for part in parts), max(part.spans[name][1] for part in parts))
        for name in shared
    }
    id_sets = [part.ids for part in parts if part.ids is not None]
    ids = frozenset().union(*id_sets) if len(id_sets) == len(parts) else None
    return Predicate(lambda row: any(test(row) for test in tests), spans, ids)


def _comparison(comparison: Comparison, bind: Bind, today: Today) -> Predicate:
    item, get = bind(comparison.path)
    _check_operator(item, comparison)
    values = [operand(item, literal, today) for literal in comparison.literals]
    test = _row_test(item, comparison.operator, values, get)
    if len(comparison.path.parts) > 1 or item.name not in INDEXED:
        return Predicate(test)
    return Predicate(test, *_hints(item, comparison.operator, values))


def _check_operator(item: Field, comparison: Comparison) -> None:
    operator, at = comparison.operator, comparison.path.at
    if not item.filterable:
        raise SoqlError("INVALID_FIELD", f"field '{item.name}' can not be filtered in a query call", at)
    if operator == "LIKE" and item.type not in TEXT_TYPES:
        raise SoqlError("INVALID_FIELD", f"invalid operator on {item.type} field", at)
    multiple = item.type == "multipicklist"
    if (operator in LIST_OPERATORS and not multiple) or (operator in ORDER_OPERATORS and multiple):
        raise SoqlError("INVALID_FIELD", f"invalid operator on {item.type} field", at)
    if item.type == "boolean" and operator in ORDER_OPERATORS:
        raise SoqlError("INVALID_FIELD", "invalid operator on boolean field", at)


def _row_test(item: Field, operator: str, values: list[Any], get: Getter) -> Test:
    fold = item.type in FOLDED_TYPES and operator not in LIST_OPERATORS | {"LIKE"}
    negative = operator in POSITIVE
    positive = _value_test(POSITIVE.get(operator, operator), values)
    null_passes = negative != (None in values and operator not in ORDER_OPERATORS | {"LIKE"})

    def test(row: Row) -> bool:
        value = get(row)
        if value is None:
            return null_passes
        return positive(value.casefold() if fold else value) != negative

    return test


def _value_test(operator: str, values: list[Any]) -> ValueTest:
    """Return the test of a value that is not null, already case-folded where case does not count."""
    if operator == "LIKE":
        return _like(values[0])
    if operator == "INCLUDES":
        return _includes(values)
    if operator == "IN":
        return _one_of(values)
    if values[0] is None:
        return lambda value: False
    return _compare(operator, values[0])


def _one_of(values: list[Any]) -> ValueTest:
    plain = frozenset(value for value in values if not isinstance(value, Span))
    spans = [_compare("=", value) for value in values if isinstance(value, Span)]
    if spans:
        return lambda value: value in plain or any(inside(value) for inside in spans)
    return lambda value: value in plain


def _compare(operator: str, wanted: Any) -> ValueTest:
    low, high = (wanted.low, wanted.high) if isinstance(wanted, Span) else (wanted, None)
    if operator == "=":
        return (lambda value: low <= value < high) if high is not None else (lambda value: value == low)
    if operator == "<":
        return lambda value: value < low
    if operator == ">=":
        return lambda value: value >= low
    if operator == "<=":
        return (lambda value: value < high) if high is not None else (lambda value: value <= low)
    return (lambda value: value >= high) if high is not None else (lambda value: value > low)


def _like(pattern: str | None) -> ValueTest:
    if pattern is None:
        return lambda value: False
    pieces = re.split(r"(\\[%_]|[%_])", pattern)
    meanings = {"%": ".*", "_": ".", "\\%": "%", "\\_": "_"}
    expression = "".join(meanings[piece] if piece in meanings else re.escape(piece) for piece in pieces)
    fits = re.compile(expression, re.IGNORECASE | re.DOTALL).fullmatch
    return lambda value: fits(value) is not None


def _includes(values: list[Any]) -> ValueTest:
    wanted = [frozenset(value.split(";")) for value in values if value is not None]

    def test(value: str) -> bool:
        present = frozenset(value.casefold().split(";"))
        return any(choice <= present for choice in wanted)

    return test


def _hints(
    item: Field, operator: str, values: list[Any]
) -> tuple[dict[str, tuple[str, str]], frozenset[str] | None]:
    if None in values or operator not in {"=", "IN", "<", "<=", ">", ">="}:
        return {}, None
    lows = [value.low if isinstance(value, Span) else value for value in values]
    highs = [value.high if isinstance(value, Span) else value for value in values]
    low = LOWEST if operator in {"<", "<="} else min(lows)
    high = HIGHEST if operator in {">", ">="} else max(highs)
    exact = item.type in ID_TYPES and operator in {"=", "IN"}
    return {item.name: (low, high)}, frozenset(values) if exact else None
