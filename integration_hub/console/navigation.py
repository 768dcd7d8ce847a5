"""The sidebar: by what people come for, not by tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.admin.utils import quote
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst

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
        "Audience and CRM",
        ("syncs.sync", "Syncs", "sync_alt"),
        ("syncs.backfill", "Backfills", "cloud_sync"),
        ("syncs.conflict", "Conflict inbox", "call_split"),
        ("syncs.recordpair", "Record pairs", "join_inner"),
        ("syncs.recordlink", "Records", "link"),
        ("syncs.recordtie", "Ties", "share"),
        ("syncs.matchcandidate", "Doubtful pairs", "compare_arrows"),
        ("syncs.reconciliation", "Reconciliations", "fact_check"),
        ("syncs.valuemap", "Value maps", "translate"),
    ),
    (
        "Events and flows",
        ("routing.flow", "Flows", "account_tree"),
        ("routing.flowrun", "Flow runs", "directions_run"),
        ("syncs.eventsource", "Event sources", "sensors"),
        ("syncs.inboundevent", "Events", "inbox"),
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
        ("syncs.notice", "Change notices", "notification_important"),
    ),
)
"""Groups of lists: a title, then for each its model, its name and its icon."""
HISTORY = (
    "What happened",
    ("syncs.incident", "Incidents", "emergency"),
    ("syncs.delivery", "Deliveries", "outbox"),
    ("syncs.change", "Changes", "difference"),
    ("syncs.syncrun", "Runs", "history"),
    ("syncs.calloutlog", "Callouts", "http"),
)
SYSTEM = (
    "System",
    ("syncs.hubsettings", "Hub settings", "settings"),
    ("syncs.version", "Versions", "history"),
    ("auth.user", "Users", "badge"),
    ("auth.group", "Groups", "group"),
    ("django_q.schedule", "Schedules", "event_repeat"),
    ("django_q.ormq", "Queued tasks", "queue"),
    ("django_q.success", "Finished tasks", "task_alt"),
    ("django_q.failure", "Failed tasks", "error"),
)
_PLACES = {
    label: (group, title) for group, *models in (*CONFIGURED, HISTORY, SYSTEM) for label, title, _ in models
}


@dataclass(frozen=True, slots=True)
class Crumb:
    """One part of the way to a page; "" for what has no page."""

    title: str
    url: str = ""


def crumbs(model: type[Model], *rows: Model, leaf: str = "") -> list[Crumb]:
    """Return the way to a page of the model, in the words of the sidebar: group, list, rows, and what the page is."""
    meta = model._meta
    group, title = _PLACES.get(meta.label_lower, ("", capfirst(str(meta.verbose_name_plural))))
    listed = Crumb(title, reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist"))
    shown = [Crumb(str(row), _address(row)) for row in rows if str(row) != title]
    return [Crumb(group)] * (group not in ("", title)) + [listed, *shown] + [Crumb(leaf)] * bool(leaf)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    return [
        {"title": "", "items": _overview(request)},
        *({"title": title, "items": _models(request, *models)} for title, *models in CONFIGURED),
        {"title": HISTORY[0], "items": _history(request)},
        {"title": SYSTEM[0], "collapsible": True, "items": _system(request)},
    ]


def _overview(request: HttpRequest) -> list[Item]:
    """Return links to the pages of the console, each to those who may see what it shows."""
    pages = (
        ("syncs.view_change", "console:timeline", "Timeline", "timeline"),
        ("routing.view_alert", "console:sla", "Answer times", "timer"),
        ("syncs.view_recordlink", "console:quality", "Data quality", "healing"),
        ("routing.view_directorylink", "console:directory", "Directory issues", "person_alert"),
    )
    seen = [_page(*page) for right, *page in pages if request.user.has_perm(right)]
    return [_page("admin:index", "Dashboard", "dashboard"), *seen]


def _history(request: HttpRequest) -> list[Item]:
    items = _models(request, *HISTORY[1:])
    badges = {
        "Incidents": Incident.objects.filter(closed_at=None).count(),
        "Deliveries": Delivery.objects.dead().count(),
    }
    for item in items:
        if badges.get(item["title"]):
            item["badge"] = str(badges[item["title"]])
    return items


def _system(request: HttpRequest) -> list[Item]:
    files = [_page("console:configuration", "Configuration file", "file_open")]
    return (files if request.user.is_superuser else []) + _models(request, *SYSTEM[1:])


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


def _address(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[quote(row.pk)])
