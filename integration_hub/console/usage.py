"""The page of a connection's calls: by day and user, and today with the lines of the budget."""

from __future__ import annotations

import json
from itertools import accumulate
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from integration_hub.console import pills
from integration_hub.console.charts import COLORS
from syncs import usage
from syncs.models import Connection

DAYS = 30
LINE_COLORS = {10: "#dc2626", 20: "#f59e0b", 30: "#6b7280"}


@require_GET
def page(request: HttpRequest, key: str) -> HttpResponse:
    if not request.user.has_perm("syncs.view_connection"):
        raise PermissionDenied
    connection = get_object_or_404(Connection, key=key)
    now = timezone.now()
    days, users = usage.by_day(connection, now, DAYS)
    today = usage.today(connection, now)
    stacked = {
        "labels": [f"{day:%b %d}" for day in days],
        "datasets": [
            {"label": user, "data": calls, "backgroundColor": COLORS[index % len(COLORS)], "stack": "calls",
             "displayYAxis": True}
            for index, (user, calls) in enumerate(users.items())
        ],
    }  # fmt: skip
    context = {
        **admin.site.each_context(request),
        "title": f"Calls of {connection}",
        "mark": pills.environment(connection),
        "today": today,
        "totals": [(user, sum(calls), calls[-1]) for user, calls in users.items()],
        "days": json.dumps(stacked) if users else "",
        "curve": json.dumps(_curve(today)),
        "subject": connection,
        "back": reverse("admin:syncs_connection_change", args=[connection.pk]),
    }
    return render(request, "hub/usage.html", context)


def _curve(today: usage.Today) -> dict[str, Any]:
    """Return today's calls as they added up, and the lines at which work of each priority stops."""
    hours = range(24)
    # Calls of others count against the budget, too: the curve ends at what is used of it.
    begun = today.used - sum(today.by_hour)
    curve = [begun + calls for calls in accumulate(today.by_hour)]
    lines = [
        {
            "label": f"Line for {line.priority.label.lower()} work",
            "data": [line.calls] * 24,
            "borderColor": LINE_COLORS[line.priority],
            "borderDash": [6, 4],
            "pointRadius": 0,
            "displayYAxis": True,
        }
        for line in today.lines
    ]
    own = {
        "label": "Calls", "data": curve, "borderColor": COLORS[1], "backgroundColor": COLORS[1], "pointRadius": 2,
        "displayYAxis": True,
    }  # fmt: skip
    return {"labels": [f"{hour:02}:59" for hour in hours], "datasets": [own, *lines]}
