"""The calls below /api/: which path means what. Each takes the project and the call."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from integration_hub.simulator.iterable import lists
from integration_hub.simulator.iterable.errors import BadBodyError, IterableError
from integration_hub.simulator.iterable.project import Project, RefusedRowError, User
from integration_hub.simulator.iterable.writing import Manner, bulk_update, update
from integration_hub.simulator.serving import Call, Response

Body = dict[str, Any]
SUCCESS: Body = {"msg": "", "code": "Success", "params": None}
_event_numbers = itertools.count(1)


class DisallowedEventError(Exception):
    """The project takes no events of this name."""


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
        target.lists |= source.lists
        project.remove(source)
    return SUCCESS


def _by_email(asked: Asked) -> Body:
    user = asked.project.with_email(asked.wanted("email"))
    return {"user": asked.project.shown(user)} if user else {}


def _by_user_id(asked: Asked) -> Body:
    user_id = asked.wanted("userId")
    users = asked.project.with_user_id(user_id)
    if not users:
        raise IterableError(400, "error.users.noUserWithIdExists", f"No user with id {user_id} exists")
    return {"user": asked.project.shown(users[0])}


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
    return lists.shown_lists(asked.project)


def _add_list(asked: Asked) -> Body:
    return {"listId": lists.add_list(asked.project, str(asked.body().get("name") or ""))}


def _delete_list(asked: Asked) -> Body:
    return lists.delete_list(asked.project, asked.named)


def _members(asked: Asked) -> Response:
    found = lists.members(asked.project, asked.wanted("listId"))
    return Response(200, "".join(f"{one}\n" for one in found).encode(), "text/plain")


def _subscribe(asked: Asked) -> Body:
    return lists.subscribe(asked.project, asked.manner, asked.body())


def _unsubscribe(asked: Asked) -> Body:
    return lists.unsubscribe(asked.project, asked.manner, asked.body())


def _channels(asked: Asked) -> Body:
    channel = {"id": 1, "name": "Marketing", "channelType": "Marketing", "messageMedium": "Email"}
    return {"channels": [channel]}


def _track(asked: Asked) -> Body:
    try:
        number = _tracked(asked.project, asked.body(), "obj")
    except RefusedRowError as refused:
        raise IterableError(400, "ForgottenUserError", "User has been forgotten") from refused
    except DisallowedEventError:
        raise IterableError(400, "BadParams", "Event name is disallowed") from None
    return {"msg": f"Event with id: {number} tracked.", "code": "Success", "params": {"id": number}}


def _track_bulk(asked: Asked) -> Body:
    events = asked.body().get("events")
    if not isinstance(events, list):
        raise BadBodyError({"obj.events": "Array expected"})
    failed: dict[str, list[str]] = {
        name: [] for name in ("forgottenEmails", "invalidEmails", "invalidUserIds")
    }
    disallowed: set[str] = set()
    done = 0
    for number, event in enumerate(events):
        try:
            _tracked(asked.project, event, f"obj.events[{number}]")
            done += 1
        except DisallowedEventError:
            disallowed.add(event["eventName"])
        except RefusedRowError as refused:
            failed.setdefault(refused.list_name, []).append(refused.identifier)
    return {
        "successCount": done,
        "failCount": len(events) - done,
        "disallowedEventNames": sorted(disallowed),
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
    if not event.get("email") and not event.get("userId"):
        raise RefusedRowError("invalid", email="")
    if event["eventName"] in project.disallowed_events:
        raise DisallowedEventError
    number = str(event.get("id") or f"sim-{next(_event_numbers)}")
    project.events[:] = [one for one in project.events if one["id"] != number]
    project.events.append({**event, "id": number})
    return number


def _one(project: Project, email: str | None, user_id: str | None) -> User | None:
    found = project.with_email(email) if email else None
    return found or next(iter(project.with_user_id(user_id or "")), None)


ROUTES: dict[tuple[str, str], Callable[[Asked], Body | Response]] = {
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
    ("DELETE", "lists/"): _delete_list,
    ("GET", "lists/getUsers"): _members,
    ("POST", "lists/subscribe"): _subscribe,
    ("POST", "lists/unsubscribe"): _unsubscribe,
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
    for prefix in ("users/byUserId/", "users/", "lists/"):
        if path.startswith(prefix) and (method, prefix) in ROUTES:
            return prefix, path.removeprefix(prefix)
    raise LookupError(path)
