"""The tables of syncs, by noun."""

from syncs.models.backfills import Backfill, Partition
from syncs.models.callouts import CalloutLog, ConnectionUsage, RateLimit
from syncs.models.changes import Change
from syncs.models.connections import Connection, Environment
from syncs.models.corrections import Correction
from syncs.models.deliveries import Delivery, Priority
from syncs.models.descriptions import Description
from syncs.models.events import EventSecret, EventSource, EventTally, EventType, InboundEvent
from syncs.models.hub import Heartbeat, HubSettings, Lease
from syncs.models.incidents import Incident
from syncs.models.known import KnownRecord
from syncs.models.links import RecordLink
from syncs.models.mappings import FieldMapping, ValueMap, ValueMapEntry
from syncs.models.matchings import MatchCandidate, Matching, MatchSide
from syncs.models.notices import Notice, NoticedRecord
from syncs.models.pairs import Conflict, RecordPair
from syncs.models.parents import ParentChange
from syncs.models.reconciliations import MetRecord, Reconciliation
from syncs.models.runs import SyncRun
from syncs.models.schema_checks import SchemaCheck
from syncs.models.streams import Stream
from syncs.models.switches import Switching
from syncs.models.syncs import Sync
from syncs.models.ties import RecordTie, SyncTie
from syncs.models.versions import Version

__all__ = [
    "Backfill",
    "CalloutLog",
    "Change",
    "Conflict",
    "Connection",
    "ConnectionUsage",
    "Correction",
    "Delivery",
    "Description",
    "Environment",
    "EventSecret",
    "EventSource",
    "EventTally",
    "EventType",
    "FieldMapping",
    "Heartbeat",
    "HubSettings",
    "InboundEvent",
    "Incident",
    "KnownRecord",
    "Lease",
    "MatchCandidate",
    "MatchSide",
    "Matching",
    "MetRecord",
    "Notice",
    "NoticedRecord",
    "ParentChange",
    "Partition",
    "Priority",
    "RateLimit",
    "Reconciliation",
    "RecordLink",
    "RecordPair",
    "RecordTie",
    "SchemaCheck",
    "Stream",
    "Switching",
    "Sync",
    "SyncRun",
    "SyncTie",
    "ValueMap",
    "ValueMapEntry",
    "Version",
]
