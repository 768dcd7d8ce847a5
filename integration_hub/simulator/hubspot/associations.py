"""Which records are tied to which, under which labels; and the calls about it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from integration_hub.simulator.hubspot.errors import Body, HubSpotError, bad_request, not_found
from integration_hub.simulator.hubspot.portal import Portal, Row
from integration_hub.simulator.hubspot.standard import PRIMARY, UNLABELLED, ObjectType

HUBSPOT_DEFINED, USER_DEFINED = "HUBSPOT_DEFINED", "USER_DEFINED"
MOST_INPUTS = 2_000
MOST_READ = 1_000
Label = tuple[str, int]
"""Category and type id; each direction has an id of its own."""
End = tuple[str, str]
"""Object type and record id."""


class Associations:
    """Ties between records, kept in both directions."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self._ties: dict[End, dict[End, set[Label]]] = {}
        self._labels: dict[tuple[str, str], dict[int, str]] = {}
        self._opposite: dict[tuple[str, str, int], int] = {}
        self._next_label = itertools.count(1)
        self._next_unlabelled = itertools.count(900)
        self._own_unlabelled: dict[tuple[str, str], int] = {}

    def add_label(self, from_type: str, to_type: str, label: str) -> int:
        """Define a label as an administrator does; return its type id in this direction."""
        there, back = next(self._next_label), next(self._next_label)
        self._labels.setdefault((from_type, to_type), {})[there] = label
        self._labels.setdefault((to_type, from_type), {})[back] = label
        self._opposite[from_type, to_type, there] = back
        self._opposite[to_type, from_type, back] = there
        return there

    def tie(self, one: Row, other: Row, labels: set[Label] | None = None) -> None:
        """Tie two records. With `labels` they replace those of the pair; without, the pair is just related."""
        first, second = _end(one), _end(other)
        plain = (HUBSPOT_DEFINED, self.unlabelled(first[0], second[0]))
        if labels is None:
            labels = self._of(first, second)
            if (first[0], second[0]) in PRIMARY and not self._has_primary(first, second[0]):
                labels = labels | {(HUBSPOT_DEFINED, PRIMARY[first[0], second[0]])}
        labels = labels | {plain}
        primary = (HUBSPOT_DEFINED, PRIMARY.get((first[0], second[0]), 0))
        if primary in labels:
            self._take_primary(first, second)
        is_new = second not in self._ties.get(first, {})
        self._ties.setdefault(first, {})[second] = set(labels)
        back = {(category, self._back(first[0], second[0], number)) for category, number in labels}
        self._ties.setdefault(second, {})[first] = back
        if is_new:
            told = {"fromObjectId": one.id, "toObjectId": other.id, "to": second[0]}
            self.portal.on_change("associationChange", one, told, "INTEGRATION")

    def untie(self, one: Row, other: Row) -> None:
        self._ties.get(_end(one), {}).pop(_end(other), None)
        self._ties.get(_end(other), {}).pop(_end(one), None)

    def of(self, row: Row, to_type: str) -> list[tuple[Row, set[Label]]]:
        """Return the records of a type that are tied to this one; archived ones are left out."""
        rows = self.portal.rows[to_type]
        found = self._ties.get(_end(row), {}).items()
        pairs = [(rows[end[1]], labels) for end, labels in found if end[0] == to_type and end[1] in rows]
        return [(other, labels) for other, labels in pairs if other.archived_at is None]

    def unlabelled(self, from_type: str, to_type: str) -> int:
        pair = from_type, to_type
        if pair in UNLABELLED:
            return UNLABELLED[pair]
        if pair not in self._own_unlabelled:
            self._own_unlabelled[pair] = next(self._next_unlabelled)
        return self._own_unlabelled[pair]

    def shown(self, from_type: str, to_type: str) -> list[Body]:
        """Return the labels that may be used between two types."""
        listed: list[Body] = [
            {"category": HUBSPOT_DEFINED, "typeId": self.unlabelled(from_type, to_type), "label": None}
        ]
        if (from_type, to_type) in PRIMARY:
            number = PRIMARY[from_type, to_type]
            listed.append({"category": HUBSPOT_DEFINED, "typeId": number, "label": "Primary"})
        own = self._labels.get((from_type, to_type), {})
        return listed + [{"category": USER_DEFINED, "typeId": n, "label": text} for n, text in own.items()]

    def named(self, from_type: str, to_type: str, labels: set[Label]) -> list[Body]:
        known = [one for one in self.shown(from_type, to_type) if (one["category"], one["typeId"]) in labels]
        return known or self.shown(from_type, to_type)[:1]

    def checked(self, from_type: str, to_type: str, given: Any) -> set[Label]:
        """Return the labels of a request. HubSpotError: there is none such between these types."""
        allowed = {(one["category"], one["typeId"]) for one in self.shown(from_type, to_type)}
        labels = {(one.get("associationCategory"), one.get("associationTypeId")) for one in given or ()}
        if not labels or not labels <= allowed:
            raise bad_request(f"The association type is not valid between {from_type} and {to_type}")
        return {(str(category), int(number)) for category, number in labels}

    def _back(self, from_type: str, to_type: str, number: int) -> int:
        if number == PRIMARY.get((from_type, to_type)):
            return PRIMARY[to_type, from_type]
        found = self._opposite.get((from_type, to_type, number))
        return found if found is not None else self.unlabelled(to_type, from_type)

    def _of(self, first: End, second: End) -> set[Label]:
        return self._ties.get(first, {}).get(second, set())

    def _has_primary(self, end: End, to_type: str) -> bool:
        wanted = (HUBSPOT_DEFINED, PRIMARY.get((end[0], to_type), 0))
        own = self._ties.get(end, {})
        return any(wanted in labels for other, labels in own.items() if other[0] == to_type)

    def _take_primary(self, first: End, second: End) -> None:
        """A record has one primary company: the flag moves."""
        if second[0] != "companies":
            first, second = second, first
        pair = first[0], second[0]
        for other, labels in self._ties.get(first, {}).items():
            if other[0] == second[0]:
                labels.discard((HUBSPOT_DEFINED, PRIMARY[pair]))
                self._ties[other][first].discard((HUBSPOT_DEFINED, PRIMARY[pair[1], pair[0]]))


