"""Customers and orders: what they must look like, and what was changed when."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from integration_hub.simulator.world import Clock

Row = dict[str, Any]
CUSTOMER, ORDER = "customer", "order"
COLLECTIONS = {"customers": CUSTOMER, "orders": ORDER}
STATES = ("accepted", "shipped", "cancelled")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_CUSTOMER_TEXTS = ("email", "name", "company", "phone", "city", "external_id")
_ORDER_TEXTS = ("customer_id", "currency", "state", "external_id")


class ShopError(Exception):
    """A refusal, with the status it has over HTTP and what the answer says besides."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": code, "message": message, **more}}


@dataclass(slots=True)
class Shop:
    """`on_change` is told of each change: what happened, the record's kind, the record as it is then."""

    clock: Clock
    on_change: Callable[[str, str, Row], None] = lambda what, kind, row: None
    rows: dict[str, dict[str, Row]] = field(default_factory=lambda: {CUSTOMER: {}, ORDER: {}})
    deleted: dict[str, dict[str, datetime]] = field(default_factory=lambda: {CUSTOMER: {}, ORDER: {}})
    _customer_ids: Iterator[int] = field(default_factory=lambda: itertools.count(1001))
    _order_ids: Iterator[int] = field(default_factory=lambda: itertools.count(5001))

    def create(self, kind: str, given: Mapping[str, Any], changed_by: str) -> Row:
        values = self._checked(kind, given, None)
        number = next(self._customer_ids if kind == CUSTOMER else self._order_ids)
        now = shown(self.clock())
        row = {
            "id": f"{kind[:3]}_{number}",
            **_empty(kind),
            **values,
            "version": 1,
            "changed_by": changed_by,
            "created_at": now,
            "updated_at": now,
        }
        self.rows[kind][row["id"]] = row
        self.on_change("created" if kind == CUSTOMER else "accepted", kind, row)
        return dict(row)

    def update(
        self, kind: str, row_id: str, given: Mapping[str, Any], changed_by: str, version: int | None = None
    ) -> Row:
        """Change what is given. `version`: only if it is still the present one."""
        row = self.get(kind, row_id)
        if version is not None and version != row["version"]:
            raise ShopError(412, "changed_meanwhile", f"The {kind} is at version {row['version']}.")
        values = self._checked(kind, given, row)
        was = row.get("state")
        row |= values
        row |= {"version": row["version"] + 1, "changed_by": changed_by, "updated_at": shown(self.clock())}
        self.rows[kind][row_id] = row
        cancelled = row.get("state") == "cancelled" and was != "cancelled"
        self.on_change("cancelled" if cancelled else "updated", kind, row)
        return dict(row)

    def delete(self, kind: str, row_id: str) -> None:
        row = self.get(kind, row_id)
        del self.rows[kind][row_id]
        self.deleted[kind][row_id] = self.clock()
        self.on_change("deleted", kind, row)

    def get(self, kind: str, row_id: str) -> Row:
        try:
            return dict(self.rows[kind][row_id])
        except KeyError:
            raise ShopError(404, "not_found", f"There is no {kind} {row_id}.") from None

    def _checked(self, kind: str, given: Mapping[str, Any], row: Row | None) -> Row:
        """Return the values to store, normalized; ShopError names every field that is wrong."""
        if not isinstance(given, Mapping):
            raise ShopError(400, "not_an_object", "The body must be a JSON object.")
        faults = dict(_faults(kind, given, is_new=row is None))
        values = {name: value for name, value in given.items() if name in _empty(kind)}
        if kind == CUSTOMER and not faults:
            self._check_duplicate(values, row)
        if kind == ORDER and values.get("customer_id") and values["customer_id"] not in self.rows[CUSTOMER]:
            faults["customer_id"] = "names no customer"
        if faults:
            listed = ", ".join(f"{name} {fault}" for name, fault in faults.items())
            raise ShopError(422, "invalid", f"The {kind} is not valid: {listed}.", fields=faults)
        if "lines" in values:
            values["total"] = float(sum(_amount(line) for line in values["lines"]))
        return values

    def _check_duplicate(self, values: Row, row: Row | None) -> None:
        email = str(values.get("email") or "").casefold()
        for other in self.rows[CUSTOMER].values():
            is_same = row is not None and other["id"] == row["id"]
            if email and not is_same and str(other["email"]).casefold() == email:
                raise ShopError(409, "duplicate_email", "A customer has this e-mail.", id=other["id"])


def shown(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _empty(kind: str) -> Row:
    if kind == CUSTOMER:
        return {**dict.fromkeys(_CUSTOMER_TEXTS, ""), "newsletter": False}
    return {
        **dict.fromkeys(_ORDER_TEXTS, ""),
        "currency": "EUR",
        "state": STATES[0],
        "lines": [],
        "total": 0.0,
    }


def _faults(kind: str, given: Mapping[str, Any], *, is_new: bool) -> Iterator[tuple[str, str]]:
    texts = _CUSTOMER_TEXTS if kind == CUSTOMER else _ORDER_TEXTS
    for name in texts:
        if name in given and not isinstance(given[name], str):
            yield name, "must be a text"
    needed = "email" if kind == CUSTOMER else "customer_id"
    if (is_new or needed in given) and not given.get(needed):
        yield needed, "is missing"
    elif kind == CUSTOMER and given.get("email") and not _EMAIL.fullmatch(str(given["email"])):
        yield "email", "is not an e-mail address"
    if "newsletter" in given and not isinstance(given["newsletter"], bool):
        yield "newsletter", "must be true or false"
    if kind == ORDER and given.get("state", STATES[0]) not in STATES:
        yield "state", f"must be one of {', '.join(STATES)}"
    lines = given.get("lines", [])
    if kind == ORDER and not (isinstance(lines, list) and all(_is_line(line) for line in lines)):
        yield "lines", "must each have sku, quantity and price"


def _is_line(line: Any) -> bool:
    try:
        return isinstance(line, dict) and bool(line["sku"]) and _amount(line).is_finite()
    except (KeyError, TypeError, ValueError, InvalidOperation):
        return False


def _amount(line: Mapping[str, Any]) -> Decimal:
    return Decimal(str(line["price"])) * int(line["quantity"])
