"""Filters of the log lists: each narrows by an index, none counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone

NEWEST = 100_000
MOST = 1_000
PERIODS = [("1", "Last hour"), ("24", "Last 24 hours"), ("168", "Last 7 days"), ("720", "Last 30 days")]


class Period(admin.SimpleListFilter):
    """Last hour, day, week, month, by a time that has an index and by which the rows came in."""

    parameter_name = "hours"
    title = "when"
    field = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return PERIODS

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        value = self.value()
        if value not in dict(PERIODS):
            return queryset
        return self.since(timezone.now() - timedelta(hours=int(value or 0)), queryset)

    def since(self, begin: datetime, queryset: QuerySet[Model]) -> QuerySet[Model]:
        """Find the first row by the index on the time, and read the list by id from there.

        By the index alone SQLite would sort all rows of the month; the time is wrapped so that it cannot.
        """
        rows = queryset.model._base_manager.filter(**{f"{self.field}__gte": begin})
        first = rows.order_by(self.field).values_list("pk", flat=True).first()
        if first is None:
            return queryset.none()
        wrapped = queryset.alias(_at=Coalesce(self.field, self.field))
        found: QuerySet[Model] = wrapped.filter(_at__gte=begin, pk__gte=first)
        return found


class SettledPeriod(Period):
    """The same by when rows were settled, whenever they came: the newest of each state, as the index has them."""

    def since(self, begin: datetime, queryset: QuerySet[Model]) -> QuerySet[Model]:
        rows = queryset.model._base_manager.filter(**{f"{self.field}__gte": begin})
        states: Any = queryset.model._meta.get_field("state")
        found: list[int] = []
        for state, _ in states.choices:
            own = rows.filter(state=state).order_by(f"-{self.field}")
            found += own.values_list("pk", flat=True)[:MOST]
        return queryset.filter(pk__in=found)


def period(field: str, title: str = "when") -> type[Period]:
    return type("PeriodOfField", (Period,), {"field": field, "title": title})


def settled_period(field: str) -> type[Period]:
    title = f"settled (the newest {MOST:,} of a state)"
    return type("PeriodOfSettling", (SettledPeriod,), {"field": field, "title": title})


class _AmongNewest(admin.FieldListFilter):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = f"{self.title} (of the newest {NEWEST:,})"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model] | None:
        found = super().queryset(request, queryset)
        if not self.used_parameters or found is None:
            return found
        newest = queryset.model._base_manager.order_by("-pk").values_list("pk", flat=True).first() or 0
        return found.filter(pk__gt=newest - NEWEST)


class AmongNewest(_AmongNewest, admin.ChoicesFieldListFilter):
    """A choice that has no index of its own: looked for among the newest rows only, so that a rare one is quick."""


class AmongNewestOf(_AmongNewest, admin.RelatedFieldListFilter):
    """The same for a reference, such as the connection."""


class NewestSettled(admin.ChoicesFieldListFilter):
    """A state, by its index with the time of settling: the newest of it, so that rare and frequent ones are quick."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = f"{self.title} (the newest {MOST:,})"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model] | None:
        found = super().queryset(request, queryset.model._base_manager.order_by("-settled_at"))
        if not self.used_parameters or found is None:
            return queryset
        return queryset.filter(pk__in=list(found.values_list("pk", flat=True)[:MOST]))


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
