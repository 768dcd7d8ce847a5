"""Who is this person in that system: the directory, refreshed on schedule and on a miss."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q

from integration_hub.connectors.contract import People, Source
from integration_hub.connectors.errors import BudgetError, ConnectorError, RateLimitError, RetryableError
from integration_hub.connectors.records import Member
from routing import links
from routing.models import DirectoryLink, Person
from routing.snapshot import Account, Address, Directory, same_id, snapshot
from syncs import connect, holds
from syncs.engine import runs
from syncs.models import Connection, SyncRun
from syncs.models.runs import RunKind, RunState

__all__ = [
    "Account",
    "Address",
    "Directory",
    "DirectoryReport",
    "due",
    "issues_page",
    "look_up_missing",
    "look_up_owner",
    "people_connections",
    "refresh",
    "refresh_all",
    "refresh_due",
    "snapshot",
]

INTERVAL = timedelta(hours=1)
"""Between two refreshes of a connection, and between two look-ups of one person."""
AFTER_FAILURE = timedelta(minutes=5)
"""A failed refresh or look-up is tried again after so long."""
PATIENCE = 10.0
"""Seconds a page may wait for its turn: nobody waits for a refresh, and half of one is worth nothing."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DirectoryReport:
    """What one refresh did. `error` is a sentence, "" when all went well."""

    connection: str
    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    deactivated: int = 0
    unmatched: int = 0
    doubtful: int = 0
    inactive: int = 0
    new_people: int = 0
    error: str = ""

    @property
    def ok(self) -> bool:
        return not self.error


def refresh(connection: Connection, now: datetime) -> DirectoryReport:
    """Read everybody at the connection and match them to people; a ConnectorError leaves all as it was."""
    with runs.recording(RunKind.DIRECTORY, now=now, connection=connection) as counts:
        try:
            members, counts.calls = _listed(connection)
        except ConnectorError as error:
            counts.error = error.message
            raise
        counts.read = len(members)
        stored = links.store(connection, members, now, complete=True)
        counts.delivered = stored.created + stored.updated
        counts.unchanged = stored.unchanged
    return DirectoryReport(
        connection=connection.key,
        read=len(members),
        created=stored.created,
        updated=stored.updated,
        unchanged=stored.unchanged,
        deactivated=stored.deactivated,
        unmatched=stored.unmatched,
        doubtful=stored.doubtful,
        inactive=stored.inactive,
        new_people=stored.new_people,
    )


def refresh_all(now: datetime, connections: Iterable[Connection] | None = None) -> list[DirectoryReport]:
    """Refresh these connections, or all that list people; one that fails leaves the others alone."""
    chosen = people_connections(now) if connections is None else connections
    return [_refresh_isolated(connection, now) for connection in chosen]


def refresh_due(now: datetime) -> list[DirectoryReport]:
    """Refresh the connections that are due; for a schedule that ticks more often than that."""
    return refresh_all(now, due(now))


def due(now: datetime) -> list[Connection]:
    """Return the connections whose hour is over; after a failure they are due earlier."""
    recent = SyncRun.objects.filter(kind=RunKind.DIRECTORY, started_at__gt=now - INTERVAL)
    rested = Q(state=RunState.FAILED, started_at__lte=now - AFTER_FAILURE)
    done = frozenset(recent.exclude(rested).values_list("connection_id", flat=True))
    return [connection for connection in people_connections(now) if connection.pk not in done]


def people_connections(now: datetime) -> list[Connection]:
    """Return the connections that may be called now and know people."""
    usable = Connection.objects.usable(now).order_by("key")
    return [connection for connection in usable if issubclass(connection.connector_class, People)]


def look_up_missing(destination: Connection, person: Person, now: datetime) -> bool:
    """Ask the destination for somebody who has no active account there; say whether they have one now.

    At most one call an hour and person, whoever asks. An outage is no error: False, and another try later.
    """
    if not person.email or not issubclass(destination.connector_class, People):
        return False
    if _has_account(destination, person):
        return True
    never_or_long_ago = Q(looked_up_at=None) | Q(looked_up_at__lte=now - INTERVAL)
    if not Person.objects.filter(never_or_long_ago, pk=person.pk).update(looked_up_at=now):
        return False
    try:
        with connect.opened(destination) as connector:
            member = _as_people(connector).find_member(person.email)
    except ConnectorError as error:
        logger.warning("look-up at %s failed: %s", destination.key, error.code)
        Person.objects.filter(pk=person.pk).update(looked_up_at=now - INTERVAL + AFTER_FAILURE)
        return False
    if member is None:
        return False
    links.store(destination, [member], now, complete=False)
    return _has_account(destination, person)


