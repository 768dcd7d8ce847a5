"""A parsed query run against the org: which rows, in which order, shown how."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from integration_hub.simulator.salesforce.operands import Today
from integration_hub.simulator.salesforce.org import Org
from integration_hub.simulator.salesforce.schema import Field, Getter, ObjectType, Row
from integration_hub.simulator.salesforce.soql import Order, Path, Query, SoqlError, parse
from integration_hub.simulator.salesforce.standard import OWNER_TYPE
from integration_hub.simulator.salesforce.where import HIGHEST, LOWEST, Predicate, compile_where

OFFSET_LIMIT = 2_000
ADVICE = (
    "If you are attempting to use a custom {0}, be sure to append the '__{1}' after the custom {0} name. "
    "Please reference your WSDL or the describe call for the appropriate names."
)
EVERY_ROW = Predicate(lambda row: True)


@dataclass(frozen=True, slots=True)
class Result:
    """What a query found: the rows as they were then, and how to show one."""

    total: int
    rows: Sequence[Row]
    show: Callable[[Row], dict[str, Any]]


def run(org: Org, soql: str, base: str, *, with_deleted: bool = False) -> Result:
    """Answer `soql`; `base` is the path of the API version, for the addresses of records."""
    query = parse(soql)
    view = View(org, _object_type(org, query), base)
    show = view.shape(query.fields)
    today = Today(org.clock(), org.zone)
    predicate = compile_where(query.where, view.bind, today) if query.where else EVERY_ROW
    if query.offset > OFFSET_LIMIT:
        raise SoqlError("NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000")
    rows = _rows(org, view, query, predicate, with_deleted=with_deleted)
    if not query.fields:
        return Result(sum(1 for _ in rows), (), show)
    found = list(rows)
    return Result(len(found), found, show)


def _object_type(org: Org, query: Query) -> ObjectType:
    found = org.schema.get(query.object_type)
    if found is None or not found.prefix:
        advice = ADVICE.format("object", "c").replace("custom object name", "entity name")
        told = f"sObject type '{query.object_type}' is not supported. {advice}"
        raise SoqlError("INVALID_TYPE", told, query.at)
    return found


def _rows(org: Org, view: View, query: Query, predicate: Predicate, *, with_deleted: bool) -> Iterable[Row]:
    org.settle()
    order_keys = [(view.sort_key(order), order.descending) for order in query.orders]
    candidates, ordered = _candidates(org, view, query.orders, predicate)
    rows: Iterable[Row] = candidates if predicate is EVERY_ROW else filter(predicate.test, candidates)
    if not with_deleted and org.tables[view.object_type.name].deleted:
        rows = (row for row in rows if not row.get("IsDeleted"))
    if not ordered:
        rows = list(rows)
        for key, descending in reversed(order_keys):
            rows.sort(key=key, reverse=descending)
    if query.limit is None and not query.offset:
        return rows
    return itertools.islice(rows, query.offset, None if query.limit is None else query.offset + query.limit)


def _candidates(
    org: Org, view: View, orders: Sequence[Order], predicate: Predicate
) -> tuple[Iterator[Row], bool]:
    """Return the rows that may pass, from the narrowest index, and whether their order is the wanted one."""
    table = org.tables[view.object_type.name]
    if predicate.ids is not None:
        found = (table.rows.get(record_id) for record_id in sorted(predicate.ids))
        return (row for row in found if row is not None), not orders
    wanted = [str(order.path).lower() for order in orders if not order.descending]
    by_stamp = table.by_stamp, predicate.spans.get("SystemModstamp", (LOWEST, HIGHEST))
    by_id = table.by_id, predicate.spans.get("Id", (LOWEST, HIGHEST))
    ascending = len(wanted) == len(orders)
    if ascending and wanted in (["systemmodstamp"], ["systemmodstamp", "id"]):
        scan, span = by_stamp
        return scan(*span), True
    scan, span = by_stamp if "SystemModstamp" in predicate.spans and wanted != ["id"] else by_id
    return scan(*span), not orders or (ascending and wanted == ["id"])


class View:
    """One object type as a query sees it: its own fields and those of its parents."""

    def __init__(self, org: Org, object_type: ObjectType, base: str) -> None:
        self.org = org
        self.object_type = object_type
        self.base = base

    def bind(self, path: Path) -> tuple[Field, Getter]:
        """Return the field at the end of `path` and the function that reads it from a row."""
        object_type, hops = self.object_type, []
        parts = path.parts
        if len(parts) > 1 and parts[0].lower() == object_type.name.lower():
            parts = parts[1:]
        for name in parts[:-1]:
            link = self.link(object_type, name, path.at)
            hops.append(link.getter())
            object_type = self.target(link)
        item = object_type.fields.get(parts[-1].lower())
        if item is None:
            advice = ADVICE.format("field", "c")
            told = f"No such column '{parts[-1]}' on entity '{object_type.name}'. {advice}"
            raise SoqlError("INVALID_FIELD", told, path.at)
        return item, self._through(hops, item.getter()) if hops else item.getter()

    def link(self, object_type: ObjectType, name: str, at: int) -> Field:
        link = object_type.relationships.get(name.lower())
        if link is None:
            advice = ADVICE.format("relationship", "r")
            raise SoqlError(
                "INVALID_FIELD", f"Didn't understand relationship '{name}' in field path. {advice}", at
            )
        return link

    def target(self, link: Field) -> ObjectType:
        return self.org.schema[OWNER_TYPE if link.polymorphic else link.reference_to[0]]

    def _through(self, hops: Sequence[Getter], get: Getter) -> Getter:
        find = self.org.row

        def read(row: Row) -> Any:
            parent: Row | None = row
            for hop in hops:
                parent = find(hop(parent)) if parent is not None else None
            return get(parent) if parent is not None else None

        return read

    def sort_key(self, order: Order) -> Callable[[Row], tuple[bool, Any]]:
        """Return the key that puts rows in this order when sorted, reversed if it is descending."""
        item, get = self.bind(order.path)
        if not item.filterable:
            told = f"field '{item.name}' can not be sorted in a query call"
            raise SoqlError("INVALID_FIELD", told, order.path.at)
        nulls_high = order.nulls_first == order.descending

        def key(row: Row) -> tuple[bool, Any]:
            value = get(row)
            if value is None:
                return nulls_high, ""
            return not nulls_high, value.casefold() if isinstance(value, str) and item.type != "id" else value

        return key

    def shape(self, paths: Sequence[Path]) -> Callable[[Row], dict[str, Any]]:
        """Return the function that shows a row with the wanted fields, as the REST API nests them."""
        seen = set()
        for path in paths:
            if str(path).lower() in seen:
                raise SoqlError("INVALID_FIELD", f"duplicate field selected: {path}", path.at)
            seen.add(str(path).lower())
        return self._shape(self.object_type, [(path.parts, path) for path in paths])

    def _shape(
        self, object_type: ObjectType, wanted: list[tuple[tuple[str, ...], Path]]
    ) -> Callable[[Row], dict[str, Any]]:
        columns: list[tuple[str, Getter]] = []
        parents: dict[str, list[tuple[tuple[str, ...], Path]]] = {}
        for parts, path in wanted:
            rest = parts[1:] if len(parts) > 1 and parts[0].lower() == object_type.name.lower() else parts
            if len(rest) == 1:
                item, get = View(self.org, object_type, self.base).bind(Path(rest, path.at))
                columns.append((item.name, get))
            else:
                parents.setdefault(rest[0].lower(), []).append((rest[1:], path))
        for below in parents.values():
            rest, path = below[0]
            link = self.link(object_type, path.parts[-len(rest) - 1], path.at)
            columns.append((link.relationship, self._parent(link, self._shape(self.target(link), below))))
        return self._showing(columns)

    def _parent(self, link: Field, show: Callable[[Row], dict[str, Any]]) -> Getter:
        read, find = link.getter(), self.org.row

        def parent(row: Row) -> dict[str, Any] | None:
            found = find(read(row))
            return show(found) if found is not None else None

        return parent

    def _showing(self, columns: list[tuple[str, Getter]]) -> Callable[[Row], dict[str, Any]]:
        types, base = self.org.schema.by_prefix(), f"{self.base}/sobjects/"

        def show(row: Row) -> dict[str, Any]:
            name = types[row["Id"][:3]]
            shown: dict[str, Any] = {"attributes": {"type": name, "url": f"{base}{name}/{row['Id']}"}}
            for column, get in columns:
                shown[column] = get(row)
            return shown

        return show
