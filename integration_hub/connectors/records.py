"""The shapes that pass between the hub and a connector; values only, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from integration_hub.connectors.errors import ConnectorError
from integration_hub.connectors.filters import Filter

Values = Mapping[str, Any]


class Operation(StrEnum):
    UPSERT = "upsert"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    SEND = "send"
    ASSOCIATE = "associate"
    UNTIE = "untie"
    CALL = "call"


class Outcome(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    EXISTING = "existing"
    TIED = "tied"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Record:
    """One object at a vendor.

    `values` are as the vendor returned them (dotted paths are nested objects), `version` differs whenever the
    record changed. The other attributes are what every vendor has under some name; times are aware and UTC.
    """

    remote_id: str
    values: Values
    version: str
    modified_at: datetime
    created_at: datetime | None = None
    title: str = ""
    email: str = ""
    owner_id: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Records of `object_type` modified in [since, until), oldest change first.

    `since` None reads everything. `where` narrows further; `fields` are vendor field names, dots allowed. `limit`
    ends the read after so many records (a preview); None reads to the end.
    """

    object_type: str
    fields: Sequence[str]
    since: datetime | None = None
    until: datetime | None = None
    page_size: int = 2000
    where: Filter | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Records, oldest change first. `watermark`: everything modified up to it has been read (None: nothing new)."""

    records: Sequence[Record]
    watermark: datetime | None


@dataclass(frozen=True, slots=True)
class Scan:
    """Records of `object_type` in the order of their ids, those in (after_id, up_to_id]; "" leaves an end open.

    Where the pages carry marks, the order is the vendor's, and `after_id` is the mark of the last page.

    `condition` is text in the vendor's own query language, as an operator typed it. A scan leaves the watermark
    alone: it is how a backfill reads, in ranges of ids that several readers share.
    """

    object_type: str
    fields: Sequence[str]
    condition: str = ""
    since: datetime | None = None
    until: datetime | None = None
    after_id: str = ""
    up_to_id: str = ""
    limit: int | None = None


Scanned = tuple[str, datetime, Values]
"""A record's id, when it was modified, and its values: one is made for each record of a backfill."""


@dataclass(frozen=True, slots=True)
class ScanPage:
    """Records in the order of their ids; `total` is how many the whole scan has, None if nobody tells.

    With a `mark` they are in no order, and some may come twice: the reading goes on behind them from the mark. Of a
    bulk reading with `wait` there are none yet, but perhaps after so many seconds.
    """

    records: Sequence[Scanned]
    total: int | None
    mark: str = ""
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class ReadingCost:
    """What reading in bulk takes: calls, the seconds until the first record is there, and those for reading."""

    calls: int
    ready: float
    reading: float


@dataclass(frozen=True, slots=True)
class MatchKey:
    field: str
    value: str


@dataclass(frozen=True, slots=True)
class RecordWrite:
    """One intended write. `ref` is the delivery's id and never changes between tries.

    `former` is the match value this record was last written under: where it differs from the present one, a
    destination that identifies by it moves the record instead of making a second one; `formers` are others that
    tries of unknown outcome may have left it under. `remote_id` is the record
    there, as far as the hub knows it: it spares the look for it. An event says when it `happened_at`, and its
    `dedup_key` tells it from all others for good.
    """

    ref: str
    values: Values
    match: MatchKey | None = None
    attempted_at: datetime | None = None
    former: str = ""
    remote_id: str = ""
    formers: tuple[str, ...] = ()
    happened_at: datetime | None = None
    dedup_key: str = ""


@dataclass(frozen=True, slots=True)
class WriteRequest:
    object_type: str
    operation: Operation
    writes: Sequence[RecordWrite]


@dataclass(frozen=True, slots=True)
class RecordResult:
    """What became of one write: `error` is set when, and only when, `outcome` is FAILED.

    `existing`: a create found the record there, and `remote_id` names it. `status` is the HTTP status that the
    vendor gave this write, also inside a batch; `answer` what it said of the record, for the steps of a flow.
    """

    ref: str
    outcome: Outcome
    remote_id: str = ""
    error: ConnectorError | None = None
    status: int | None = None
    answer: Values | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """The answer to "does this connection work?" in sentences for a person; `facts` are label → value."""

    ok: bool
    summary: str
    facts: Mapping[str, str] = field(default_factory=dict)
    problems: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """A person (or, with `is_group`, a queue or team) as one vendor knows them.

    `time_zone` is an IANA name or "". Those who cannot be addressed (left, bots) come too, with `active` False.
    """

    remote_id: str
    name: str
    email: str = ""
    active: bool = True
    time_zone: str = ""
    is_group: bool = False
    members: tuple[str, ...] = ()
