"""The lines of a sync's mapping in a file: what goes without saying is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import ValidationError

from syncs.models import FieldMapping, Sync, ValueMap

OPTIONS: Mapping[str, Any] = {
    "transform": "",
    "expression": "",
    "default": "",
    "value_map": None,
    "when_empty": "keep",
    "unknown_value": "keep",
    "write_mode": "always",
    "required": False,
    "winner": "source",
}
Line = dict[str, Any]


def read(sync: Sync) -> list[Line]:
    return [understood_line(_plain(row)) for row in sync.mappings.select_related("value_map")]


def understood(given: list[Line], _before: Any) -> list[Line]:
    return [understood_line(line) for line in given]


def understood_line(given: Line) -> Line:
    """Return the line with its options in their order, those that are as usual left out."""
    line = {name: given[name] for name in ("source", "destination") if given.get(name)}
    for name, usual in OPTIONS.items():
        value = given.get(name, usual)
        value = value.replace("\r\n", "\n") if isinstance(value, str) else value
        if value != usual and (value or usual):
            line[name] = value
    return line


def write(sync: Sync, lines: list[Line]) -> Iterator[tuple[tuple[str | int, ...], ValidationError]]:
    """Put these lines in the place of the sync's; yield what the models say against them."""
    sync.mappings.all().delete()
    for position, line in enumerate(lines, start=1):
        key = line.get("value_map")
        chosen = ValueMap.objects.filter(key=key).first() if key else None
        row = FieldMapping(sync=sync, position=position, **{**line, "value_map": chosen})
        try:
            row.full_clean()
        except ValidationError as error:
            yield ("mappings", position), error
        else:
            row.save()


def _plain(row: FieldMapping) -> Line:
    line: Line = {name: getattr(row, name) for name in ("source", "destination", *OPTIONS)}
    return {**line, "value_map": row.value_map.key if row.value_map else None}