def look_up_owner(source: Connection, ids: Sequence[str], now: datetime) -> int:
    """Ask the source for owners that no refresh has seen yet; return how many were found.

    All in one call, and an id at most once an hour. An outage is no error: 0, and another try later.
    """
    asked = _not_asked_lately(source, ids, now)
    if not asked or not issubclass(source.connector_class, People):
        return 0
    try:
        with connect.opened(source) as connector:
            found = _as_people(connector).find_members(asked)
    except ConnectorError as error:
        logger.warning("look-up at %s failed: %s", source.key, error.code)
        _note_look_up(source, asked, now - INTERVAL + AFTER_FAILURE)
        return 0
    if found:
        links.store(source, found, now, complete=False)
    known = frozenset(same_id(member.remote_id) for member in found)
    _note_look_up(source, [remote_id for remote_id in asked if same_id(remote_id) not in known], now)
    return len(found)


def issues_page(destination: Connection) -> dict[str, Any]:
    """Return what needs a look, as querysets to page through, and the people that doubts are about by id.

    unmatched: owners with no account at the destination; inactive: with only an inactive one there.
    """
    sources = [
        connection.pk
        for connection in Connection.objects.exclude(pk=destination.pk)
        if issubclass(connection.connector_class, People) and issubclass(connection.connector_class, Source)
    ]
    people = DirectoryLink.objects.filter(is_group=False, refreshed_at__isnull=False)
    there = DirectoryLink.objects.filter(connection=destination, person=OuterRef("person"))
    owners = people.filter(connection__in=sources, active=True).select_related("person", "connection")
    doubtful = people.filter(
        connection__in=[*sources, destination.pk], active=True, state=DirectoryLink.State.DOUBTFUL
    )
    in_doubt = {pk for candidates in doubtful.values_list("candidates", flat=True) for pk in candidates}
    zoned = DirectoryLink.objects.filter(person=OuterRef("pk")).exclude(time_zone="")
    return {
        "unmatched": owners.filter(~Exists(there)).exclude(state=DirectoryLink.State.DOUBTFUL),
        "inactive": owners.filter(Exists(there), ~Exists(there.filter(active=True))),
        "doubtful": doubtful.select_related("connection"),
        "candidates": Person.objects.in_bulk(in_doubt),
        "without_zone": Person.objects.filter(~Exists(zoned), time_zone=""),
    }


def _listed(connection: Connection) -> tuple[list[Member], int]:
    """Return everybody at the connection, and the calls that took; all pages before anything is stored."""
    with connect.opened(connection, patience=PATIENCE) as connector:
        members = {member.remote_id: member for page in _as_people(connector).members() for member in page}
        calls = getattr(connector.transport.limiter, "calls", 0)
    _refuse_implausible(connection, members.values())
    return list(members.values()), calls


def _refuse_implausible(connection: Connection, members: Collection[Member]) -> None:
    """Raise when the answer lacks what it had before: a lost permission must not unlink everybody."""
    stored = connection.directory_links.filter(active=True)
    if not members and stored.exists():
        raise RetryableError(
            f"{connection} lists nobody at all, so its accounts were left as they are.",
            code="empty_directory",
            remedy="Check that the connection's user may see the users of the organization.",
        )
    if not any(member.email for member in members) and stored.exclude(email="").exists():
        raise RetryableError(
            f"{connection} shows no e-mail addresses any more, so its accounts were left as they are.",
            code="no_addresses",
            remedy="Give the connection back the permission to read e-mail addresses (Slack: users:read.email).",
        )


def _refresh_isolated(connection: Connection, now: datetime) -> DirectoryReport:
    try:
        report = refresh(connection, now)
    except ConnectorError as error:
        if not isinstance(error, RateLimitError) or isinstance(error, BudgetError):
            # A limit on listing people, the vendor's slowest call, is no reason to stop sending.
            holds.failed(connection, error, now)
        return DirectoryReport(connection.key, error=error.message)
    except Exception:  # one connection never stops another
        logger.exception("directory refresh of %s failed", connection.key)
        return DirectoryReport(connection.key, error="Internal error; the log has the details.")
    holds.answered(connection, now)
    return report


def _as_people(connector: object) -> People:
    if not isinstance(connector, People):
        raise TypeError(f"{type(connector).__name__} knows no people.")
    return connector


def _has_account(destination: Connection, person: Person) -> bool:
    return destination.directory_links.filter(person=person, active=True).exists()


def _not_asked_lately(source: Connection, ids: Sequence[str], now: datetime) -> list[str]:
    lately = Q(refreshed_at__isnull=False) | Q(looked_up_at__gt=now - INTERVAL)
    wanted = {same_id(remote_id): remote_id for remote_id in ids if remote_id}
    starts = Q(pk__in=[])
    for start in wanted:
        starts |= Q(remote_id__startswith=start)
    found = source.directory_links.filter(starts, lately).values_list("remote_id", flat=True)
    known = frozenset(same_id(remote_id) for remote_id in found)
    return [remote_id for start, remote_id in wanted.items() if start not in known]


def _note_look_up(source: Connection, ids: Iterable[str], asked_at: datetime) -> None:
    """Remember the unknown ids as accounts that no refresh has listed yet."""
    DirectoryLink.objects.bulk_create(
        [
            DirectoryLink(connection=source, remote_id=remote_id, active=False, looked_up_at=asked_at)
            for remote_id in ids
        ],
        update_conflicts=True,
        unique_fields=["connection", "remote_id"],
        update_fields=["looked_up_at"],
    )
