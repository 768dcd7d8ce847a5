"""What objects at connections look like now: each is asked for once, and who does not answer is remembered."""

from __future__ import annotations

from dataclasses import dataclass, field

from integration_hub.connectors.contract import Destination, Source
from integration_hub.connectors.errors import ConfigError, ConnectorError, RejectedError
from integration_hub.connectors.schema import ObjectSchema
from syncs import connect
from syncs.models import Connection

NO_SUCH_TYPE = frozenset({"object_type", "INVALID_TYPE", "NOT_FOUND"})
"""Codes of a ConfigError that is about the object type alone, not about the connection."""


@dataclass(frozen=True, slots=True)
class Described:
    """`refused`: why the vendor has no such object, in a sentence. Without it and a schema: it did not answer."""

    schema: ObjectSchema | None = None
    refused: str = ""


@dataclass(slots=True)
class Schemas:
    """Descriptions by connection, object type and side. `unasked` says, by connection, why it was not asked."""

    unasked: dict[int, str] = field(default_factory=dict)
    _known: dict[tuple[int, str, bool], Described] = field(default_factory=dict)

    def source(self, connection: Connection, object_type: str) -> Described:
        return self._described(connection, object_type, writing=False)

    def destination(self, connection: Connection, object_type: str) -> Described:
        return self._described(connection, object_type, writing=True)

    def _described(self, connection: Connection, object_type: str, *, writing: bool) -> Described:
        key = (connection.pk, object_type, writing)
        if key not in self._known:
            self._known[key] = self._asked(connection, object_type, writing=writing)
        return self._known[key]

    def _asked(self, connection: Connection, object_type: str, *, writing: bool) -> Described:
        if why := _out_of_reach(connection):
            self.unasked[connection.pk] = why
        if connection.pk in self.unasked:
            return Described()
        try:
            with connect.opened(connection) as connector:
                if writing and isinstance(connector, Destination):
                    return Described(connector.destination_schema(object_type))
                if not writing and isinstance(connector, Source):
                    return Described(connector.describe(object_type))
        except ConnectorError as error:
            if isinstance(error, RejectedError) or (
                isinstance(error, ConfigError) and error.code in NO_SUCH_TYPE
            ):
                return Described(refused=error.message)
            self.unasked[connection.pk] = f"{connection} does not answer: {error.message}"
        return Described()


def _out_of_reach(connection: Connection) -> str:
    if not Connection.objects.filter(pk=connection.pk).exists():
        return f"{connection} is not set up in this hub yet."
    if not connection.enabled:
        return f"{connection} is switched off."
    return f"{connection} is on hold." if connection.held_at else ""
