"""The object types of an http_json connection, as its setting “objects” declares them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from integration_hub.connectors import declared
from integration_hub.connectors.declared import DeclarationError, Entry
from integration_hub.connectors.http_json.requests import safe_path
from integration_hub.connectors.schema import FieldSchema

CURSOR, PAGE, OFFSET, LINK, NONE = "cursor", "page", "offset", "link", "none"
NUMBERED = frozenset({PAGE, OFFSET})
"""Pages are counted, and shift while records change."""
ISO, SECONDS, MILLISECONDS = "iso", "unix", "unix_ms"
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_CALL = re.compile(r"([A-Z]+)\s+(/\S*)")


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of request; `path` may hold {id} or {value}."""

    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Listing:
    """How many records are asked for. `is_sorted`: the API lists the oldest change first.

    `by_id` are the parameters that let it list by id instead, and `total` is where an answer says how many there are.
    """

    path: str
    records: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    since: str = ""
    until: str = ""
    time_format: str = ISO
    paging: str = NONE
    cursor: str = ""
    parameter: str = ""
    """Of the page number, the offset or the cursor; of a cursor that is an address itself there is none."""
    first_page: int = 1
    size_parameter: str = ""
    size: int = 100
    is_sorted: bool = False
    by_id: tuple[tuple[str, str], ...] = ()
    total: str = ""


@dataclass(frozen=True, slots=True)
class Several:
    """How several records are fetched by one request: the path holds {ids}."""

    path: str
    records: str = ""
    most: int = 50


@dataclass(frozen=True, slots=True)
class Lookup:
    """How a record is found by a value of it."""

    field: str
    path: str
    records: str = ""


@dataclass(frozen=True, slots=True)
class Deletions:
    """Where deleted records are listed: their ids and when."""

    listing: Listing
    id: str
    at: str


@dataclass(frozen=True, slots=True)
class Paths:
    """Where a record has what every record has: dotted paths, "" for what it has not."""

    id: str = "id"
    modified: str = ""
    created: str = ""
    title: str = ""
    email: str = ""
    owner: str = ""
    url: str = ""

    def all(self) -> list[str]:
        found = (self.id, self.modified, self.created, self.title, self.email, self.owner, self.url)
        return list(dict.fromkeys(path for path in found if path))


@dataclass(frozen=True, slots=True)
class ObjectType:
    name: str
    label: str
    paths: Paths
    record: str = ""
    """Where the record is in an answer about one."""
    listing: Listing | None = None
    get: Call | None = None
    get_several: Several | None = None
    create: Call | None = None
    update: Call | None = None
    delete: Call | None = None
    lookup: Lookup | None = None
    deletions: Deletions | None = None
    fields: tuple[FieldSchema, ...] = ()


def read_objects(text: str) -> Mapping[str, ObjectType]:
    """Return the object types by name. DeclarationError: what is wrong, in a sentence."""
    top = declared.top(text)
    return {name: _object_type(name, Entry(name, top.take(name))) for name in top.names()}


def _object_type(name: str, entry: Entry) -> ObjectType:
    lists = entry.entry("list")
    found = ObjectType(
        name=name,
        label=entry.text("label", name),
        paths=_paths(entry),
        record=entry.text("record"),
        listing=_listing(lists) if lists else None,
        get=_call(entry, "get", "GET", "{id}"),
        get_several=_several(entry.entry("get_several")),
        create=_call(entry, "create", "POST"),
        update=_call(entry, "update", "PATCH", "{id}"),
        delete=_call(entry, "delete", "DELETE", "{id}"),
        lookup=_lookup(entry.entry("match")),
        deletions=_deletions(entry.entry("deleted")),
        fields=entry.fields("fields"),
    )
    entry.end()
    if lists:
        lists.end()
    if not (found.listing or found.create or found.update):
        raise DeclarationError(f"{name}: it needs at least one of list, create and update.")
    if found.listing and found.listing.is_sorted and not found.paths.modified:
        raise DeclarationError(f"{name}: a sorted list needs “modified”, the path of the time of change.")
    return found


def _paths(entry: Entry) -> Paths:
    return Paths(
        entry.text("id", "id"), entry.text("modified"), entry.text("created"), entry.text("title"),
        entry.text("email"), entry.text("owner"), entry.text("url"),
    )  # fmt: skip


def _listing(entry: Entry) -> Listing:
    paging = entry.choice("paging", {CURSOR, PAGE, OFFSET, LINK, NONE}, NONE)
    found = Listing(
        path=_checked(entry, entry.text("path", required=True)),
        records=entry.text("records"),
        parameters=tuple(entry.texts("parameters").items()),
        since=entry.text("since"),
        until=entry.text("until"),
        time_format=entry.choice("time_format", {ISO, SECONDS, MILLISECONDS}, ISO),
        paging=paging,
        cursor=entry.text("cursor", required=paging == CURSOR),
        parameter=_parameter(entry, paging),
        first_page=entry.number("first_page", 1, least=0, most=1),
        size_parameter=entry.text("size_parameter"),
        size=entry.number("size", 100, least=1, most=10_000),
        is_sorted=entry.flag("sorted"),
        by_id=tuple(entry.texts("by_id").items()),
        total=entry.text("total"),
    )
    if paging in NUMBERED and found.is_sorted and not found.since:
        raise DeclarationError(
            f"{entry.where}: a sorted list with numbered pages needs since: they shift while records change."
        )
    return found


def _parameter(entry: Entry, paging: str) -> str:
    found = {CURSOR: entry.text("cursor_parameter")}
    for counted in (PAGE, OFFSET):
        found[counted] = entry.text(f"{counted}_parameter", required=paging == counted)
    return found.get(paging, "")


def _call(entry: Entry, name: str, method: str, needed: str = "") -> Call | None:
    """Return `POST /customers`, or a path alone with the usual method."""
    text = entry.text(name)
    if not text:
        return None
    parts = _CALL.fullmatch(text)
    call = Call(parts[1], parts[2]) if parts else Call(method, text)
    if call.method not in _METHODS:
        raise DeclarationError(f"{entry.where}: {name} begins with one of {', '.join(sorted(_METHODS))}.")
    if needed and needed not in call.path:
        raise DeclarationError(f"{entry.where}: the path of {name} must hold {needed}.")
    _checked(entry, call.path)
    return call


def _several(entry: Entry | None) -> Several | None:
    if entry is None:
        return None
    found = Several(
        entry.text("path", required=True),
        entry.text("records"),
        entry.number("most", 50, least=1, most=1_000),
    )
    entry.end()
    _checked(entry, found.path)
    if "{ids}" not in found.path:
        raise DeclarationError(f"{entry.where}: the path must hold {{ids}}.")
    return found


def _lookup(entry: Entry | None) -> Lookup | None:
    if entry is None:
        return None
    found = Lookup(
        entry.text("field", required=True), entry.text("path", required=True), entry.text("records")
    )
    entry.end()
    _checked(entry, found.path)
    if "{value}" not in found.path:
        raise DeclarationError(f"{entry.where}: the path must hold {{value}}.")
    return found


def _deletions(entry: Entry | None) -> Deletions | None:
    if entry is None:
        return None
    found = Deletions(_listing(entry), entry.text("id", "id"), entry.text("at", required=True))
    entry.end()
    return found


def _checked(entry: Entry, path: str) -> str:
    try:
        return safe_path(path)
    except ValueError as error:
        raise DeclarationError(f"{entry.where}: {error}") from None
