"""What all stand-ins share: the world's time and the record of what was asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

LOG_LIMIT = 50_000
"""Requests kept per vendor; a bench must not fill the memory with its own trace."""


class Clock:
    """The world's time: the real one until it is set, then frozen where it was set."""

    def __init__(self) -> None:
        self._frozen: datetime | None = None

    def __call__(self) -> datetime:
        return self._frozen or datetime.now(UTC)

    def set(self, at: datetime | None) -> None:
        """Freeze the time at `at`; None lets the real time run again."""
        if at is not None and at.tzinfo is None:
            raise ValueError("The time must carry its time zone, such as 2026-11-20T10:00:00Z.")
        self._frozen = at.astimezone(UTC) if at is not None else None


@dataclass(frozen=True, slots=True)
class Request:
    """One call as it arrived. `status` is None when the connection was dropped instead of answered.

    `body` is the decoded JSON or form where there was one, else the text.
    """

    method: str
    path: str
    query: dict[str, str]
    body: Any
    at: datetime
    status: int | None


class RequestLog(list[Request]):
    """The calls a vendor received, oldest first; the oldest half goes when there are too many."""

    def record(self, request: Request) -> None:
        self.append(request)
        if len(self) > LOG_LIMIT:
            del self[: LOG_LIMIT // 2]
