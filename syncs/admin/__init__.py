"""The admin of syncs: one module per noun."""

from syncs.admin import (
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
