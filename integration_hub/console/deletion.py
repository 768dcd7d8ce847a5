"""What stands in the way of deleting a row, in words, without reading a million rows to find out."""

from __future__ import annotations

from django.db import models
from django.db.models import CASCADE, PROTECT, Model
from django.db.models.fields.reverse_related import ForeignObjectRel, ManyToOneRel

NAMED = 3
HISTORY = 5000
"""Deleting more rows than this belongs to the pruning, not to a click."""


def blockers(row: Model) -> list[str]:
    """Return why the row cannot be deleted, one sentence each; [] if it can."""
    found = []
    for relation in _relations(row):
        related = _related(row, relation)
        if relation.on_delete is PROTECT:
            found += _users(row, related)
        elif relation.on_delete is CASCADE:
            found += _history(related)
    return found


def _relations(row: Model) -> list[ForeignObjectRel]:
    """Return what points at the row, also where that has no name on this side."""
    fields = row._meta.get_fields(include_hidden=True)
    return [one for one in fields if isinstance(one, ManyToOneRel) and one.field.model._meta.managed]


def _related(row: Model, relation: ForeignObjectRel) -> models.QuerySet[Model]:
    return relation.related_model._base_manager.filter(**{relation.field.name: row})


def _users(row: Model, related: models.QuerySet[Model]) -> list[str]:
    some = list(related[: NAMED + 1])
    if not some:
        return []
    names = ", ".join(f"“{one}”" for one in some[:NAMED])
    more = " and more" if len(some) > NAMED else ""
    what = related.model._meta.verbose_name_plural
    return [f"“{row}” is used by {what}: {names}{more}. Change or delete those first, or switch this off."]


def _history(related: models.QuerySet[Model]) -> list[str]:
    if related.values("pk")[HISTORY : HISTORY + 1].exists():
        what = related.model._meta.verbose_name_plural
        words = f"More than {HISTORY:,} {what} belong to it. Switch it off instead; its history is"
        return [f"{words} removed by itself after the days in the hub settings."]
    return []
