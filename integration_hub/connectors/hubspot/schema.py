"""HubSpot's object types, properties and pipelines in our words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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
_NEEDED = {"deals": {"dealname", "dealstage"}, "tickets": {"subject", "hs_pipeline_stage"}}
"""What no record is created without; the description of properties does not tell. Of an either-or nothing is known."""
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
    live = [one for one in pipelines if not one.get("archived")]
    needed = _NEEDED.get(object_type, set())
    fields = {}
    for raw in properties:
        if not raw.get("archived") and raw.get("name"):
            fields[str(raw["name"])] = _field(raw, live, needed)
    return ObjectSchema(object_type, dict(OBJECT_TYPES).get(object_type, object_type), fields)


def base_fields(schema: ObjectSchema) -> list[str]:
    return [name for name in _BASE_FIELDS if name in schema.fields]


def _field(
    raw: Mapping[str, Any], pipelines: Sequence[Mapping[str, Any]], needed: Collection[str]
) -> FieldSchema:
    name = str(raw["name"])
    kind = _TYPES.get(str(raw.get("type")), FieldType.TEXT)
    if raw.get("type") == "enumeration":
        kind = FieldType.MULTIPICKLIST if raw.get("fieldType") == "checkbox" else FieldType.PICKLIST
    changes = raw.get("modificationMetadata") or {}
    labels = _labels(name, raw, pipelines)
    return FieldSchema(
        name=name,
        label=str(raw.get("label") or name),
        type=kind,
        options=tuple(labels),
        read_only=bool(raw.get("calculated")) or bool(changes.get("readOnlyValue")),
        unique=bool(raw.get("hasUniqueValue")) or name == "hs_object_id",
        required=name in needed,
        labels=tuple((value, label) for value, label in labels.items() if label != value),
        within=tuple((str(one["id"]), str(stage["id"])) for one, stage in _stages(name, pipelines)),
    )


def _labels(name: str, raw: Mapping[str, Any], pipelines: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return what is written, the internal values, with what people see. Those of stages are told elsewhere."""
    if name in _PIPELINE_FIELDS and pipelines:
        return {str(one["id"]): str(one.get("label") or "") for one in pipelines}
    if name in _STAGE_FIELDS and pipelines:
        several = len(pipelines) > 1
        return {
            str(stage["id"]): f"{one.get('label')}: {stage.get('label')}"
            if several
            else str(stage.get("label"))
            for one, stage in _stages(name, pipelines)
        }
    if raw.get("type") != "enumeration":
        return {}
    shown = [option for option in raw.get("options") or () if not option.get("hidden")]
    return {str(option["value"]): str(option.get("label") or "") for option in shown}


def _stages(
    name: str, pipelines: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield each pipeline with each of its stages, if this is the field of stages."""
    for one in pipelines if name in _STAGE_FIELDS else ():
        yield from ((one, stage) for stage in one.get("stages") or () if not stage.get("archived"))
