"""The pretend portal's records: adding, changing, archiving and merging them, and what the search index sees."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integration_hub.simulator.hubspot.errors import (
    Flaw,
    bad_request,
    contact_exists,
    invalid_properties,
    not_found,
    value_taken,
)
from integration_hub.simulator.hubspot.properties import FlawError, Property, milliseconds, missing, stamp
from integration_hub.simulator.hubspot.standard import (
    COMPANY,
    CONTACT,
    DEAL,
    LIFECYCLE,
    ObjectType,
    object_type,
    sales_pipeline,
    standard_types,
)
from integration_hub.simulator.world import Clock

FIRST_ID = 238_524_122_552
"""Ids exceed 32 bits, and are unique per object type only: every type begins here."""
PORTAL_ID = 50_687_303
FREE_MAIL = frozenset({"gmail.com", "outlook.com", "yahoo.com", "hotmail.com", "gmx.de", "web.de"})
Changed = Callable[[str, "Row", dict[str, str], str], None]
"""Is told (what, row, properties with their new values, source) after every change."""


@dataclass(slots=True)
class Row:
    """One record. `index` is what a search sees from which instant (ms) on; None: nothing."""

    id: str
    kind: ObjectType
    created_at: datetime
    updated_at: datetime
    properties: dict[str, str] = field(default_factory=dict)
    archived_at: datetime | None = None
    merged_into: str = ""
    history: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    index: list[tuple[int, dict[str, str] | None]] = field(default_factory=list)

    def seen_at(self, at: int) -> dict[str, str] | None:
        """Return the properties as the search index has them at that instant."""
        for since, properties in reversed(self.index):
            if since <= at:
                return properties
        return None


def ignore(what: str, row: Row, properties: dict[str, str], source: str) -> None:
    """Tell nobody."""


class Portal:
    """Records by object type; every write goes through `create`, `update`, `archive` and `merge`."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.portal_id = PORTAL_ID
        self.types: dict[str, ObjectType] = {}
        self.rows: dict[str, dict[str, Row]] = {}
        self.index_lag = 0.0
        """Seconds until the search sees what was written; a read by id sees it at once."""
        self.auto_companies = False
        """Whether a contact's email domain makes, or is tied to, a company."""
        self.on_change: Changed = ignore
        self.tie: Callable[[Row, Row], None] = lambda contact, company: None
        self.pipelines = [sales_pipeline()]
        self._unique: dict[tuple[str, str], dict[str, str]] = {}
        self._ids: dict[str, Iterator[int]] = {}
        for kind in standard_types():
            self._add_type(kind)

    def add_type(self, name: str, own: Mapping[str, str]) -> ObjectType:
        """Add a custom object type with these properties (name → type)."""
        type_id = f"2-{50_000 + len(self.types)}"
        properties = [Property(one, one.capitalize(), kind) for one, kind in own.items()]
        return self._add_type(object_type(name, type_id, name.upper(), properties, " ".join(own)))

    def _add_type(self, kind: ObjectType) -> ObjectType:
        self.types[kind.name] = kind
        self.rows[kind.name] = {}
        self._ids[kind.name] = itertools.count(FIRST_ID)
        return kind

    def kind(self, name: str) -> ObjectType:
        """Return the type by plural name, type id or singular; HubSpotError: there is none."""
        for kind in self.types.values():
            if name.lower() in {kind.name, kind.type_id, kind.singular.lower()}:
                return kind
        raise bad_request(f"Unable to infer object type from: {name}")

    def create(self, kind: ObjectType, given: Mapping[str, Any], source: str = "INTEGRATION") -> Row:
        """Add a record. HubSpotError: a value is not valid, or another contact has the email."""
        now = self._now()
        row = Row(str(next(self._ids[kind.name])), kind, now, now)
        written = self._validated(kind, given, row)
        self._check_required(kind, written)
        row.properties = {"createdate": stamp(now), "hs_object_id": row.id, "hs_object_source": source}
        self.rows[kind.name][row.id] = row
        self._store(row, written, source)
        self.on_change("creation", row, {}, source)
        if kind.name == CONTACT and self.auto_companies:
            self._company_of(row)
        return row

    def check(self, kind: ObjectType, given: Mapping[str, Any], row: Row | None) -> None:
        """Raise what a write of these values would; nothing is written."""
        now = self._now()
        written = self._validated(kind, given, row or Row("0", kind, now, now))
        if row is None:
            self._check_required(kind, written)

    def update(self, row: Row, given: Mapping[str, Any], source: str = "INTEGRATION") -> Row:
        written = self._validated(row.kind, given, row)
        changed = {name: value for name, value in written.items() if row.properties.get(name, "") != value}
        self._store(row, written, source)
        if changed:
            self.on_change("propertyChange", row, changed, source)
        return row

    def archive(self, row: Row, source: str = "INTEGRATION") -> None:
        if row.archived_at is not None:
            return
        row.archived_at = row.updated_at = self._now()
        self._forget_unique(row)
        self._reindex(row)
        self.on_change("deletion", row, {}, source)

    def restore(self, row: Row) -> None:
        """Bring an archived record back, as a person can in the app."""
        row.archived_at = None
        self._store(row, {}, "CRM_UI")
        self.on_change("restore", row, {}, "CRM_UI")

    def merge(self, primary: Row, loser: Row, source: str = "CRM_UI") -> Row:
        """Merge the second record into the first, whose id stays; the other id leads there."""
        loser.archived_at, loser.merged_into = self._now(), primary.id
        self._forget_unique(loser)
        self._reindex(loser)
        merged = [primary.properties.get("hs_merged_object_ids", ""), loser.id]
        filled = {k: v for k, v in loser.properties.items() if v and not primary.properties.get(k)}
        filled["hs_merged_object_ids"] = ";".join(filter(None, merged))
        emails = [primary.properties.get("hs_additional_emails", ""), loser.properties.get("email", "")]
        if primary.kind.name == CONTACT:
            filled["hs_additional_emails"] = ";".join(filter(None, emails))
        self._store(primary, filled, source)
        self.on_change("merge", primary, {"mergedObjectIds": loser.id}, source)
        return primary

    def erase(self, row: Row) -> None:
        """Delete for good."""
        self.archive(row)
        del self.rows[row.kind.name][row.id]

    def find(self, kind: ObjectType, record_id: str, *, follow: bool, archived: bool = False) -> Row:
        """Return the record; `follow` leads from the loser of a merge to the one it became part of."""
        row = self.rows[kind.name].get(record_id)
        while row is not None and follow and row.merged_into:
            row = self.rows[kind.name].get(row.merged_into)
        if row is None or row.merged_into or (row.archived_at is not None) != archived:
            raise not_found()
        return row

    def find_by(self, kind: ObjectType, name: str, value: str) -> Row | None:
        """Return the record that has this unique value. HubSpotError: the property is not unique."""
        item = kind.properties.get(name)
        if (kind.name, name) != (CONTACT, "email") and (item is None or not item.unique):
            raise bad_request(f"Unable to perform read/update/upsert by non-unique {kind.type_id} property")
        holder = self._unique.get((kind.name, name), {}).get(value.strip().lower())
        return self.rows[kind.name][holder] if holder else None

    def live(self, kind: ObjectType, archived: bool = False) -> Iterator[Row]:
        for row in self.rows[kind.name].values():
            if (row.archived_at is not None) == archived and not row.merged_into:
                yield row

    def _now(self) -> datetime:
        now = self.clock()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def _validated(self, kind: ObjectType, given: Mapping[str, Any], row: Row) -> dict[str, str]:
        """Return the values as they are kept; the first refused one refuses the record."""
        written: dict[str, str] = {}
        flaws: list[Flaw] = []
        for name, value in given.items():
            item = kind.properties.get(name)
            if item is None:
                flaws.append(missing(name))
                continue
            if value is None:
                continue
            try:
                written[name] = item.stored(value, row.properties.get(name, ""))
            except FlawError as error:
                flaws.append(error.flaw)
        if flaws:
            raise invalid_properties(flaws, self.portal_id)
        self._check_stage(kind, written, row)
        self._check_unique(kind, written, row)
        if _is_step_back(row.properties.get("lifecyclestage", ""), written.get("lifecyclestage", "")):
            del written["lifecyclestage"]
        return written

    def _check_required(self, kind: ObjectType, written: Mapping[str, str]) -> None:
        needs = {CONTACT: ("email", "firstname", "lastname"), COMPANY: ("name", "domain")}.get(kind.name, ())
        if needs and not any(written.get(name) for name in needs):
            raise bad_request(f"Error creating {kind.singular}. Some required properties were not set.")
        required = ("dealname", "dealstage") if kind.name == DEAL else ()
        absent = [name for name in required if not written.get(name)]
        if absent:
            listed = ", ".join(absent)
            raise bad_request(
                f"Error creating {kind.singular}. Some required properties were not set.", properties=[listed]
            )

    def _check_stage(self, kind: ObjectType, written: dict[str, str], row: Row) -> None:
        if kind.name != DEAL or not {"pipeline", "dealstage"} & set(written):
            return
        wanted = written.get("pipeline") or row.properties.get("pipeline") or "default"
        written.setdefault("pipeline", wanted)
        stages: list[dict[str, Any]] = next(
            (one["stages"] for one in self.pipelines if one["id"] == wanted), []
        )
        stage = written.get("dealstage") or row.properties.get("dealstage", "")
        allowed = [one["id"] for one in stages]
        if stage not in allowed:
            text = f"{stage} was not one of the allowed options: [{', '.join(allowed)}]"
            raise invalid_properties([Flaw("dealstage", "INVALID_OPTION", text)], self.portal_id)

    def _check_unique(self, kind: ObjectType, written: Mapping[str, str], row: Row) -> None:
        known = row.id in self.rows[kind.name]
        for name, value in written.items():
            holder = self._unique.get((kind.name, name), {}).get(value.lower()) if value else None
            if holder and holder != row.id:
                if name == "email" and not known:
                    raise contact_exists(holder)
                raise value_taken(kind.type_id, name, row.id, holder)

    def _store(self, row: Row, written: Mapping[str, str], source: str) -> None:
        self._forget_unique(row)
        row.updated_at = self._now()
        at = stamp(row.updated_at)
        for name, value in written.items():
            row.properties[name] = value
            entry = {"value": value, "timestamp": at, "sourceType": source}
            row.history.setdefault(name, []).insert(0, entry)
        row.properties[row.kind.modified] = at
        for name, value in self._identities(row):
            self._unique.setdefault((row.kind.name, name), {})[value] = row.id
        self._reindex(row)

    def _identities(self, row: Row) -> Iterator[tuple[str, str]]:
        if row.kind.name == CONTACT:
            additional = row.properties.get("hs_additional_emails", "").split(";")
            for email in (row.properties.get("email", ""), *additional):
                if email:
                    yield "email", email.lower()
        for item in row.kind.properties.values():
            if item.unique and row.properties.get(item.name):
                yield item.name, row.properties[item.name].lower()

    def _forget_unique(self, row: Row) -> None:
        for name, value in self._identities(row):
            holders = self._unique.get((row.kind.name, name), {})
            if holders.get(value) == row.id:
                del holders[value]

    def _reindex(self, row: Row) -> None:
        gone = row.archived_at is not None
        at = milliseconds(self.clock()) + int(self.index_lag * 1000) if self.index_lag else 0
        kept = [entry for entry in row.index[-20:] if entry[0] < at]
        row.index = [*kept, (at, None if gone else dict(row.properties))]

    def _company_of(self, contact: Row) -> None:
        domain = contact.properties.get("email", "").rpartition("@")[2]
        if not domain or domain in FREE_MAIL:
            return
        companies = self.types[COMPANY]
        same = (row for row in self.live(companies) if row.properties.get("domain") == domain)
        company = next(same, None) or self.create(companies, {"domain": domain, "name": domain}, "AUTOMATION")
        self.tie(contact, company)


def _is_step_back(before: str, after: str) -> bool:
    known = before in LIFECYCLE and after in LIFECYCLE
    return known and LIFECYCLE.index(after) < LIFECYCLE.index(before)
