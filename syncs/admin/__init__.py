"""The admin of syncs: one module per noun."""

from syncs.admin import (
    backfills,
    changes,
    conflicts,
    connections,
    deliveries,
    events,
    hub,
    incidents,
    matchings,
    notices,
    reconciliations,
    runs,
    streams,
    syncs,
    ties,
    valuemaps,
)

__all__ = [
    "backfills",
    "changes",
    "conflicts",
    "connections",
    "deliveries",
    "events",
    "hub",
    "incidents",
    "matchings",
    "notices",
    "reconciliations",
    "runs",
    "streams",
    "syncs",
    "ties",
    "valuemaps",
]
