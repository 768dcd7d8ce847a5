"""The columns of a table, by the database's own description, or those of a query, by its first rows."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import types

from integration_hub.connectors.json_values import inferred
from integration_hub.connectors.schema import FieldSchema, FieldType
from integration_hub.connectors.sql.objects import SqlObject
from integration_hub.connectors.sql.statements import Statements
from integration_hub.connectors.sql.values import plain

ROWS = 50


def fields(kind: SqlObject, connection: sa.Connection) -> dict[str, FieldSchema]:
    """Return the columns by name. No criterion is sent to the database, so none can be filtered by."""
    if not kind.table:
        return _of_query(kind, connection)
    schema, _, name = kind.table.rpartition(".")
    found = {}
    for column in sa.inspect(connection).get_columns(name, schema=schema or None):
        type_ = _type(column["type"], connection.dialect.name)
        if type_ is None and column["name"] == kind.key:
            type_ = FieldType.TEXT
        if type_ is not None and "." not in column["name"]:
            options = tuple(getattr(column["type"], "enums", ()) or ()) if type_ is FieldType.PICKLIST else ()
            label = str(column.get("comment") or column["name"])[:100]
            found[column["name"]] = FieldSchema(column["name"], label, type_, options, filterable=False)
    return found


def _of_query(kind: SqlObject, connection: sa.Connection) -> dict[str, FieldSchema]:
    source = Statements(kind).source
    query = sa.select(sa.text("*")).select_from(source).limit(ROWS)
    result = connection.execute(query)
    rows: list[dict[str, Any]] = [
        {name: plain(found, kind.zone) for name, found in row.items()} for row in result.mappings()
    ]
    names = [name for name in tuple(result.keys()) if "." not in name]
    known = inferred(rows)
    return {
        name: known.get(name) or FieldSchema(name, name, FieldType.TEXT, filterable=False) for name in names
    }


def _type(found: types.TypeEngine[Any], dialect: str) -> FieldType | None:
    """Return our type; None for what is no value to compare. Where truth is 0 or 1, it is a number."""
    if isinstance(found, types.LargeBinary):
        return None
    if isinstance(found, types.Boolean):
        return FieldType.BOOLEAN if dialect == "postgresql" else FieldType.NUMBER
    if isinstance(found, types.Enum):
        return FieldType.PICKLIST
    for ours, theirs in (
        (FieldType.NUMBER, types.Integer | types.Numeric),
        (FieldType.DATETIME, types.DateTime),
        (FieldType.DATE, types.Date),
    ):
        if isinstance(found, theirs):
            return ours
    return FieldType.TEXT
