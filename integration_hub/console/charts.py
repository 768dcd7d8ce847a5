"""Charts as the values that the page's Chart.js draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from routing.sla import Row

COLORS = ("#7c3aed", "#0284c7", "#16a34a", "#ea580c", "#db2777", "#65a30d", "#0891b2", "#9333ea")


def times_by_day(rows: Sequence[Row]) -> dict[str, Any]:
    """Return each rule's p95 by day, oldest day first."""
    days = sorted({row.day for row in rows if row.day})
    rules = sorted({row.rule for row in rows})
    values = {(row.rule, row.day): row.p95 for row in rows}
    return {
        "labels": [f"{day:%b %d}" for day in days],
        "datasets": [
            {
                "label": f"{rule}: p95, seconds",
                "data": [_rounded(values.get((rule, day))) for day in days],
                "borderColor": COLORS[index % len(COLORS)],
                "backgroundColor": COLORS[index % len(COLORS)],
                "pointRadius": 3,
                "spanGaps": True,
                "displayYAxis": True,
            }
            for index, rule in enumerate(rules)
        ],
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
