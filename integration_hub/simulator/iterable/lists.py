"""Lists and who is on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from integration_hub.simulator.iterable.errors import BadBodyError, IterableError
from integration_hub.simulator.iterable.project import PROJECT_ID, Project, RefusedRowError, User
from integration_hub.simulator.iterable.writing import LISTS, Manner, apply_row, check_shape, in_manner

LIST_MOMENT = 1_600_000_000_000


def shown_lists(project: Project) -> dict[str, Any]:
    found = [
        {"id": number, "name": name, "description": "", "createdAt": LIST_MOMENT, "listType": "Standard"}
        for number, name in project.lists.items()
    ]
    return {"lists": found}


def add_list(project: Project, name: str) -> int:
    number = max(project.lists, default=0) + 1
    project.lists[number] = name
    return number


def delete_list(project: Project, text: str) -> dict[str, Any]:
    number = _known_list(project, int(text) if text.isdecimal() else text)
    del project.lists[number]
    for user in project:
        user.lists.discard(number)
    words = f"List {number} in Project {PROJECT_ID} was successfully deleted."
    return {"msg": words, "code": "Success", "params": None}


def members(project: Project, text: str) -> list[str]:
    """Return who is on the list, as the project identifies them."""
    number = _known_list(project, int(text) if text.isdecimal() else text)
    return [project.key(user) for user in project if number in user.lists]


def subscribe(project: Project, manner: Manner, body: Mapping[str, Any]) -> dict[str, Any]:
    """Answer lists/subscribe: who is not there is made, unless the call says that only users there are meant."""
    number, rows = _asked(project, body)
    existing_only = bool(body.get("updateExistingUsersOnly"))
    if existing_only and project.kind == "email":
        raise IterableError(400, "BadParams", "updateExistingUsersOnly is not for email-based projects")

    def take(row: Mapping[str, Any]) -> None:
        if existing_only:
            _found(project, row)
        apply_row(project, row, project.now(), create=project.create_new_fields)
        _found(project, row).lists.add(number)

    return _each(rows, take, manner)


def unsubscribe(project: Project, manner: Manner, body: Mapping[str, Any]) -> dict[str, Any]:
    number, rows = _asked(project, body)
    return _each(rows, lambda row: _found(project, row).lists.discard(number), manner)


def _asked(project: Project, body: Mapping[str, Any]) -> tuple[int, list[Mapping[str, Any]]]:
    rows = body.get("subscribers")
    if not isinstance(rows, list):
        raise BadBodyError({"obj.subscribers": "Array expected"})
    for position, row in enumerate(rows):
        check_shape(row, f"obj.subscribers[{position}]")
    return _known_list(project, body.get("listId")), rows


def _known_list(project: Project, given: Any) -> int:
    if not isinstance(given, int):
        raise BadBodyError({"obj.listId": "Number value expected"})
    if given not in project.lists:
        # The code says "Success" all the same: so it was recorded.
        where = {"projectId": PROJECT_ID, "listId": given}
        raise IterableError(400, "Success", f"error.lists.invalidListId({given})", where)
    return given


def _found(project: Project, row: Mapping[str, Any]) -> User:
    email, user_id = str(row.get("email") or "").strip().lower(), str(row.get("userId") or "")
    user = project.with_email(email) if email else next(iter(project.with_user_id(user_id)), None)
    if user is None:
        raise RefusedRowError("notFound", email, user_id)
    return user


def _each(
    rows: list[Mapping[str, Any]], take: Callable[[Mapping[str, Any]], None], manner: Manner
) -> dict[str, Any]:
    failed: dict[str, list[str]] = {name: [] for name in LISTS}
    fail_count = 0
    for row in rows:
        try:
            take(row)
        except RefusedRowError as refused:
            failed[refused.list_name].append(refused.identifier)
            fail_count += 1
    answer = {
        "successCount": len(rows) - fail_count,
        "failCount": fail_count,
        "invalidEmails": failed["invalidEmails"],
        "invalidUserIds": failed["invalidUserIds"],
        "createdFields": [],
        "filteredOutFields": [],
        "failedUpdates": failed,
    }
    return in_manner(answer, manner.answers)
