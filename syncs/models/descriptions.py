"""Descriptions: what a destination said of the fields of an object, kept so that a record can be judged by it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import models

from integration_hub.connectors.schema import FieldSchema, FieldType
from syncs.models.connections import Connection


class Description(models.Model):
    """Of fields only what can refuse a value is kept, and how people name the options."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="descriptions")
    object_type = models.CharField(max_length=80)
    fields = models.JSONField(default=dict)
    described_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "object_type"], name="one_description_per_object")
        ]

    def __str__(self) -> str:
        return f"{self.object_type} at {self.connection}"

    @property
    def schema(self) -> dict[str, FieldSchema]:
        return {name: _field(name, *kept) for name, kept in self.fields.items()}

    @classmethod
    def keep(
        cls, connection: Connection, object_type: str, known: Mapping[str, FieldSchema], now: datetime
    ) -> None:
        """Store what was said last."""
        fields = {
            name: [
                one.label,
                one.type.value,
                [] if one.any_value else list(one.options),
                one.longest,
                one.required,
                one.labels,
            ]
            for name, one in known.items()
        }
        cls.objects.update_or_create(
            connection=connection,
            object_type=object_type,
            defaults={"fields": fields, "described_at": now},
        )


def _field(
    name: str, label: str, kind: str, options: list[str], longest: int, required: bool, labels: Any = ()
) -> FieldSchema:
    """Return a field as it was kept; earlier ones have no labels."""
    named = tuple((value, words) for value, words in labels)
    return FieldSchema(
        name, label, FieldType(kind), tuple(options), longest=longest, required=required, labels=named
    )
