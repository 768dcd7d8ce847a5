"""What a connector can do: the abilities, and the settings form it asks for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import ClassVar, Protocol, Self

from integration_hub.connectors.filters import Filter
from integration_hub.connectors.records import (
    Check,
    Member,
    Operation,
    Page,
    ReadingCost,
    ReadRequest,
    Record,
    RecordResult,
    Scan,
    ScanPage,
    WriteRequest,
)
from integration_hub.connectors.schema import FieldSchema, ObjectSchema
from integration_hub.connectors.transport import Transport


def anything_goes(text: str) -> str:
    """Find no fault."""
    return ""


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of a connection's form. `secret` ones are encrypted at rest and never shown again.

    `only_for` names another setting, and those of its choices for which this one means anything. `multiline` ones
    are longer texts; `check` says in a sentence what is wrong with one that is not empty, "" if nothing is.
    """

    name: str
    label: str
    secret: bool = False
    required: bool = False
    help_text: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    default: str = ""
    only_for: tuple[str, tuple[str, ...]] = ("", ())
    multiline: bool = False
    check: Callable[[str], str] = anything_goes

    def applies(self, config: Mapping[str, str]) -> bool:
        name, choices = self.only_for
        return not name or config.get(name, "") in choices


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `burst` calls at once and `per_second` in the long run; shared by all processes of a connection."""

    per_second: float
    burst: int


class Keeper(Protocol):
    """What a connector may keep between uses, stored encrypted: an access token, and a secret the vendor replaced."""

    def recall(self) -> Mapping[str, str]: ...

    def remember(self, values: Mapping[str, str]) -> None: ...

    def replace_secret(self, name: str, value: str) -> None: ...


class Connector(ABC):
    """A client of one account at a vendor; knows no database.

    `config` holds the settings and secrets of the connection by name, all text, "" for what is not set. The
    transport is handed in ready: it carries the timeouts, the rate limit, the callout log and the redaction.
    """

    kind: ClassVar[str]
    label: ClassVar[str]
    settings: ClassVar[Sequence[Setting]]
    sandbox_url: ClassVar[str] = ""
    production_url: ClassVar[str] = ""
    rates: ClassVar[Mapping[str, Rate]] = {}
    """The vendor's limits by scope, the name handed to the transport with each call."""

    def __init__(self, config: Mapping[str, str], transport: Transport, keeper: Keeper) -> None:
        self.config = config
        self.transport = transport
        self.keeper = keeper

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.transport.close()

    @classmethod
    def missing(cls, config: Mapping[str, str], *, overridden: bool) -> list[str]:
        """Name the settings that it needs as it is configured and that are empty.

        `overridden`: all its calls go to the address that the connection names.
        """
        return [s.name for s in cls.settings if s.required and s.applies(config) and not config.get(s.name)]

    @classmethod
    def rates_for(cls, config: Mapping[str, str]) -> Mapping[str, Rate]:
        """Return the limits of a connection; those that its settings name are its own."""
        return cls.rates

    @abstractmethod
    def check(self) -> Check:
        """Answer "does it work?" by the cheapest authenticated call; a refusal is an answer, an outage is raised."""


class Source(Connector):
    """Records can be read from it."""

    fetch_size: ClassVar[int] = 200
    """Records that are fetched together when many are to be: so many must not take longer than a task may."""

    @abstractmethod
    def read(self, request: ReadRequest) -> Iterator[Page]: ...

    @abstractmethod
    def fetch(self, object_type: str, ids: Sequence[str], fields: Sequence[str]) -> list[Record]:
        """Return the records that exist, in no promised order, in as few calls as the vendor allows."""

    @abstractmethod
    def describe(self, object_type: str) -> ObjectSchema: ...

    @abstractmethod
    def base_fields(self, schema: ObjectSchema) -> list[str]:
        """Return the fields every listener gets: those of this type that fill a record's own attributes."""

    @abstractmethod
    def object_types(self) -> list[tuple[str, str]]:
        """Return (name, label) of what can be watched."""

    @abstractmethod
    def count(self, object_type: str, where: Filter | None) -> int: ...

    def deleted(self, object_type: str, since: datetime, until: datetime) -> list[tuple[str, datetime]]:
        """Return (id, when) of records deleted since then, losers of merges included; some from before may come, too.

        What was deleted in the last minutes before `until` may come only the next time. A vendor that does not tell
        names none.
        """
        return []


class Scannable(Source):
    """All its records can be read in the order of their ids, and several readers can share the ids out.

    Or in another order, by one reader: then its pages carry marks.
    """

    page_size: ClassVar[int] = 1000
    scans_by_id: ClassVar[bool] = True

    @abstractmethod
    def scan(self, request: Scan) -> Iterator[ScanPage]:
        """Yield the pages; there is at least one, if only an empty one. ConfigError: the condition is refused."""

    @abstractmethod
    def last_id(self, request: Scan) -> str:
        """Return the greatest id of the scan, "" if it has none."""

    @abstractmethod
    def split(self, after_id: str, up_to_id: str, parts: int) -> list[str]:
        """Return the upper ends of so many ranges that cut (after_id, up_to_id] evenly; fewer if it is small."""

    def calls_to_scan(self, object_type: str, pages: int) -> int:
        """Return how many calls it takes to read so many pages: one each, and one for the last id."""
        return pages + 1

    def calls_to_fetch(self, count: int, fields: Sequence[str]) -> int:
        """Return how many calls `fetch` takes for so many ids: one, unless the vendor limits them."""
        return 1 if count else 0


