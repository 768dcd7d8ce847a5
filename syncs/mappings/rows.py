"""Rows of a mapping to the lines that the engine knows, and to and from the plain JSON object that teams exchange."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction

from integration_hub.liquid import TemplateError
from syncs import corrections
from syncs.engine.mapping import LIQUID, Line, Mapper
from syncs.mappings import descriptions
from syncs.models import FieldMapping, Sync
from syncs.models.mappings import Transform

LONGEST = 200


class MappingImportError(ValueError):
    """What is wrong with a JSON mapping, in a sentence."""


def lines_of(sync: Sync) -> list[Line]:
    """Return the sync's stored lines in their order; two queries."""
    rows = sync.mappings.select_related("value_map").prefetch_related("value_map__entries")
    return [line_of(row) for row in rows]


def line_of(row: FieldMapping, entries: Mapping[str, str] | None = None) -> Line:
    """Return one row, stored or not, as a line; `entries` stand for a value map that need not be asked for."""
    if entries is None and row.value_map is not None:
        entries = {entry.source: entry.destination for entry in row.value_map.entries.all()}
    return Line(
        source=row.source,
        destination=row.destination,
        transform=row.transform,
        expression=row.expression,
        default=row.default,
        when_empty=row.when_empty,
        write_mode=row.write_mode,
        value_map=entries,
        unknown_value=row.unknown_value,
        required=row.required,
    )


def mapper_of(sync: Sync) -> Mapper:
    """Return what maps a record as the sync is stored: by its lines, what the destination takes, and corrections."""
    ties = dict(sync.ties.values_list("pk", "source_path"))
    lines = descriptions.checked(sync, lines_of(sync))
    return Mapper(lines, sync.match_path, ties, corrections.of(sync))


def source_fields(sync: Sync) -> set[str]:
    """Return the fields that one read must carry for this sync, those of its Liquid and its ties among them."""
    return fields_of(sync.mappings.all()) | set(sync.ties.values_list("source_path", flat=True))


def fields_of(rows: Iterable[FieldMapping]) -> set[str]:
    found: set[str] = set()
    for row in rows:
        found.add(row.source)
        if row.transform == Transform.LIQUID:
            try:
                found |= LIQUID.paths(row.expression, "record")
            except TemplateError:  # said when the record is mapped, and when the row is saved
                continue
    return found - {""}


def exported(sync: Sync) -> tuple[str, list[str]]:
    """Return the mapping as `{"Email": "email", …}`, and the destinations that no source alone can express.

    A source that fills several destinations has a list of them.
    """
    found: dict[str, str | list[str]] = {}
    left_out = []
    for row in sync.mappings.all():
        known = found.get(row.source)
        if not row.source:
            left_out.append(row.destination)
        elif known is None:
            found[row.source] = row.destination
        else:
            found[row.source] = [*([known] if isinstance(known, str) else known), row.destination]
    return json.dumps(found, indent=2, ensure_ascii=False), left_out


def parsed(text: str) -> list[tuple[str, str]]:
    """Return (source, destination) of a JSON mapping. MappingImportError: it is none."""
    try:
        given = json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise MappingImportError("This is nested too deeply for a mapping.") from None
    except json.JSONDecodeError as error:
        raise MappingImportError(f"This is not JSON: line {error.lineno}, {error.msg}.") from None
    if not isinstance(given, dict) or not given:
        raise MappingImportError('Give one object such as {"Email": "email"}.')
    pairs = [(source.strip(), path) for source, paths in given.items() for path in _paths(source, paths)]
    for source, path in pairs:
        if not source or not path or max(len(source), len(path)) > LONGEST:
            raise MappingImportError(f"“{source[:40]}”: names have 1 to {LONGEST} characters.")
    destinations = [path for _, path in pairs]
    for path in destinations:
        if destinations.count(path) > 1:
            raise MappingImportError(f"“{path}” is filled twice. Keep one source for it.")
    return pairs


def rows_of(sync: Sync, pairs: Iterable[tuple[str, str]]) -> list[FieldMapping]:
    """Return the sync's rows as an import would leave them, unsaved.

    A destination that is mapped already keeps its transform, default and the like. Rows that have no source are
    not the object's to name: they stay.
    """
    present = {row.destination: row for row in sync.mappings.select_related("value_map")}
    rows = []
    for source, destination in pairs:
        row = present.pop(destination, None) or FieldMapping(sync=sync, destination=destination)
        row.source = source
        rows.append(row)
    rows += [row for row in present.values() if not row.source]
    for position, row in enumerate(rows, start=1):
        row.position = position
    return rows


def replace(sync: Sync, rows: Iterable[FieldMapping]) -> tuple[int, int]:
    """Store these rows in the place of the sync's; return how many there are now and how many went."""
    kept = list(rows)
    with transaction.atomic():
        gone, _ = sync.mappings.exclude(pk__in=[row.pk for row in kept if row.pk]).delete()
        for row in kept:
            row.save()
    return len(kept), gone


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise MappingImportError("A source stands there twice. Give it a list of destinations.")
    return found


def _paths(source: str, given: object) -> list[str]:
    paths = given if isinstance(given, list) else [given]
    texts = [path.strip() for path in paths if isinstance(path, str)]
    if len(texts) < len(paths) or not texts:
        raise MappingImportError(f"“{source[:40]}” must lead to a destination path, or to a list of them.")
    return texts
