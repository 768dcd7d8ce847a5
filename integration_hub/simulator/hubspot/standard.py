"""What every portal has from the start: object types, their properties, the sales pipeline, association types."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from integration_hub.simulator.hubspot.properties import Property

CONTACT, COMPANY, DEAL = "contacts", "companies", "deals"
LIFECYCLE = (
    *("subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead"),
    *("opportunity", "customer", "evangelist", "other"),
)
LEAD_STATUS = ("NEW", "OPEN", "IN_PROGRESS", "OPEN_DEAL", "UNQUALIFIED", "CONNECTED")
STAGES = (
    ("appointmentscheduled", "Appointment scheduled", "0.2"),
    ("qualifiedtobuy", "Qualified to buy", "0.4"),
    ("contractsent", "Contract sent", "0.9"),
    ("closedwon", "Closed won", "1.0"),
    ("closedlost", "Closed lost", "0.0"),
)


@dataclass(slots=True)
class ObjectType:
    """One object type: its names, what a read returns unasked, and its properties."""

    name: str
    type_id: str
    singular: str
    properties: dict[str, Property] = field(default_factory=dict)
    defaults: tuple[str, ...] = ()
    custom: bool = False
    groups: dict[str, str] = field(default_factory=lambda: {"information": "Information"})

    @property
    def modified(self) -> str:
        return "lastmodifieddate" if self.name == CONTACT else "hs_lastmodifieddate"

    @property
    def scope(self) -> str:
        return "custom" if self.custom else self.name


def object_type(name: str, type_id: str, singular: str, own: Iterable[Property], defaults: str) -> ObjectType:
    found = ObjectType(name, type_id, singular, custom=type_id.startswith("2-"))
    shared = (
        Property("hs_object_id", "Record ID", "number", "number", read_only=True),
        Property("createdate", "Create date", "datetime", "date", read_only=True),
        Property(found.modified, "Last modified date", "datetime", "date", read_only=True),
        Property("hs_merged_object_ids", "Merged record IDs", "enumeration", "checkbox", read_only=True),
        Property("hs_object_source", "Record source", "enumeration", "select", read_only=True),
        Property("hubspot_owner_id", "Owner", "enumeration", "select", external_options=True),
    )
    found.properties = {one.name: one for one in (*shared, *own)}
    found.defaults = ("createdate", found.modified, "hs_object_id", *defaults.split())
    return found


def standard_types() -> list[ObjectType]:
    return [
        object_type(CONTACT, "0-1", "CONTACT", _CONTACT, "email firstname lastname"),
        object_type(COMPANY, "0-2", "COMPANY", _COMPANY, "domain name"),
        object_type(DEAL, "0-3", "DEAL", _DEAL, "amount closedate dealname dealstage pipeline"),
        object_type("line_items", "0-8", "LINE_ITEM", _LINE_ITEM, "name"),
        object_type("orders", "0-123", "ORDER", _ORDER, "hs_order_name"),
    ]


def sales_pipeline() -> dict[str, Any]:
    return pipeline("default", "Sales Pipeline", STAGES)


def pipeline(pipeline_id: str, label: str, stages: Iterable[tuple[str, str, str]]) -> dict[str, Any]:
    return {
        "id": pipeline_id,
        "label": label,
        "displayOrder": 0,
        "archived": False,
        "stages": [
            {
                "id": stage_id,
                "label": words,
                "displayOrder": at,
                "metadata": {
                    "probability": probability,
                    "isClosed": "true" if probability in {"1.0", "0.0"} else "false",
                },
                "archived": False,
                "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
            }
            for at, (stage_id, words, probability) in enumerate(stages)
        ],
    }


def _texts(*names: str) -> tuple[Property, ...]:
    return tuple(Property(name, name.replace("_", " ").capitalize(), hubspot_defined=True) for name in names)


_CONTACT = (
    *_texts("email", "firstname", "lastname", "phone", "company", "jobtitle", "website", "city", "country"),
    Property(
        "hs_additional_emails", "Additional email addresses", "enumeration", "checkbox", external_options=True
    ),
    Property("lifecyclestage", "Lifecycle stage", "enumeration", "radio", LIFECYCLE),
    Property("hs_lead_status", "Lead status", "enumeration", "radio", LEAD_STATUS),
    Property("date_of_birth", "Date of birth"),
    Property("associatedcompanyid", "Primary company ID", "number", "number", read_only=True),
)
_COMPANY = (
    *_texts("name", "domain", "phone", "city", "country", "description", "hs_additional_domains"),
    Property("industry", "Industry", "enumeration", "select", ("COMPUTER_SOFTWARE", "RETAIL", "BANKING")),
    Property("numberofemployees", "Number of employees", "number", "number"),
    Property("annualrevenue", "Annual revenue", "number", "number"),
    Property("lifecyclestage", "Lifecycle stage", "enumeration", "radio", LIFECYCLE),
)
_DEAL = (
    *_texts("dealname", "description"),
    Property("amount", "Amount", "number", "number"),
    Property("closedate", "Close date", "datetime", "date"),
    Property("pipeline", "Pipeline", "enumeration", "select", external_options=True),
    Property("dealstage", "Deal stage", "enumeration", "radio", external_options=True),
    Property("dealtype", "Deal type", "enumeration", "radio", ("newbusiness", "existingbusiness")),
)
_LINE_ITEM = (
    *_texts("name", "hs_sku"),
    Property("quantity", "Quantity", "number", "number"),
    Property("price", "Unit price", "number", "number"),
)
_ORDER = (
    *_texts("hs_order_name", "hs_external_order_id"),
    Property("hs_total_price", "Total", "number", "number"),
)

PRIMARY = {
    ("contacts", "companies"): 1,
    ("companies", "contacts"): 2,
    ("deals", "companies"): 5,
    ("companies", "deals"): 6,
}
UNLABELLED = {
    ("contacts", "companies"): 279,
    ("companies", "contacts"): 280,
    ("deals", "companies"): 341,
    ("companies", "deals"): 342,
    ("deals", "contacts"): 3,
    ("contacts", "deals"): 4,
    ("deals", "line_items"): 19,
    ("line_items", "deals"): 20,
    ("contacts", "contacts"): 449,
    ("companies", "companies"): 450,
    ("deals", "deals"): 451,
    ("deals", "orders"): 511,
    ("orders", "deals"): 512,
}
