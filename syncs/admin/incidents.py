"""Incidents: open problems, with what to do."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from integration_hub.admin import LogModelAdmin
from integration_hub.console import pills
from integration_hub.console.buttons import Panel, button
from integration_hub.console.filters import OpenFilter, period
from syncs import incidents
from syncs.models import Incident


@admin.register(Incident)
class IncidentAdmin(LogModelAdmin):
    empty = (
        "No open incident",
        "Everything works. What needs a person appears here, once for each problem.",
    )
    list_display = ("title", "kind", "at", "marked_state", "count", "opened", "last_seen", "remedy")
    list_filter = (OpenFilter, period("opened_at", "opened"), "kind")
    list_select_related = ("connection",)
    actions = ("close_chosen",)
    buttons = ("close",)
    fields = ("title", "kind", "at", "origin", "detail", "remedy", "count", "opened", "last_seen", "closed")
    readonly_fields = ("at", "opened", "last_seen", "closed")

    @admin.display(description="connection")
    def at(self, obj: Incident) -> str:
        return pills.named(obj.connection)

    @admin.display(description="state")
    def marked_state(self, obj: Incident) -> str:
        return pills.pill("Closed", "gray") if obj.closed_at else pills.pill("Open", "red")

    @admin.display(description="opened (UTC)", ordering="opened_at")
    def opened(self, obj: Incident) -> str:
        return pills.time(obj.opened_at)

    @admin.display(description="last seen (UTC)")
    def last_seen(self, obj: Incident) -> str:
        return pills.time(obj.last_seen_at)

    @admin.display(description="closed (UTC)")
    def closed(self, obj: Incident) -> str:
        return pills.time(obj.closed_at)

    def get_panel(self, request: HttpRequest, obj: Incident) -> Panel:
        sentences = [f"What to do: {obj.remedy}"] if obj.remedy and not obj.closed_at else []
        return Panel(pills=(self.marked_state(obj),), sentences=sentences)

    def get_buttons(self, request: HttpRequest, obj: Incident) -> tuple[str, ...]:
        return () if obj.closed_at else ("close",)

    @button("Close", icon="task_alt", confirm="Close it? If the problem is still there, a new one opens.")
    def close(self, request: HttpRequest, obj: Incident) -> None:
        self.close_chosen(request, Incident.objects.filter(pk=obj.pk))

    @admin.action(description="Close", permissions=["act"])
    def close_chosen(self, request: HttpRequest, queryset: QuerySet[Incident]) -> None:
        keys = list(queryset.filter(closed_at=None).values_list("key", flat=True))
        for key in keys:
            incidents.close(key, timezone.now())
        messages.success(
            request, "1 incident closed." if len(keys) == 1 else f"{len(keys)} incidents closed."
        )
