"""Which path means what: both layouts, numbered versions and dated ones."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from integration_hub.simulator.hubspot.access import Access
from integration_hub.simulator.hubspot.associations import Associations, batch_routes, record_routes
from integration_hub.simulator.hubspot.errors import Body, HubSpotError, not_found
from integration_hub.simulator.hubspot.objects import Answer, Objects
from integration_hub.simulator.hubspot.portal import Portal
from integration_hub.simulator.hubspot.properties import Property, stamp
from integration_hub.simulator.hubspot.standard import ObjectType
from integration_hub.simulator.serving import Call

DATES = frozenset({"2026-03", "2026-09"})
TOKEN_PATHS = frozenset({"/oauth/v1/token", "/oauth/v3/token", *(f"/oauth/{date}/token" for date in DATES)})
_NUMBERED = re.compile(r"/crm/(v\d)/(objects|associations|properties|pipelines|owners)(?:/(.*))?")
_DATED = re.compile(r"/crm/(objects|associations|properties|pipelines|owners)/(\d{4}-\d\d)(?:/(.*))?")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
TYPES = frozenset({"string", "number", "bool", "enumeration", "date", "datetime", "phone_number"})
MOST_UNIQUE = 10
"""Properties with unique values that an object type may have."""
_ACCOUNT = re.compile(r"/account-info/(v3|\d{4}-\d\d)/details")


@dataclass(frozen=True, slots=True)
class Place:
    """What a path names: an area, its version and the rest."""

    area: str
    version: str
    parts: list[str]

    @property
    def dated(self) -> bool:
        return self.version in DATES


def place_of(path: str) -> Place:
    """Return what the path names. HubSpotError: nothing is there."""
    account = _ACCOUNT.fullmatch(path)
    if account:
        return _checked(Place("account", account[1], []))
    numbered, dated = _NUMBERED.fullmatch(path), _DATED.fullmatch(path)
    if numbered:
        return _checked(Place(numbered[2], numbered[1], _split(numbered[3])))
    if dated:
        return _checked(Place(dated[1], dated[2], _split(dated[3])))
    raise not_found()


def _checked(place: Place) -> Place:
    ties = place.area == "associations" or (place.area == "objects" and "associations" in place.parts[2:3])
    if place.version in (DATES | {"v4" if ties else "v3"}):
        return place
    raise not_found()


def _split(rest: str | None) -> list[str]:
    return [part for part in (rest or "").split("/") if part]


@dataclass(slots=True)
class Routes:
    """Answers everything but the token endpoint."""

    portal: Portal
    ties: Associations
    access: Access
    objects: Objects
    owners: list[Body] = field(default_factory=list)

    def answer(self, call: Call, place: Place) -> tuple[Answer, bool]:
        """Return the answer, and whether the call came with an OAuth token."""
        by_oauth = self.access.check(call, *self._scopes(call.method, place))
        areas = {
            "account": self._account,
            "objects": self._objects,
            "associations": self._associations,
            "properties": self._properties,
            "pipelines": self._pipelines,
            "owners": self._owners,
        }
        return areas[place.area](call, place), by_oauth

    def _scopes(self, method: str, place: Place) -> list[str]:
        if place.area == "account":
            return []
        if place.area == "owners":
            return ["crm.objects.owners.read"]
        if not place.parts:
            raise not_found()
        scope = self.portal.kind(place.parts[0]).scope
        if place.area == "pipelines":
            return [f"crm.objects.{scope}.read"]
        if place.area == "properties":
            return [f"crm.schemas.{scope}.{'read' if method == 'GET' else 'write'}"]
        reads = method == "GET" or place.parts[-1] in {"search", "read"}
        return [f"crm.objects.{scope}.{'read' if reads else 'write'}"]

    def _account(self, call: Call, place: Place) -> Answer:
        return 200, {
            "portalId": self.portal.portal_id,
            "accountType": "STANDARD",
            "timeZone": "Europe/Berlin",
            "companyCurrency": "EUR",
            "additionalCurrencies": [],
            "utcOffset": "+01:00",
            "utcOffsetMilliseconds": 3_600_000,
            "uiDomain": "app-eu1.hubspot.com",
            "dataHostingLocation": "eu1",
        }

    def _objects(self, call: Call, place: Place) -> Answer:
        kind, rest = self.portal.kind(place.parts[0]), place.parts[1:]
        body = call.json() if call.method in {"POST", "PATCH", "PUT"} else {}
        if not rest:
            return self.objects.collection(kind, call.method, call.query, body)
        if len(rest) > 2 and rest[1] == "associations":
            return record_routes(self.ties, kind, call.method, rest, body, call.query)
        if rest[0] == "batch" and len(rest) == 2 and call.method == "POST":
            return self.objects.batch(kind, rest[1], body)
        named = {
            "search": self.objects.search,
            "merge": self.objects.merge,
            "gdpr-delete": self.objects.erase,
        }
        if call.method == "POST" and len(rest) == 1 and rest[0] in named:
            return named[rest[0]](kind, body)
        if len(rest) != 1 or call.method == "POST":
            raise HubSpotError(405, "", "Method not allowed")
        return self.objects.single(kind, rest[0], call.method, call.query, body)

    def _associations(self, call: Call, place: Place) -> Answer:
        if len(place.parts) < 3:
            raise not_found()
        pair = self.portal.kind(place.parts[0]), self.portal.kind(place.parts[1])
        rest = place.parts[2:]
        if rest == ["labels"] and call.method == "GET":
            return 200, {"results": self.ties.shown(pair[0].name, pair[1].name)}
        if rest[0] != "batch" or call.method != "POST":
            raise not_found()
        return batch_routes(self.ties, pair, "/".join(rest[1:]), call.json(), place.dated)

    def _properties(self, call: Call, place: Place) -> Answer:
        kind = self.portal.kind(place.parts[0])
        if call.method == "POST" and place.parts[1:] == ["groups"]:
            return 201, self._new_group(kind.groups, call.json())
        if call.method == "POST":
            return 201, self._new_property(kind, call.json())
        if place.parts[1:] == ["groups"]:
            return 200, {"results": [{"name": one, "label": label} for one, label in kind.groups.items()]}
        if len(place.parts) == 1:
            return 200, {"results": [one.shown() for one in kind.properties.values()]}
        if place.parts[1] not in kind.properties:
            raise not_found(f'Property "{place.parts[1]}" does not exist')
        return 200, kind.properties[place.parts[1]].shown()

    def _new_group(self, known: dict[str, str], body: Any) -> Body:
        name, label = str(body.get("name", "")), str(body.get("label", ""))
        if name in known:
            raise HubSpotError(
                409, "OBJECT_ALREADY_EXISTS", f"A property group named '{name}' already exists."
            )
        if not name or not label:
            raise HubSpotError(400, "VALIDATION_ERROR", "Some required properties were not set.")
        known[name] = label
        return {"name": name, "label": label, "displayOrder": -1, "archived": False}

    def _new_property(self, kind: ObjectType, body: Any) -> Body:
        known, name = kind.properties, str(body.get("name", ""))
        if name in known:
            raise HubSpotError(409, "OBJECT_ALREADY_EXISTS", f"A property named '{name}' already exists.")
        if any(not body.get(one) for one in ("name", "label", "type", "fieldType", "groupName")):
            raise HubSpotError(400, "VALIDATION_ERROR", "Some required properties were not set.")
        options = tuple(str(one["value"]) for one in body.get("options") or ())
        if body["groupName"] not in kind.groups:
            raise HubSpotError(400, "VALIDATION_ERROR", f"Property group {body['groupName']} does not exist.")
        if not _NAME.fullmatch(name) or body["type"] not in TYPES:
            raise HubSpotError(400, "VALIDATION_ERROR", "Property name or type is invalid.")
        unique = bool(body.get("hasUniqueValue"))
        if unique and sum(one.unique for one in known.values()) >= MOST_UNIQUE:
            raise HubSpotError(400, "VALIDATION_ERROR", "The limit of unique properties was reached.")
        group = body["groupName"]
        known[name] = Property(
            name, body["label"], body["type"], body["fieldType"], options, unique, group=group
        )
        return known[name].shown()

    def _pipelines(self, call: Call, place: Place) -> Answer:
        listed = self.portal.pipelines if self.portal.kind(place.parts[0]).name == "deals" else []
        at = stamp(self.portal.clock())
        return 200, {"results": [{**one, "createdAt": at, "updatedAt": at} for one in listed]}

    def _owners(self, call: Call, place: Place) -> Answer:
        if place.parts:
            key = call.query.get("idProperty") or "id"
            for owner in self.owners:
                if str(owner[key]) == place.parts[0]:
                    return 200, owner
            raise not_found()
        archived = call.query.get("archived") == "true"
        email = call.query.get("email", "").lower()
        found = [o for o in self.owners if o["archived"] == archived and email in {"", o["email"].lower()}]
        start, limit = int(call.query.get("after") or 0), int(call.query.get("limit") or 100)
        more = {"paging": {"next": {"after": str(start + limit)}}} if start + limit < len(found) else {}
        return 200, {"results": found[start : start + limit], **more}
