"""What is wrong with a sync and its mapping, said next to the form field it is about, before it is saved."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from integration_hub.connectors.errors import ConnectorError
from integration_hub.connectors.schema import FieldSchema, FieldType
from syncs import destinations, streams
from syncs.engine import mapping, transforms
from syncs.engine.transforms import UnfitError
from syncs.mappings import destination_check
from syncs.mappings.rows import line_of
from syncs.models import FieldMapping, Stream, Sync
from syncs.models.mappings import Transform, WhenEmpty, WriteMode
from syncs.models.syncs import WhenDeleted
from syncs.twoway import pairing_check

Fields = Mapping[str, FieldSchema]

KINDS = {
    FieldType.NUMBER: "a number",
    FieldType.BOOLEAN: "true or false",
    FieldType.DATE: "a date",
    FieldType.DATETIME: "a date",
}
"""What a destination tells apart; all other types are texts."""
TEXT = "a text"
GIVES = {
    Transform.TRIM: TEXT,
    Transform.LOWER: TEXT,
    Transform.TITLE: TEXT,
    Transform.PHONE: TEXT,
    Transform.COUNTRY: TEXT,
    Transform.EMAIL: TEXT,
    Transform.DOMAIN: TEXT,
    Transform.LIST: TEXT,
    Transform.DATE: "a date",
    Transform.DATETIME: "a date",
    Transform.NUMBER: "a number",
    Transform.INTEGER: "a number",
    Transform.BOOLEAN: "true or false",
}
ROOTS = {"email", "userId"}


class Finding(NamedTuple):
    """`place` is a field of the sync's form, or ("mappings", index of the row, field of the row).

    A warning is shown but prevents nothing.
    """

    place: str | tuple[str, int, str]
    message: str
    warning: bool = False


def problems(sync: Sync, rows: Sequence[FieldMapping], now: datetime) -> list[Finding]:
    """Return what a person should hear when saving the sync; asks both sides what they have, if they answer."""
    here, no_source = _source_fields(sync.stream, now)
    there, no_destination = _destination_fields(sync)
    return [*no_source, *no_destination, *judged(sync, rows, here, there)]


def stored_problems(sync: Sync) -> list[Finding]:
    """Return what is wrong with the stored rows by the stored description of the source; nobody is asked."""
    rows = list(sync.mappings.select_related("value_map"))
    schema = sync.stream.object_schema
    found = [*judged(sync, rows, schema.fields if schema else None, None)]
    if schema is None:
        words = "The stream's fields are not known yet, so field names were not checked. Open the sync and save it."
        found.append(Finding("stream", words, warning=True))
    return found


def judged(
    sync: Sync, rows: Sequence[FieldMapping], here: Fields | None, there: Fields | None
) -> Iterator[Finding]:
    """Yield the findings. None for the fields of a side: it could not be asked, and is not judged."""
    yield from _sync(sync, rows)
    yield from _objections(sync, rows)
    yield from pairing_check.findings(sync, rows)
    yield from _clashes(rows)
    yield from (Finding(*said) for said in destination_check.problems(sync, rows, here, there))
    for index, row in enumerate(rows):
        for field, message, warning in _row(row, here, there):
            yield Finding(("mappings", index, field), message, warning)
    yield from _unknown(rows, there or {})


def _source_fields(stream: Stream, now: datetime) -> tuple[Fields | None, list[Finding]]:
    try:
        return streams.schema_of(stream, now).fields, []
    except ConnectorError as error:
        words = (
            f"Source fields were not checked: {error.message} Save again when {stream.connection} answers."
        )
        return None, [Finding("stream", words, warning=True)]


def _destination_fields(sync: Sync) -> tuple[Fields | None, list[Finding]]:
    try:
        return destinations.fields(sync.destination, sync.object_type), []
    except ConnectorError as error:
        words = f"Types at the destination were not checked: {error.message} Save again when it answers."
        return None, [Finding("destination", words, warning=True)]


def _sync(sync: Sync, rows: Sequence[FieldMapping]) -> Iterator[Finding]:
    if not destinations.can_be_written(sync.destination):
        yield Finding(
            "destination",
            f"{sync.destination} takes no records. Choose one that does, such as Iterable or HubSpot.",
        )
    match = [row for row in rows if row.destination == sync.match_path]
    if not match:
        message = f"No line writes to “{sync.match_path}”, by which the record is found there. Add one."
        yield Finding("match_path", message)
    elif match[0].write_mode != WriteMode.ALWAYS:
        index = rows.index(match[0])
        message = "The match key must always be written. Choose “Always”."
        yield Finding(("mappings", index, "write_mode"), message)
    if sync.when_deleted == WhenDeleted.MARK:
        yield from _deleted_path(sync.deleted_path, [row.destination for row in rows])


def _objections(sync: Sync, rows: Sequence[FieldMapping]) -> Iterator[Finding]:
    """Yield what this kind of project or object cannot take, and what its events cannot mean."""
    said = destinations.objections(sync, {row.destination for row in rows})
    for path, message in said.items():
        index = next((at for at, row in enumerate(rows) if path and row.destination == path), None)
        yield Finding("match_path" if index is None else ("mappings", index, "destination"), message)
    if not destinations.tells_events(sync):
        return
    if sync.when_deleted != WhenDeleted.IGNORE:
        yield Finding("when_deleted", "Events that were told stay told. Choose to leave them as they are.")
    for index, row in enumerate(rows):
        if row.write_mode != WriteMode.ALWAYS:
            yield Finding(("mappings", index, "write_mode"), "An event is written once. Choose “Always”.")


def _deleted_path(path: str, destinations_: Iterable[str]) -> Iterator[Finding]:
    if not path:
        yield Finding(
            "deleted_path", "Name the path that is set to true, such as dataFields.Salesforce.IsDeleted."
        )
        return
    fault = _path_fault(path)
    if fault:
        yield Finding("deleted_path", fault)
    for other in destinations_:
        if path == other or _within(path, other) or _within(other, path):
            yield Finding("deleted_path", f"A line writes to “{other}” already. Choose a path of its own.")


def _clashes(rows: Sequence[FieldMapping]) -> Iterator[Finding]:
    for index, row in enumerate(rows):
        for other in rows[:index]:
            if row.destination == other.destination:
                message = f"“{row.destination}” is written by another line already. Keep one of them."
            elif _within(row.destination, other.destination) or _within(other.destination, row.destination):
                whole, part = sorted((row.destination, other.destination), key=len)
                message = f"“{whole}” cannot be a value and hold “{part}”. Rename one of them."
            else:
                continue
            yield Finding(("mappings", index, "destination"), message)
            break


def _within(inner: str, outer: str) -> bool:
    return inner.startswith(f"{outer}.")


def _row(row: FieldMapping, here: Fields | None, there: Fields | None) -> Iterator[tuple[str, str, bool]]:
    faults = [*_source(row, here), *_path(row, there), *_expression(row, here), *_default(row)]
    faults += _clearing(row)
    yield from ((field, message, False) for field, message in faults)
    if not faults:
        yield from _types(row, here, there)


def _source(row: FieldMapping, here: Fields | None) -> Iterator[tuple[str, str]]:
    if not row.source and row.transform != Transform.LIQUID:
        yield "source", "Name the field it comes from."
    elif row.source and here is not None and row.source not in here:
        yield "source", f"There is no field “{row.source}”.{nearest(row.source, here)}"


def _path(row: FieldMapping, there: Fields | None) -> Iterator[tuple[str, str]]:
    fault = _path_fault(row.destination)
    if fault:
        yield "destination", fault
        return
    roots = {name.partition(".")[0] for name in there or () if "." in name}
    root = row.destination.partition(".")[0]
    if roots and not _has_plain_names(there) and root not in roots | ROOTS:
        better = f"{min(roots)}.{row.destination}"
        yield "destination", f"“{root}” is no part of a record there. Did you mean “{better}”?"


def _has_plain_names(there: Fields | None) -> bool:
    """Say whether fields stand side by side there, and not below a part of the record such as dataFields."""
    return any("." not in name and name not in ROOTS for name in there or ())


def _unknown(rows: Sequence[FieldMapping], there: Fields) -> Iterator[Finding]:
    """Yield lines to fields of which the destination knows nothing; a project takes new ones, most others do not."""
    for index, row in enumerate(rows):
        if row.destination not in there and _has_plain_names(there) and not _path_fault(row.destination):
            message = (
                f"The destination tells of no field “{row.destination}”.{nearest(row.destination, there)}"
            )
            yield Finding(("mappings", index, "destination"), message, warning=True)


def _path_fault(path: str) -> str:
    if all(part and part == part.strip() for part in path.split(".")):
        return ""
    return (
        f"“{path}” is not a path: write names with single dots between them, such as dataFields.Name.First."
    )


def _expression(row: FieldMapping, here: Fields | None) -> Iterator[tuple[str, str]]:
    if row.transform == Transform.LIQUID:
        if not row.expression.strip():
            yield "expression", "Write the Liquid expression, such as {{ value | upcase }}."
            return
        sample = {"value": None, "record": _nested(here) if here is not None else None}
        for message in mapping.LIQUID.problems(row.expression, sample):
            yield "expression", message
    elif row.transform == Transform.PHONE:
        if row.expression and not transforms.is_country(row.expression):
            yield "expression", f"For a phone this is a country of two letters, such as {transforms.HOME}."
    elif row.transform == Transform.COUNTRY:
        if row.expression and not transforms.is_country_form(row.expression):
            yield "expression", "For a country this is alpha-2 (DE), alpha-3 (DEU) or name (Germany)."
    elif row.expression:
        yield "expression", "Only Liquid, Phone and Country read it. Choose one of them, or empty this."


def _default(row: FieldMapping) -> Iterator[tuple[str, str]]:
    line = line_of(row, {})
    try:
        mapping.default_value(line)
    except UnfitError as error:
        yield "default", f"This is not {error.wanted}, which the line must give."


def _clearing(row: FieldMapping) -> Iterator[tuple[str, str]]:
    if row.when_empty != WhenEmpty.CLEAR:
        return
    if row.destination in ROOTS:
        yield "when_empty", f"“{row.destination}” says who it is and cannot be cleared. Leave it as it is."
    elif row.write_mode != WriteMode.ALWAYS:
        yield "when_empty", "Only a line that always writes can clear. Choose “Always”, or leave it as it is."
    elif row.required:
        yield "when_empty", "A required line is never empty. Leave it as it is, or do not require it."


def _types(row: FieldMapping, here: Fields | None, there: Fields | None) -> Iterator[tuple[str, str, bool]]:
    given = gives(row, here)
    fixed = (there or {}).get(row.destination)
    if not given:
        return
    if fixed is None:
        yield from _other_case(row.destination, there or {})
        field = (here or {}).get(row.source)
        if field and field.type == FieldType.DATETIME and row.transform == Transform.NONE:
            message = "As it is, the destination takes an instant for a text. Choose “Date and time (UTC)”."
            yield "transform", message, True
        return
    wanted = KINDS.get(fixed.type, TEXT)
    if wanted != given:
        message = (
            f"“{row.destination}” holds {wanted} there for good, and this line gives {given}. "
            "Choose another transform or path."
        )
        yield "transform", message, False


def _other_case(path: str, there: Fields) -> Iterator[tuple[str, str, bool]]:
    for name in there:
        if name.casefold() == path.casefold():
            yield "destination", f"There is “{name}” already; upper and lower case make two fields.", True


def gives(row: FieldMapping, here: Fields | None) -> str:
    """Return what kind of value the line gives, "" if that cannot be told."""
    if row.transform == Transform.LIQUID:
        return ""
    if row.transform != Transform.NONE:
        return GIVES[Transform(row.transform)]
    if row.value_map_id:
        return TEXT
    field = (here or {}).get(row.source)
    return KINDS.get(field.type, TEXT) if field else ""


def _nested(fields: Fields) -> dict[str, object]:
    """Return a made-up record that has all the fields, and nothing in them."""
    found: dict[str, object] = {}
    for name in fields:
        parent, _, last = name.rpartition(".")
        inner = found.setdefault(parent, {}) if parent else found
        if isinstance(inner, dict):
            inner.setdefault(last, None)
    return found


def nearest(name: str, known: Iterable[str]) -> str:
    by_folded = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return f" Did you mean “{by_folded[near[0]]}”?" if near else ""
