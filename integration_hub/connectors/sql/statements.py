"""The questions that are put to a database: SELECT statements, built without a word of data in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from integration_hub.connectors.sql.objects import SqlObject

ALIAS = "hub_object"
TRUE = ("1", "true", "t", "y", "yes", "Y", "TRUE")


@dataclass(frozen=True, slots=True)
class Samples:
    """One key and one time of change as the database returned them: they tell how it keeps both."""

    key: Any
    updated: Any


class Statements:
    """The statements about one object type that read these columns."""

    def __init__(self, kind: SqlObject, fields: Sequence[str] = ()) -> None:
        self.kind = kind
        wanted = [*kind.columns(), *fields]
        extra = [name for name in (kind.deleted, kind.deleted_at) if name]
        self.names = list(dict.fromkeys(wanted))
        columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in dict.fromkeys([*wanted, *extra])]
        self.source: sa.FromClause
        if kind.table:
            schema, _, name = kind.table.rpartition(".")
            self.source = sa.table(name, *columns, schema=schema or None)
        else:
            self.source = sa.text(_literally(kind.query)).columns(*columns).subquery(ALIAS)

    @property
    def key(self) -> sa.ColumnElement[Any]:
        return self.source.c[self.kind.key]

    @property
    def updated(self) -> sa.ColumnElement[Any]:
        return self.source.c[self.kind.updated]

    def rows(self) -> sa.Select[Any]:
        return sa.select(*(self.source.c[name] for name in self.names))

    def sample(self, *, with_time: bool) -> sa.Select[Any]:
        found = sa.select(self.key, self.updated).limit(1)
        return found.where(self.updated.is_not(None)) if with_time else found

    def changed(self, since: Any, until: Any, mark: tuple[Any, Any] | None, size: int) -> sa.Select[Any]:
        """Return the question for the next page: oldest change first, behind the mark (time of change, key)."""
        found = self.rows().where(self.updated.is_not(None), *self.alive())
        if since is not None and mark is None:
            found = found.where(self.updated >= value(since))
        if until is not None:
            found = found.where(self.updated < value(until))
        if mark is not None:
            at, key = value(mark[0]), value(mark[1])
            # The first half alone lets an index be used, which the second by itself does not.
            tie = sa.or_(self.updated > at, sa.and_(self.updated == at, self.key > key))
            found = found.where(self.updated >= at, tie)
        return found.order_by(self.updated, self.key).limit(size)

    def within(self, condition: str, since: Any, until: Any, after: Any, up_to: Any) -> list[Any]:
        """Return the conditions of a scan."""
        found = [*self.alive()]
        if condition:
            found.append(sa.text(f"({_literally(condition)})"))
        if since is not None:
            found.append(self.updated >= value(since))
        if until is not None:
            found.append(self.updated < value(until))
        if after is not None:
            found.append(self.key > value(after))
        if up_to is not None:
            found.append(self.key <= value(up_to))
        return found

    def count(self, conditions: Sequence[Any]) -> sa.Select[Any]:
        return sa.select(sa.func.count()).select_from(self.source).where(*conditions)

    def last_key(self, conditions: Sequence[Any]) -> sa.Select[Any]:
        return sa.select(self.key).where(*conditions).order_by(self.key.desc()).limit(1)

    def gone(self, since: Any, until: Any) -> sa.Select[Any]:
        at = self.source.c[self.kind.deleted_at] if self.kind.deleted_at else self.updated
        found = sa.select(self.key, at).where(at >= value(since), at < value(until))
        return found.where(*self._dead()) if self.kind.deleted else found

    def alive(self) -> list[Any]:
        return [sa.not_(sa.and_(*self._dead()))] if self._dead() else []

    def _dead(self) -> list[Any]:
        if self.kind.deleted:
            flag = self.source.c[self.kind.deleted]
            return [flag.is_not(None), sa.cast(flag, sa.String(10)).in_(TRUE)]
        return [self.source.c[self.kind.deleted_at].is_not(None)] if self.kind.deleted_at else []


def value(raw: Any) -> Any:
    """Return a value as a parameter; without this an aware time would lose its zone on the way."""
    if isinstance(raw, datetime):
        return sa.literal(raw, sa.DateTime(timezone=raw.tzinfo is not None))
    return sa.literal(raw)


def _literally(text: str) -> str:
    """Return a statement in which no colon means a parameter."""
    return text.replace(":", r"\:")
