"""The users and queues of a Salesforce org."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from integration_hub.connectors.records import Member
from integration_hub.connectors.salesforce import soql
from integration_hub.connectors.salesforce.reading import Row

USER_FIELDS = ["Id", "Name", "Email", "IsActive", "TimeZoneSidKey"]
Ask = Callable[[str], Iterator[list[Row]]]


def members(ask: Ask) -> Iterator[Sequence[Member]]:
    users = soql.select(USER_FIELDS, "User", where="UserType = 'Standard'", order=["Id"])
    for rows in ask(users):
        yield [user(row) for row in rows]
    inside: dict[str, list[str]] = {}
    for rows in ask(soql.select(["GroupId", "UserOrGroupId"], "GroupMember", order=["Id"])):
        for row in rows:
            inside.setdefault(row["GroupId"], []).append(row["UserOrGroupId"])
    queues = soql.select(["Id", "Name", "Email"], "Group", where="Type = 'Queue'", order=["Id"])
    for rows in ask(queues):
        yield [_queue(row, inside) for row in rows]


def first(ask: Ask, condition: str) -> Member | None:
    """Return the user that the condition finds, an active one before others."""
    where = f"UserType = 'Standard' AND {condition}"
    query = soql.select(USER_FIELDS, "User", where=where, order=["-IsActive", "Id"], limit=1)
    for rows in ask(query):
        for row in rows:
            return user(row)
    return None


def user(row: Row) -> Member:
    return Member(
        remote_id=row["Id"],
        name=row["Name"] or "",
        email=row["Email"] or "",
        active=bool(row["IsActive"]),
        time_zone=row["TimeZoneSidKey"] or "",
    )


def _queue(row: Row, inside: Mapping[str, Sequence[str]]) -> Member:
    """Return a queue with its people, those of the public groups in it included."""
    people: dict[str, None] = {}
    waiting, seen = [row["Id"]], set()
    while waiting:
        group = waiting.pop()
        if group in seen:
            continue
        seen.add(group)
        for member in inside.get(group, ()):
            if member.startswith("005"):
                people[member] = None
            else:
                waiting.append(member)
    return Member(
        row["Id"], row["Name"] or "", email=row.get("Email") or "", is_group=True, members=tuple(people)
    )
