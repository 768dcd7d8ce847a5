"""Rows and stand-ins for tests of the directory."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from integration_hub.connectors.contract import People
from integration_hub.connectors.records import Member
from routing.models import DirectoryLink, Person
from syncs.models import Connection
from tests.factories import NOON


class Roster(People):
    """A system that lists these pages of members; a page that is an exception is raised."""

    kind = "roster"
    label = "Roster"
    settings = ()

    def __init__(self, *pages: Any) -> None:
        self.pages = pages
        self.calls: list[Any] = []
        self.transport = SimpleNamespace(limiter=SimpleNamespace(calls=len(pages)))

    def check(self):
        raise AssertionError("the directory checks no connection")

    def members(self):
        self.calls.append("members")
        for page in self.pages:
            self._refuse(page)
            yield page

    def find_member(self, email):
        self.calls.append(email)
        return next((member for member in self._all() if member.email == email), None)

    def find_members(self, ids):
        self.calls.append(tuple(ids))
        return [member for member in self._all() if member.remote_id in ids]

    def _all(self):
        for page in self.pages:
            self._refuse(page)
            yield from page

    def _refuse(self, page):
        if isinstance(page, Exception):
            raise page


class Systems:
    """What is behind each connection; hand `opened` to the code in place of `syncs.connect.opened`."""

    def __init__(self) -> None:
        self.rosters: dict[int, Roster] = {}

    def set(self, connection: Connection, *pages: Any) -> Roster:
        self.rosters[connection.pk] = Roster(*pages)
        return self.rosters[connection.pk]

    @contextmanager
    def opened(self, connection: Connection, **_options: Any):
        yield self.rosters[connection.pk]


def ann(remote_id: str = "UANN", **values: Any) -> Member:
    values.setdefault("name", "Ann Lee")
    values.setdefault("email", "ann@x.test")
    return Member(remote_id, **values)


def make_link(connection: Connection, remote_id: str, person: Person | None = None, **values: Any):
    values.setdefault("refreshed_at", NOON)
    values.setdefault("name", person.name if person else remote_id)
    values.setdefault("email", person.email or "" if person else "")
    values.setdefault("state", "matched" if person else "unmatched")
    return DirectoryLink.objects.create(connection=connection, remote_id=remote_id, person=person, **values)
