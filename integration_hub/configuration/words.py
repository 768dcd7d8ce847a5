"""What differs between two values of an entry, in words: deep enough that a person sees what was touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

_SHOWN = 80
Change = tuple[str, Any, Any]
"""Where, the former value, the new one; None: there is none."""


def lines(where: str, old: Any, new: Any) -> Iterator[str]:
    """Yield a line for each difference, by its path."""
    for place, before, after in changes(where, old, new):
        yield f"~ {place}: {shown(before)} → {shown(after)}"


def changes(where: str, old: Any, new: Any) -> Iterator[Change]:
    """Yield what differs: name by name of a mapping, row by row of a list.

    Rows that have a name (steps, lines of a mapping) are followed by it when the list was changed in the middle.
    """
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict) and not _is_one(old):
        for name in dict.fromkeys((*old, *new)):
            yield from changes(f"{where}.{name}", old.get(name), new.get(name))
    elif isinstance(old, list) and isinstance(new, list) and _are_rows((*old, *new)):
        yield from _rows(where, old, new)
    else:
        yield where, old, new


def _rows(where: str, old: Sequence[Any], new: Sequence[Any]) -> Iterator[Change]:
    if _is_named(old, "key") and _is_named(new, "key"):
        yield from _steps(where, old, new)
    elif len(old) != len(new) and _is_named(old, "destination") and _is_named(new, "destination"):
        yield from _lines(where, old, new)
    else:
        for number, (before, after) in enumerate(zip_longest(old, new), start=1):
            yield from changes(f"{where}[{number}]", before, after)


def _steps(where: str, old: Sequence[Any], new: Sequence[Any]) -> Iterator[Change]:
    """Yield what changed within each step by its key, and which order they have now."""
    before, after = ({row["key"]: row for row in rows} for rows in (old, new))
    for key in dict.fromkeys((*before, *after)):
        yield from changes(f"{where}[{key}]", before.get(key), after.get(key))
    both = [key for key in before if key in after], [key for key in after if key in before]
    if both[0] != both[1]:
        yield f"{where} in this order", list(before), list(after)


def _lines(where: str, old: Sequence[Any], new: Sequence[Any]) -> Iterator[Change]:
    """Yield what became of each line by what it writes to; the number is its place in the longer life of the two."""
    before, after = ({row["destination"]: row for row in rows} for rows in (old, new))
    places = {name: number for rows in (before, after) for number, name in enumerate(rows, start=1)}
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            yield f"{where}[{places[name]}]", before.get(name), after.get(name)


def _is_named(rows: Sequence[Any], name: str) -> bool:
    names = [row.get(name) for row in rows if isinstance(row, dict)]
    return len(names) == len(rows) == len({str(one) for one in names if one})


def _are_rows(values: Sequence[Any]) -> bool:
    return bool(values) and all(isinstance(one, dict) for one in values)


def _is_one(value: Mapping[str, Any]) -> bool:
    """Say whether a mapping is read as one: a criterion, a line of a mapping, a transition, a variable."""
    return set(value) == {"env"} or bool({"operator", "destination", "target"} & set(value))


def shown(value: Any) -> str:
    """Say a value in a few words."""
    if value in ("", None, [], {}):
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = _words(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _words(value: Any) -> str:
    if isinstance(value, dict) and set(value) == {"env"}:
        return f"environment variable {value['env']}"
    if isinstance(value, dict) and "target" in value:
        condition = " ".join(
            _words(value[name]) for name in ("field", "operator", "value") if value.get(name)
        )
        return f"{value.get('outcome', 'any')}{f' if {condition}' if condition else ''} → {value['target']}"
    if isinstance(value, dict) and "operator" in value:
        return " ".join(_words(part) for part in value.values() if part not in ("", []))
    if isinstance(value, dict) and "destination" in value:
        others = [name for name in value if name not in ("source", "destination")]
        options = "".join(f", {name} {_words(value[name])}" for name in others)
        return f"{value.get('source', 'Liquid')} → {value['destination']}{options}"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_words(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(_words(part) for part in value)
    return " ".join(str(value).split())
