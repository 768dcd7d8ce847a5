"""How fast a project may be called: a leaky bucket per path."""

from __future__ import annotations

from datetime import datetime

from integration_hub.simulator.iterable.errors import IterableError

LIMITS: dict[str, tuple[int, float]] = {
    "users/update": (500, 1),
    "users/bulkUpdate": (5, 1),
    "users/updateEmail": (5, 1),
    "users/merge": (50, 1),
    "users/getByEmail": (100, 1),
    "users/byUserId": (100, 1),
    "users/{email}": (100, 1),
    "users/delete": (100, 1),
    "users/getFields": (3, 1),
    "users/forget": (3, 1),
    "events/track": (2_000, 1),
    "events/trackBulk": (10, 1),
    "lists": (100, 1),
    "lists/getUsers": (5, 60),
    "lists/subscribe": (5, 1),
    "lists/unsubscribe": (5, 1),
    "channels": (100, 1),
}
"""Calls and the seconds they may be made in."""


class Pace:
    """Counts calls by path and refuses the one that comes too early; refused calls do not count."""

    def __init__(self) -> None:
        self.limits = dict(LIMITS)
        self.name_the_wait = False
        """Whether a refusal has a Retry-After, which Iterable does not promise."""
        self._fill: dict[str, tuple[float, float]] = {}

    def call(self, path: str, now: datetime) -> None:
        calls, seconds = self.limits.get(path, (1_000, 1.0))
        at = now.timestamp()
        level, since = self._fill.get(path, (0.0, at))
        level = max(0.0, level - max(0.0, at - since) * calls / seconds)
        if level + 1 > calls:
            headers = {"Retry_After": "1"} if self.name_the_wait else {}
            raise IterableError(429, "RateLimitExceeded", "Exceeded rate limit.", None, **headers)
        self._fill[path] = (level + 1, at)
