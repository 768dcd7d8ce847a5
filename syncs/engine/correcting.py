"""What people corrected of single records, put in the place of what the source says. Pure.

A correction holds as long as the source says what it said when the correction was made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

Values = Mapping[str, Any]


class Fix(NamedTuple):
    """Of the source's path `source`: leave the record out (`ignored`), or take `value` in its place."""

    source: str
    seen: str
    ignored: bool
    value: str = ""


Fixes = Mapping[str, Sequence[Fix]]
"""By record id."""


def corrected(values: Values, fixes: Sequence[Fix]) -> Values:
    """Return the values as they are to be mapped; the given ones stay as they are."""
    for fix in fixes:
        if not fix.ignored and holds(values, fix):
            values = _with(values, fix.source.split("."), fix.value)
    return values


def is_ignored(values: Values, fixes: Sequence[Fix]) -> bool:
    """Say whether somebody chose to leave the record out as it is."""
    return any(fix.ignored and holds(values, fix) for fix in fixes)


def holds(values: Values, fix: Fix) -> bool:
    return fix.seen == seen(standing(values, fix.source))


def seen(value: Any) -> str:
    """Return what tells this value from others, without holding it."""
    return blake2b(repr(_ordered(value)).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def standing(values: Values, source: str) -> Any:
    """Return what the source says at a path, all of it for the path ""."""
    found: Any = values
    for name in source.split(".") if source else ():
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def _with(values: Values, path: Sequence[str], text: str) -> dict[str, Any]:
    name, *rest = path
    before = values.get(name)
    if rest:
        inner = before if isinstance(before, Mapping) else {}
        return {**values, name: _with(inner, rest, text)}
    return {**values, name: _typed(text, before)}


def _typed(text: str, before: Any) -> Any:
    """Return what was typed as the kind of value that it replaces, where it can be one."""
    if isinstance(before, bool) and text.strip().lower() in ("true", "false"):
        return text.strip().lower() == "true"
    if isinstance(before, int | float) and not isinstance(before, bool):
        try:
            number = float(text)
        except ValueError:
            return text
        return int(number) if number.is_integer() and isinstance(before, int) else number
    return text


def _ordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return sorted((str(name), _ordered(one)) for name, one in value.items())
    if isinstance(value, list | tuple):
        return [_ordered(one) for one in value]
    return value