def record_routes(
    ties: Associations, kind: ObjectType, method: str, parts: list[str], body: Any, query: Mapping[str, str]
) -> tuple[int, Any]:
    """Answer a call below /objects/{from}/{id}/associations/."""
    portal = ties.portal
    row = portal.find(kind, parts[0], follow=True)
    default = parts[2:3] == ["default"]
    rest = parts[3:] if default else parts[2:]
    other_kind = portal.kind(rest[0])
    if method == "GET" and len(rest) == 1:
        return 200, _page(ties, row, other_kind, query)
    other = portal.find(other_kind, rest[1], follow=True)
    if method == "DELETE":
        ties.untie(row, other)
        return 204, None
    if method != "PUT":
        raise HubSpotError(405, "", "Method not allowed")
    if default:
        ties.tie(row, other)
        return 200, {"status": "COMPLETE", "results": _both_ways(ties, row, other), **_times(portal)}
    labels = ties.checked(kind.name, other_kind.name, body)
    ties.tie(row, other, labels)
    return 201, _labelled(ties, row, other, labels)


def batch_routes(
    ties: Associations, pair: tuple[ObjectType, ObjectType], verb: str, body: Any, dated: bool
) -> tuple[int, Any]:
    """Answer a call to /associations/{from}/{to}/batch/{verb}."""
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise bad_request("Invalid input JSON: inputs are required")
    if len(inputs) > (MOST_READ if verb == "read" else MOST_INPUTS):
        raise bad_request("The number of inputs is above the limit of a batch")
    work: dict[str, Callable[[Body], list[Body]]] = {
        "associate/default": lambda one: _associate(ties, pair, one),
        "create": lambda one: _create(ties, pair, one),
        "read": lambda one: _read(ties, pair, one),
        "archive": lambda one: _archive(ties, pair, one),
    }
    if verb not in work:
        raise not_found("resource not found")
    results: list[Body] = []
    errors: list[Body] = []
    for one in inputs:
        try:
            results += work[verb](one)
        except HubSpotError as error:
            errors.append(error.row("") | {"context": _ends_of(one)})
    if verb == "archive" and not errors and not dated:
        return 204, None
    answer: Body = {"status": "COMPLETE", "results": results, **_times(ties.portal)}
    if errors:
        return 207, answer | {"numErrors": len(errors), "errors": errors}
    return (201 if verb == "create" else 200), answer


