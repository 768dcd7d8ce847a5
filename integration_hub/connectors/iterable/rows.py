"""The rows of a bulk call: made of writes, cut into batches, found again in the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integration_hub.connectors.errors import RejectedError
from integration_hub.connectors.iterable.errors import shape_error
from integration_hub.connectors.records import RecordWrite

MOST_ROWS = 1_000
MOST_BYTES = 3_500_000
"""Iterable takes 4 MB; it names no number of users, and 1,000 is what others send."""

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Row:
    """One user on its way. `key` identifies it in this kind of project; `email` is in lower case."""

    position: int
    write: RecordWrite
    key: str
    email: str
    user_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a user is in one of the lists of `failedUpdates`."""

    code: str
    message: str
    remedy: str

    def error(self) -> RejectedError:
        return RejectedError(self.message, code=self.code, remedy=self.remedy)


_CONFLICT = Reason(
    "conflict",
    "Another Iterable user has this e-mail or userId.",
    "Merge the two users in Iterable, or correct the record.",
)
_FORGOTTEN = Reason(
    "forgotten",
    "Iterable has forgotten this person on request and takes no more data.",
    "Leave the record out of the sync.",
)
INVALID_DATA = Reason(
    "invalid_data",
    "Iterable refused a value of this record and did not say which.",
    "Compare the mapped values with the field types in Iterable.",
)
UNNAMED = Reason(
    "unnamed",
    "Iterable refused this record without a reason.",
    "Try the record in Iterable by hand; if it is fine there, requeue it.",
)
_INVALID_EMAIL = Reason("invalid_email", "Iterable refused the e-mail.", "Correct the e-mail in the source.")
_INVALID_USER_ID = Reason(
    "invalid_user_id",
    "Iterable refused the userId.",
    "It has 1 to 52 printable characters and, in an email-based project, comes with an e-mail.",
)
_MISSING = Reason("not_found", "Iterable does not know this user.", "Sync the user before its lists.")
_REASONS = {
    "conflict": (_CONFLICT, _CONFLICT),
    "forgotten": (_FORGOTTEN, _FORGOTTEN),
    "invalidData": (INVALID_DATA, INVALID_DATA),
    "invalid": (_INVALID_EMAIL, _INVALID_USER_ID),
    "notFound": (_MISSING, _MISSING),
}


def made(
    position: int, write: RecordWrite, key: str, email: str, user_id: str, payload: Mapping[str, Any]
) -> Row | RejectedError:
    try:
        return Row(position, write, key, email, user_id, _encode(payload).encode())
    except (TypeError, ValueError):
        return _not_json()


class Rows:
    """Turns writes into rows for one type of project."""

    def __init__(self, project_type: str) -> None:
        self.project_type = project_type

    def row(self, position: int, write: RecordWrite) -> Row | RejectedError:
        values = write.values
        email = str(values.get("email") or "").strip().lower()
        user_id = str(values.get("userId") or "").strip()
        data = values.get("dataFields") or {}
        if not isinstance(data, dict):
            return shape_error("dataFields")
        payload: dict[str, Any]
        if self.project_type == "email":
            if not email:
                return unidentified("e-mail", "email")
            key = email
            payload = {"email": email, "dataFields": data, "mergeNestedObjects": True}
            if user_id:
                payload["userId"] = user_id
        elif user_id:
            # With both beside each other it is not settled which one wins: only the userId identifies.
            key = user_id
            data = {**data, "email": email} if email else data
            payload = {"userId": user_id, "dataFields": data, "mergeNestedObjects": True}
        elif email and self.project_type == "hybrid":
            key = email
            payload = {"email": email, "dataFields": data, "mergeNestedObjects": True}
        else:
            return unidentified("userId", "userId")
        return made(position, write, key, email, user_id, payload)

    def batches(self, rows: Sequence[Row]) -> list[list[Row]]:
        """Cut to what one call takes; a user that comes twice goes with a later call, in order."""
        batches: list[list[Row]] = []
        while rows:
            later: list[Row] = []
            taken: set[str] = set()
            size = MOST_BYTES + 1
            for row in rows:
                names = self._unique(row)
                if not taken.isdisjoint(names):
                    taken.update(names)
                    later.append(row)
                    continue
                taken.update(names)
                size += len(row.body) + 1
                if size > MOST_BYTES or len(batches[-1]) >= MOST_ROWS:
                    batches.append([])
                    size = len(row.body) + 1
                batches[-1].append(row)
            rows = later
        return batches

    def _unique(self, row: Row) -> tuple[str, ...]:
        """Return the identifiers that no two users share in this kind of project."""
        if self.project_type == "hybrid" and row.user_id and row.email:
            return row.user_id, row.email
        return (row.key,)


def joined(rows: Sequence[Row], name: str = "users", **options: Any) -> bytes:
    """Return the body of the call: the rows under their name, and such options as are not None."""
    stated = {key: value for key, value in options.items() if value is not None}
    head = _encode(stated)[1:-1].encode()
    return (
        b"{" + head + (b"," if head else b"") + f'"{name}":['.encode()
        + b",".join([row.body for row in rows]) + b"]}"
    )  # fmt: skip


def failures(rows: Sequence[Row], answer: Mapping[str, Any]) -> dict[int, Reason]:
    """Return, by position, why rows failed. The answer names users, not rows, and e-mails in any case."""
    lists = answer.get("failedUpdates")
    if not isinstance(lists, dict):
        lists = {name: answer.get(name) for name in ("invalidEmails", "invalidUserIds")}
    if not any(lists.values()):
        return {}
    index = _Index(rows)
    found: dict[int, Reason] = {}
    for kind, (by_email, by_user_id) in _REASONS.items():
        for position in index.with_emails(lists.get(f"{kind}Emails")):
            found.setdefault(position, by_email)
        for position in index.with_user_ids(lists.get(f"{kind}UserIds")):
            found.setdefault(position, by_user_id)
    return found


def untouched(rows: Sequence[Row], answer: Mapping[str, Any]) -> set[int]:
    """Return the positions of rows that Iterable had just so."""
    emails, user_ids = answer.get("noOpEmails"), answer.get("noOpUserIds")
    if not emails and not user_ids:
        return set()
    index = _Index(rows)
    return {*index.with_emails(emails), *index.with_user_ids(user_ids)}


class _Index:
    """Positions by everything that may name a row."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._by_email: dict[str, list[int]] = {}
        self._by_user_id: dict[str, list[int]] = {}
        for row in rows:
            inner = (row.write.values.get("dataFields") or {}).get("email")
            for email in {row.email, inner.strip().lower() if isinstance(inner, str) else ""} - {""}:
                self._by_email.setdefault(email, []).append(row.position)
            if row.user_id:
                self._by_user_id.setdefault(row.user_id, []).append(row.position)

    def with_emails(self, emails: Any) -> list[int]:
        return [
            position
            for email in emails or ()
            for position in self._by_email.get(str(email).strip().lower(), ())
        ]

    def with_user_ids(self, user_ids: Any) -> list[int]:
        return [position for one in user_ids or () for position in self._by_user_id.get(str(one), ())]


def _not_json() -> RejectedError:
    return RejectedError(
        "A value of this record cannot be written as JSON.",
        code="not_json",
        remedy="Choose a transform that makes a text, a number or a date of it.",
    )


def unidentified(name: str, field: str) -> RejectedError:
    return RejectedError(
        f"The record has no {name}, and users of this project are identified by it.",
        code="no_identifier",
        remedy=f"Fill the source field that is mapped to {field}, or filter such records out.",
    )
