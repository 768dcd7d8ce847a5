"""What a literal of a WHERE clause means for a field of a given type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any

from integration_hub.simulator.salesforce.dates import days_of
from integration_hub.simulator.salesforce.ids import day, is_id, stamp, to18
from integration_hub.simulator.salesforce.schema import ID_TYPES, NUMBER_TYPES, Field
from integration_hub.simulator.salesforce.soql import Literal, SoqlError

TYPE_WORDS = {"datetime": "dateTime", "boolean": "boolean"}


@dataclass(frozen=True, slots=True)
class Span:
    """What a date word stands for: from `low`, up to but without `high`."""

    low: str
    high: str


@dataclass(frozen=True, slots=True)
class Today:
    """The instant and time zone that date words are read in: those of the API user."""

    now: datetime
    zone: tzinfo = UTC


def operand(field: Field, literal: Literal, today: Today) -> Any:
    """Return what to compare with: None for null, a Span for a date word, else a value.

    Raises the vendor's INVALID_FIELD when the literal is of another type than the field.
    """
    if literal.kind == "word" and literal.text == "NULL" and literal.n is None:
        return None
    if field.type in {"date", "datetime"}:
        return _moment(field, literal, today)
    if field.type in NUMBER_TYPES:
        return _expect(field, literal, "number", float)
    if field.type in ID_TYPES:
        return _record_id(field, literal)
    if field.type == "boolean":
        if literal.kind == "word" and literal.text in {"TRUE", "FALSE"}:
            return literal.text == "TRUE"
        raise _mismatch(field, literal)
    # An empty text and null are one thing to Salesforce.
    return _expect(field, literal, "string", lambda text: text.casefold() or None)


def _expect(field: Field, literal: Literal, kind: str, convert: Callable[[str], Any]) -> Any:
    if literal.kind != kind:
        raise _mismatch(field, literal)
    return convert(literal.text)


def _record_id(field: Field, literal: Literal) -> str:
    if literal.kind != "string":
        raise _mismatch(field, literal)
    if not is_id(literal.text):
        raise SoqlError("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {literal.text}", literal.at)
    return to18(literal.text)


def _moment(field: Field, literal: Literal, today: Today) -> Any:
    if literal.kind == "word":
        days = days_of(literal.text, literal.n, today.now.astimezone(today.zone).date())
        if days is None:
            raise _mismatch(field, literal)
        return Span(*(_midnight(field, limit, today.zone) for limit in days))
    if literal.kind != field.type:
        raise _mismatch(field, literal)
    try:
        if field.type == "date":
            return day(date.fromisoformat(literal.text))
        return stamp(datetime.fromisoformat(literal.text.upper()))
    except ValueError:
        raise SoqlError("MALFORMED_QUERY", f"invalid date or time: {literal.text}", literal.at) from None


def _midnight(field: Field, limit: date, zone: tzinfo) -> str:
    return day(limit) if field.type == "date" else stamp(datetime.combine(limit, time.min, zone))


def _mismatch(field: Field, literal: Literal) -> SoqlError:
    quoted = field.type not in NUMBER_TYPES | {"boolean", "date", "datetime"}
    kind = TYPE_WORDS.get(field.type, "string" if quoted else field.type)
    told = "should be enclosed in quotes" if quoted else "should not be enclosed in quotes"
    message = f"value of filter criterion for field '{field.name}' must be of type {kind} and {told}"
    return SoqlError("INVALID_FIELD", message, literal.at)
