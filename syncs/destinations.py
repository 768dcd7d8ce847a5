"""What syncs can write to: which connections take records, and the fields they have there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress

from django.core.cache import cache
from django.utils import timezone

from integration_hub.connectors.contract import Destination
from integration_hub.connectors.errors import ConfigError, ConnectorError
from integration_hub.connectors.records import Record
from integration_hub.connectors.schema import FieldSchema
from syncs import connect
from syncs.models import Connection, Description, Sync

FRESH = 300
"""For how many seconds suggestions are used again, so that opening a form does not ask each time."""


def can_be_written(connection: Connection) -> bool:
    kind = connection.connector_class
    return issubclass(kind, Destination) and not kind.sends_messages


def gives_ids(sync: Sync) -> bool:
    """Say whether records have ids of their own there, by which they are written to once they are known."""
    kind = sync.destination.connector_class
    return issubclass(kind, Destination) and kind.gives_ids


def tells_events(sync: Sync) -> bool:
    """Say whether it writes events: one for each change, none of which replaces or equals another."""
    kind = sync.destination.connector_class
    return issubclass(kind, Destination) and sync.object_type in kind.event_types


def objections(sync: Sync, paths: Collection[str]) -> dict[str, str]:
    """Return, by path, why the destination cannot be written so; what concerns the match key is under ""."""
    kind = sync.destination.connector_class
    if not issubclass(kind, Destination):
        return {}
    stated = {name: str(value) for name, value in sync.destination.settings.items()}
    return kind.objections(stated, sync.object_type, sync.match_path, paths)


def object_types(connection: Connection) -> list[tuple[str, str]]:
    """Return (name, label) of what a sync can write there; [] while the destination does not answer."""
    key = f"offered-types:{connection.pk}"
    found: list[tuple[str, str]] | None = cache.get(key)
    if found is None:
        found = []
        if can_be_written(connection):
            with suppress(ConnectorError), connect.opened(connection) as connector:
                found = _as_destination(connector, connection).object_types_written()
        cache.set(key, found, FRESH)
    return found


def fields(connection: Connection, object_type: str) -> Mapping[str, FieldSchema]:
    """Return what the destination knows of its fields, by dotted path. ConnectorError: it does not answer."""
    if not can_be_written(connection):
        return {}
    with connect.opened(connection) as connector:
        known = dict(_as_destination(connector, connection).destination_schema(object_type).fields)
    Description.keep(connection, object_type, known, timezone.now())
    return known


def offered(connection: Connection, object_type: str) -> list[str]:
    """Return the paths to suggest; [] while the destination does not answer."""
    return [name for name, _ in suggested(connection, object_type)]


def suggested(connection: Connection, object_type: str) -> list[tuple[str, str]]:
    """Return the paths to suggest with their labels; [] while the destination does not answer."""
    key = f"offered-fields:{connection.pk}:{object_type}"
    found: list[tuple[str, str]] | None = cache.get(key)
    if found is None:
        try:
            known = fields(connection, object_type).values()
            found = sorted((field.name, field.label) for field in known if not field.read_only)
        except ConnectorError:
            found = []
        cache.set(key, found, FRESH)
    return found


def look_up(connection: Connection, object_type: str, key: str) -> Record | None:
    """Return what stands there now under a match value."""
    with connect.opened(connection) as connector:
        return _as_destination(connector, connection).look_up(object_type, [key]).get(key)


def _as_destination(connector: object, connection: Connection) -> Destination:
    if not isinstance(connector, Destination):
        raise ConfigError(
            f"{connection} cannot be written to.",
            remedy="Choose a connection for the sync that takes records, such as Iterable or HubSpot.",
        )
    return connector
