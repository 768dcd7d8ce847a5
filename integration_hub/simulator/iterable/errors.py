"""How Iterable says no."""

from __future__ import annotations

from typing import Any


class IterableError(Exception):
    """A refused call: status, code, words and parameters."""

    def __init__(
        self, status: int, code: str, message: str, params: dict[str, Any] | None = None, **headers: str
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.params = params
        self.headers = headers


class BadBodyError(IterableError):
    """The body, or one row of it, has the wrong shape; `where` maps places to what was expected there."""

    def __init__(self, where: dict[str, str] | None = None) -> None:
        super().__init__(400, "BadJsonBody", "Invalid JSON body", where)
