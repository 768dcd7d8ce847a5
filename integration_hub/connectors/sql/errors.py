"""What a database says when it refuses, in our words: never its statement, its parameters or its address."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import exc

from integration_hub.connectors.errors import AuthError, ConfigError, ConnectorError, RetryableError

_LOGIN = re.compile(
    r"(?i)password authentication failed|no password supplied|role .* does not exist|access denied for user"
    r"|no pg_hba\.conf entry|authentication method"
)
_NO_DATABASE = re.compile(r"(?i)database .* does not exist|unknown database")
_TLS = re.compile(r"(?i)\bssl\b|certificate|\btls\b")
_BROKEN = re.compile(
    r"(?i)syscall error|eof detected|unexpected eof|closed unexpectedly|connection reset|timed? ?out"
)
"""An encrypted connection breaks off like any other: that is no matter of its certificate."""
_NO_TLS = re.compile(r"(?i)does not support ssl|server doesn't support it")
_OTHER_NAME = re.compile(r"(?i)does not match host name|hostname mismatch|ip address mismatch")
_UNTRUSTED = re.compile(r"(?i)certificate verify failed|self.signed|unable to get")
_QUERY = re.compile(
    r"(?i)no such (table|column|function)|syntax error|unrecognized token|ambiguous column|readonly database"
    r"|not a database|unable to open|does not exist|has no column|not authorized|incomplete input"
)
_SLOW = re.compile(r"(?i)interrupted|statement timeout|max_statement_time|maximum statement execution")
_SLOW_CODES = frozenset({"57014", "1969", "3024", "1317"})
_LOGIN_CODES = frozenset({"28P01", "28000", "1045", "1698", "1044"})
_NO_DATABASE_CODES = frozenset({"3D000", "1049"})
_QUERY_CLASSES = ("42", "22", "25", "0A")
_QUERY_CODES = frozenset(
    {"1054", "1064", "1146", "1142", "1143", "1052", "1305", "1370", "1792", "1267", "1292"}
)
LONGEST_SAID = 2_000
REMEDY = "Correct the objects of the connection, or let the database's user read what they name."


def translated(failure: Exception) -> ConnectorError:
    """Return the error for a failed exchange with a database."""
    if isinstance(failure, exc.NoSuchTableError):
        return ConfigError(f"There is no table “{failure}”.", code="object_type", remedy=REMEDY)
    original = getattr(failure, "orig", None) or failure
    code, said = _code(original), _said(original)
    if code in _LOGIN_CODES or _LOGIN.search(said):
        return AuthError(
            "The database refused the login.",
            remedy="Check user name, password and where from it may log in.",
        )
    if code in _NO_DATABASE_CODES or _NO_DATABASE.search(said):
        return ConfigError(
            "There is no such database.", code="database", remedy="Check the field “Database”."
        )
    if code in _SLOW_CODES or _SLOW.search(said):
        remedy = "Let the database index the column with the time of change, or simplify the query."
        return RetryableError(
            "The query took longer than the connection allows.", code="timeout", remedy=remedy
        )
    if code in _QUERY_CODES or (len(code) == 5 and code.startswith(_QUERY_CLASSES)) or _QUERY.search(said):
        return ConfigError(
            f"The database refused the query: {_first_line(said)}", code="query", remedy=REMEDY
        )
    if _TLS.search(said) and not _BROKEN.search(said):
        return _tls_error(said)
    if isinstance(failure, exc.DBAPIError | OSError):
        return RetryableError(
            f"The database cannot be reached or broke off{f' ({code})' if code else ''}.",
            code="connect",
            remedy="If it lasts, check server, port and firewall.",
        )
    kind = type(failure).__name__
    return ConfigError(f"The database cannot be asked: {kind}.", code="query", remedy=REMEDY)


def _tls_error(said: str) -> ConfigError:
    if _NO_TLS.search(said):
        words, remedy = "The server does not encrypt.", "Let it offer TLS, or choose another encryption."
    elif _OTHER_NAME.search(said):
        words = "The certificate of the server is for another name."
        remedy = "Enter the server's name as its certificate has it."
    elif _UNTRUSTED.search(said):
        words = "The certificate of the server is not trusted."
        remedy = "Let REQUESTS_CA_BUNDLE name a file with the certificate of its authority."
    else:
        words, remedy = "The encrypted connection failed.", "Check the server's certificate and its TLS."
    return ConfigError(words, code="tls", remedy=remedy)


def _code(original: Any) -> str:
    """Return PostgreSQL's SQLSTATE or MySQL's number."""
    state = getattr(original, "sqlstate", None)
    if state:
        return str(state)
    first = original.args[0] if getattr(original, "args", ()) else ""
    return str(first) if isinstance(first, int) else ""


def _said(original: Any) -> str:
    """Return what the database said; several attempts to connect are several lines."""
    diagnosis = getattr(original, "diag", None)
    primary = getattr(diagnosis, "message_primary", None)
    arguments: tuple[Any, ...] = tuple(getattr(original, "args", ()))
    second = arguments[1] if len(arguments) > 1 and isinstance(arguments[1], str) else ""
    return str(primary or second or original).strip()[:LONGEST_SAID]


def _first_line(text: str) -> str:
    """Return the beginning: what follows repeats the statement."""
    return text.partition("\n")[0][:300]
