"""Databases as a source: tables and queries of PostgreSQL, MySQL, MariaDB and SQLite, read and never written."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from integration_hub.connectors.contract import Keeper, Scannable, Setting
from integration_hub.connectors.declared import DeclarationError, declared, named
from integration_hub.connectors.errors import ConfigError, ConnectorError
from integration_hub.connectors.filters import Filter
from integration_hub.connectors.json_values import digest
from integration_hub.connectors.records import Check, Page, ReadRequest, Record, Scan, ScanPage
from integration_hub.connectors.schema import ObjectSchema
from integration_hub.connectors.sql import engine
from integration_hub.connectors.sql import schema as sql_schema
from integration_hub.connectors.sql.engine import POSTGRESQL, SQLITE
from integration_hub.connectors.sql.errors import translated
from integration_hub.connectors.sql.objects import MYSQL, SqlObject, condition, read_objects
from integration_hub.connectors.sql.statements import Samples, Statements, value
from integration_hub.connectors.sql.values import LONG_AGO, key_text, key_value, moment, plain, raw
from integration_hub.connectors.transport import Callout, Transport

SCOPE = "query"
FETCH_CHUNK = 500
LONGEST_ID = 64
_SERVERS = (POSTGRESQL, MYSQL)
Row = Mapping[str, Any]


def objects_problem(text: str) -> str:
    try:
        read_objects(text)
    except DeclarationError as error:
        return str(error)
    return ""


class Sql(Scannable):
    kind: ClassVar[str] = "sql"
    label: ClassVar[str] = "Database (SQL, read only)"
    settings: ClassVar[Sequence[Setting]] = (
        Setting(
            "driver",
            "Database system",
            required=True,
            choices=((POSTGRESQL, "PostgreSQL"), (MYSQL, "MySQL or MariaDB"), (SQLITE, "SQLite")),
        ),
        Setting(
            "host",
            "Server",
            help_text="Such as db.example.com.",
            only_for=("driver", _SERVERS),
            check=engine.host_problem,
        ),
        Setting(
            "port",
            "Port",
            help_text="Empty: 5432 for PostgreSQL, 3306 for MySQL.",
            only_for=("driver", _SERVERS),
            check=engine.port_problem,
        ),
        Setting(
            "database",
            "Database",
            required=True,
            help_text="Its name; for SQLite the full path of the file.",
        ),
        Setting(
            "username",
            "User name",
            help_text="Of a user who may only read what is needed here.",
            only_for=("driver", _SERVERS),
        ),
        Setting("password", "Password", secret=True, only_for=("driver", _SERVERS)),
        Setting(
            "tls",
            "Encryption",
            choices=(
                ("verify", "TLS, certificate checked"),
                ("encrypt", "TLS, any certificate"),
                ("off", "None: only within a network of your own"),
            ),
            default="verify",
            only_for=("driver", _SERVERS),
        ),
        Setting(
            "timeout",
            "Longest query (seconds)",
            help_text=f"Empty: {engine.SECONDS}.",
            check=engine.seconds_problem,
        ),
        Setting(
            "objects",
            "Objects",
            required=True,
            multiline=True,
            help_text="Which tables and queries can be read, as YAML. docs/connectors.md has the words.",
            check=objects_problem,
        ),
    )
    page_size: ClassVar[int] = 5000

    def __init__(self, config: Mapping[str, str], transport: Transport, keeper: Keeper) -> None:
        super().__init__(config, transport, keeper)
        self.clock = self.transport.clock
        self._has_text_keys = False

    @classmethod
    def missing(cls, config: Mapping[str, str], *, overridden: bool) -> list[str]:
        found = super().missing(config, overridden=overridden)
        needed = ("host", "username") if config.get("driver") in _SERVERS else ()
        return [*found, *(name for name in needed if not config.get(name))]

    def read(self, request: ReadRequest) -> Iterator[Page]:
        _refuse_filter(request.where)
        kind = self._kind(request.object_type)
        statements = Statements(kind, request.fields)
        samples = self._samples(statements)
        since, until = _ends(request, samples, kind)
        left, mark = request.limit, None
        while samples and samples.updated is not None and left != 0:
            size = request.page_size if left is None else min(left, request.page_size)
            rows = self._ask(statements.changed(since, until, mark, size), f"read {kind.name}")
            if rows:
                records = [_record(row, kind) for row in rows]
                yield Page(records, max(record.modified_at for record in records))
                mark = rows[-1][kind.updated], rows[-1][kind.key]
            left = None if left is None else left - len(rows)
            if len(rows) < size:
                return

    def fetch(self, object_type: str, ids: Sequence[str], fields: Sequence[str]) -> list[Record]:
        kind = self._kind(object_type)
        statements = Statements(kind, fields)
        samples = self._samples(statements)
        if samples is None:
            return []
        keys = [key for remote_id in dict.fromkeys(ids) if (key := _key(remote_id, samples)) is not None]
        found = []
        for start in range(0, len(keys), FETCH_CHUNK):
            part = keys[start : start + FETCH_CHUNK]
            among = statements.key.in_([value(key) for key in part])
            query = statements.rows().where(among, *statements.alive())
            found += [_record(row, kind) for row in self._ask(query, f"fetch {kind.name}")]
        return found

    def calls_to_fetch(self, count: int, fields: Sequence[str]) -> int:
        return 1 + -(-count // FETCH_CHUNK) if count else 0

    def describe(self, object_type: str) -> ObjectSchema:
        kind = self._kind(object_type)
        with self._exchange(f"describe {kind.name}"), engine.reading(self._engine) as connection:
            fields = sql_schema.fields(kind, connection)
        missing = [name for name in kind.columns() if name not in fields]
        if missing:
            raise ConfigError(
                f"{kind.table or 'The query'} has no column “{missing[0]}”.",
                code="object_type",
                remedy="Correct the objects of the connection.",
            )
        return ObjectSchema(kind.name, kind.label, fields | {one.name: one for one in kind.fields})

    def base_fields(self, schema: ObjectSchema) -> list[str]:
        return [name for name in self._kind(schema.object_type).columns() if name in schema.fields]

    def object_types(self) -> list[tuple[str, str]]:
        return [(kind.name, kind.label) for kind in self._objects.values()]

    def count(self, object_type: str, where: Filter | None) -> int:
        _refuse_filter(where)
        statements = Statements(self._kind(object_type))
        return self._number(statements.count(statements.alive()), f"count {object_type}")

    def deleted(self, object_type: str, since: datetime, until: datetime) -> list[tuple[str, datetime]]:
        kind = self._kind(object_type)
        statements = Statements(kind)
        samples = self._samples(statements) if kind.deleted or kind.deleted_at else None
        if samples is None:
            return []
        ends = (raw(end, samples.updated, kind.zone) for end in (since, until))
        rows = self._ask(statements.gone(*ends), f"deleted {kind.name}")
        column = kind.deleted_at or kind.updated
        return [(key_text(row[kind.key]), moment(row[column], kind.zone) or until) for row in rows]

    def scan(self, request: Scan) -> Iterator[ScanPage]:
        kind = self._kind(request.object_type)
        statements = Statements(kind, request.fields)
        samples = self._samples(statements)
        if samples is None:
            yield ScanPage([], 0)
            return
        conditions = _conditions(request, statements, samples, kind, self.config["driver"])
        total = self._number(statements.count(conditions), f"count {kind.name}")
        total = total if request.limit is None else min(total, request.limit)
        left, done = request.limit, False
        while not done:
            size = self.page_size if left is None else min(self.page_size, left)
            query = statements.rows().where(*conditions).order_by(statements.key).limit(size)
            rows = self._ask(query, f"scan {kind.name}")
            records = [_record(row, kind) for row in rows]
            yield ScanPage([(one.remote_id, one.modified_at, one.values) for one in records], total)
            left = None if left is None else left - len(rows)
            done = len(rows) < size or left == 0
            if rows:
                after = replace(request, after_id=records[-1].remote_id)
                conditions = _conditions(after, statements, samples, kind, self.config["driver"])

    def last_id(self, request: Scan) -> str:
        kind = self._kind(request.object_type)
        statements = Statements(kind)
        samples = self._samples(statements)
        if samples is None:
            return ""
        query = statements.last_key(_conditions(request, statements, samples, kind, self.config["driver"]))
        rows = self._ask(query, f"last {kind.name}")
        return key_text(rows[0][kind.key]) if rows else ""

    def split(self, after_id: str, up_to_id: str, parts: int) -> list[str]:
        """Cut a range of numbers evenly; how a database orders texts is its own affair, so those stay whole."""
        try:
            low, high = int(after_id or 0), int(up_to_id)
        except ValueError:
            return [up_to_id]
        if self._has_text_keys:
            return [up_to_id]
        parts = max(1, min(parts, high - low))
        return [*(str(low + (high - low) * part // parts) for part in range(1, parts)), up_to_id]

    def check(self) -> Check:
        problems = []
        try:
            kinds = self._objects
            with self._exchange("check"), engine.reading(self._engine) as connection:
                connection.execute(sa.select(sa.literal(1)))
                version = ".".join(str(part) for part in connection.dialect.server_version_info or ())
        except ConfigError as error:
            return Check(ok=False, summary=error.message, problems=[error.remedy] if error.remedy else [])
        for kind in kinds.values():
            try:
                self._ask(Statements(kind).changed(None, None, None, 1), "check")
            except ConfigError as error:
                problems.append(f"{kind.name}: {error.message}")
        label = dict(type(self).settings[0].choices)[self.config["driver"]]
        facts = {"Database": engine.shown_address(self.config), "Version": version}
        facts["Objects"] = ", ".join(kinds)
        return Check(ok=not problems, summary=f"Connected to {label}.", facts=facts, problems=problems)

    def _samples(self, statements: Statements) -> Samples | None:
        """Return a key and, if any row has one, a time of change; None: there is no row."""
        rows = self._ask(statements.sample(with_time=True), "look at columns")
        rows = rows or self._ask(statements.sample(with_time=False), "look at columns")
        if not rows:
            return None
        kind = statements.kind
        found = Samples(rows[0][kind.key], rows[0][kind.updated])
        self._has_text_keys = not isinstance(found.key, int | Decimal)
        return found

    def _number(self, query: sa.Select[Any], purpose: str) -> int:
        return int(next(iter(self._ask(query, purpose)[0].values())))

    def _ask(self, query: sa.Select[Any], purpose: str) -> list[Row]:
        with self._exchange(purpose), engine.reading(self._engine) as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    @contextmanager
    def _exchange(self, purpose: str) -> Iterator[None]:
        """Limit, observe and translate one question."""
        self.transport.limiter.acquire(SCOPE)
        at, started, code = self.transport.clock(), time.monotonic(), "error"
        try:
            yield
            code = ""
        except (SQLAlchemyError, OSError, ValueError, ArithmeticError, RuntimeError) as failure:
            error = translated(failure)
            code = error.code
            error.message = self.transport.redact(error.message)
            error.args = (error.message,)
            # What came before holds the statement, its parameters and the address with its password.
            raise error from None
        except ConnectorError as error:
            code = error.code
            raise
        finally:
            seconds = time.monotonic() - started
            url = engine.shown_address(self.config)
            self.transport.record(Callout("SQL", url, None, seconds, at, 0, 0, code, purpose))

    def _kind(self, object_type: str) -> SqlObject:
        return named(self._objects, object_type)

    @cached_property
    def _objects(self) -> Mapping[str, SqlObject]:
        driver = self.config.get("driver", "")
        return declared(lambda text: read_objects(text, by=driver), self.config.get("objects", ""))

    @cached_property
    def _engine(self) -> sa.Engine:
        return engine.make_engine(self.config)


def _record(row: Row, kind: SqlObject) -> Record:
    remote_id = key_text(row[kind.key])
    if row[kind.key] is None or not remote_id or len(remote_id) > LONGEST_ID:
        raise ConfigError(
            f"Rows of {kind.name} have no key in “{kind.key}”, or one longer than {LONGEST_ID} characters.",
            code="query",
            remedy="Name a column with a short unique key in the objects of the connection.",
        )
    values = {name: plain(found, kind.zone) for name, found in row.items()}
    for one in kind.fields:
        values[one.name] = _as_declared(one.type.value, values.get(one.name))
    modified = moment(row[kind.updated], kind.zone)
    return Record(
        remote_id=remote_id,
        values=values,
        version=f"{str(row[kind.updated])[:40]}~{digest(values)}",
        modified_at=modified or LONG_AGO,
        created_at=moment(row[kind.created], kind.zone) if kind.created else None,
        title=_text(row, kind.title)[:200],
        email=_text(row, kind.email),
        owner_id=_text(row, kind.owner),
        url=_text(row, kind.url),
    )


def _text(row: Row, name: str) -> str:
    found = row[name] if name else None
    return "" if found is None else str(found).strip()


def _as_declared(kind: str, found: Any) -> Any:
    """Return 0 and 1 as what they are where a truth value was declared: MySQL and SQLite have no other."""
    return bool(found) if kind == "boolean" and isinstance(found, int) else found


def _key(remote_id: str, samples: Samples) -> Any:
    try:
        return key_value(remote_id, samples.key)
    except ValueError:
        return None


def _ends(request: ReadRequest | Scan, samples: Samples | None, kind: SqlObject) -> tuple[Any, Any]:
    sample = samples.updated if samples else None
    since, until = request.since, request.until
    return (
        raw(since, sample, kind.zone) if since else None,
        raw(until, sample, kind.zone) if until else None,
    )


def _conditions(
    request: Scan, statements: Statements, samples: Samples, kind: SqlObject, driver: str
) -> list[Any]:
    try:
        after, up_to = (
            key_value(end, samples.key) if end else None for end in (request.after_id, request.up_to_id)
        )
        where = condition(request.condition, by=driver)
    except ValueError as error:
        raise ConfigError(f"The condition is refused: {error}", code="query") from None
    return statements.within(where, *_ends(request, samples, kind), after, up_to)


def _refuse_filter(where: Filter | None) -> None:
    if where is not None:
        raise ConfigError("Criteria are judged in the hub, not by the database.", code="query")
