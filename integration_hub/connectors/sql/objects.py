"""The object types of a database connection, as its setting “objects” declares them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo

from integration_hub.connectors import declared
from integration_hub.connectors.declared import DeclarationError, Entry
from integration_hub.connectors.moments import zone_named
from integration_hub.connectors.schema import FieldSchema

MYSQL = "mysql"
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`")
_DOLLARS = re.compile(r"\$\w*\$")
_CALLED = re.compile(r"''\s*\(")
_CHANGING = re.compile(
    r"(?i)\b(into|insert|update|delete|merge|truncate|drop|alter|create|grant|revoke|copy|call|attach|pragma)\b"
)
_ACTING = re.compile(
    r"(?i)\b(load_file|load_extension|dblink\w*|lo_\w+|set_config|get_lock|query_to_xml\w*|pg_(?:read|ls|stat_file|"
    r"terminate|cancel|reload|rotate|switch|try_adv|adv|promote|create|drop|logical|replication|wal|backup|start|stop)"
    r"\w*)\s*\("
)
"""Functions that act, or read the files of a server, also in a read-only session."""
_TABLE = re.compile(r"[^\s.;'\"`()]+(\.[^\s.;'\"`()]+)?")


@dataclass(frozen=True, slots=True)
class SqlObject:
    """Rows of a table or of a query. `updated`, and what follows, name columns; "" for what there is none."""

    name: str
    label: str
    table: str = ""
    query: str = ""
    key: str = "id"
    updated: str = ""
    zone: tzinfo = UTC
    created: str = ""
    title: str = ""
    email: str = ""
    owner: str = ""
    url: str = ""
    deleted: str = ""
    """A flag: 1, true, t, y or yes."""
    deleted_at: str = ""
    fields: tuple[FieldSchema, ...] = ()

    def columns(self) -> list[str]:
        """Return the columns that every record needs."""
        found = (self.key, self.updated, self.created, self.title, self.email, self.owner, self.url)
        return list(dict.fromkeys(name for name in found if name))


def read_objects(text: str, *, by: str = "") -> Mapping[str, SqlObject]:
    """Return the object types by name. DeclarationError: what is wrong, in a sentence.

    `by` is which database system will read the queries, if that is known.
    """
    top = declared.top(text)
    return {name: _object(name, Entry(name, top.take(name)), by) for name in top.names()}


def single_select(text: str, *, by: str = "") -> str:
    """Return a query if it is one that only reads. ValueError: a sentence on what it is besides."""
    query = text.strip()
    if not re.match(r"(?i)(select|with)\b", query):
        raise ValueError("a query begins with SELECT or WITH.")
    return _reading(query, by)


def condition(text: str, *, by: str = "") -> str:
    """Return what a person typed after WHERE, if it can only be a condition. ValueError: a sentence."""
    return _reading(text.strip(), by)


def _reading(text: str, by: str) -> str:
    if any(mark in text for mark in (";", "--", "/*", "\\", "\x00")) or _DOLLARS.search(text):
        raise ValueError("write one statement, without “;”, “\\”, “$$” and comments.")
    if by == MYSQL and "#" in text:
        # The rest of its line would be a comment, and a quote in it would hide from us what follows.
        raise ValueError("leave “#” out: it begins a comment.")
    bare = _QUOTED.sub("''", text)
    if "'" in bare.replace("''", "") or '"' in bare or "`" in bare:
        raise ValueError("a quote is not closed.")
    found = _CHANGING.search(bare)
    if found:
        raise ValueError(f"the word {found[0].upper()} has no place in what only reads.")
    if _CALLED.search(bare):
        raise ValueError("write the names of functions without quotes.")
    acting = _ACTING.search(bare)
    if acting:
        raise ValueError(f"the function {acting[1].upper()} does more than read the database.")
    depth = 0
    for char in bare:
        depth += (char == "(") - (char == ")")
        if depth < 0:
            break
    if depth:
        raise ValueError("the parentheses do not match.")
    return text


def _object(name: str, entry: Entry, by: str) -> SqlObject:
    table, query = entry.text("table"), entry.text("query")
    if bool(table) == bool(query):
        raise DeclarationError(f"{name}: write either table or query.")
    if table and not _TABLE.fullmatch(table):
        raise DeclarationError(
            f"{name}: “{table}” is not the name of a table, such as customers or shop.customers."
        )
    try:
        query = single_select(query, by=by) if query else ""
        zone = zone_named(entry.text("time_zone", "UTC"))
    except ValueError as error:
        raise DeclarationError(f"{name}: {error}") from None
    found = SqlObject(
        name=name,
        label=entry.text("label", name),
        table=table,
        query=query,
        key=entry.text("key", "id"),
        updated=entry.text("updated"),
        zone=zone,
        created=entry.text("created"),
        title=entry.text("title"),
        email=entry.text("email"),
        owner=entry.text("owner"),
        url=entry.text("url"),
        deleted=entry.text("deleted"),
        deleted_at=entry.text("deleted_at"),
        fields=entry.fields("fields"),
    )
    entry.end()
    if not found.updated:
        raise DeclarationError(f"{name}: “updated” is missing, the column with the time of change.")
    return found
