"""Which pages are about things that have versions, and where those are listed."""

from __future__ import annotations

from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

SECTIONS = {
    "syncs.connection": "connections",
    "routing.workinghours": "working_hours",
    "routing.messagetemplate": "templates",
    "syncs.stream": "streams",
    "routing.rule": "rules",
    "syncs.valuemap": "value_maps",
    "syncs.sync": "syncs",
    "syncs.eventsource": "event_sources",
    "routing.flow": "flows",
    "syncs.hubsettings": "hub",
}
"""The section of a configuration file, by model."""
PARTS = {"routing.flowstep": "flows"}
"""Models with pages of their own that belong to a thing of a section."""
HUB = "hub"


def section_of_page(name: str) -> str | None:
    """Return the section that a page of the admin may change, by the name of its address."""
    for label, section in {**SECTIONS, **PARTS}.items():
        if name.startswith(f"{label.replace('.', '_')}_"):
            return section
    return None


def link(request: HttpRequest, row: Model) -> str:
    """Return the address of the row's versions; "" where there are none, or not for this user."""
    section = SECTIONS.get(row._meta.label_lower)
    if section is None or not request.user.has_perm("syncs.view_version"):
        return ""
    key = "" if section == HUB else str(getattr(row, "key", ""))
    chosen = urlencode({"section__exact": section, "key__exact": key})
    return f"{reverse('admin:syncs_version_changelist')}?{chosen}"
