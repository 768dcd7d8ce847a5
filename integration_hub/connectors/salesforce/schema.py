"""Salesforce's describe answers in our words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
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
_PARENT_TYPES = {FieldType.BOOLEAN: "boolean", FieldType.NUMBER: "int"}
"""Of the parents' fields above, the only number is a whole one."""

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
    """Return the fields with a value of their own, and the few of owner and account that need no other call."""
    fields = {}
    for raw in describe["fields"]:
        if raw["type"] not in _NO_VALUE:
            fields[raw["name"]] = _field(raw)
        for parent in _parent_fields(raw):
            fields[parent.name] = parent
    return ObjectSchema(describe["name"], describe.get("label", describe["name"]), fields)


def own_fields(describe: Mapping[str, Any]) -> Iterator[FieldSchema]:
    return (_field(raw) for raw in describe["fields"] if raw["type"] not in _NO_VALUE)


def destination_schema(
    describe: Mapping[str, Any], parents_known: Mapping[str, Mapping[str, Any]]
) -> ObjectSchema:
    """Return the fields with a value of their own, marked for writing, and the parents by each external id of theirs.

    `parents_known`: the describes of the parents, by object type; those left out cannot be named.
    """
    fields = {raw["name"]: _written(raw) for raw in describe["fields"] if raw["type"] not in _NO_VALUE}
    for relationship, parent in parents(describe):
        for raw in parents_known.get(parent, {}).get("fields", ()):
            if is_external_id(raw):
                name = f"{relationship}.{raw['name']}"
                label = f"{relationship}, by {raw.get('label') or raw['name']}"
                fields[name] = FieldSchema(name, label, FieldType.TEXT, filterable=False)
    return ObjectSchema(describe["name"], describe.get("label", describe["name"]), fields)


def parents(describe: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (relationship, object type) of the lookups that are written and lead to one type of parent."""
    for raw in describe["fields"]:
        types = list(raw.get("referenceTo") or ())
        if raw.get("relationshipName") and len(types) == 1 and is_written(raw):
            yield raw["relationshipName"], types[0]


def is_written(raw: Mapping[str, Any]) -> bool:
    writable = raw.get("createable") or raw.get("updateable")
    return bool(writable) and raw["type"] not in _NO_VALUE


def is_external_id(raw: Mapping[str, Any]) -> bool:
    """Say whether records can be found and upserted by the field; of numbers we know no one way to write them."""
    return bool(raw.get("externalId")) and _TYPES.get(raw["type"], FieldType.TEXT) is FieldType.TEXT


def raw_types(describe: Mapping[str, Any]) -> dict[str, str]:
    """Return Salesforce's own type by field name in lower case, those of the known parents included."""
    types = {parent.name: _PARENT_TYPES.get(parent.type, "") for raw in describe["fields"]
             for parent in _parent_fields(raw)}  # fmt: skip
    types |= {raw["name"]: raw["type"] for raw in describe["fields"]}
    return {name.casefold(): kind for name, kind in types.items()}


def base_fields(schema: ObjectSchema) -> list[str]:
    return [name for name in _BASE_FIELDS if name in schema.fields]


def _field(raw: Mapping[str, Any]) -> FieldSchema:
    kind = _TYPES.get(raw["type"], FieldType.TEXT)
    options = tuple(item["value"] for item in raw.get("picklistValues") or () if item.get("active", True))
    if raw["type"] == "reference":
        options = tuple(raw.get("referenceTo") or ())
    return FieldSchema(
        name=raw["name"],
        label=raw.get("label") or raw["name"],
        type=kind,
        options=options if kind in {FieldType.PICKLIST, FieldType.MULTIPICKLIST, FieldType.REFERENCE} else (),
        filterable=bool(raw.get("filterable", True)),
        longest=int(raw.get("length") or 0) if kind == FieldType.TEXT else 0,
        required=raw.get("nillable") is False
        and not raw.get("defaultedOnCreate")
        and raw.get("createable") is True,
        any_value=not raw.get("restrictedPicklist"),
    )


def _written(raw: Mapping[str, Any]) -> FieldSchema:
    found = _field(raw)
    notes = [note for note, holds in (
        ("external id", is_external_id(raw)),
        ("on create only", raw.get("createable") and not raw.get("updateable")),
        ("on update only", raw.get("updateable") and not raw.get("createable")),
    ) if holds]  # fmt: skip
    label = f"{found.label} ({', '.join(notes)})" if notes else found.label
    is_key = raw["type"] == "id" or is_external_id(raw)
    # An id is not written, but it may say which record is meant.
    is_read_only = not is_written(raw) and raw["type"] != "id"
    is_text = found.type is FieldType.TEXT
    return replace(
        found,
        label=label,
        read_only=is_read_only,
        unique=is_key,
        longest=int(raw.get("length") or 0) if is_text else 0,
        required=bool(
            raw.get("createable") and not raw.get("nillable", True) and not raw.get("defaultedOnCreate")
        ),
        any_value=not raw.get("restrictedPicklist"),
    )


def _parent_fields(raw: Mapping[str, Any]) -> Iterator[FieldSchema]:
    """Yield fields one level up that are known without a description; an owner of two types has no other."""
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
