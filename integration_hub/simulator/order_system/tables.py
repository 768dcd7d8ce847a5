"""The same customers and orders as tables of a database, for those who read the order system by SQL."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Engine,
    MetaData,
    Numeric,
    String,
    Table,
)
from sqlalchemy.dialects.mysql import DATETIME

from integration_hub.simulator.order_system.shop import CUSTOMER, ORDER, Shop

_TABLES = MetaData()
_TIME = DateTime().with_variant(DATETIME(fsp=6), "mysql", "mariadb")
"""Without a zone, in UTC, as order systems of some age keep their times."""

CUSTOMERS = Table(
    "customers",
    _TABLES,
    Column("id", String(40), primary_key=True),
    *(Column(name, String(200)) for name in ("email", "name", "company", "phone", "city", "external_id")),
    Column("newsletter", Boolean),
    Column("is_deleted", Boolean, nullable=False),
    Column("created_at", _TIME),
    Column("updated_at", _TIME, index=True),
)
ORDERS = Table(
    "orders",
    _TABLES,
    Column("id", String(40), primary_key=True),
    *(Column(name, String(200)) for name in ("customer_id", "currency", "state", "external_id")),
    Column("total", Numeric(12, 2)),
    Column("lines", JSON),
    Column("is_deleted", Boolean, nullable=False),
    Column("created_at", _TIME),
    Column("updated_at", _TIME, index=True),
)


def write(shop: Shop, engine: Engine) -> None:
    """Make the tables hold what the shop holds now. A deleted record stays, marked, as long as it was there."""
    _TABLES.create_all(engine)
    with engine.begin() as connection:
        for kind, table in ((CUSTOMER, CUSTOMERS), (ORDER, ORDERS)):
            for row_id, at in shop.deleted[kind].items():
                gone = {"is_deleted": True, "updated_at": at.astimezone(UTC).replace(tzinfo=None)}
                connection.execute(
                    table.update().where(table.c.id == row_id, ~table.c.is_deleted).values(gone)
                )
            connection.execute(table.delete().where(table.c.id.in_(list(shop.rows[kind]))))
            rows = [_row(table, row) for row in shop.rows[kind].values()]
            if rows:
                connection.execute(table.insert(), rows)


def drop(engine: Engine) -> None:
    _TABLES.drop_all(engine)


def _row(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    found = {column.name: row.get(column.name) for column in table.columns}
    for name in ("created_at", "updated_at"):
        found[name] = datetime.fromisoformat(row[name]).astimezone(UTC).replace(tzinfo=None)
    if "total" in row:
        found["total"] = Decimal(str(row["total"]))
    return {**found, "is_deleted": False}
