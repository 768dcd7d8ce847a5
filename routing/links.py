"""Directory links: kept in step with what the systems list, and matched to people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from integration_hub.connectors.records import Member
from routing import matching
from routing.models import DirectoryLink, Person
from syncs.models import Connection

BATCH = 500

_FACTS = ("name", "email", "active", "time_zone", "is_group", "members")
_VERDICT = ("person_id", "state", "candidates")
_Key = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a connection's accounts; `updated` includes those that only changed their person."""

    created: int
    updated: int
    unchanged: int
    deactivated: int
    unmatched: int
    doubtful: int
    inactive: int
    new_people: int


def store(connection: Connection, members: Iterable[Member], now: datetime, *, complete: bool) -> Stored:
    """Take over these accounts and match everybody anew, all or nothing.

    `complete`: these are all the connection has, so the others are inactive from now on.
    """
    with transaction.atomic():
        # Locked, so that a link that somebody sets by hand meanwhile is not overwritten.
        rows = {_key(row): row for row in DirectoryLink.objects.select_for_update().order_by("pk")}
        before = {key: _values(row) for key, row in rows.items()}
        listed = {(connection.pk, member.remote_id): member for member in members}
        for key, member in listed.items():
            row = rows.setdefault(key, DirectoryLink(connection=connection, remote_id=member.remote_id))
            _apply(row, member)
        gone = [
            row
            for key, row in rows.items()
            if complete and row.connection_id == connection.pk and key not in listed and row.active
        ]
        for row in gone:
            row.active = False
        new_people = _match(list(rows.values()))
        changed = [row for key, row in rows.items() if _values(row) != before.get(key)]
        _write(connection, changed, listed.keys(), now)
    created = len(listed.keys() - before.keys())
    updated = sum(1 for row in changed if _key(row) in listed) - created
    own = [row for row in rows.values() if row.connection_id == connection.pk and not row.is_group]
    return Stored(
        created=created,
        updated=updated,
        unchanged=len(listed) - created - updated,
        deactivated=len(gone),
        unmatched=sum(1 for row in own if row.active and row.state == DirectoryLink.State.UNMATCHED),
        doubtful=sum(1 for row in own if row.active and row.state == DirectoryLink.State.DOUBTFUL),
        inactive=sum(1 for row in own if not row.active),
        new_people=new_people,
    )


def _apply(row: DirectoryLink, member: Member) -> None:
    row.name = member.name[:200]
    row.email = member.email[:254]
    row.active = member.active
    row.time_zone = member.time_zone[:64]
    row.is_group = member.is_group
    row.members = list(member.members)


def _match(rows: Sequence[DirectoryLink]) -> int:
    """Write the verdicts into the rows; return how many people had to be created for that."""
    single = {connection.pk: connection.sends_messages for connection in Connection.objects.all()}
    accounts = [
        matching.Account(
            connection_id=row.connection_id,
            remote_id=row.remote_id,
            name=row.name,
            email=row.email,
            active=row.active,
            is_group=row.is_group,
            single=single[row.connection_id],
            manual=row.manual,
            person_id=row.person_id,
        )
        for row in rows
    ]
    people = [matching.KnownPerson(pk, email) for pk, email in Person.objects.values_list("pk", "email")]
    found = matching.match(accounts, people)
    ids = _created(found.newcomers)
    for row, verdict in zip(rows, found.verdicts, strict=True):
        row.person_id = _id(verdict.person, ids)
        row.state = DirectoryLink.State(verdict.state)
        row.candidates = [_id(candidate, ids) for candidate in verdict.candidates]
    return len(ids)


def _created(newcomers: Sequence[matching.Newcomer]) -> dict[str, int]:
    """Create the people and return their ids by address; somebody else may create the same ones just now."""
    made = Person.objects.bulk_create(
        [Person(name=newcomer.name[:200], email=newcomer.email) for newcomer in newcomers],
        update_conflicts=True,
        unique_fields=["email"],
        update_fields=["email"],
        batch_size=BATCH,
    )
    return {person.email: person.pk for person in made if person.email}


def _id(person: matching.PersonKey | None, ids: dict[str, int]) -> int | None:
    return ids[person] if isinstance(person, str) else person


def _write(
    connection: Connection, changed: Iterable[DirectoryLink], listed: Iterable[_Key], now: datetime
) -> None:
    seen = frozenset(listed)
    copies = []
    for row in changed:
        if _key(row) in seen:
            row.refreshed_at = now
        # A copy without the row's own id: the account's identity alone says which row it meets.
        names = [*_FACTS, *_VERDICT, "connection_id", "remote_id", "manual", "refreshed_at", "looked_up_at"]
        copies.append(DirectoryLink(**{name: getattr(row, name) for name in names}))
    DirectoryLink.objects.bulk_create(
        copies,
        update_conflicts=True,
        unique_fields=["connection", "remote_id"],
        update_fields=[*_FACTS, "person", "state", "candidates", "refreshed_at"],
        batch_size=BATCH,
    )
    ids = [remote_id for _, remote_id in seen]
    for start in range(0, len(ids), BATCH):
        connection.directory_links.filter(remote_id__in=ids[start : start + BATCH]).update(refreshed_at=now)


def _key(row: DirectoryLink) -> _Key:
    return row.connection_id, row.remote_id


def _values(row: DirectoryLink) -> list[object]:
    return [getattr(row, name) for name in (*_FACTS, *_VERDICT)]
