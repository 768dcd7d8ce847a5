"""HubSpot's object types, properties and pipelines in our words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from integration_hub.connectors.schema import FieldSchema, FieldType, ObjectSchema

OBJECT_TYPES = (
    ("contacts", "Contacts"),
    ("companies", "Companies"),
    ("deals", "Deals"),
    ("tickets", "Tickets"),
    ("products", "Products"),
    ("line_items", "Line items"),
    ("orders", "Orders"),
)
WITH_PIPELINES = frozenset({"deals", "tickets", "orders", "0-3", "0-5", "0-123"})
_PIPELINE_FIELDS = frozenset({"pipeline", "hs_pipeline"})
_STAGE_FIELDS = frozenset({"dealstage", "hs_pipeline_stage"})
_TYPES = {
    "number": FieldType.NUMBER,
    "bool": FieldType.BOOLEAN,
    "date": FieldType.DATE,
    "datetime": FieldType.DATETIME,
}
_BASE_FIELDS = (
    *("createdate", "lastmodifieddate", "hs_lastmodifieddate", "email", "firstname", "lastname"),
    *("name", "domain", "dealname", "subject", "hubspot_owner_id"),
)
"""What a record's own attributes, a message and the directory want, where the object type has it."""


def object_schema(
    object_type: str, properties: Iterable[Mapping[str, Any]], pipelines: Sequence[Mapping[str, Any]] = ()
) -> ObjectSchema:
    """Return all properties that are not archived; read-only and unique ones are marked."""
    fields = {}
    for raw in properties:
        if not raw.get("archived") and raw.get("name"):
            fields[str(raw["name"])] = _field(raw, pipelines)
    return ObjectSchema(object_type, dict(OBJECT_TYPES).get(object_type, object_type), fields)


def base_fields(schema: ObjectSchema) -> list[str]:
    return [name for name in _BASE_FIELDS if name in schema.fields]


def _field(raw: Mapping[str, Any], pipelines: Sequence[Mapping[str, Any]]) -> FieldSchema:
    name = str(raw["name"])
    kind = _TYPES.get(str(raw.get("type")), FieldType.TEXT)
    if raw.get("type") == "enumeration":
        kind = FieldType.MULTIPICKLIST if raw.get("fieldType") == "checkbox" else FieldType.PICKLIST
    changes = raw.get("modificationMetadata") or {}
    return FieldSchema(
        name=name,
        label=str(raw.get("label") or name),
        type=kind,
        options=_options(name, raw, pipelines),
        read_only=bool(raw.get("calculated")) or bool(changes.get("readOnlyValue")),
        unique=bool(raw.get("hasUniqueValue")) or name == "hs_object_id",
    )


def _options(name: str, raw: Mapping[str, Any], pipelines: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the internal values, which is what is written. Those of pipelines and stages are told elsewhere."""
    live = [one for one in pipelines if not one.get("archived")]
    if name in _PIPELINE_FIELDS and live:
        return tuple(str(one["id"]) for one in live)
    if name in _STAGE_FIELDS and live:
        stages = [stage for one in live for stage in one.get("stages") or () if not stage.get("archived")]
        return tuple(dict.fromkeys(str(stage["id"]) for stage in stages))
    if raw.get("type") != "enumeration":
        return ()
    return tuple(str(option["value"]) for option in raw.get("options") or () if not option.get("hidden"))
