"""What changes users: single and bulk updates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integration_hub.simulator.iterable.errors import BadBodyError, IterableError
from integration_hub.simulator.iterable.fields import Admission
from integration_hub.simulator.iterable.project import PROJECT_ID, Project, RefusedRowError, User

LISTS = (
    *("conflictEmails", "conflictUserIds", "forgottenEmails", "forgottenUserIds"),
    *("invalidDataEmails", "invalidDataUserIds", "invalidEmails", "invalidUserIds"),
    *("notFoundEmails", "notFoundUserIds"),
)
_SHAPES: tuple[tuple[str, type, str], ...] = (
    ("email", str, "String value expected"),
    ("userId", str, "String value expected"),
    ("dataFields", dict, "Object value expected"),
    ("preferUserId", bool, "Boolean value expected"),
    ("mergeNestedObjects", bool, "Boolean value expected"),
)


@dataclass(slots=True)
class Manner:
    """How a project takes writes; tests change it freely."""

    max_users: int = 1_000
    max_bytes: int = 4_000_000
    strict_batches: bool = False
    """One value of the wrong type refuses the whole batch, instead of its row."""
    answers: str = "full"
    """"sparse": empty lists are left out; "legacy": there is no failedUpdates, only what was before it."""


def update(project: Project, body: Mapping[str, Any]) -> dict[str, Any]:
    """Answer users/update."""
    check_shape(body, "obj")
    create = body.get("createNewFields", project.create_new_fields)
    try:
        admission = apply_row(project, body, project.now(), create=create)
    except RefusedRowError as refused:
        raise refused.error or _single_error(refused) from None
    _check_field_limit(project, [admission])
    return {"msg": "", "code": "Success", "params": None}


def bulk_update(project: Project, manner: Manner, body: Mapping[str, Any], size: int) -> dict[str, Any]:
    """Answer users/bulkUpdate: with status 200 also when every row failed."""
    rows = _checked_rows(manner, body, size)
    create = body.get("createNewFields", project.create_new_fields)
    if manner.strict_batches:
        _check_types(project, rows, create=create)
    failed: dict[str, list[str]] = {name: [] for name in LISTS}
    admissions = []
    fail_count = 0
    at = project.now()
    for row in rows:
        try:
            admissions.append(apply_row(project, row, at, create=create))
        except RefusedRowError as refused:
            failed[refused.list_name].append(refused.identifier)
            fail_count += 1
    _check_field_limit(project, admissions)
    answer: dict[str, Any] = {
        "successCount": len(rows) - fail_count,
        "failCount": fail_count,
        "invalidEmails": failed["invalidEmails"],
        "invalidUserIds": failed["invalidUserIds"],
        "createdFields": sorted({name for one in admissions for name in one.created}),
        "filteredOutFields": sorted({name for one in admissions for name in one.dropped}),
        "failedUpdates": failed,
    }
    return in_manner(answer, manner.answers)


def _checked_rows(manner: Manner, body: Mapping[str, Any], size: int) -> list[Mapping[str, Any]]:
    if size > manner.max_bytes:
        raise IterableError(413, "BatchTooLarge", f"Request body is over {manner.max_bytes} bytes")
    rows = body.get("users")
    if not isinstance(rows, list):
        raise BadBodyError({"obj.users": "Array expected"})
    if not rows:
        raise IterableError(400, "InvalidEmailAddressError", "No users given")
    if len(rows) > manner.max_users:
        raise IterableError(400, "BatchTooLarge", f"At most {manner.max_users} users per request")
    for number, row in enumerate(rows):
        check_shape(row, f"obj.users[{number}]")
    return rows


def check_shape(row: Any, place: str) -> None:
    if not isinstance(row, dict):
        raise BadBodyError({place: "Object value expected"})
    for name, kind, expected in _SHAPES:
        value = row.get(name)
        if value is not None and not isinstance(value, kind):
            raise BadBodyError({f"{place}.{name}": expected})


def _check_types(project: Project, rows: list[Mapping[str, Any]], *, create: bool) -> None:
    """Refuse the whole batch if one value of it has the wrong type; remember nothing of it yet."""
    tried = []
    try:
        for row in rows:
            admission = Admission(create=create)
            project.fields.admitted(row.get("dataFields") or {}, admission)
            tried.append(admission)
            if admission.conflicts:
                raise admission.mismatch(PROJECT_ID)
    finally:
        for admission in reversed(tried):
            project.fields.undo(admission)


def _check_field_limit(project: Project, admissions: list[Admission]) -> None:
    count, limit = project.fields.count, project.fields.limit
    if count > limit:
        for admission in reversed(admissions):
            project.fields.undo(admission)
        last = next(one for one in reversed(admissions) if one.created)
        raise last.too_many(PROJECT_ID, count, limit)


def apply_row(project: Project, row: Mapping[str, Any], at: str, *, create: bool) -> Admission:
    """Write one user; nothing of it, its new fields included, stays when it is refused."""
    admission = Admission(create=create)
    data = project.fields.admitted(row.get("dataFields") or {}, admission)
    try:
        if admission.conflicts:
            raise _bad_data(row, admission)
        user = project.identified(row)
    except RefusedRowError:
        project.fields.undo(admission)
        raise
    _store(user, data, merge=bool(row.get("mergeNestedObjects")))
    user.updated = at
    return admission


def _bad_data(row: Mapping[str, Any], admission: Admission) -> RefusedRowError:
    email, user_id = (row.get("email") or "").strip().lower(), row.get("userId") or ""
    return RefusedRowError("invalidData", email, user_id, admission.mismatch(PROJECT_ID))


def _store(user: User, data: dict[str, Any], *, merge: bool) -> None:
    """Take the fields over: null removes, an object replaces the whole former one unless `merge`."""
    stored = user.data
    for name, value in data.items():
        if name in {"email", "userId"}:
            continue  # they are the user's identity
        if value is None:
            stored.pop(name, None)
        elif value.__class__ is dict:
            before = stored.get(name)
            both = {**before, **value} if merge and before.__class__ is dict else value
            if None in both.values():
                both = {key: one for key, one in both.items() if one is not None}
            stored[name] = both
        else:
            stored[name] = value


def _single_error(refused: RefusedRowError) -> IterableError:
    if refused.list_name.startswith("forgotten"):
        return IterableError(409, "ForgottenUserError", "User has been forgotten")
    if refused.list_name.startswith("conflict"):
        return IterableError(409, "Conflict", "Another user has this identifier")
    if refused.list_name == "invalidEmails":
        return IterableError(400, "InvalidEmailAddressError", f"Invalid email: {refused.identifier}")
    return IterableError(400, "InvalidUserIdError", f"Invalid userId: {refused.identifier}")


def in_manner(answer: dict[str, Any], manner: str) -> dict[str, Any]:
    if manner == "legacy":
        del answer["failedUpdates"]
    if manner != "full":
        failed = {name: found for name, found in answer.get("failedUpdates", {}).items() if found}
        answer = {name: value for name, value in answer.items() if value or isinstance(value, int)}
        if failed:
            answer["failedUpdates"] = failed
        else:
            answer.pop("failedUpdates", None)
    return answer
