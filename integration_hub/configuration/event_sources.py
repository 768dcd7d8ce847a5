"""What hangs on an event source in a file: its secrets by label, and its event types by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from syncs import secrets
from syncs.models import EventSecret, EventSource, EventType, Stream

KEEP, REMOVE = "keep", "remove"
_PATHS = ("record_path", "id_path", "modified_path")
_SWITCHES = ("is_deletion", "completed_by_read")
Problem = tuple[tuple[str | int, ...], ValidationError]


def read_secrets(source: EventSource) -> dict[str, Any]:
    """Return each secret as the name of its variable, or “keep” for one that is stored here."""
    rows = sorted(source.secrets.all(), key=lambda row: row.label)
    return {row.label: {"env": row.kept["env"]} if "env" in row.kept else KEEP for row in rows}


def understood_secrets(given: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the secrets as they shall be: one that is not named stays."""
    unknown = [label for label, value in given.items() if value == KEEP and label not in before]
    if unknown:
        raise ValueError(f"none is stored here under “{unknown[0]}” that could be kept. Name a variable.")
    merged = {**before, **{label: value for label, value in given.items() if value != KEEP}}
    return {label: merged[label] for label in sorted(merged) if merged[label] != REMOVE}


def write_secrets(source: EventSource, value: Mapping[str, Any]) -> list[Problem]:
    stored = {row.label: row for row in source.secrets.all()}
    source.secrets.exclude(label__in=value).delete()
    for label, wanted in value.items():
        if wanted == KEEP:
            continue
        row = stored.get(label) or EventSecret(source=source, label=label, created_at=timezone.now())
        row.kept = secrets.stored(f"{secrets.ENVIRONMENT_PREFIX}{wanted['env']}")
        row.save()
    return []


def read_types(source: EventSource) -> dict[str, Any]:
    return {row.name: _plain(_of(row)) for row in source.types.select_related("stream")}


def understood_types(given: Mapping[str, Any], _before: Any) -> dict[str, Any]:
    return {name: _plain(one) for name, one in sorted(given.items())}


def write_types(source: EventSource, value: Mapping[str, Any]) -> list[Problem]:
    """Bring the types to these; yield what is wrong with a schema, or with a sample that does not fit it."""
    stored = {row.name: row for row in source.types.all()}
    streams = {row.key: row for row in Stream.objects.all()}
    source.types.exclude(name__in=value).delete()
    found: list[Problem] = []
    for name, one in value.items():
        row = stored.get(name) or EventType(source=source, name=name)
        try:
            _fill(row, one, streams)
            row.full_clean()
        except ValidationError as error:
            found.append((("types", name), error))
        else:
            row.save()
    return found


def _fill(row: EventType, one: Mapping[str, Any], streams: Mapping[str, Stream]) -> None:
    row.description = one.get("description", "")
    row.schema, row.sample = one.get("schema"), one.get("sample")
    row.stream = streams.get(one.get("stream") or "")
    for field in _PATHS:
        setattr(row, field, one.get(field, ""))
    for field in _SWITCHES:
        setattr(row, field, one.get(field, False))
    if one.get("stream") and row.stream is None:
        raise ValidationError({"stream": f"There is no stream “{one['stream']}”."})


def _of(row: EventType) -> dict[str, Any]:
    found = {name: getattr(row, name) for name in ("description", "schema", "sample", *_PATHS, *_SWITCHES)}
    return {**found, "stream": row.stream.key if row.stream else None}


def _plain(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of a type, without what is as it is anyway."""
    names = ("description", "schema", "sample", "stream", *_PATHS, *_SWITCHES)
    return {name: one[name] for name in names if one.get(name) not in ("", None, False)}
