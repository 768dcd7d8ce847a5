"""Fields of a record's parents, one step up: which relationships lead where, and what there is to read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from integration_hub.connectors.errors import ConfigError, RejectedError
from integration_hub.connectors.salesforce import schema as salesforce_schema
from integration_hub.connectors.schema import FieldSchema, ObjectSchema

MOST_PARENTS = 20
"""Object types of parents that are described, a call each."""

Described = Mapping[str, Any]
Describe = Callable[[str], Described]
"""Asks Salesforce for one object type."""


class Parents:
    """One use of a connection for reading: what it learned of the objects is asked for once."""

    def __init__(self, ask: Describe) -> None:
        self.ask = ask
        self._described: dict[str, Described | None] = {}

    def schema(self, object_type: str) -> ObjectSchema:
        """Return the object's own fields and all fields of its parents; of an owner that may be a queue a few."""
        described = self._of(object_type)
        schema = salesforce_schema.object_schema(described)
        wanted = list(dict.fromkeys(target for _, target in relationships(described)))[:MOST_PARENTS]
        fields = dict(schema.fields)
        for raw, target in relationships(described):
            parent = self._seen(target) if target in wanted else None
            for field in _fields_of(raw, parent) if parent else ():
                fields.setdefault(field.name, field)
        return ObjectSchema(schema.object_type, schema.label, fields)

    def types(self, object_type: str, fields: Iterable[str]) -> dict[str, str]:
        """Return Salesforce's own type by field name in lower case, also of the parents that `fields` name."""
        described = self._of(object_type)
        types = salesforce_schema.raw_types(described)
        named = {name.partition(".")[0].casefold() for name in fields if "." in name}
        for raw, target in relationships(described):
            relationship = raw["relationshipName"]
            if relationship.casefold() not in named:
                continue
            parent = self._seen(target)
            for one in parent["fields"] if parent else ():
                types.setdefault(f"{relationship}.{one['name']}".casefold(), one["type"])
        return types

    def _of(self, object_type: str) -> Described:
        known = self._described.get(object_type)
        if known is None:
            known = self._described[object_type] = self.ask(object_type)
        return known

    def _seen(self, object_type: str) -> Described | None:
        """Return a parent's description; None: the user may not see such objects, or there is none."""
        if object_type not in self._described:
            try:
                self._described[object_type] = self.ask(object_type)
            except (ConfigError, RejectedError):
                self._described[object_type] = None
        return self._described[object_type]


def relationships(described: Described) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield (lookup field, object type) of those that lead to one type of parent."""
    for raw in described["fields"]:
        targets = list(raw.get("referenceTo") or ())
        if raw.get("relationshipName") and len(targets) == 1:
            yield raw, targets[0]


def _fields_of(raw: Mapping[str, Any], parent: Described) -> Iterator[FieldSchema]:
    words = (raw.get("label") or raw["relationshipName"]).removesuffix(" ID")
    for field in salesforce_schema.own_fields(parent):
        yield FieldSchema(
            f"{raw['relationshipName']}.{field.name}",
            f"{words}: {field.label}",
            field.type,
            field.options,
            field.filterable,
        )
