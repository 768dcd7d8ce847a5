"""The pretend org's records: adding, changing, deleting, converting and merging them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from integration_hub.simulator.salesforce.ids import IdSequence, day, is_id, stamp, to18, whole_second
from integration_hub.simulator.salesforce.records import Table
from integration_hub.simulator.salesforce.schema import ID_TYPES, NUMBER_TYPES, Field, ObjectType, Row, Schema
from integration_hub.simulator.salesforce.standard import STATUSES, standard_types
from integration_hub.simulator.world import Clock

ADMIN_NAME = "Ada Admin"
ADMIN_EMAIL = "ada.admin@example.test"
MERGEABLE = frozenset({"Lead", "Contact", "Account"})


class Org:
    """Records by object type. Values are kept as the REST API writes them; empty ones are not kept."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.zone: tzinfo = UTC
        self.schema = Schema(standard_types())
        self.tables = {item.name: Table() for item in self.schema.listed()}
        self._next_id = {item.name: IdSequence(item.prefix) for item in self.schema.listed()}
        self._type_of = self.schema.by_prefix()
        self.organization_id = IdSequence("00D")()
        self.admin_id = ""
        self.admin_id = self.add_user(ADMIN_NAME, ADMIN_EMAIL)

    def add(
        self,
        object_type: str,
        fields: Mapping[str, Any],
        created_at: datetime | None = None,
        visible_after: float = 0.0,
    ) -> str:
        """Add a record and return its Id; what Salesforce requires and is not given gets a likely value."""
        kind = self.schema[object_type]
        record_id = self._next_id[kind.name]()
        at = whole_second(created_at or self.clock())
        admin = self.admin_id or record_id
        row: Row = {"Id": record_id, "CreatedDate": at, "CreatedById": admin}
        row |= {"LastModifiedDate": at, "LastModifiedById": admin, "SystemModstamp": at}
        if "ownerid" in kind.fields and kind.name != "Group":
            row["OwnerId"] = admin
        row |= self._defaults(kind)
        self._commit(kind, row, fields, visible_after)
        return record_id

    def update(self, record_id: str, fields: Mapping[str, Any], visible_after: float = 0.0) -> None:
        """Change a record; its timestamps become the present."""
        kind, old = self.existing(record_id)
        now = whole_second(self.clock())
        row = {**old, "LastModifiedDate": now, "LastModifiedById": self.admin_id, "SystemModstamp": now}
        self._commit(kind, row, fields, visible_after)

    def delete(self, record_id: str) -> None:
        """Put a record into the recycle bin."""
        self.update(record_id, {"IsDeleted": True})

    def merge(self, master_id: str, loser_id: str) -> None:
        """Delete the loser, which from then on points to the master."""
        kind, _ = self.existing(master_id)
        if kind.name not in MERGEABLE or self.existing(loser_id)[0] is not kind:
            raise ValueError("Only two Leads, two Contacts or two Accounts can be merged.")
        self.update(loser_id, {"IsDeleted": True, "MasterRecordId": master_id})
        self.update(master_id, {})

    def convert(self, lead_id: str) -> str:
        """Turn a lead into an account and a contact; return the Id of the contact."""
        lead = self.existing(lead_id)[1]
        owner = {"OwnerId": lead["OwnerId"]} if lead["OwnerId"].startswith("005") else {}
        account_id = self.add("Account", {"Name": lead["Company"], **owner})
        shared = ("FirstName", "LastName", "Email", "Phone", "Title", "LeadSource")
        person = {name: lead[name] for name in shared if name in lead}
        contact_id = self.add("Contact", {**person, "AccountId": account_id, **owner})
        converted: Row = {"ConvertedAccountId": account_id, "ConvertedContactId": contact_id}
        converted |= {"IsConverted": True, "ConvertedDate": self.clock().date(), "Status": STATUSES[2]}
        self.update(lead_id, converted)
        return contact_id

    def add_user(self, name: str, email: str, active: bool = True) -> str:
        first, _, last = name.rpartition(" ")
        person = {"FirstName": first, "LastName": last, "Email": email, "Username": email}
        return self.add("User", {**person, "Alias": last[:8].lower(), "IsActive": active})

    def add_queue(self, name: str, member_ids: list[str], email: str = "") -> str:
        developer_name = name.replace(" ", "_")
        queue = {"Name": name, "DeveloperName": developer_name, "Type": "Queue", "Email": email}
        queue_id = self.add("Group", queue)
        for member_id in member_ids:
            self.add("GroupMember", {"GroupId": queue_id, "UserOrGroupId": member_id})
        return queue_id

    def row(self, record_id: str | None) -> Row | None:
        """Return a visible record by its Id, deleted or not."""
        if not record_id:
            return None
        name = self._type_of.get(record_id[:3])
        return self.tables[name].rows.get(to18(record_id)) if name else None

    def existing(self, record_id: str) -> tuple[ObjectType, Row]:
        """Return a record, also one that is not visible yet."""
        name = self._type_of.get(record_id[:3])
        row = self.tables[name].latest(to18(record_id)) if name and is_id(record_id) else None
        if name is None or row is None:
            raise ValueError(f"There is no record {record_id!r}.")
        return self.schema[name], row

    def having(self, object_type: str, name: str, value: Any) -> list[Row]:
        """Return the live records whose text in a field is this one, in any case."""
        self.settle()
        return [row for row in self.tables[object_type].having(name, value) if not row.get("IsDeleted")]

    def settle(self) -> None:
        """Let the late rows be seen whose time has come."""
        now = stamp(self.clock())
        for table in self.tables.values():
            table.settle(now)

    def live(self, object_type: str) -> Iterator[Row]:
        """Yield the visible, undeleted rows of a type."""
        self.settle()
        return (row for row in self.tables[object_type].by_id("", "~") if not row.get("IsDeleted"))

    def _defaults(self, kind: ObjectType) -> Row:
        if kind.name == "Lead":
            return {"LastName": "Lead", "Company": "[not provided]", "Status": STATUSES[0]}
        if kind.name == "Opportunity":
            closes = self.clock() + timedelta(days=30)
            return {"Name": "Opportunity", "StageName": "Prospecting", "CloseDate": day(closes)}
        if kind.name in {"Contact", "Account"}:
            return {"LastName" if kind.name == "Contact" else "Name": kind.name}
        return {}

    def _commit(self, kind: ObjectType, row: Row, fields: Mapping[str, Any], visible_after: float) -> None:
        for name, value in fields.items():
            item = kind.fields.get(name.lower())
            if item is None or item.compute is not None:
                raise ValueError(f"{kind.name} has no field {name!r} that can be written.")
            stored = _stored(item, value)
            if stored is None or stored == "":
                row.pop(item.name, None)
            else:
                row[item.name] = stored
        visible_at = stamp(self.clock() + timedelta(seconds=visible_after)) if visible_after > 0 else ""
        self.tables[kind.name].put(row, visible_at)


def _stored(item: Field, value: Any) -> Any:
    """Return the value as the REST API writes it."""
    if value is None or type(value) is bool:
        return value
    if item.type == "datetime":
        return stamp(datetime.fromisoformat(value) if isinstance(value, str) else value)
    if item.type == "date" and isinstance(value, date):
        return day(value)
    if item.type in ID_TYPES:
        return to18(str(value))
    if item.type in NUMBER_TYPES:
        return int(value) if item.type == "int" else float(value)
    return value if isinstance(value, str) else str(value)
