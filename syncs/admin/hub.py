"""The hub's own settings: one row, so its list is its form."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from integration_hub.admin import HubModelAdmin
from integration_hub.console import pills, switching
from integration_hub.console.buttons import Panel
from syncs.models import HubSettings


@admin.register(HubSettings)
class HubSettingsAdmin(HubModelAdmin):
    fieldsets = (
        ("The switch", {"fields": ("enabled",)}),
        (
            "Who is told about incidents",
            {"fields": ("escalation_connection", "escalation_address", "reminder_hours")},
        ),
        (
            "How long history is kept",
            {"fields": ("keep_history_days", "keep_runs_days", "keep_callouts_days")},
        ),
    )

    def save_model(self, request: HttpRequest, obj: HubSettings, form: Any, change: bool) -> None:
        switching.saving(request, "hub", obj, form)
        super().save_model(request, obj, form, change)

    def response_change(self, request: HttpRequest, obj: HubSettings) -> HttpResponse:
        return switching.asked(request) or super().response_change(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return HttpResponseRedirect(self.page_of(HubSettings.get()))

    def get_panel(self, request: HttpRequest, obj: HubSettings) -> Panel:
        if obj.enabled:
            return Panel(pills=(pills.pill("On", "green"),), sentences=("The hub reads, decides and sends.",))
        words = "The hub is off: nothing is read and nothing is sent. Waiting work is kept."
        return Panel(pills=(pills.pill("Off", "red"),), sentences=(words,))
