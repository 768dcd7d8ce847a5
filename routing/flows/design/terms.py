"""Liquid texts and conditions of flows, as far as they can be judged before an event comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from integration_hub.connectors.filters import Operator
from integration_hub.connectors.schema import FieldSchema, FieldType
from integration_hub.liquid import TemplateError
from routing import conditions
from routing.comparison import COMPARISONS
from routing.conditions import Criterion
from routing.flows import calls
from routing.flows.design.paths import at
from routing.flows.shapes import Refusal
from routing.models.flows import FlowStep
from syncs.engine.mapping import LIQUID

STAND_INS = ("text", 1)
"""What an unknown value may be: a body must become JSON with one of them, or its author forgot the quotes."""

Said = tuple[str, str, bool]
"""Column, sentence, and whether it is only a warning."""


def term_problems(step: FlowStep, scope: Mapping[str, Any]) -> Iterator[Said]:
    """Yield what is wrong with the texts of a call."""
    found = [
        (column, message, False)
        for column in ("path", "headers", "body")
        for message in LIQUID.problems(getattr(step, column), scope)
    ]
    yield from found
    if not found:
        yield from _refused(step, scope)
    if step.body.strip() and step.method in ("GET", "DELETE"):
        yield (
            "body",
            f"A {step.method} has no body at most vendors. Empty it, or choose another method.",
            True,
        )


def condition_problem(field: str, operator: str, value: str, shape: Any) -> tuple[str, str] | None:
    """Return (column, sentence) on what is wrong with a condition; its path is judged elsewhere."""
    if not field:
        return "field", "Name the value that the condition asks about, such as answer.id."
    root, _, rest = field.partition(".")
    actual = at(shape, rest) if root == "event" else None
    kind = _kind(operator, value, actual)
    row = Criterion(1, field, operator, value)
    for problem in conditions.problems([row], "", {field: FieldSchema(field, field, kind)}):
        return (problem.part, problem.message) if problem.part != "logic" else None
    return None


def _refused(step: FlowStep, scope: Mapping[str, Any]) -> Iterator[Said]:
    """Yield what the engine would refuse whatever a value is: tried with stand-ins for those that are not known."""
    readers = (("path", calls.path_of), ("headers", calls.headers_of), ("body", calls.body_of))
    for column, read in readers:
        said = {_attempt(read, getattr(step, column), scope, one) for one in STAND_INS}
        if "" not in said:
            yield column, min(said), False


def _attempt(
    read: Callable[[str, Mapping[str, Any]], Any], text: str, scope: Mapping[str, Any], stand_in: object
) -> str:
    try:
        found = read(text, {name: _filled(value, stand_in) for name, value in scope.items()})
    except TemplateError:
        return ""  # said already, or only wrong for the stand-in
    return f"{found.reason} {found.remedy}".strip() if isinstance(found, Refusal) else ""


class _Anything(dict[str, Any]):
    """Holds the stand-in under every name."""

    def __init__(self, stand_in: object) -> None:
        super().__init__()
        self._stand_in = stand_in

    def __getitem__(self, name: str) -> Any:
        return self._stand_in

    def __contains__(self, name: object) -> bool:
        return True


def _filled(value: Any, stand_in: object) -> Any:
    if value is None:
        return _Anything(stand_in)
    if isinstance(value, Mapping):
        return {name: stand_in if one is None else _filled(one, stand_in) for name, one in value.items()}
    return value


def _kind(operator: str, value: str, actual: Any) -> FieldType:
    """Return the type that evaluation would take the value for."""
    if isinstance(actual, bool) or operator in (Operator.IS_TRUE, Operator.IS_FALSE):
        return FieldType.BOOLEAN
    if isinstance(actual, int | float):
        return FieldType.NUMBER
    if operator == Operator.WITHIN_LAST_DAYS:
        return FieldType.DATETIME
    if operator in COMPARISONS:
        plain = value.strip().lstrip("+-").replace(".", "", 1)
        return (
            FieldType.NUMBER if plain.isdecimal() else FieldType.DATETIME if "T" in value else FieldType.DATE
        )
    return FieldType.TEXT
