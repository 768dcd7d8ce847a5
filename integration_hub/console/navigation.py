"""The sidebar: by what people come for, not by tables."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from syncs.models import Delivery, Incident

Item = dict[str, Any]


CONFIGURED = (
    (
        "Alerts",
        ("routing.rule", "Rules", "rule"),
        ("routing.messagetemplate", "Message templates", "chat"),
        ("routing.alert", "Alerts", "notifications"),
        ("routing.decision", "Decisions", "alt_route"),
    ),
    (
        "Audience",
        ("syncs.sync", "Syncs", "sync_alt"),
        ("syncs.backfill", "Backfills", "cloud_sync"),
        ("syncs.recordlink", "Records", "link"),
        ("syncs.reconciliation", "Reconciliations", "fact_check"),
        ("syncs.valuemap", "Value maps", "translate"),
    ),
    (
        "People",
        ("routing.person", "People", "person"),
        ("routing.directorylink", "Directory links", "link"),
        ("routing.workinghours", "Working hours", "schedule"),
    ),
    (
        "Connections",
        ("syncs.connection", "Connections", "cable"),
        ("syncs.stream", "Streams", "water"),
    ),
)
"""Groups of lists: a title, then for each its model, its name and its icon."""


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    return [
        {"title": "", "items": _overview(request)},
        *({"title": title, "items": _models(request, *models)} for title, *models in CONFIGURED),
        {"title": "What happened", "items": _history(request)},
        {"title": "System", "collapsible": True, "items": _system(request)},
    ]


def _overview(request: HttpRequest) -> list[Item]:
    return [
        _page("admin:index", "Dashboard", "dashboard"),
        _page("console:timeline", "Timeline", "timeline"),
        _page("console:sla", "Answer times", "timer"),
        _page("console:directory", "Directory issues", "person_alert"),
    ]


def _history(request: HttpRequest) -> list[Item]:
    items = _models(
        request,
        ("syncs.incident", "Incidents", "emergency"),
        ("syncs.delivery", "Deliveries", "outbox"),
        ("syncs.change", "Changes", "difference"),
        ("syncs.syncrun", "Runs", "history"),
        ("syncs.calloutlog", "Callouts", "http"),
    )
    badges = {
        "Incidents": Incident.objects.filter(closed_at=None).count(),
        "Deliveries": Delivery.objects.dead().count(),
    }
    for item in items:
        if badges.get(item["title"]):
            item["badge"] = str(badges[item["title"]])
    return items


def _system(request: HttpRequest) -> list[Item]:
    return _models(
        request,
        ("syncs.hubsettings", "Hub settings", "settings"),
        ("auth.user", "Users", "badge"),
        ("auth.group", "Groups", "group"),
        ("django_q.schedule", "Schedules", "event_repeat"),
        ("django_q.ormq", "Queued tasks", "queue"),
        ("django_q.success", "Finished tasks", "task_alt"),
        ("django_q.failure", "Failed tasks", "error"),
    )


def _page(name: str, title: str, icon: str) -> Item:
    return {"title": title, "icon": icon, "link": reverse(name)}


def _models(request: HttpRequest, *models: tuple[str, str, str]) -> list[Item]:
    """Return links to the lists of the models that this user may see."""
    items = []
    for label, title, icon in models:
        app, name = label.split(".")
        if request.user.has_perm(f"{app}.view_{name}"):
            items.append(_page(f"admin:{app}_{name}_changelist", title, icon))
    return items
