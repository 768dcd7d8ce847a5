"""Opening a database to read from, and nothing else: the address, encryption, read-only sessions, time limits."""

from __future__ import annotations

import os
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from integration_hub.connectors.errors import ConfigError
from integration_hub.connectors.sql.objects import MYSQL

POSTGRESQL, SQLITE = "postgresql", "sqlite"
DRIVERS = {POSTGRESQL: "postgresql+psycopg", MYSQL: "mysql+pymysql", SQLITE: "sqlite+pysqlite"}
CONNECT_SECONDS = 5
SECONDS = 30
LONGEST_SECONDS = 45
"""Shorter than a task's life."""
STEPS = 20_000
"""Instructions of SQLite between two looks at the clock."""
_MAGIC = b"SQLite format 3\x00"
OWN_TABLE = "syncs_connection"
"""Stands in the hub's own database, and in copies of it."""
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9A-Fa-f:.]+")
_TLS = {"verify": "verify-full", "encrypt": "require", "off": "disable"}


def seconds_of(config: Mapping[str, str]) -> int:
    text = config.get("timeout", "").strip()
    return int(text) if text and not seconds_problem(text) else SECONDS


def seconds_problem(text: str) -> str:
    fine = text.isascii() and text.isdecimal() and 1 <= int(text) <= LONGEST_SECONDS
    return "" if fine else f"Enter whole seconds from 1 to {LONGEST_SECONDS}."


def port_problem(text: str) -> str:
    fine = text.isascii() and text.isdecimal() and 0 < int(text) < 65536
    return "" if fine else "Enter a number from 1 to 65535."


def host_problem(text: str) -> str:
    """A path would be a local socket, where neither password nor certificate counts; a list has several servers."""
    fine = _HOST.fullmatch(text)
    return "" if fine else "Enter the name or address of one server, such as db.example.com."


def trusted_authorities() -> str:
    """Return the file with the certificates of the authorities that count.

    The drivers bring libraries of their own, whose idea of where the machine keeps them may be wrong.
    """
    candidates = (os.environ.get("REQUESTS_CA_BUNDLE"), ssl.get_default_verify_paths().cafile)
    return next((path for path in candidates if path and Path(path).is_file()), DEFAULT_CA_BUNDLE_PATH)


def make_engine(config: Mapping[str, str]) -> Engine:
    """Return an engine whose sessions can only read. ConfigError: the settings name no database."""
    kind = config.get("driver", "")
    if kind not in DRIVERS:
        raise ConfigError("The kind of database is not set.", remedy="Choose it in the connection.")
    if kind == SQLITE:
        return _sqlite(config)
    arguments = _postgresql(config) if kind == POSTGRESQL else _mysql(config)
    engine = create_engine(
        _url(kind, config), poolclass=NullPool, connect_args=arguments, hide_parameters=True
    )
    if kind == MYSQL:
        event.listen(engine, "connect", lambda connection, _: _limit_mysql(connection, seconds_of(config)))
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection in a transaction that is read-only whatever the session was told."""
    with engine.connect() as connection:
        if engine.dialect.name == POSTGRESQL:
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        elif engine.dialect.name == SQLITE:
            _refuse_own_database(connection)
        yield connection
        connection.rollback()


def shown_address(config: Mapping[str, str]) -> str:
    """Return where it is, without who enters."""
    where = config.get("host", "") if config.get("driver") != SQLITE else ""
    return f"{config.get('driver', 'sql')}://{where}/{config.get('database', '').strip().lstrip('/')}"


def _url(kind: str, config: Mapping[str, str]) -> URL:
    host, port = config.get("host", "").strip(), config.get("port", "").strip()
    if not host or not config.get("database", "").strip():
        raise ConfigError("Server and database are needed.", remedy="Fill both fields in the connection.")
    if host_problem(host):
        raise ConfigError(f"“{host}” is not a server.", remedy=host_problem(host))
    if port and port_problem(port):
        raise ConfigError(f"“{port}” is not a port.", remedy="Enter a number from 1 to 65535, or nothing.")
    return URL.create(
        DRIVERS[kind],
        username=config.get("username", "") or None,
        password=config.get("password", "") or None,
        host=host,
        port=int(port) if port else None,
        database=config["database"].strip(),
    )


def _postgresql(config: Mapping[str, str]) -> dict[str, Any]:
    mode = _TLS.get(config.get("tls", ""), "verify-full")
    limit = seconds_of(config) * 1000
    found = {
        "connect_timeout": CONNECT_SECONDS,
        "sslmode": mode,
        "application_name": "integration-hub",
        "options": f"-c default_transaction_read_only=on -c statement_timeout={limit} -c TimeZone=UTC",
    }
    return {**found, "sslrootcert": trusted_authorities()} if mode == "verify-full" else found


def _mysql(config: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": seconds_of(config) + 5,
        "charset": "utf8mb4",
        "local_infile": False,
    }
    tls = config.get("tls", "") or "verify"
    if tls == "off":
        return {**found, "ssl_disabled": True}
    context = ssl.create_default_context(cafile=trusted_authorities())
    if tls == "encrypt":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return {**found, "ssl": context}


def _limit_mysql(connection: Any, seconds: int) -> None:
    """MariaDB counts in seconds, MySQL in milliseconds, and under other names."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        is_mariadb = "mariadb" in str(cursor.fetchone()[0]).lower()
        limit = f"max_statement_time={seconds}" if is_mariadb else f"max_execution_time={seconds * 1000}"
        cursor.execute(f"SET SESSION {limit}, time_zone='+00:00'")
        cursor.execute("SET SESSION TRANSACTION READ ONLY")
    connection.commit()


def _sqlite(config: Mapping[str, str]) -> Engine:
    path = Path(config.get("database", "").strip())
    try:
        with path.open("rb") as file:
            is_database = file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        is_database = False
    if not path.is_absolute() or not is_database:
        raise ConfigError(
            "There is no SQLite database at that path.",
            code="database",
            remedy="Enter the full path of an existing file that the hub's user may read.",
        )
    engine = create_engine(
        f"sqlite+pysqlite:///{path.as_uri()}?mode=ro&uri=true", poolclass=NullPool, hide_parameters=True
    )
    event.listen(engine, "connect", lambda connection, _: _limit_sqlite(connection, seconds_of(config)))
    return engine


def _refuse_own_database(connection: Connection) -> None:
    """Who may enter a connection must not see the sessions and password hashes of everybody thereby."""
    found = connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = ?", (OWN_TABLE,)).first()
    if found:
        raise ConfigError(
            "That is a database of the hub itself.",
            code="database",
            remedy="Enter the path of another; the hub's own is not read from.",
        )


def _limit_sqlite(connection: Any, seconds: int) -> None:
    end = time.monotonic() + seconds
    connection.execute("PRAGMA query_only = ON")
    connection.set_progress_handler(lambda: time.monotonic() > end, STEPS)
