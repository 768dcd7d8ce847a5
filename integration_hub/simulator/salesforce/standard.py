"""The standard object types: Lead, Contact, Account, Opportunity, User, Group, GroupMember."""

from __future__ import annotations

import re
from typing import Any

from integration_hub.simulator.salesforce.schema import Field, ObjectType, Row

STATUSES = ("Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted")
SOURCES = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")
RATINGS = ("Hot", "Warm", "Cold")
INDUSTRIES = (
    "Agriculture",
    "Banking",
    "Education",
    "Healthcare",
    "Manufacturing",
    "Retail",
    "Technology",
    "Other",
)
STAGES = (
    *("Prospecting", "Qualification", "Needs Analysis", "Value Proposition", "Proposal/Price Quote"),
    *("Negotiation/Review", "Closed Won", "Closed Lost"),
)


def label_of(name: str) -> str:
    """Return the label Salesforce would give: "OwnerId" is "Owner ID", "IsConverted" is "Converted"."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removesuffix("__c").replace("_", " "))
    return re.sub(r"\bId$", "ID", words).removeprefix("Is ")


def text(name: str, length: int = 255, kind: str = "string", **options: Any) -> Field:
    return Field(name, label_of(name), kind, length, **options)


def plain(kind: str, *names: str, **options: Any) -> list[Field]:
    return [Field(name, label_of(name), kind, **options) for name in names]


def picklist(name: str, values: tuple[str, ...], **options: Any) -> Field:
    return Field(name, label_of(name), "picklist", 255, picklist=values, **options)


def lookup(name: str, *targets: str, **options: Any) -> Field:
    return Field(
        name, label_of(name), "reference", 18, reference_to=targets, relationship=name[:-2], **options
    )


def person_name(row: Row) -> str | None:
    return " ".join(part for part in (row.get("FirstName"), row.get("LastName")) if part) or None


def address(prefix: str) -> Field:
    parts = {part[0].lower() + part[1:]: prefix + part for part in ADDRESS_PARTS}

    def compute(row: Row) -> dict[str, Any] | None:
        values = {key: row.get(name) for key, name in parts.items()}
        return values if any(values.values()) else None

    return Field(f"{prefix}Address", label_of(f"{prefix}Address"), "address", compute=compute, writable=False)


ADDRESS_PARTS = ("Street", "City", "State", "PostalCode", "Country")


def address_fields(prefix: str) -> list[Field]:
    sizes = dict(zip(ADDRESS_PARTS, (255, 40, 80, 20, 80), strict=True))
    kinds = {"Street": "textarea"}
    stored = [text(prefix + part, size, kinds.get(part, "string")) for part, size in sizes.items()]
    return [*stored, address(prefix)]


def system_fields(label: str) -> list[Field]:
    return [
        Field("Id", f"{label} ID", "id", 18, writable=False),
        *plain("boolean", "IsDeleted", default=False, writable=False),
        *plain("datetime", "CreatedDate", required=True, writable=False),
        lookup("CreatedById", "User", writable=False),
        *plain("datetime", "LastModifiedDate", required=True, writable=False),
        lookup("LastModifiedById", "User", writable=False),
        *plain("datetime", "SystemModstamp", required=True, writable=False),
    ]


def person_fields() -> list[Field]:
    return [
        text("LastName", 80, required=True),
        text("FirstName", 40),
        text("Name", 121, compute=person_name),
        text("Title", 128),
        text("Email", 80, "email"),
        text("Phone", 40, "phone"),
        text("MobilePhone", 40, "phone"),
    ]


def lead_fields() -> list[Field]:
    return [
        *person_fields(),
        text("Company", required=True),
        *address_fields(""),
        text("Website", kind="url"),
        text("Description", 32_000, "textarea"),
        picklist("LeadSource", SOURCES),
        picklist("Status", STATUSES, required=True),
        picklist("Rating", RATINGS),
        picklist("Industry", INDUSTRIES),
        *plain("int", "NumberOfEmployees"),
        *plain("currency", "AnnualRevenue"),
        *plain("boolean", "HasOptedOutOfEmail", "DoNotCall", "IsUnreadByOwner", default=False),
        *plain("boolean", "IsConverted", default=False, writable=False),
        *plain("date", "ConvertedDate", "LastActivityDate", writable=False),
        lookup("ConvertedAccountId", "Account", writable=False),
        lookup("ConvertedContactId", "Contact", writable=False),
        lookup("ConvertedOpportunityId", "Opportunity", writable=False),
        text("EmailBouncedReason"),
        *plain("datetime", "EmailBouncedDate"),
        lookup("OwnerId", "Group", "User", required=True),
        lookup("MasterRecordId", "Lead", writable=False),
    ]


def contact_fields() -> list[Field]:
    return [
        *person_fields(),
        lookup("AccountId", "Account"),
        *address_fields("Mailing"),
        text("Department", 80),
        text("Description", 32_000, "textarea"),
        picklist("LeadSource", SOURCES),
        *plain("date", "Birthdate", "LastActivityDate"),
        *plain("boolean", "HasOptedOutOfEmail", "DoNotCall", default=False),
        lookup("ReportsToId", "Contact"),
        lookup("OwnerId", "User", required=True),
        lookup("MasterRecordId", "Contact", writable=False),
    ]


def account_fields() -> list[Field]:
    return [
        text("Name", required=True),
        text("AccountNumber", 40),
        text("Phone", 40, "phone"),
        text("Website", kind="url"),
        *address_fields("Billing"),
        text("Description", 32_000, "textarea"),
        picklist("Type", ("Prospect", "Customer - Direct", "Customer - Channel", "Partner", "Other")),
        picklist("Industry", INDUSTRIES),
        picklist("Rating", RATINGS),
        *plain("int", "NumberOfEmployees"),
        *plain("currency", "AnnualRevenue"),
        lookup("ParentId", "Account"),
        lookup("OwnerId", "User", required=True),
        lookup("MasterRecordId", "Account", writable=False),
    ]


def opportunity_fields() -> list[Field]:
    return [
        text("Name", 120, required=True),
        picklist("StageName", STAGES, required=True),
        *plain("boolean", "IsClosed", compute=lambda row: str(row.get("StageName", "")).startswith("Closed")),
        *plain("boolean", "IsWon", compute=lambda row: row.get("StageName") == "Closed Won"),
        *plain("currency", "Amount"),
        *plain("percent", "Probability"),
        *plain("date", "CloseDate", required=True),
        *plain("date", "LastActivityDate", writable=False),
        picklist("Type", ("New Customer", "Existing Customer - Upgrade", "Existing Customer - Replacement")),
        picklist("LeadSource", SOURCES),
        text("NextStep"),
        text("Description", 32_000, "textarea"),
        lookup("AccountId", "Account"),
        lookup("OwnerId", "User", required=True),
    ]


def user_fields() -> list[Field]:
    return [
        *person_fields(),
        text("Username", 80, required=True),
        text("Alias", 8),
        text("CompanyName", 80),
        text("Department", 80),
        *plain("boolean", "IsActive", default=True),
        picklist("UserType", ("Standard", "PowerPartner", "AutomatedProcess"), default="Standard"),
        text("TimeZoneSidKey", 40, default="Europe/Berlin"),
        lookup("ManagerId", "User"),
    ]


def group_fields() -> list[Field]:
    kinds = ("Regular", "Queue", "Role", "Organization")
    return [
        text("Name", 40, required=True),
        text("DeveloperName", 80),
        picklist("Type", kinds, required=True),
        text("Email", 255, "email"),
        *plain("boolean", "DoesSendEmailToMembers", default=False),
        lookup("OwnerId", "User"),
    ]


def owner_fields() -> list[Field]:
    """Return what is reachable through an owner that may be a person or a queue."""

    def owner_type(row: Row) -> str:
        return "User" if row["Id"].startswith("005") else "Queue"

    def owner_name(row: Row) -> str | None:
        return row.get("Name") or person_name(row)

    return [
        Field("Id", "Owner ID", "id", 18),
        text("Name", compute=owner_name),
        text("Type", compute=owner_type),
        text("Email", 80, "email"),
        *(text(name) for name in ("FirstName", "LastName", "Username", "Alias", "Title", "Phone")),
        *plain("boolean", "IsActive"),
    ]


OWNER_TYPE = "Name"
MEMBER_FIELDS = [lookup("GroupId", "Group", required=True)]
MEMBER_FIELDS += [Field("UserOrGroupId", "User/Group ID", "reference", 18, reference_to=("Group", "User"))]


def _type(name: str, prefix: str, fields: list[Field], plural: str = "") -> ObjectType:
    label = label_of(name)
    complete = [*system_fields(label), *fields] if prefix else fields
    return ObjectType(
        name, label, plural or f"{label}s", prefix, {item.name.lower(): item for item in complete}
    )


def standard_types() -> list[ObjectType]:
    return [
        _type("Lead", "00Q", lead_fields()),
        _type("Contact", "003", contact_fields()),
        _type("Account", "001", account_fields()),
        _type("Opportunity", "006", opportunity_fields(), "Opportunities"),
        _type("User", "005", user_fields(), "People"),
        _type("Group", "00G", group_fields()),
        _type("GroupMember", "011", MEMBER_FIELDS),
        _type(OWNER_TYPE, "", owner_fields()),
    ]
