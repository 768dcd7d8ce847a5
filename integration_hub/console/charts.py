"""Charts as the values that the page's Chart.js draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from routing.sla import Row

COLORS = ("#7c3aed", "#0284c7", "#16a34a", "#ea580c", "#db2777", "#65a30d", "#0891b2", "#9333ea")
DAYS_AS_BARS = 10
"""For more days bars would be hairs; for fewer, points of several rules would cover each other."""


def times_by_day(rows: Sequence[Row]) -> tuple[str, dict[str, Any]]:
    """Return the type of chart, and each rule's p95 by day, oldest day first."""
    days = sorted({row.day for row in rows if row.day})
    rules = sorted({(row.name, row.rule) for row in rows})
    values = {(row.rule, row.day): row.p95 for row in rows}
    datasets = [
        {
            "label": name,
            "data": [_rounded(values.get((rule, day))) for day in days],
            "borderColor": COLORS[index % len(COLORS)],
            "backgroundColor": COLORS[index % len(COLORS)],
            "maxBarThickness": 40,
            "pointRadius": 3,
            "spanGaps": True,
            "displayYAxis": True,
        }
        for index, (name, rule) in enumerate(rules)
    ]
    kind = "bar" if len(days) <= DAYS_AS_BARS else "line"
    return kind, {"labels": [f"{day:%b %d}" for day in days], "datasets": datasets}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
