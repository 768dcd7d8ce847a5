"""The tables of syncs, by noun."""

from syncs.models.callouts import CalloutLog, ConnectionUsage, RateLimit
from syncs.models.changes import Change
from syncs.models.connections import Connection, Environment
from syncs.models.deliveries import Delivery, Priority
from syncs.models.hub import Heartbeat, HubSettings, Lease
from syncs.models.incidents import Incident
from syncs.models.runs import SyncRun
from syncs.models.streams import Stream

__all__ = [
    "CalloutLog",
    "Change",
    "Connection",
    "ConnectionUsage",
    "Delivery",
    "Environment",
    "Heartbeat",
    "HubSettings",
    "Incident",
    "Lease",
    "Priority",
    "RateLimit",
    "Stream",
    "SyncRun",
]
