"""What syncs can write to: which connections take records, and the fields they have there."""

from __future__ import annotations

from collections.abc import Mapping

from django.core.cache import cache

from integration_hub.connectors.contract import Destination
from integration_hub.connectors.errors import ConfigError, ConnectorError
from integration_hub.connectors.records import Record
from integration_hub.connectors.schema import FieldSchema
from syncs import connect
from syncs.models import Connection

FRESH = 300
"""For how many seconds suggestions are used again, so that opening a form does not ask each time."""


def can_be_written(connection: Connection) -> bool:
    kind = connection.connector_class
    return issubclass(kind, Destination) and not kind.sends_messages


def fields(connection: Connection, object_type: str) -> Mapping[str, FieldSchema]:
    """Return what the destination knows of its fields, by dotted path. ConnectorError: it does not answer."""
    if not can_be_written(connection):
        return {}
    with connect.opened(connection) as connector:
        return dict(_as_destination(connector, connection).destination_schema(object_type).fields)


def offered(connection: Connection, object_type: str) -> list[str]:
    """Return the paths to suggest; [] while the destination does not answer."""
    key = f"offered-paths:{connection.pk}:{object_type}"
    found: list[str] | None = cache.get(key)
    if found is None:
        try:
            found = sorted(fields(connection, object_type))
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
            remedy="Choose a connection for the sync that takes records, such as Iterable.",
        )
    return connector
