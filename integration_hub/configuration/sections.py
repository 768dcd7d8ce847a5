"""The sections of a file: which table each one stands for, and which entries refer to which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import models

from integration_hub.configuration import validate
from integration_hub.configuration.parts import PARTS, Part
from routing.models import Flow, MessageTemplate, Person, Rule, WorkingHours
from syncs.models import Connection, EventSource, HubSettings, Stream, Sync, ValueMap

Entry = dict[str, Any]
Document = dict[str, dict[str, Entry]]
"""Entries by section and key; the hub's own has the key ""."""
HUB = ""


@dataclass(frozen=True, slots=True)
class Section:
    """`references` leads from a field to the section that it names an entry of."""

    name: str
    model: type[models.Model]
    definition: str
    references: Mapping[str, str] = field(default_factory=dict)
    key: str = "key"
    prunable: bool = True

    @property
    def properties(self) -> Mapping[str, Any]:
        properties: Mapping[str, Any] = validate.schema()["$defs"][self.definition]["properties"]
        return properties

    @property
    def required(self) -> list[str]:
        return list(validate.schema()["$defs"][self.definition].get("x-required", ()))

    @property
    def parts(self) -> Mapping[str, Part]:
        return PARTS.get(self.name, {})

    def defaults(self) -> Entry:
        """Return what a new entry has where the file says nothing."""
        return {name: rule.get("default") for name, rule in self.properties.items()}

    def entry(self, row: Any) -> Entry:
        return {name: self._plain(row, name) for name in self.properties}

    def _plain(self, row: Any, name: str) -> Any:
        if name in self.parts:
            return self.parts[name].read(row)
        value = getattr(row, name)
        if isinstance(value, str):
            return value.replace("\r\n", "\n")  # browsers send texts of several lines so
        return reference_to(value) if name in self.references else value


def reference_to(row: Any) -> str | None:
    """Return how entries refer to the row; a person without e-mail has no name that a file could use."""
    if isinstance(row, Person):
        return row.email or f"person {row.pk}"
    return row.key if row is not None else None


SECTIONS = (
    Section("connections", Connection, "connection"),
    Section("working_hours", WorkingHours, "working_hours"),
    Section("people", Person, "person", {"working_hours": "working_hours"}, key="email", prunable=False),
    Section("templates", MessageTemplate, "template"),
    Section("streams", Stream, "stream", {"connection": "connections"}),
    Section(
        "rules",
        Rule,
        "rule",
        {
            "stream": "streams",
            "destination": "connections",
            "template": "templates",
            "recipient_person": "people",
            "fallback_person": "people",
        },
    ),
    Section("value_maps", ValueMap, "value_map"),
    Section(
        "syncs", Sync, "sync", {"stream": "streams", "destination": "connections", "counterpart": "syncs"}
    ),
    Section("event_sources", EventSource, "event_source"),
    Section("flows", Flow, "flow", {"source": "event_sources", "waits_for": "flows"}),
    Section("hub", HubSettings, "hub", {"escalation_connection": "connections"}, key="pk", prunable=False),
)
"""In an order in which each entry comes after those that it refers to."""
BY_NAME = {section.name: section for section in SECTIONS}


def everything(section: Section) -> models.QuerySet[Any]:
    """Return all rows of the section, with what their entries need."""
    hanging = [name for name, part in section.parts.items() if not part.in_row]
    return (
        section.model._default_manager.select_related(*section.references)
        .prefetch_related(*hanging)
        .order_by("pk")
    )


def row_of(section: Section, key: str) -> Any:
    """Return the entry's row, or None."""
    wanted = 1 if key == HUB else key
    return section.model._default_manager.filter(**{section.key: wanted}).first()
