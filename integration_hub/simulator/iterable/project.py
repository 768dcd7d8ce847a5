"""The pretend project: its users, and who is who by the three kinds of identity."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from integration_hub.simulator.iterable.errors import IterableError
from integration_hub.simulator.iterable.fields import FieldMemory
from integration_hub.simulator.world import Clock

PROJECT_ID = 10_216
PROJECT_TYPES = ("email", "userid", "hybrid")
_LIST_FIELDS = {
    "email": ("emailListIds",),
    "userid": ("userListIds",),
    "hybrid": ("emailListIds", "userListIds"),
}
_EMAIL = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[a-z]{2,}")
_USER_ID = re.compile(r"[!-~](?:[ -~]{0,50}[!-~])?")


@dataclass(slots=True, eq=False)
class User:
    """A stored user; `data` is what was written into dataFields."""

    email: str
    user_id: str
    signed_up: str
    updated: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    lists: set[int] = field(default_factory=set)

    def plain(self) -> dict[str, Any]:
        """Return the user as it was written."""
        return {"email": self.email, "userId": self.user_id, "dataFields": self.data}

    def shown(self, list_fields: tuple[str, ...]) -> dict[str, Any]:
        """Return the user as the API does, with what Iterable adds."""
        added: dict[str, Any] = {
            **{name: sorted(self.lists) for name in list_fields},
            "signupDate": self.signed_up,
            "profileUpdatedAt": self.updated or self.signed_up,
            "signupSource": "API",
            "itblInternal": {"emailDomain": self.email.rpartition("@")[2]},
            "subscribedMessageTypeIds": [],
            "unsubscribedChannelIds": [],
            "unsubscribedMessageTypeIds": [],
        }
        identity = {name: value for name, value in (("email", self.email), ("userId", self.user_id)) if value}
        return {**identity, "dataFields": {**self.data, **identity, **added}}


class RefusedRowError(Exception):
    """One user is refused; `reason` begins the name of the list in `failedUpdates` that it goes into."""

    def __init__(self, reason: str, email: str = "", user_id: str = "", error: IterableError | None = None):
        super().__init__(reason)
        self.list_name = f"{reason}{'Emails' if email else 'UserIds'}"
        self.identifier = email or user_id
        self.error = error


class Project:
    """Users by e-mail and userId. In an e-mail based project many may share a userId, and the other way round."""

    def __init__(self, clock: Clock, kind: str) -> None:
        self.clock = clock
        self.kind = kind
        self.fields = FieldMemory(_LIST_FIELDS[kind])
        self.create_new_fields = True
        self.forgotten: set[str] = set()
        self.disallowed_events: set[str] = set()
        self.lists: dict[int, str] = {1: "Everybody"}
        self.events: list[dict[str, Any]] = []
        self._by_email: dict[str, list[User]] = {}
        self._by_user_id: dict[str, list[User]] = {}

    def __iter__(self) -> Iterator[User]:
        for users in self._by_email.values():
            yield from users
        for users in self._by_user_id.values():
            yield from (user for user in users if not user.email)

    def key(self, user: User) -> str:
        """Return what identifies the user in this kind of project."""
        return user.email if self.kind == "email" else user.user_id or user.email

    def shown(self, user: User) -> dict[str, Any]:
        return user.shown(_LIST_FIELDS[self.kind])

    def with_email(self, email: str) -> User | None:
        return next(iter(self._by_email.get(email.strip().lower(), ())), None)

    def with_user_id(self, user_id: str) -> list[User]:
        return list(self._by_user_id.get(user_id, ()))

    def identified(self, row: Mapping[str, Any]) -> User:
        """Return the user that a write means, made when there is none; its identity is changed as the row says."""
        email, user_id = self._identifiers(row)
        data = row.get("dataFields") or {}
        if self.kind == "email":
            return self._in_email_project(email, user_id, bool(row.get("preferUserId")))
        inner = self._address(data.get("email") or "")
        if self.kind == "userid":
            if not user_id:
                raise RefusedRowError("invalid", email=email)
            found = self.with_user_id(user_id)
            return self._renamed(found[0] if found else None, inner or email, user_id)
        return self._in_hybrid_project(email, inner, user_id)

    def rekey(self, user: User, email: str, user_id: str) -> None:
        """Give the user another identity."""
        self._unlink(user)
        user.email, user.user_id = email, user_id
        self._link(user)

    def remove(self, user: User) -> None:
        self._unlink(user)

    def now(self) -> str:
        return _shown(self.clock().replace(microsecond=0))

    def _identifiers(self, row: Mapping[str, Any]) -> tuple[str, str]:
        email = self._address(row.get("email") or "")
        user_id = row.get("userId") or ""
        if user_id and not _USER_ID.fullmatch(user_id):
            raise RefusedRowError("invalid", user_id=user_id)
        if not email and not user_id:
            raise RefusedRowError("invalid", email=email)
        if user_id in self.forgotten:
            raise RefusedRowError("forgotten", user_id=user_id)
        return email, user_id

    def _address(self, text: str) -> str:
        email = text.strip().lower()
        if email and not _EMAIL.fullmatch(email):
            raise RefusedRowError("invalid", email=email)
        if email in self.forgotten:
            raise RefusedRowError("forgotten", email=email)
        return email

    def _in_email_project(self, email: str, user_id: str, prefers_user_id: bool) -> User:
        if email:
            user = self.with_email(email)
            return self._renamed(user, email, user_id or (user.user_id if user else ""))
        found = self.with_user_id(user_id)
        if found:
            return found[0]
        if not prefers_user_id:
            raise RefusedRowError("invalid", user_id=user_id)
        return self._renamed(None, f"{user_id.lower()}@placeholder.email", user_id)

    def _in_hybrid_project(self, email: str, inner: str, user_id: str) -> User:
        wanted = inner or email
        holder = self.with_email(wanted) if wanted else None
        user = next(iter(self._by_user_id.get(user_id, ())), None) or (
            self.with_email(email) if email else None
        )
        if user is None and holder is not None and not holder.user_id:
            user = holder
        taken = holder is not None and holder is not user
        if taken or (user is not None and user_id and user.user_id not in {"", user_id}):
            raise RefusedRowError("conflict", email=wanted)
        return self._renamed(user, wanted, user_id)

    def _renamed(self, user: User | None, email: str, user_id: str) -> User:
        if user is None:
            user = User(email, user_id, self.now())
            self._link(user)
        elif (email and email != user.email) or (user_id and user_id != user.user_id):
            self.rekey(user, email or user.email, user_id or user.user_id)
        return user

    def _link(self, user: User) -> None:
        if user.email:
            self._by_email.setdefault(user.email, []).append(user)
        if user.user_id:
            self._by_user_id.setdefault(user.user_id, []).append(user)

    def _unlink(self, user: User) -> None:
        for index, name in ((self._by_email, user.email), (self._by_user_id, user.user_id)):
            if name:
                index[name].remove(user)
                if not index[name]:
                    del index[name]


@lru_cache(maxsize=16)
def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} +00:00"
