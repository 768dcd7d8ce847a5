"""Does the target have what a file, or the hub as it is, needs: object types, fields, stages and other values?"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction

from integration_hub.configuration import apply
from integration_hub.connectors.contract import FieldMaker
from routing import schema_check
from routing.schema_check import Report, Used
from syncs import connect
from syncs.engine.schema_check import Missing
from syncs.models import Connection

logger = logging.getLogger(__name__)


def check(now: datetime, given: Mapping[str, Any] | None = None) -> Report:
    """Ask the connections for what the hub would use after an import of the file; without one, for what it uses.

    The import is tried and taken back first: nobody is asked while its transaction is open. ConfigurationError: the
    file is wrong.
    """
    return schema_check.judge(schema_check.used() if given is None else _after(given, now), now)


def makable(report: Report) -> list[tuple[Connection, Missing]]:
    """Return the missing fields that the hub can make, each with its connection."""
    connections = Connection.objects.in_bulk({one.connection_id for one in report.missing})
    return [
        (connections[one.connection_id], one)
        for one in report.missing
        if one.connection_id in connections
        and issubclass(connections[one.connection_id].connector_class, FieldMaker)
    ]


def create(wanted: Sequence[tuple[Connection, Missing]], *, user_id: int | None) -> list[str]:
    """Make the fields and return them in words; a repetition makes nothing twice. Each connection's log has it.

    ConnectorError: one was refused; those before it are made.
    """
    made: list[str] = []
    places: dict[tuple[int, str], list[Missing]] = {}
    connections = {connection.pk: connection for connection, _ in wanted}
    for connection, one in wanted:
        places.setdefault((connection.pk, one.object_type), []).append(one)
    for (pk, object_type), missing in places.items():
        connection = connections[pk]
        with connect.opened(connection) as connector:
            if not isinstance(connector, FieldMaker):
                continue
            names = connector.create_fields(object_type, [one.field for one in missing])
        if names:
            said = f"{object_type}: {', '.join(names)}"
            made.append(f"{connection}: {said}")
            _log(connection, f"Made the missing fields of {said}.", user_id)
    return made


def in_words(connection: Connection, one: Missing) -> str:
    """Say what would be made."""
    unique = ", unique" if one.field.unique else ""
    return f"{connection}: {one.object_type}.{one.field.name} ({one.field.type.value}{unique}, “{one.field.label}”)"


def _after(given: Mapping[str, Any], now: datetime) -> Used:
    with transaction.atomic():
        apply.run(given, now=now)
        found = schema_check.used()
        transaction.set_rollback(True)
    return found


def _log(connection: Connection, words: str, user_id: int | None) -> None:
    """Put it into the log, and with its user into the connection's history."""
    logger.info(words, extra={"connection": connection.key})
    if user_id is None:
        return
    LogEntry.objects.create(
        user_id=user_id,
        content_type_id=ContentType.objects.get_for_model(Connection).pk,
        object_id=str(connection.pk),
        object_repr=str(connection)[:200],
        action_flag=CHANGE,
        change_message=words,
    )
