"""What a destination would refuse by its own description of a field, said before anything is sent. Pure.

Only what is certain counts: a doubtful value is left to the destination.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from integration_hub.connectors.schema import FieldSchema, FieldType

CODE = "does_not_fit_there"
LONGEST_LIST = 5
"""Options named in a sentence."""

Check = Callable[[Any], str]


def check_of(field: FieldSchema) -> Check | None:
    """Return what says why a value would be refused, "" if it would not; None: nothing is known that could refuse."""
    if field.type in (FieldType.PICKLIST, FieldType.MULTIPICKLIST):
        return _options(field) if field.options and not field.any_value else None
    if field.type == FieldType.NUMBER:
        return _number
    if field.type == FieldType.BOOLEAN:
        return _boolean
    if field.type in (FieldType.DATE, FieldType.DATETIME):
        return _moment
    return _length(field.longest) if field.longest else None


def _options(field: FieldSchema) -> Check:
    known = frozenset(field.options)
    several = field.type == FieldType.MULTIPICKLIST
    named = ", ".join(field.options[:LONGEST_LIST])
    more = len(field.options) - LONGEST_LIST
    named += f" and {more} more" if more > 0 else ""

    def check(value: Any) -> str:
        if all(one in known for one in _single(value, several=several)):
            return ""
        return (
            f"its value is none of the choices there ({named}). Add it to a value map, or correct the record."
        )

    return check


def _single(value: Any, *, several: bool) -> list[str]:
    if isinstance(value, list | tuple):
        return [_text(one) for one in value]
    text = _text(value)
    return [one.strip() for one in text.split(";") if one.strip()] if several else [text]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _length(longest: int) -> Check:
    def check(value: Any) -> str:
        if isinstance(value, str) and len(value) > longest:
            return f"its value is longer than the {longest:,} characters that fit there. Shorten it in the record."
        return ""

    return check


def _number(value: Any) -> str:
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return "a number is wanted there. Correct it in the record, or choose the transform Number."
    return ""


def _boolean(value: Any) -> str:
    if isinstance(value, bool) or _text(value).strip().lower() in ("true", "false"):
        return ""
    return "true or false is wanted there. Choose the transform True or false."


def _moment(value: Any) -> str:
    if not isinstance(value, str) or value.strip().isdecimal():
        return ""  # a number of milliseconds may be meant
    try:
        datetime.fromisoformat(value.strip().replace(" +", "+"))
    except ValueError:
        return "a date is wanted there. Choose the transform Date or Date and time."
    return ""
