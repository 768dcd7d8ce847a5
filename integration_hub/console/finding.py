"""Searches of the log lists: each asks one index after the other, however many rows there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest

from syncs.changes import begins_with
from syncs.models import Change

MOST_FOUND = 1_000


class IndexSearch:
    """A list whose `search_fields` are exact look-ups, each by its index; one condition over all would read all rows.

    `search_within` names the reference, such as the sync, that those indexes begin with.
    """

    model: type[Model]
    search_fields: Sequence[str]
    search_within = ""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        return (queryset.filter(pk__in=self.found(term)) if term else queryset), False

    def found(self, term: str) -> set[int]:
        """Return the rows that the term finds."""
        rows = self.model._base_manager.all()
        if self.search_within:
            field: Any = self.model._meta.get_field(self.search_within)
            begun = list(field.related_model._base_manager.values_list("pk", flat=True))
            rows = rows.filter(**{f"{self.search_within}__in": begun})
        return {pk for name in self.search_fields for pk in some(rows.filter(**{name: term}))}


def some(rows: QuerySet[Any]) -> list[int]:
    return list(rows.values_list("pk", flat=True)[:MOST_FOUND])


def records_named(text: str) -> set[str]:
    """Return the ids of records whose name begins so, as the changes have it."""
    rows = Change.objects.filter(begins_with("title_key", text.casefold()))
    return set(rows.values_list("record_id", flat=True)[:MOST_FOUND])
