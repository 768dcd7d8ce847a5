"""Filter logic such as `1 AND (2 OR 3)`: parsed once, then applied to verdicts or to conditions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from integration_hub.connectors.filters import And, Filter, Not, Or

MAX_LENGTH = 500
MAX_DEPTH = 10

_TOKEN = re.compile(r"\s*(?:(?P<row>\d+)|(?P<word>[^\W\d]+)|(?P<mark>\S))")


class FilterLogicError(ValueError):
    """The text is no filter logic; the message is a sentence for the admin form."""


@dataclass(frozen=True, slots=True)
class Row:
    number: int


@dataclass(frozen=True, slots=True)
class Every:
    parts: tuple[Logic, ...]


@dataclass(frozen=True, slots=True)
class Some:
    parts: tuple[Logic, ...]


@dataclass(frozen=True, slots=True)
class Negated:
    part: Logic


Logic = Row | Every | Some | Negated


@lru_cache(maxsize=1024)
def parse(text: str, rows: tuple[int, ...]) -> Logic:
    """Return the logic over these row numbers; blank text means that every row must hold."""
    if len(text) > MAX_LENGTH:
        raise FilterLogicError(f"Filter logic: at most {MAX_LENGTH} characters are allowed.")
    if not text.strip():
        return Every(tuple(Row(number) for number in rows))
    parser = _Parser(text, rows)
    logic = parser.whole()
    for number in rows:
        if number not in parser.used:
            raise FilterLogicError(
                f"Row {number} is not used in the filter logic. Add it to the logic or delete the row."
            )
    return logic


def holds(logic: Logic, verdicts: Mapping[int, bool]) -> bool:
    """Say whether the logic is true for these verdicts by row number."""
    match logic:
        case Row(number):
            return verdicts[number]
        case Every(parts):
            return all(holds(part, verdicts) for part in parts)
        case Some(parts):
            return any(holds(part, verdicts) for part in parts)
        case Negated(part):
            return not holds(part, verdicts)


def combine(logic: Logic, conditions: Mapping[int, Filter]) -> Filter:
    """Return the logic as a filter over these conditions by row number."""
    match logic:
        case Row(number):
            return conditions[number]
        case Every(parts):
            return And(tuple(combine(part, conditions) for part in parts))
        case Some(parts):
            return Or(tuple(combine(part, conditions) for part in parts))
        case Negated(part):
            return Not(combine(part, conditions))


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    position: int

    @property
    def is_row(self) -> bool:
        return self.text.isdecimal()


def _tokens(text: str) -> Iterator[_Token]:
    for found in _TOKEN.finditer(text.rstrip()):
        kind = found.lastgroup or "mark"
        token = _Token(found[kind].upper(), found.start(kind) + 1)
        if not token.is_row and token.text not in {"AND", "OR", "NOT", "(", ")"}:
            raise FilterLogicError(
                f"Filter logic: “{found[kind][:20]}” at position {token.position} is not understood; "
                "use row numbers, AND, OR, NOT and parentheses."
            )
        yield token


class _Parser:
    """Reads from left to right; `used` collects the row numbers that were met."""

    def __init__(self, text: str, rows: tuple[int, ...]) -> None:
        self.rows = rows
        self.used: set[int] = set()
        self._left = list(reversed(list(_tokens(text))))

    def whole(self) -> Logic:
        logic = self._expression(depth=0)
        if self._left:
            token = self._left[-1]
            reason = "is never opened" if token.text == ")" else "needs AND or OR before it"
            raise FilterLogicError(f"Filter logic: '{token.text}' at position {token.position} {reason}.")
        return logic

    def _expression(self, depth: int) -> Logic:
        parts = [self._part(depth)]
        joined_by = ""
        while self._left and self._left[-1].text in {"AND", "OR"}:
            word = self._left.pop().text
            if joined_by not in {"", word}:
                raise FilterLogicError(
                    "Filter logic: AND and OR are mixed without parentheses; "
                    "say which belong together, for example 1 AND (2 OR 3)."
                )
            joined_by = word
            parts.append(self._part(depth))
        if not joined_by:
            return parts[0]
        return Every(tuple(parts)) if joined_by == "AND" else Some(tuple(parts))

    def _part(self, depth: int) -> Logic:
        if depth > MAX_DEPTH:
            raise FilterLogicError(
                f"Filter logic: at most {MAX_DEPTH} levels of parentheses and NOT are allowed."
            )
        if not self._left:
            raise FilterLogicError("Filter logic: a row number is missing at the end.")
        token = self._left.pop()
        if token.is_row:
            return self._row(token)
        if token.text == "NOT":
            return Negated(self._part(depth + 1))
        if token.text == "(":
            return self._group(token, depth)
        raise FilterLogicError(
            f"Filter logic: a row number is expected instead of '{token.text}' at position {token.position}."
        )

    def _group(self, opening: _Token, depth: int) -> Logic:
        logic = self._expression(depth + 1)
        if not self._left:
            raise FilterLogicError(f"Filter logic: '(' at position {opening.position} is never closed.")
        token = self._left.pop()
        if token.text != ")":
            raise FilterLogicError(
                f"Filter logic: '{token.text}' at position {token.position} needs AND or OR before it."
            )
        return logic

    def _row(self, token: _Token) -> Row:
        number = int(token.text)
        if number not in self.rows:
            count = len(self.rows)
            there_are = "there is 1 row" if count == 1 else f"there are {count} rows"
            raise FilterLogicError(f"Filter logic: row {token.text} does not exist; {there_are}.")
        self.used.add(number)
        return Row(number)
