"""Filters of the log lists: each narrows by an index, none counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone

PERIODS = [("1", "Last hour"), ("24", "Last 24 hours"), ("168", "Last 7 days"), ("720", "Last 30 days")]


def period(field: str, title: str = "when") -> type[admin.SimpleListFilter]:
    """Return a filter "last hour, day, week, month" on a time that has an index."""

    class Period(admin.SimpleListFilter):
        parameter_name = "hours"

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            return PERIODS

        def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
            value = self.value()
            if value not in dict(PERIODS):
                return queryset
            return queryset.filter(**{f"{field}__gte": timezone.now() - timedelta(hours=int(value or 0))})

    Period.title = title
    return Period


class OpenFilter(admin.SimpleListFilter):
    """Open incidents unless somebody asks for the others."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("closed", "Closed"), ("all", "All")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        choices = super().choices(changelist)
        yield {**next(choices), "display": "Open"}
        yield from choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        if self.value() == "all":
            return queryset
        return queryset.filter(closed_at__isnull=self.value() != "closed")
