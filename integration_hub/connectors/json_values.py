"""Values of JSON answers whose form is not known beforehand: what a path leads to, what may be kept, of which type."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from integration_hub.connectors.moments import instant
from integration_hub.connectors.schema import FieldSchema, FieldType

DEEPEST = 12
LARGEST_KEPT = 20_000
"""Characters of an answer that are kept for later steps."""
LONGEST_TEXT = 4_000
MOST_FIELDS = 500
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")
_MILLISECONDS_FROM = 1e11
"""Seconds since 1970 reach that in the year 5138; a larger number counts milliseconds."""


def at(value: Any, path: str) -> Any:
    """Return what a dotted path leads to, None if it leads nowhere; "" is the value itself. Lists take numbers."""
    for name in path.split(".") if path else ():
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, list) and name.isascii() and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def text_at(value: Any, path: str) -> str:
    """Return the text or number at a path as text; "" for anything else, and for no path."""
    found = at(value, path) if path else None
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return ""
    return str(found).strip()


def moment_at(value: Any, path: str) -> datetime | None:
    """Return the instant at a path: an ISO text, or seconds or milliseconds since 1970."""
    found = at(value, path) if path else None
    if isinstance(found, str) and not found.strip().replace(".", "", 1).isdecimal():
        return instant(found.strip())
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return None
    try:
        number = float(found)
        return datetime.fromtimestamp(number / 1000 if abs(number) >= _MILLISECONDS_FROM else number, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def picked(values: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """Return the part of nested values that the dotted paths name."""
    found: dict[str, Any] = {}
    for path in paths:
        names = path.split(".")
        source: Any = values
        target = found
        for name in names[:-1]:
            source = source.get(name) if isinstance(source, Mapping) else None
            if not isinstance(source, Mapping):
                break
            inner = target.setdefault(name, {})
            if not isinstance(inner, dict) or inner is source:
                break  # the whole of it was asked for before
            target = inner
        else:
            if isinstance(source, Mapping) and names[-1] in source:
                target[names[-1]] = source[names[-1]]
    return found


def digest(values: Any) -> str:
    content = json.dumps(values, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()


def bounded(value: Any) -> Any:
    """Return as much of an answer as is kept: in its order, until LARGEST_KEPT characters are full."""
    return _Bound().part(value, 0)


class _Bound:
    def __init__(self) -> None:
        self.left = LARGEST_KEPT

    def part(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            value = value[: min(LONGEST_TEXT, max(self.left, 0))]
            self.left -= len(value)
            return value
        self.left -= 8
        if isinstance(value, float) and not math.isfinite(value):
            return None
        if not isinstance(value, Mapping | list):
            return value
        if depth >= DEEPEST:
            return None
        if isinstance(value, list):
            return [self.part(inner, depth + 1) for inner in value if self.left > 0]
        found = {}
        for name, inner in value.items():
            if self.left <= 0:
                break
            self.left -= len(str(name))
            found[str(name)] = self.part(inner, depth + 1)
        return found


def inferred(records: Sequence[Mapping[str, Any]]) -> dict[str, FieldSchema]:
    """Return the fields that some records have, by dotted path; what differs between them is a text."""
    kinds: dict[str, FieldType | None] = {}
    for record in records:
        for path, kind in _leaves(record, "", 0):
            before = kinds.get(path)
            kinds[path] = (
                kind if before is None or before is kind else before if kind is None else FieldType.TEXT
            )
    listed = list(kinds.items())[:MOST_FIELDS]
    return {path: FieldSchema(path, path, kind or FieldType.TEXT, filterable=False) for path, kind in listed}


def _leaves(value: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, FieldType | None]]:
    for name, inner in value.items():
        if "." in str(name):
            continue  # no path could name it
        path = f"{prefix}{name}"
        if isinstance(inner, Mapping) and depth < DEEPEST:
            yield from _leaves(inner, f"{path}.", depth + 1)
        elif not isinstance(inner, list):
            yield path, _kind(inner)


def _kind(value: Any) -> FieldType | None:
    """Return the type of one value; None: it is empty and tells none."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return FieldType.BOOLEAN
    if isinstance(value, int | float):
        return FieldType.NUMBER
    text = str(value)
    if _DATE.fullmatch(text):
        return FieldType.DATE
    return FieldType.DATETIME if _MOMENT.match(text) and instant(text) else FieldType.TEXT
