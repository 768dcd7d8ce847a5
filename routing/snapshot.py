"""The directory in memory: everything that routing asks about people, read once for many decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from integration_hub.connectors.contract import People
from routing import hours, presence
from routing.models import Absence, DirectoryLink, Person
from syncs.models import Connection


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody, or a queue, as the system of a record's owner knows them."""

    remote_id: str
    name: str
    email: str
    active: bool
    is_group: bool
    person_id: int | None
    time_zone: str = ""
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Address:
    """Where a person is reached at the destination, and the zone they are in."""

    remote_id: str
    zone: str


@dataclass(frozen=True, slots=True)
class _Person:
    name: str
    email: str
    zone: str
    working_hours_id: int | None


@dataclass(frozen=True, slots=True)
class Directory:
    """The directory as of one moment, seen from one destination."""

    destination_id: int
    by_email: bool
    accounts: Mapping[tuple[int, str], Account]
    people: Mapping[int, _Person]
    links: Mapping[int, list[tuple[int, Account]]]
    weeks: presence.Weeks
    absences: Mapping[int, list[hours.Absence]]

    def account(self, connection_id: int, remote_id: str) -> Account | None:
        """Return the account with this id; None: the system has listed no such account so far."""
        return self.accounts.get((connection_id, same_id(remote_id)))

    def members(self, connection_id: int, remote_id: str) -> list[Account]:
        """Return the accounts in a queue, as far as they are known."""
        group = self.account(connection_id, remote_id)
        found = (self.account(connection_id, member) for member in (group.members if group else ()))
        return [account for account in found if account is not None]

    def address(self, person_id: int) -> Address | None:
        """Return where to reach the person: their active account there or, by e-mail, their address."""
        zone = self._zone(person_id)
        if self.by_email:
            person = self.people.get(person_id)
            return Address(person.email, zone) if person and person.email else None
        # A link set by hand comes first: `snapshot` reads them in that order.
        for connection_id, account in self.links.get(person_id, ()):
            if connection_id == self.destination_id and account.active:
                return Address(account.remote_id, zone)
        return None

    def schedule(self, person_id: int) -> hours.Schedule:
        """Return when the person works: their own hours or the default ones, in their zone, less absences."""
        week = self._week(person_id)
        return presence.schedule(week, [self._zone(person_id)], self.absences.get(person_id, ()))

    def name(self, person_id: int) -> str:
        person = self.people.get(person_id)
        return person.name if person else ""

    def email(self, person_id: int) -> str:
        person = self.people.get(person_id)
        return person.email if person else ""

    def _week(self, person_id: int) -> presence.Week:
        person = self.people.get(person_id)
        return self.weeks.of(person.working_hours_id if person else None)

    def _zone(self, person_id: int) -> str:
        person = self.people.get(person_id)
        links = self.links.get(person_id, [])
        # False sorts first: the account at the destination, then any that is in use.
        known = sorted(links, key=lambda link: (link[0] != self.destination_id, not link[1].active))
        zones = [person.zone if person else "", *(account.time_zone for _, account in known)]
        return presence.first_zone([*zones, self._week(person_id).zone])


def snapshot(now: datetime, destination: Connection) -> Directory:
    """Read the directory, by five queries whatever its size."""
    accounts: dict[tuple[int, str], Account] = {}
    links: dict[int, list[tuple[int, Account]]] = {}
    names = ("connection_id", "remote_id", "name", "email", "active", "is_group", "person_id", "time_zone")
    rows = DirectoryLink.objects.filter(refreshed_at__isnull=False).order_by("-manual", "pk")
    for connection_id, remote_id, name, email, active, is_group, person_id, zone, members in rows.values_list(
        *names, "members"
    ):
        account = Account(remote_id, name, email, active, is_group, person_id, zone, tuple(members))
        accounts[connection_id, same_id(account.remote_id)] = account
        if account.person_id is not None:
            links.setdefault(account.person_id, []).append((connection_id, account))
    absences: dict[int, list[hours.Absence]] = {}
    current = Absence.objects.filter(end__gt=now).values_list("person_id", "start", "end", "reason")
    for person_id, start, end, reason in current:
        absences.setdefault(person_id, []).append(hours.Absence(start, end, reason))
    people = Person.objects.values_list("pk", "name", "email", "time_zone", "working_hours_id")
    return Directory(
        destination_id=destination.pk,
        by_email=not issubclass(destination.connector_class, People),
        accounts=accounts,
        people={pk: _Person(name, email or "", zone, week) for pk, name, email, zone, week in people},
        links=links,
        weeks=presence.load(),
        absences=absences,
    )


def same_id(remote_id: str) -> str:
    """Return what equal ids have in common: Salesforce writes one id with 15 characters or with 18."""
    return remote_id[:15] if len(remote_id) == 18 and remote_id.isalnum() else remote_id
