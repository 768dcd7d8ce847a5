"""Salesforce's describe answers in our words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from integration_hub.connectors.schema import FieldSchema, FieldType, ObjectSchema

_TYPES = {
    "id": FieldType.REFERENCE,
    "reference": FieldType.REFERENCE,
    "boolean": FieldType.BOOLEAN,
    "picklist": FieldType.PICKLIST,
    "multipicklist": FieldType.MULTIPICKLIST,
    "date": FieldType.DATE,
    "datetime": FieldType.DATETIME,
    "int": FieldType.NUMBER,
    "long": FieldType.NUMBER,
    "double": FieldType.NUMBER,
    "currency": FieldType.NUMBER,
    "percent": FieldType.NUMBER,
}
_NO_VALUE = {"address", "location", "base64", "complexvalue"}
"""Compound and binary fields: their parts are fields of their own."""

_OWNER = (
    ("Id", "id", FieldType.REFERENCE, ()),
    ("Name", "name", FieldType.TEXT, ()),
    ("Email", "e-mail", FieldType.TEXT, ()),
    ("IsActive", "is active", FieldType.BOOLEAN, ()),
)
_OWNER_TYPE = ("Type", "type", FieldType.PICKLIST, ("User", "Queue"))
_ACCOUNT = (
    ("Id", "id", FieldType.REFERENCE, ()),
    ("Name", "name", FieldType.TEXT, ()),
    ("Type", "type", FieldType.PICKLIST, ()),
    ("Industry", "industry", FieldType.PICKLIST, ()),
    ("Website", "website", FieldType.TEXT, ()),
    ("NumberOfEmployees", "employees", FieldType.NUMBER, ()),
)

_BASE_FIELDS = (
    "CreatedDate",
    "Name",
    "CaseNumber",
    "Subject",
    "Email",
    "OwnerId",
    "Owner.Name",
    "Owner.Email",
    "IsDeleted",
)
"""What a record's own attributes, a message and the directory want, where the object type has it."""


def object_schema(describe: Mapping[str, Any]) -> ObjectSchema:
    """Return the fields with a value of their own, and the few of owner and account that rules ask for."""
    fields = {}
    for raw in describe["fields"]:
        if raw["type"] not in _NO_VALUE:
            fields[raw["name"]] = _field(raw)
        for parent in _parent_fields(raw):
            fields[parent.name] = parent
    return ObjectSchema(describe["name"], describe.get("label", describe["name"]), fields)


def base_fields(schema: ObjectSchema) -> list[str]:
    return [name for name in _BASE_FIELDS if name in schema.fields]


def _field(raw: Mapping[str, Any]) -> FieldSchema:
    kind = _TYPES.get(raw["type"], FieldType.TEXT)
    options = tuple(item["value"] for item in raw.get("picklistValues") or () if item.get("active", True))
    return FieldSchema(
        name=raw["name"],
        label=raw.get("label") or raw["name"],
        type=kind,
        options=options if kind in {FieldType.PICKLIST, FieldType.MULTIPICKLIST} else (),
        filterable=bool(raw.get("filterable", True)),
    )


def _parent_fields(raw: Mapping[str, Any]) -> Iterator[FieldSchema]:
    """Yield fields one level up: describing the parents, too, would cost a call for each of them."""
    parents = set(raw.get("referenceTo") or ())
    relationship = raw.get("relationshipName")
    known: tuple[tuple[str, str, FieldType, tuple[str, ...]], ...] = ()
    if relationship == "Owner" and "User" in parents:
        # The owner of a lead may be a queue, and only an owner of several types has a Type.
        known = (*_OWNER, _OWNER_TYPE) if "Group" in parents else _OWNER
    elif relationship == "Account" and parents == {"Account"}:
        known = _ACCOUNT
    for name, words, kind, options in known:
        yield FieldSchema(f"{relationship}.{name}", f"{relationship} {words}", kind, options)