def _associate(ties: Associations, pair: tuple[ObjectType, ObjectType], one: Body) -> list[Body]:
    row, other = _rows(ties, pair, one)
    ties.tie(row, other)
    return _both_ways(ties, row, other)


def _create(ties: Associations, pair: tuple[ObjectType, ObjectType], one: Body) -> list[Body]:
    row, other = _rows(ties, pair, one)
    labels = ties.checked(pair[0].name, pair[1].name, one.get("types"))
    ties.tie(row, other, labels)
    return [_labelled(ties, row, other, labels)]


def _read(ties: Associations, pair: tuple[ObjectType, ObjectType], one: Body) -> list[Body]:
    row = ties.portal.find(pair[0], str(one.get("id")), follow=False)
    return [{"from": {"id": row.id}, "to": _page(ties, row, pair[1], {})["results"]}]


def _archive(ties: Associations, pair: tuple[ObjectType, ObjectType], one: Body) -> list[Body]:
    for to in one.get("to") or ():
        row, other = _rows(ties, pair, {"from": one.get("from"), "to": to})
        ties.untie(row, other)
    return []


def _rows(ties: Associations, pair: tuple[ObjectType, ObjectType], one: Body) -> tuple[Row, Row]:
    ids = [str((one.get(side) or {}).get("id", "")) for side in ("from", "to")]
    first = ties.portal.find(pair[0], ids[0], follow=True)
    return first, ties.portal.find(pair[1], ids[1], follow=True)


def _ends_of(one: Body) -> Body:
    """Name both ends; what is taken apart has a list of others."""
    ends = {side: one.get(side) or {} for side in ("from", "to")}
    named = {side: end if isinstance(end, list) else [end] for side, end in ends.items()}
    return {f"{side}ObjectId": [str(end.get("id", "")) for end in listed] for side, listed in named.items()}


def _page(ties: Associations, row: Row, to: ObjectType, query: Mapping[str, str]) -> Body:
    start, limit = int(query.get("after") or 0), int(query.get("limit") or 500)
    found = ties.of(row, to.name)
    results = [
        # Numbers here, texts in the specification: both were seen.
        {"toObjectId": int(other.id), "associationTypes": ties.named(row.kind.name, to.name, labels)}
        for other, labels in found[start : start + limit]
    ]
    more = {"paging": {"next": {"after": str(start + limit)}}} if start + limit < len(found) else {}
    return {"results": results, **more}


def _labelled(ties: Associations, row: Row, other: Row, labels: set[Label]) -> Body:
    named = ties.named(row.kind.name, other.kind.name, labels)
    return {
        "fromObjectTypeId": row.kind.type_id,
        "fromObjectId": int(row.id),
        "toObjectTypeId": other.kind.type_id,
        "toObjectId": int(other.id),
        "labels": [one["label"] for one in named if one["label"]],
    }


def _both_ways(ties: Associations, row: Row, other: Row) -> list[Body]:
    return [
        {
            "from": {"id": one.id},
            "to": {"id": two.id},
            "associationSpec": {
                "associationCategory": HUBSPOT_DEFINED,
                "associationTypeId": ties.unlabelled(one.kind.name, two.kind.name),
            },
        }
        for one, two in ((row, other), (other, row))
    ]


def _times(portal: Portal) -> Body:
    at = portal.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"startedAt": at, "completedAt": at}


def _end(row: Row) -> End:
    return row.kind.name, row.id
