"""The search: filters, one sort, pages, and an index that lags behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from integration_hub.simulator.hubspot.errors import Body, bad_request
from integration_hub.simulator.hubspot.portal import Portal, Row
from integration_hub.simulator.hubspot.properties import Property, milliseconds
from integration_hub.simulator.hubspot.standard import ObjectType

MOST_GROUPS, MOST_FILTERS, MOST_ALTOGETHER = 5, 6, 18
LONGEST_QUERY = 3_000
MOST_RESULTS = 10_000
LARGEST_PAGE = 200
Values = Mapping[str, str]
Test = Callable[[Values], bool]

_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "EQ": lambda a, b: a == b,
    "LT": lambda a, b: a < b,
    "LTE": lambda a, b: a <= b,
    "GT": lambda a, b: a > b,
    "GTE": lambda a, b: a >= b,
}


def search(portal: Portal, kind: ObjectType, body: Body) -> tuple[int, list[tuple[Row, Values]], str]:
    """Return the total, one page as the index has it, and the cursor of the next one, "" at the end."""
    groups = body.get("filterGroups") or []
    _check_size(body, groups)
    tests = [[_test(kind, one) for one in group.get("filters", ())] for group in groups]
    limit, after = int(body.get("limit", 10)), int(body.get("after") or 0)
    if limit > LARGEST_PAGE:
        raise bad_request(f"The limit of a search is {LARGEST_PAGE}")
    if after + limit > MOST_RESULTS:
        raise bad_request("Paging through search results is limited to 10000 results")
    found = _found(portal, kind, tests, str(body.get("query") or "").lower())
    _sort(kind, found, body.get("sorts") or [])
    following = str(after + limit) if after + limit < len(found) else ""
    return len(found), found[after : after + limit], following


def _check_size(body: Body, groups: list[Body]) -> None:
    counts = [len(group.get("filters", ())) for group in groups]
    if len(groups) > MOST_GROUPS or any(n > MOST_FILTERS for n in counts) or sum(counts) > MOST_ALTOGETHER:
        raise bad_request("Too many filters or filter groups in the search")
    if len(json.dumps({"filterGroups": groups, "query": body.get("query", "")})) > LONGEST_QUERY:
        raise bad_request(f"The search is longer than {LONGEST_QUERY} characters")
    if len(body.get("sorts") or []) > 1:
        raise bad_request("Only one sort is supported")


def _found(portal: Portal, kind: ObjectType, tests: list[list[Test]], query: str) -> list[tuple[Row, Values]]:
    at = milliseconds(portal.clock())
    found: list[tuple[Row, Values]] = []
    for row in portal.rows[kind.name].values():
        values = row.seen_at(at)
        if values is None:
            continue
        if tests and not any(all(test(values) for test in group) for group in tests):
            continue
        if query and not any(query in values.get(name, "").lower() for name in kind.defaults):
            continue
        found.append((row, values))
    return found


def _sort(kind: ObjectType, found: list[tuple[Row, Values]], sorts: list[Any]) -> None:
    first = sorts[0] if sorts else {"propertyName": "createdate", "direction": "DESCENDING"}
    item = _property(kind, first if isinstance(first, str) else first.get("propertyName", ""))
    descending = not isinstance(first, str) and first.get("direction") == "DESCENDING"
    zero: Any = 0 if item.type in {"number", "date", "datetime"} else ""

    def key(pair: tuple[Row, Values]) -> Any:
        text = pair[1].get(item.name, "")
        return item.comparable(text) if text else zero

    found.sort(key=key, reverse=descending)


def _test(kind: ObjectType, given: Body) -> Test:
    item = _property(kind, str(given.get("propertyName", "")))
    operator = str(given.get("operator", ""))
    name = item.name
    if operator == "HAS_PROPERTY":
        return lambda values: bool(values.get(name))
    if operator == "NOT_HAS_PROPERTY":
        return lambda values: not values.get(name)
    if operator in {"IN", "NOT_IN"}:
        # Case counts here, and the index is in lower case: what is not sent so finds nothing.
        wanted = {str(one) for one in given.get("values") or ()}
        return lambda values: (_folded(item, values.get(name, "")) in wanted) == (operator == "IN")
    if operator in {"CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"}:
        token = str(given.get("value", "")).lower().strip("*")
        return lambda values: (token in values.get(name, "").lower()) == (operator == "CONTAINS_TOKEN")
    return _comparison(item, operator, given)


def _comparison(item: Property, operator: str, given: Body) -> Test:
    name, value = item.name, _operand(item, given.get("value"))
    if operator == "NEQ":
        return lambda values: not values.get(name) or item.comparable(values[name]) != value
    if operator == "BETWEEN":
        high = _operand(item, given.get("highValue"))
        return lambda values: bool(values.get(name)) and value <= item.comparable(values[name]) <= high
    if operator not in _SIGNS:
        raise bad_request(f"There is no operator {operator}")
    sign = _SIGNS[operator]
    return lambda values: bool(values.get(name)) and sign(item.comparable(values[name]), value)


def _operand(item: Property, given: Any) -> Any:
    text = "" if given is None else str(given)
    try:
        if item.type in {"date", "datetime"} and text.lstrip("-").isdecimal():
            return int(text)
        return item.comparable(text)
    except ValueError:
        raise bad_request(f"{text} is not a value for {item.name}") from None


def _folded(item: Property, text: str) -> str:
    return text if item.type == "enumeration" else text.lower()


def _property(kind: ObjectType, name: str) -> Property:
    item = kind.properties.get(name)
    if item is None:
        raise bad_request(f"There was a problem with the request. Property {name} does not exist")
    return item
