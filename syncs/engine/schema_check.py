"""Does what a sync uses still exist? Fields, types and values, as both sides describe them now."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from integration_hub.connectors.contract import Destination
from integration_hub.connectors.schema import FieldSchema, FieldType, ObjectSchema
from syncs import incidents, listeners
from syncs.mappings import check as mapping_check
from syncs.models import Connection, FieldMapping, Incident, SchemaCheck, Sync
from syncs.models.incidents import IncidentKind
from syncs.models.mappings import Transform
from syncs.schemas import Described, Schemas

_TYPES = {
    "a number": FieldType.NUMBER,
    "true or false": FieldType.BOOLEAN,
    "a date": FieldType.DATETIME,
}
_DAY = "a date"
CHOSEN = frozenset({FieldType.PICKLIST, FieldType.MULTIPICKLIST})
_LISTED = 20
"""Sentences that an incident names; the page of the sync has them all."""
_REMEDY = "Put it back there, or correct the mapping, the value map, the rule or the flow; then check again."


class Written(Protocol):
    """A line of a sync's mapping, or of a step."""

    default: Any
    transform: Any
    expression: Any
    value_map: Any


@dataclass(frozen=True, slots=True)
class Missing:
    """A field that is not there, as it would have to be made."""

    connection_id: int
    object_type: str
    field: FieldSchema


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that will break `origin`, in a sentence."""

    origin: str
    text: str
    missing: Missing | None = None


def check(sync: Sync, now: datetime) -> list[Problem]:
    """Ask both sides of one sync, note what was found, and return it."""
    schemas = Schemas()
    rows = list(sync.mappings.select_related("value_map").prefetch_related("value_map__entries"))
    found = of_sync(sync, rows, schemas)
    note(sync.origin, found, list(schemas.unasked.values()), now, enabled=sync.enabled)
    return found


def of_sync(sync: Sync, rows: Sequence[FieldMapping], schemas: Schemas) -> list[Problem]:
    """Return what will break the sync; a side that does not answer is not judged."""
    stream, origin = sync.stream, sync.origin
    source = schemas.source(stream.connection, stream.object_type)
    target = schemas.destination(sync.destination, sync.object_type)
    found = [
        Problem(origin, _no_object(where, object_type, one))
        for where, object_type, one in (
            (stream.connection, stream.object_type, source),
            (sync.destination, sync.object_type, target),
        )
        if one.refused
    ]
    missing = dict(_missing(sync, rows, source.schema, target.schema))
    unfit = dict(_unfit(sync, rows, target.schema))
    told = {(index, "destination") for index in missing}
    told |= {(index, part) for index in unfit for part in ("default", "value_map")}
    here, there = (one.schema.fields if one.schema else None for one in (source, target))
    for finding in mapping_check.judged(sync, rows, here, there):
        place = finding.place
        if not finding.warning and (isinstance(place, str) or place[1:] not in told):
            found.append(Problem(origin, _placed(place, finding.message, rows)))
    return [*found, *missing.values(), *(problem for problems in unfit.values() for problem in problems)]


def _unfit(
    sync: Sync, rows: Sequence[FieldMapping], target: ObjectSchema | None
) -> Iterator[tuple[int, list[Problem]]]:
    """Yield, by line, the values that it writes and that are not offered there."""
    for index, row in enumerate(rows):
        given = written(row)
        texts = list(values(sync.destination, target, row.destination, given)) if target else []
        if texts:
            yield index, [Problem(sync.origin, text) for text in texts]


def written(row: Written) -> list[tuple[str, str]]:
    """Return the values that a line can write by itself, each with who writes it."""
    found = [(row.default, "a default")] if row.default else []
    if row.transform == Transform.LIQUID and row.expression.strip() and "{" not in row.expression:
        found.append((row.expression.strip(), "a constant"))
    if row.value_map is not None:
        who = f"the value map “{row.value_map.name}”"
        found += [(entry.destination, who) for entry in row.value_map.entries.all() if entry.destination]
    return found


def values(
    connection: Connection, schema: ObjectSchema, name: str, given: Sequence[tuple[str, str]]
) -> Iterator[str]:
    """Say which of the values a picklist, a pipeline or its stages do not offer."""
    field = schema.fields.get(name)
    if field is None or field.type not in CHOSEN or not field.options or field.any_value:
        return
    for value, who in dict.fromkeys(given):
        parts = value.split(";") if field.type == FieldType.MULTIPICKLIST else [value]
        for part in parts:
            if part not in field.options:
                near = mapping_check.nearest(part, field.options)
                where = f"“{name}” of {schema.object_type} at {connection}"
                yield f"“{part}” is no value of {where}; {who} writes it.{near}"


def is_fixed(connection: Connection) -> bool:
    """Say whether a field must be made at the destination before anything can be written to it."""
    kind = connection.connector_class
    return issubclass(kind, Destination) and kind.fixed_fields


def no_field(connection: Connection, object_type: str, name: str, known: Collection[str]) -> str:
    return f"There is no field “{name}” of {object_type} at {connection}.{mapping_check.nearest(name, known)}"


def field_to_make(
    name: str, gives: str, like: FieldSchema | None = None, *, transform: str = "", unique: bool = False
) -> FieldSchema:
    """Return the field that would take what a line gives; a text takes everything that is nothing else.

    `like` is the field that the line reads: its label is taken.
    """
    kind = _TYPES.get(gives, FieldType.TEXT)
    reads_day = not transform and like is not None and like.type is FieldType.DATE
    if transform == Transform.DATE or (reads_day and gives == _DAY):
        kind = FieldType.DATE
    label = like.label if like is not None else name.replace("_", " ").strip().capitalize()
    return FieldSchema(name, label, kind, unique=unique)


def note(
    origin: str, found: Sequence[Problem], unasked: Sequence[str], now: datetime, *, enabled: bool
) -> None:
    """Store the result; open the one incident of this origin, bring it up to date, or close it.

    While somebody does not answer, nothing is taken for well again.
    """
    texts = list(dict.fromkeys(problem.text for problem in found))
    SchemaCheck.objects.update_or_create(
        origin=origin, defaults={"checked_at": now, "problems": texts, "unasked": list(unasked)}
    )
    key = f"{IncidentKind.SCHEMA}:{origin}"
    if texts and enabled:
        what = listeners.name(origin)
        title = f"{what[:1].upper()}{what[1:]} uses what is not there"[:200]
        detail = "\n".join(texts[:_LISTED])
        incidents.raise_incident(
            key, kind=IncidentKind.SCHEMA, title=title, detail=detail, remedy=_REMEDY, origin=origin, now=now
        )
        Incident.objects.filter(key=key, closed_at=None).update(title=title, detail=detail)
    elif not unasked or not enabled:
        incidents.close(key, now)


def _missing(
    sync: Sync, rows: Sequence[FieldMapping], source: ObjectSchema | None, target: ObjectSchema | None
) -> Iterator[tuple[int, Problem]]:
    if target is None or not is_fixed(sync.destination):
        return
    here = source.fields if source else None
    for index, row in enumerate(rows):
        if row.destination in target.fields:
            continue
        field = field_to_make(
            row.destination,
            mapping_check.gives(row, here),
            (here or {}).get(row.source),
            transform=row.transform,
            unique=row.destination == sync.match_path,
        )
        text = f"{row}: {no_field(sync.destination, sync.object_type, row.destination, target.fields)}"
        missing = Missing(sync.destination_id, sync.object_type, field)
        yield index, Problem(sync.origin, text, missing)


def _no_object(connection: Connection, object_type: str, one: Described) -> str:
    return f"{connection} has no {object_type}: {one.refused}"


def _placed(place: str | tuple[str, int, str], message: str, rows: Sequence[FieldMapping]) -> str:
    return message if isinstance(place, str) else f"{rows[place[1]]}: {message}"
