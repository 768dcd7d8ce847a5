"""A mapping on one live record: what is read, what would be sent, and what that would change. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from integration_hub.connectors.errors import ConnectorError
from integration_hub.connectors.records import Record
from syncs import connect, destinations, streams
from syncs.engine.mapping import Mapped, at
from syncs.mappings import rows
from syncs.models import Change, Sync


class PreviewError(ValueError):
    """Why there is nothing to show, in a sentence with the remedy."""


class Step(NamedTuple):
    """One path at the destination: what is there, what the mapping gives, and what becomes of it in words."""

    path: str
    before: Any
    after: Any
    what: str
    changes: bool


@dataclass(frozen=True, slots=True)
class MappingPreview:
    """`there` says whether the record exists at the destination; None: that could not be asked, see `warning`."""

    record: Record
    sources: tuple[tuple[str, Any], ...]
    mapped: Mapped
    problems: tuple[str, ...]
    steps: tuple[Step, ...]
    there: bool | None
    warning: str = ""

    @property
    def payload(self) -> dict[str, Any]:
        return self.mapped.payload


def preview(sync: Sync, record_id: str, now: datetime) -> MappingPreview:
    """Read the record (without an id: the stream's newest change) and map it. PreviewError, ConnectorError."""
    record = _record(sync, record_id or _newest(sync), now)
    mapper = rows.mapper_of(sync)
    mapped = mapper(record.values, record.remote_id)
    values = mapper.corrected(record.values, record.remote_id)
    problems = [sentence for _, sentence, _ in mapper.problems(values)]
    if mapped.problem and not problems:
        problems = [mapped.problem]
    names = sorted(rows.source_fields(sync))
    sources = tuple((_named(name, values, record), at(dict(values), name.split("."))) for name in names)
    if mapped.problem:
        return MappingPreview(record, sources, mapped, tuple(problems), (), None)
    there, warning = _there(sync, mapped)
    exists = None if warning else there is not None
    steps = tuple(_steps(mapped, there.values if there else {}, exists=bool(exists)))
    return MappingPreview(record, sources, mapped, (), steps, exists, warning)


def _named(name: str, values: Mapping[str, Any], record: Record) -> str:
    """Return the name of a source, marked where what somebody put in its place is mapped."""
    path = name.split(".")
    return name if at(dict(values), path) == at(dict(record.values), path) else f"{name} (corrected)"


def facts(found: MappingPreview) -> dict[str, Any]:
    """Return the preview as JSON can hold it."""
    return {
        "record": found.record.remote_id,
        "sources": dict(found.sources),
        "payload": found.payload,
        "on_create": found.mapped.on_create,
        "if_empty": found.mapped.if_empty,
        "match_value": found.mapped.match_value,
        "problems": list(found.problems),
        "exists": found.there,
        "changes": [
            {"path": step.path, "before": step.before, "after": step.after, "what": step.what}
            for step in found.steps
            if step.changes
        ],
        "warning": found.warning,
    }


def _newest(sync: Sync) -> str:
    newest = Change.objects.filter(stream=sync.stream).order_by("-id").values_list("record_id", flat=True)
    found = newest.first()
    if found is None:
        raise PreviewError(f"Nothing was read of {sync.stream} yet. Enter the id of a record.")
    return found


def _record(sync: Sync, record_id: str, now: datetime) -> Record:
    stream = sync.stream
    with connect.opened(stream.connection) as connector:
        source = streams.as_source(connector, stream)
        schema = streams.schema_of(stream, now, source)
        wanted = [*source.base_fields(schema), *sorted(rows.source_fields(sync))]
        fields = list(dict.fromkeys(name for name in wanted if name in schema.fields))
        found = source.fetch(stream.object_type, [record_id], fields)
    if not found:
        raise PreviewError(f"{stream.connection} has no {stream.object_type} “{record_id}”. Check the id.")
    return found[0]


def _there(sync: Sync, mapped: Mapped) -> tuple[Record | None, str]:
    try:
        return destinations.look_up(sync.destination, sync.object_type, mapped.match_value), ""
    except ConnectorError as error:
        return (
            None,
            f"{sync.destination} could not be asked what is there: {error.message} {error.remedy}".strip(),
        )


def _steps(mapped: Mapped, there: Mapping[str, Any], *, exists: bool) -> Iterator[Step]:
    before = dict(_leaves(there))
    for path, value in _leaves(mapped.payload):
        yield _step(path, before.get(path), value)
    for path, value in _leaves(mapped.on_create):
        if exists:
            yield Step(path, before.get(path), value, "left alone: only written on create", False)
        else:
            yield _step(path, before.get(path), value)
    for path, value in _leaves(mapped.if_empty):
        if before.get(path) in (None, "", []):
            yield _step(path, None, value)
        else:
            yield Step(path, before[path], value, "left alone: there is a value", False)


def _step(path: str, before: Any, after: Any) -> Step:
    if before == after and isinstance(before, bool) is isinstance(after, bool):
        return Step(path, before, after, "the same", False)
    if after is None:
        return Step(path, before, after, "cleared", True)
    return Step(path, before, after, "new" if before is None else "changed", True)


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
