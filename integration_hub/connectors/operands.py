"""What may stand beside an operator and what it means: one reading for evaluation and for queries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, tzinfo
from decimal import Decimal
from functools import lru_cache

from integration_hub.connectors.filters import Operator
from integration_hub.connectors.schema import FieldType

Operand = str | Decimal | date | datetime

MAX_DAYS = 3650

NO_VALUE = frozenset({Operator.IS_EMPTY, Operator.IS_NOT_EMPTY, Operator.IS_TRUE, Operator.IS_FALSE})
SEVERAL_VALUES = frozenset({Operator.ONE_OF, Operator.NOT_ONE_OF})

_SAME = frozenset(
    {
        Operator.EQUALS,
        Operator.NOT_EQUALS,
        Operator.ONE_OF,
        Operator.NOT_ONE_OF,
        Operator.IS_EMPTY,
        Operator.IS_NOT_EMPTY,
    }
)
_INSIDE = frozenset({Operator.CONTAINS, Operator.NOT_CONTAINS})
_ORDER = frozenset(
    {
        Operator.GREATER,
        Operator.GREATER_OR_EQUAL,
        Operator.LESS,
        Operator.LESS_OR_EQUAL,
        Operator.IS_NOT_EMPTY,
    }
)

FITTING: Mapping[FieldType, frozenset[Operator]] = {
    FieldType.TEXT: _SAME | _INSIDE | {Operator.STARTS_WITH},
    FieldType.PICKLIST: _SAME | _INSIDE | {Operator.STARTS_WITH},
    FieldType.MULTIPICKLIST: _SAME | _INSIDE,
    FieldType.REFERENCE: _SAME,
    FieldType.NUMBER: _SAME | _ORDER,
    FieldType.DATE: _SAME | _ORDER | {Operator.WITHIN_LAST_DAYS},
    # An instant is hardly ever met exactly, so a datetime is not compared for equality.
    FieldType.DATETIME: _ORDER | {Operator.IS_EMPTY, Operator.WITHIN_LAST_DAYS},
    FieldType.BOOLEAN: frozenset({Operator.IS_TRUE, Operator.IS_FALSE}),
}

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,12})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATETIME = re.compile(_DATE.pattern + r"[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:?[0-9]{2})?")
# Salesforce knows no dates outside, and shifting to UTC never leaves what Python can hold.
_YEARS = range(1700, 4001)


@lru_cache(maxsize=4096)
def parse(kind: FieldType, text: str, zone: tzinfo) -> Operand:
    """Return what the text means for a field of this kind; ValueError with a sentence if it means nothing."""
    text = text.strip()
    if kind is FieldType.NUMBER:
        return _number(text)
    if kind is FieldType.DATE:
        return _date(text)
    if kind is FieldType.DATETIME:
        return _instant(text, zone)
    return text


@lru_cache(maxsize=256)
def parse_days(text: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 1 <= int(text) <= MAX_DAYS):
        raise ValueError(f"“{text}” is not a number of days; write a whole number from 1 to {MAX_DAYS}.")
    return int(text)


def members(text: str) -> frozenset[str]:
    """Return the chosen values of a multi-select field, ready to be compared."""
    return frozenset(member for part in text.split(";") if (member := folded(part.strip())))


def folded(text: str) -> str:
    """Return the text as it is compared: case does not count."""
    return text.casefold()


def _number(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise ValueError(
            f"“{text}” is not a number; write it like 10000 or 12.5, without separators or units."
        )
    return Decimal(text)


def _date(text: str) -> date:
    try:
        day = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None or day.year not in _YEARS:
        raise ValueError(f"“{text}” is not a date; write it like 2026-11-20.")
    return day


def _instant(text: str, zone: tzinfo) -> datetime:
    moment = None
    try:
        if _DATE.fullmatch(text):
            moment = datetime.combine(date.fromisoformat(text), time.min)
        elif _DATETIME.fullmatch(text):
            moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.year not in _YEARS:
        raise ValueError(f"“{text}” is not a date and time; write it like 2026-11-20T09:00 or 2026-11-20.")
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
