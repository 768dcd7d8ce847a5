"""Filters of the log lists: each narrows by an index, none counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone

NEWEST = 100_000
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


class AmongNewest(admin.ChoicesFieldListFilter):
    """A choice that has no index of its own: looked for among the newest rows only, so that a rare one is quick."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = f"{self.title} (of the newest {NEWEST:,})"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model] | None:
        found = super().queryset(request, queryset)
        if not self.used_parameters or found is None:
            return found
        newest = queryset.model._base_manager.order_by("-pk").values_list("pk", flat=True).first() or 0
        return found.filter(pk__gt=newest - NEWEST)


class WaitingFilter(admin.SimpleListFilter):
    """Waiting rows, found by their own small index."""

    title = "state"
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Waiting")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        if self.value() != "yes":
            return queryset
        return queryset.filter(pk__in=queryset.model._base_manager.filter(state="waiting").values("pk"))


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
        if self.value() == "closed":
            return queryset.filter(closed_at__isnull=False)
        return queryset.filter(pk__in=queryset.model._base_manager.filter(closed_at=None).values("pk"))
