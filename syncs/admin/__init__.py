"""The admin of syncs: one module per noun."""

from syncs.admin import (
    backfills,
    changes,
    connections,
    deliveries,
    hub,
    incidents,
    reconciliations,
    runs,
    streams,
    syncs,
    valuemaps,
)

__all__ = [
    "backfills",
    "changes",
    "connections",
    "deliveries",
    "hub",
    "incidents",
    "reconciliations",
    "runs",
    "streams",
    "syncs",
    "valuemaps",
]
