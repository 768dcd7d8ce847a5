"""Incidents: open problems, with what to do."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from integration_hub.admin import LogModelAdmin
from integration_hub.console import pills
from integration_hub.console.buttons import Panel, button
from integration_hub.console.filters import OpenFilter, period
from syncs import incidents
from syncs.models import Incident
from syncs.models.incidents import IncidentKind

BEHIND = {
    IncidentKind.STREAM: ("syncs.stream", {}),
    IncidentKind.DEAD_LETTERS: ("syncs.delivery", {"state__exact": "dead"}),
    IncidentKind.EXPIRED: ("syncs.delivery", {"state__exact": "expired"}),
    IncidentKind.ERRORS: ("routing.decision", {"verdict__exact": "error"}),
    IncidentKind.PARKED: ("routing.flowrun", {"stage__exact": "parked"}),
    IncidentKind.EVENTS: ("syncs.inboundevent", {"state__exact": "refused"}),
    IncidentKind.NOTICES: ("syncs.notice", {}),
    IncidentKind.DIFFERENCES: ("syncs.reconciliation", {}),
    IncidentKind.LOOPS: ("syncs.recordpair", {}),
}
"""The list that shows what an incident is about, and its filter; of the others it is their connection's page."""


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
    buttons = ("behind", "close")
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
        label, _ = BEHIND.get(IncidentKind(obj.kind), ("syncs.connection" if obj.connection_id else "", {}))
        app, _, model = label.partition(".")
        seen = ("behind",) if label and request.user.has_perm(f"{app}.view_{model}") else ()
        return seen if obj.closed_at else (*seen, "close")

    @button("See what is behind it", icon="arrow_forward", tone="primary", page=True)
    def behind(self, request: HttpRequest, obj: Incident) -> HttpResponse:
        if IncidentKind(obj.kind) not in BEHIND:
            return HttpResponseRedirect(reverse("admin:syncs_connection_change", args=[obj.connection_id]))
        label, chosen = BEHIND[IncidentKind(obj.kind)]
        wanted = {"q": obj.origin} if label == "syncs.delivery" and obj.origin else {}
        listed = reverse(f"admin:{label.replace('.', '_')}_changelist")
        return HttpResponseRedirect(f"{listed}?{urlencode(chosen | wanted)}")

    @button(
        "Close the incident",
        icon="task_alt",
        confirm="Close it? If the problem is still there, a new one opens.",
    )
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
