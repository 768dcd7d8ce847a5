"""What a destination said of its fields, given to the lines of a sync so that they refuse what it would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from django.utils import timezone

from integration_hub.connectors.schema import FieldSchema
from syncs.engine import fitting
from syncs.engine.mapping import Line
from syncs.models import Description, FieldMapping, Sync, ValueMap

TRUSTED = timedelta(days=2)
"""An older description may be wrong by now: an option that was added since would be refused for nothing."""


def fields_filled_by(value_map: ValueMap) -> dict[FieldMapping, FieldSchema]:
    """Return the lines that the value map translates for and that lead to a choice, with what is offered there."""
    found = {}
    for row in value_map.field_mappings.select_related("sync__destination").order_by("pk"):
        field = field_of(row)
        if field is not None and field.options:
            found[row] = field
    return found


def field_of(row: FieldMapping) -> FieldSchema | None:
    """Return the field that a line writes to as its destination described it last, None if it did not."""
    sync = row.sync
    described = Description.objects.filter(
        connection=sync.destination_id, object_type=sync.object_type
    ).first()
    return described.schema.get(row.destination) if described else None


def checked(sync: Sync, lines: Sequence[Line]) -> list[Line]:
    """Return the lines with the fields they write to, as far as those could refuse something."""
    since = timezone.now() - TRUSTED
    found = Description.objects.filter(
        connection=sync.destination_id, object_type=sync.object_type, described_at__gte=since
    ).first()
    known = found.schema if found else {}
    return [
        replace(line, there=field)
        if (field := known.get(line.destination)) and fitting.check_of(field)
        else line
        for line in lines
    ]
