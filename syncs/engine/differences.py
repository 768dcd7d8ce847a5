"""Where what stands at a destination differs from what a mapping gives. Pure: values in, sentences out.

A destination writes some values its own way: dates, whole numbers, e-mails in lower case. That is no difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from integration_hub.connectors.moments import instant

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?")
_EMPTY: tuple[Any, ...] = (None, "", [], {})
_WORDS = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
}


def differences(wanted: Mapping[str, Any], there: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each path of `wanted` that differs there. The values, personal data, are not named."""
    return list(_differences(wanted, there, ""))


def _differences(wanted: Mapping[str, Any], there: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, value in wanted.items():
        path, present = f"{prefix}{name}", there.get(name)
        if isinstance(value, Mapping) and isinstance(present, Mapping):
            yield from _differences(value, present, f"{path}.")
        elif not same(value, present):
            yield _sentence(path, value, present)


def same(wanted: Any, there: Any) -> bool:
    """Say whether a destination that has `there` has what was wanted."""
    if _is_empty(wanted) or _is_empty(there):
        return _is_empty(wanted) and _is_empty(there)
    if isinstance(wanted, bool) or isinstance(there, bool):
        return wanted is there
    if isinstance(wanted, list | tuple) and isinstance(there, list | tuple):
        return len(wanted) == len(there) and all(map(same, wanted, there))
    if isinstance(wanted, str) and isinstance(there, str):
        return wanted == there or _is_same_address(wanted, there) or _is_same_moment(wanted, there)
    return bool(wanted == there)


def _is_same_address(wanted: str, there: str) -> bool:
    return "@" in wanted and wanted.strip().casefold() == there.strip().casefold()


def _is_same_moment(wanted: str, there: str) -> bool:
    """Compare to the second: a day is its midnight in UTC."""
    first, second = _moment(wanted), _moment(there)
    return first is not None and first == second


def _moment(text: str) -> datetime | None:
    if not _MOMENT.fullmatch(text):
        return None
    found = instant(re.sub(r" (?=[+-]\d|Z)", "", text))
    return found.replace(microsecond=0) if found else None


def _is_empty(value: Any) -> bool:
    return any(value is empty or (value == empty and type(value) is type(empty)) for empty in _EMPTY)


def _sentence(path: str, wanted: Any, there: Any) -> str:
    if _is_empty(there):
        return f"{path} is empty there."
    if _is_empty(wanted):
        return f"{path} has a value there and should be empty."
    found, expected = (_WORDS.get(type(one), "something else") for one in (there, wanted))
    if found != expected:
        return f"{path} holds {found} there instead of {expected}."
    return f"{path} has another value there."