class BulkReadable(Scannable):
    """All its records can be prepared at once, by a job at the vendor: fewer calls, a slower start, no order."""

    @abstractmethod
    def bulk_scan(self, request: Scan, mark: str) -> Iterator[ScanPage]:
        """Yield the pages behind `mark`, "" for a new job; those with a `wait` have no records.

        A job that is gone is begun anew: records that were read before come again. ConfigError: the job failed.
        """

    @abstractmethod
    def bulk_end(self, mark: str) -> None:
        """Give the job up, running or read; raises nothing, for the vendor ends it by itself one day."""

    @abstractmethod
    def bulk_cost(self, records: int) -> ReadingCost:
        """Estimate; asks nobody."""


class TypedIds(Source):
    """Its record ids tell of which object type a record is."""

    @abstractmethod
    def full_id(self, text: str) -> str:
        """Return the id in the form in which records carry it. ValueError: a sentence on what is wrong with it."""

    @abstractmethod
    def object_type_of(self, record_id: str, prefixes: Mapping[str, str]) -> str:
        """Return the object type, "" if neither this vendor's common prefixes nor the account's own name it."""

    @abstractmethod
    def key_prefixes(self) -> dict[str, str]:
        """Ask for all object types of the account by the beginning of their ids: one call."""


class Destination(Connector):
    """Records, or messages, can be written to it."""

    batch_size: ClassVar[int] = 1
    write_scope: ClassVar[str] = ""
    """The scope in `rates` that a bulk write draws from: it says how long a backfill takes at least."""
    repeatable: ClassVar[frozenset[Operation]] = frozenset({Operation.UPSERT})
    gives_ids: ClassVar[bool] = False
    """Records have ids of its own there, and one is written to by its id; else the match value is the identity."""
    sends_messages: ClassVar[bool] = False
    """It takes object type "message": the values of `routing.messages.render`, and "channel", whom it goes to."""
    event_types: ClassVar[frozenset[str]] = frozenset()
    """Object types of which each write tells one more event: nothing that stands there is replaced or compared."""
    exchanges: ClassVar[bool] = False
    """Records that exchange their match values within one request do so; else each takes the next one's place."""
    fixed_fields: ClassVar[bool] = False
    """A field must be there before anything is written to it, and `destination_schema` names all that are."""
    recall_size: ClassVar[int] = 1
    """Unanswered writes that one `recall` looks for together."""
    recall_after: ClassVar[float] = 5.0
    """Seconds until what was written can be found there: an unanswered write is not looked for sooner."""
    lane_interval: ClassVar[float] = 0.0
    """Least seconds between two writes to the same lane (Slack: one message a second and channel)."""

    @abstractmethod
    def write(self, request: WriteRequest) -> list[RecordResult]:
        """Write all; return one result per write, in the same order, with the same `ref`."""

    @classmethod
    def objections(
        cls, config: Mapping[str, str], object_type: str, match_path: str, paths: Collection[str]
    ) -> dict[str, str]:
        """Say, by path, why a sync cannot write so; the match key's is under "". Asks nobody."""
        return {}

    def recall(self, request: WriteRequest) -> list[RecordResult | None]:
        """Say of each unanswered write whether it landed; None: it cannot be found there."""
        return [None] * len(request.writes)

    def look_up(self, object_type: str, keys: Sequence[str]) -> dict[str, Record]:
        """Return what is there now, by match value; absent ones are left out. For previews and samples."""
        return {}

    def destination_schema(self, object_type: str) -> ObjectSchema:
        """Return the fields that can be written, by the dotted names a mapping uses."""
        return ObjectSchema(object_type, object_type, {})

    def object_types_written(self) -> list[tuple[str, str]]:
        """Return (name, label) of what a sync can write to."""
        return []


class FieldMaker(Destination):
    """Missing fields can be made there, when a person asks for it."""

    @abstractmethod
    def create_fields(self, object_type: str, fields: Sequence[FieldSchema]) -> list[str]:
        """Make those that are not there and return their names; a repetition makes nothing twice."""


class People(Connector):
    """It knows who is who: users, members, queues."""

    @abstractmethod
    def members(self) -> Iterator[Sequence[Member]]:
        """Yield everybody, page by page, in as few calls as the vendor allows."""

    @abstractmethod
    def find_member(self, email: str) -> Member | None:
        """Look one person up by e-mail, now."""

    def find_members(self, ids: Sequence[str]) -> list[Member]:
        """Return the people with these ids, now. Vendors that can ask for single ids override it."""
        wanted = frozenset(ids)
        return [member for page in self.members() for member in page if member.remote_id in wanted]
