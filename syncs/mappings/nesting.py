"""Values at dotted paths, as nested objects. Pure."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any


def nested(path: str, value: Any) -> dict[str, Any]:
    """Return the value at a dotted path, as nested objects."""
    for name in reversed(path.split(".")):
        value = {name: value}
    found: dict[str, Any] = value
    return found


def merge(into: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Add nested values to others, in place; where both have one, the added one stays."""
    for name, value in more.items():
        present = into.get(name)
        if isinstance(present, dict) and isinstance(value, Mapping):
            merge(present, value)
        else:
            into[name] = copy.deepcopy(value) if isinstance(value, dict) else value
    return into


def missing(wanted: Mapping[str, Any], there: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of `wanted` that is empty there."""
    found: dict[str, Any] = {}
    for name, value in wanted.items():
        present = there.get(name)
        if isinstance(value, Mapping) and isinstance(present, Mapping):
            inner = missing(value, present)
            if inner:
                found[name] = inner
        elif present in (None, "", [], {}):
            found[name] = value
    return found
