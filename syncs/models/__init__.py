"""The tables of syncs, by noun."""

from syncs.models.backfills import Backfill, Partition
from syncs.models.callouts import CalloutLog, ConnectionUsage, RateLimit
from syncs.models.changes import Change
from syncs.models.connections import Connection, Environment
from syncs.models.deliveries import Delivery, Priority
from syncs.models.hub import Heartbeat, HubSettings, Lease
from syncs.models.incidents import Incident
from syncs.models.links import RecordLink
from syncs.models.mappings import FieldMapping, ValueMap, ValueMapEntry
from syncs.models.parents import ParentChange
from syncs.models.reconciliations import Reconciliation
from syncs.models.runs import SyncRun
from syncs.models.streams import Stream
from syncs.models.syncs import Sync

__all__ = [
    "Backfill",
    "CalloutLog",
    "Change",
    "Connection",
    "ConnectionUsage",
    "Delivery",
    "Environment",
    "FieldMapping",
    "Heartbeat",
    "HubSettings",
    "Incident",
    "Lease",
    "ParentChange",
    "Partition",
    "Priority",
    "RateLimit",
    "Reconciliation",
    "RecordLink",
    "Stream",
    "Sync",
    "SyncRun",
    "ValueMap",
    "ValueMapEntry",
]
