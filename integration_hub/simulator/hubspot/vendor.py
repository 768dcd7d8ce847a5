"""The pretend HubSpot as one object: its portal, its doors, its troubles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from integration_hub.simulator.faults import Fault
from integration_hub.simulator.hubspot.access import Access
from integration_hub.simulator.hubspot.associations import Associations
from integration_hub.simulator.hubspot.control import hubspot_verbs
from integration_hub.simulator.hubspot.errors import HubSpotError
from integration_hub.simulator.hubspot.objects import Objects
from integration_hub.simulator.hubspot.pace import Pace, too_many
from integration_hub.simulator.hubspot.portal import Portal, Row
from integration_hub.simulator.hubspot.properties import Property
from integration_hub.simulator.hubspot.routes import TOKEN_PATHS, Routes, place_of
from integration_hub.simulator.hubspot.standard import pipeline
from integration_hub.simulator.hubspot.webhooks import Webhooks
from integration_hub.simulator.serving import Call, MalformedBodyError, Response, html_response, json_response
from integration_hub.simulator.vendor import Vendor
from integration_hub.simulator.world import Clock

MOST_LAG = 60.0
_PAGES = {"bad_gateway": (502, "Bad Gateway"), "no_answer": (524, "A timeout occurred")}


class HubSpot(Vendor):
    """A pretend portal. Add records in Python or over /_control, read and write them as at HubSpot."""

    name = "hubspot"
    fault_kinds = frozenset({"locked", "rate_limited", "migrating", "malformed_json", *_PAGES})
    done_first = frozenset({"no_answer", "malformed_json"})

    portal: Portal
    ties: Associations
    access: Access
    pace: Pace
    webhooks: Webhooks
    """Sends what happened to an address, when a test says so."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.verbs = hubspot_verbs(self)

    def reset(self) -> None:
        with self.lock:
            self.portal = Portal(self.clock)
            self.ties = Associations(self.portal)
            self.portal.tie = self.ties.tie
            self.access = Access(self.clock)
            self.pace = Pace()
            self.webhooks = Webhooks(self.portal)
            self.portal.on_change = self.webhooks.note
            self._routes = Routes(self.portal, self.ties, self.access, Objects(self.portal, self.ties))

    @property
    def portal_id(self) -> int:
        return self.portal.portal_id

    @property
    def scopes(self) -> set[str]:
        """The scopes the credentials have; change it freely."""
        return self.access.scopes

    @property
    def index_lag(self) -> float:
        """Seconds until the search sees a write, up to 60; reads by id see it at once."""
        return self.portal.index_lag

    @index_lag.setter
    def index_lag(self, seconds: float) -> None:
        if not 0 <= seconds <= MOST_LAG:
            raise ValueError(f"The search lags by 0 to {MOST_LAG:.0f} seconds.")
        self.portal.index_lag = seconds

    @property
    def enforce_limits(self) -> bool:
        return self.pace.enforced

    @enforce_limits.setter
    def enforce_limits(self, on: bool) -> None:
        self.pace.enforced = on

    @property
    def auto_companies(self) -> bool:
        """Whether a new contact's email domain makes a company, or ties the one there is."""
        return self.portal.auto_companies

    @auto_companies.setter
    def auto_companies(self, on: bool) -> None:
        self.portal.auto_companies = on

    def add(self, object_type: str, **properties: Any) -> str:
        """Add a record as a person in the app does; return its id."""
        with self.lock:
            return self.portal.create(self.portal.kind(object_type), properties, "CRM_UI").id

    def add_many(self, object_type: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Add records in one go, which no search sees half done."""
        with self.lock:
            kind = self.portal.kind(object_type)
            return [self.portal.create(kind, row, "CRM_UI").id for row in rows]

    def update(self, object_type: str, record_id: str, **properties: Any) -> None:
        with self.lock:
            self.portal.update(self._row(object_type, record_id), properties, "CRM_UI")

    def archive(self, object_type: str, record_id: str) -> None:
        with self.lock:
            self.portal.archive(self._row(object_type, record_id), "CRM_UI")

    def restore(self, object_type: str, record_id: str) -> None:
        with self.lock:
            kind = self.portal.kind(object_type)
            self.portal.restore(self.portal.find(kind, record_id, follow=False, archived=True))

    def merge(self, object_type: str, primary_id: str, loser_id: str) -> None:
        with self.lock:
            self.portal.merge(self._row(object_type, primary_id), self._row(object_type, loser_id))

    def record(self, object_type: str, record_id: str) -> dict[str, str]:
        """Return the properties of a record."""
        with self.lock:
            return dict(self._row(object_type, record_id).properties)

    def records(self, object_type: str) -> list[dict[str, str]]:
        """Return the properties of all that are not archived, oldest first; `hs_object_id` is the id."""
        with self.lock:
            return [dict(row.properties) for row in self.portal.live(self.portal.kind(object_type))]

    def emails(self) -> set[str]:
        """Return the primary emails of all contacts."""
        return {row["email"] for row in self.records("contacts") if row.get("email")}

    def tie(self, object_type: str, record_id: str, other_type: str, other_id: str) -> None:
        with self.lock:
            self.ties.tie(self._row(object_type, record_id), self._row(other_type, other_id))

    def tied(self, object_type: str, record_id: str, other_type: str) -> dict[str, list[str]]:
        """Return the labels of the ties to records of the other type, by id; "" is the unlabelled one."""
        with self.lock:
            row, other = self._row(object_type, record_id), self.portal.kind(other_type).name
            found = self.ties.of(row, other)
            named = {tied.id: self.ties.named(row.kind.name, other, labels) for tied, labels in found}
        return {other_id: sorted(one["label"] or "" for one in labels) for other_id, labels in named.items()}

    def add_label(self, object_type: str, other_type: str, label: str) -> int:
        """Define an association label; return its type id in this direction."""
        with self.lock:
            kinds = self.portal.kind(object_type), self.portal.kind(other_type)
            return self.ties.add_label(kinds[0].name, kinds[1].name, label)

    def add_property(
        self,
        object_type: str,
        name: str,
        type: str = "string",  # noqa: A002 - the word HubSpot uses
        *,
        label: str = "",
        unique: bool = False,
        options: Sequence[str] = (),
        multiple: bool = False,
    ) -> None:
        """Define a property; with `unique` no two records may have the same value."""
        field_type = "checkbox" if multiple else "select" if options else "text"
        item = Property(name, label or name, type, field_type, tuple(options), unique)
        with self.lock:
            self.portal.kind(object_type).properties[name] = item

    def add_object_type(self, name: str, **properties: str) -> str:
        """Define a custom object type with these properties (name → type); return its type id."""
        with self.lock:
            return self.portal.add_type(name, properties).type_id

    def add_pipeline(self, pipeline_id: str, label: str, stages: Mapping[str, str]) -> None:
        """Define a pipeline of deals; stages are id → label."""
        with self.lock:
            steps = [(stage_id, words, "0.5") for stage_id, words in stages.items()]
            self.portal.pipelines.append(pipeline(pipeline_id, label, steps))

    def add_owner(self, name: str, email: str, active: bool = True) -> str:
        """Add somebody who can own records; return the owner id, which is not the user id."""
        first, _, last = name.partition(" ")
        with self.lock:
            number = len(self._routes.owners) + 1
            user_id = 10_000_000 + number
            owner: dict[str, Any] = {
                "id": str(41_629_700 + number),
                "email": email,
                "type": "PERSON",
                "firstName": first,
                "lastName": last,
                "userId": user_id if active else None,
                "userIdIncludingInactive": user_id,
                "createdAt": "2026-01-05T08:00:00.000Z",
                "updatedAt": "2026-01-05T08:00:00.000Z",
                "archived": not active,
                "teams": [],
            }
            self._routes.owners.append(owner)
        return str(owner["id"])

    def revoke(self, on: bool = True) -> None:
        """Let all credentials be refused, or be good again."""
        self.access.revoked = on

    def expire_tokens(self) -> None:
        """End all OAuth sessions; the refresh token stays good."""
        self.access.expire_tokens()

    def handle(self, call: Call) -> Response:
        path = call.path.rstrip("/")
        with self.lock:
            if path in TOKEN_PATHS and call.method == "POST":
                return self.access.token(call)
            try:
                return self._answer(call, path)
            except HubSpotError as error:
                return error.response()
            except MalformedBodyError:
                return HubSpotError(400, "VALIDATION_ERROR", "Invalid input JSON").response()

    def broken(self, fault: Fault) -> Response:
        if fault.kind == "malformed_json":
            return Response(200, b'{"results":[{"id":"51')
        if fault.kind == "rate_limited":
            options = dict(fault.options)
            return too_many(options.pop("policy", "TEN_SECONDLY_ROLLING"), **options).response()
        if fault.kind == "locked":
            return HubSpotError(423, "LOCKED", "The resource is locked by a bulk operation.").response()
        if fault.kind == "migrating":
            headers = {"Retry-After": str(fault.options.get("retry_after", 3600))}
            return HubSpotError(
                477, "MIGRATION_IN_PROGRESS", "The account is moving.", headers=headers
            ).response()
        return html_response(*_PAGES[fault.kind])

    def _answer(self, call: Call, path: str) -> Response:
        place = place_of(path)
        at = self.clock().timestamp()
        is_search = place.area == "objects" and place.parts[1:] == ["search"]
        if is_search:
            self.pace.search(at)
        else:
            self.pace.call(at)
        (status, body), by_oauth = self._routes.answer(call, place)
        response = Response(204) if body is None else json_response(body, status)
        if not is_search:
            response.headers.update(self.pace.headers(daily=not by_oauth))
        return response

    def _row(self, object_type: str, record_id: str) -> Row:
        try:
            return self.portal.find(self.portal.kind(object_type), record_id, follow=False)
        except HubSpotError:
            raise ValueError(f"There is no record {record_id!r} among {object_type}.") from None
