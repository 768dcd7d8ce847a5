"""The marks of the hub: its icon, and in the page header what it is connected to, and whether it is on."""

from __future__ import annotations

from django.http import HttpRequest
from django.templatetags.static import static

from syncs.models import Connection, Environment, HubSettings


def environment(request: HttpRequest) -> list[str]:
    """Return [text, colour]: off first, then production, then sandbox."""
    if not HubSettings.get().enabled:
        return ["Hub is off", "danger"]
    used = set(Connection.objects.filter(enabled=True).values_list("environment", flat=True))
    if Environment.PRODUCTION in used:
        return ["Production", "danger"]
    return ["Sandbox", "info"] if used else ["Nothing connected", "warning"]


def favicon(request: HttpRequest) -> str:
    return static("hub/favicon.svg")
