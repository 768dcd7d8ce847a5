"""The calls below /api/: which path means what. Each takes the project and the call."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from integration_hub.simulator.iterable.errors import BadBodyError, IterableError
from integration_hub.simulator.iterable.project import Project, RefusedRowError, User
from integration_hub.simulator.iterable.writing import Manner, bulk_update, update
from integration_hub.simulator.serving import Call

Body = dict[str, Any]
SUCCESS: Body = {"msg": "", "code": "Success", "params": None}
LIST_MOMENT = 1_600_000_000_000
_event_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Asked:
    """One call: the project it concerns, its body, and what its path names."""

    project: Project
    manner: Manner
    call: Call
    named: str = ""

    def body(self) -> Body:
        body = self.call.json()
        if not isinstance(body, dict):
            raise BadBodyError
        return body

    def wanted(self, name: str) -> str:
        value = self.named or self.call.query.get(name, "")
        if not value:
            raise IterableError(400, "BadParams", f"Missing parameter: {name}")
        return value


def _update(asked: Asked) -> Body:
    return update(asked.project, asked.body())


def _bulk_update(asked: Asked) -> Body:
    return bulk_update(asked.project, asked.manner, asked.body(), len(asked.call.body))


def _update_email(asked: Asked) -> Body:
    project, body = asked.project, asked.body()
    if project.kind != "email":
        raise IterableError(400, "BadParams", "updateEmail is for email-based projects")
    current, new = str(body.get("currentEmail") or ""), str(body.get("newEmail") or "").strip().lower()
    if not current and body.get("currentUserId"):
        current = next((user.email for user in project.with_user_id(body["currentUserId"])), "")
    refused = f"Cannot change user Some({current}) to {new}."
    user = project.with_email(current)
    if user is None:
        raise IterableError(400, "BadParams", f"{refused} User does not exist")
    if new in project.forgotten:
        raise IterableError(400, "BadParams", f"{refused} New email is on the forgotten list")
    holder = project.with_email(new)
    if holder is not None and holder is not user:
        raise IterableError(400, "EmailAlreadyExists", f"{refused} New email already exists")
    project.rekey(user, new, user.user_id)
    return SUCCESS


def _merge(asked: Asked) -> Body:
    project, body = asked.project, asked.body()
    source = _one(project, body.get("sourceEmail"), body.get("sourceUserId"))
    if source is None:
        raise IterableError(400, "BadParams", "Source user does not exist")
    target = _one(project, body.get("destinationEmail"), body.get("destinationUserId"))
    if target is None:
        email, user_id = body.get("destinationEmail"), body.get("destinationUserId")
        project.rekey(source, (email or source.email).lower(), user_id or source.user_id)
    elif target is not source:
        target.data = {**source.data, **target.data}
        project.remove(source)
    return SUCCESS


def _by_email(asked: Asked) -> Body:
    user = asked.project.with_email(asked.wanted("email"))
    return {"user": user.shown()} if user else {}


def _by_user_id(asked: Asked) -> Body:
    user_id = asked.wanted("userId")
    users = asked.project.with_user_id(user_id)
    if not users:
        raise IterableError(400, "error.users.noUserWithIdExists", f"No user with id {user_id} exists")
    return {"user": users[0].shown()}


def _delete_by_email(asked: Asked) -> Body:
    if asked.project.kind == "userid":
        raise IterableError(400, "BadParams", "Deletion by email is not for userId-based projects")
    user = asked.project.with_email(asked.named)
    if user is not None:
        asked.project.remove(user)
    return SUCCESS


def _delete_by_user_id(asked: Asked) -> Body:
    users = asked.project.with_user_id(asked.named)
    if not users:
        raise IterableError(400, "BadParams", f"User does not exist. Email:  UserId: {asked.named}")
    for user in users:
        asked.project.remove(user)
    words = f"All users associated with {asked.named} were successfully deleted"
    return {**SUCCESS, "msg": words}


def _get_fields(asked: Asked) -> Body:
    return {"fields": asked.project.fields.flat()}


def _forget(asked: Asked) -> Body:
    body = asked.body()
    forget(asked.project, str(body.get("email") or "").lower() or str(body.get("userId") or ""))
    return SUCCESS


def forget(project: Project, identifier: str) -> None:
    """Erase the user and take no more writes for it."""
    project.forgotten.add(identifier)
    user = _one(project, identifier, identifier)
    if user is not None:
        project.forgotten.update({user.email, user.user_id} - {""})
        project.remove(user)


def _lists(asked: Asked) -> Body:
    found = [
        {"id": number, "name": name, "description": "", "createdAt": LIST_MOMENT, "listType": "Standard"}
        for number, name in asked.project.lists.items()
    ]
    return {"lists": found}


def _add_list(asked: Asked) -> Body:
    number = max(asked.project.lists) + 1
    asked.project.lists[number] = str(asked.body().get("name") or "")
    return {"listId": number}


def _channels(asked: Asked) -> Body:
    channel = {"id": 1, "name": "Marketing", "channelType": "Marketing", "messageMedium": "Email"}
    return {"channels": [channel]}


def _track(asked: Asked) -> Body:
    try:
        number = _tracked(asked.project, asked.body(), "obj")
    except RefusedRowError as refused:
        raise IterableError(400, "ForgottenUserError", "User has been forgotten") from refused
    return {"msg": f"Event with id: {number} tracked.", "code": "Success", "params": {"id": number}}


def _track_bulk(asked: Asked) -> Body:
    events = asked.body().get("events")
    if not isinstance(events, list):
        raise BadBodyError({"obj.events": "Array expected"})
    failed: dict[str, list[str]] = {
        name: [] for name in ("forgottenEmails", "invalidEmails", "invalidUserIds")
    }
    done = 0
    for number, event in enumerate(events):
        try:
            _tracked(asked.project, event, f"obj.events[{number}]")
            done += 1
        except RefusedRowError as refused:
            failed.setdefault(refused.list_name, []).append(refused.identifier)
    return {
        "successCount": done,
        "failCount": len(events) - done,
        "disallowedEventNames": [],
        "createdFields": [],
        "filteredOutFields": [],
        "failedUpdates": failed,
    }


def _tracked(project: Project, event: Any, place: str) -> str:
    """Store the event, in the place of one with the same id; return its id."""
    if not isinstance(event, dict):
        raise BadBodyError({place: "Object value expected"})
    if not isinstance(event.get("createdAt", 0), int):
        raise BadBodyError({f"{place}.createdAt": "Number value expected"})
    if not isinstance(event.get("eventName"), str):
        raise BadBodyError({f"{place}.eventName": "String value expected"})
    for name in ("email", "userId"):
        if event.get(name) in project.forgotten:
            raise RefusedRowError("forgotten", **{"email" if name == "email" else "user_id": event[name]})
    number = str(event.get("id") or f"sim-{next(_event_numbers)}")
    project.events[:] = [one for one in project.events if one["id"] != number]
    project.events.append({**event, "id": number})
    return number


def _one(project: Project, email: str | None, user_id: str | None) -> User | None:
    found = project.with_email(email) if email else None
    return found or next(iter(project.with_user_id(user_id or "")), None)


ROUTES: dict[tuple[str, str], Callable[[Asked], Body]] = {
    ("POST", "users/update"): _update,
    ("POST", "users/bulkUpdate"): _bulk_update,
    ("POST", "users/updateEmail"): _update_email,
    ("POST", "users/merge"): _merge,
    ("POST", "users/forget"): _forget,
    ("GET", "users/getFields"): _get_fields,
    ("GET", "users/getByEmail"): _by_email,
    ("GET", "users/byUserId"): _by_user_id,
    ("GET", "users/byUserId/"): _by_user_id,
    ("GET", "users/"): _by_email,
    ("DELETE", "users/byUserId/"): _delete_by_user_id,
    ("DELETE", "users/"): _delete_by_email,
    ("GET", "lists"): _lists,
    ("POST", "lists"): _add_list,
    ("GET", "channels"): _channels,
    ("POST", "events/track"): _track,
    ("POST", "events/trackBulk"): _track_bulk,
}
"""A path that ends with a slash goes on with an identifier."""


def find_route(method: str, path: str) -> tuple[str, str]:
    """Return the key into ROUTES and the identifier in the path; LookupError: there is no such call."""
    path = path.rstrip("/")
    if (method, path) in ROUTES:
        return path, ""
    for prefix in ("users/byUserId/", "users/"):
        if path.startswith(prefix) and (method, prefix) in ROUTES:
            return prefix, path.removeprefix(prefix)
    raise LookupError(path)
