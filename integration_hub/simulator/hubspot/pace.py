"""How fast a portal may be called: ten-second windows, the search's own second, the day."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from integration_hub.simulator.hubspot.errors import HubSpotError

TEN_SECONDS = 10.0
DAY = 86_400.0
_POLICIES = {
    "TEN_SECONDLY_ROLLING": "You have reached your ten_secondly_rolling limit.",
    "SECONDLY": "You have reached your secondly limit.",
    "DAILY": "You have reached your daily limit.",
}


def too_many(policy: str, **options: Any) -> HubSpotError:
    """Return the refusal of one policy; no Retry-After, unless the test wants one."""
    after = options.get("retry_after")
    return HubSpotError(
        429,
        str(options.get("category", "")),
        _POLICIES[policy],
        extra={"errorType": "RATE_LIMIT", "policyName": policy},
        headers={"Retry-After": str(after)} if after is not None else {},
    )


class Pace:
    """Counts calls; refuses those that come too early while `enforced`. Refused calls count for the day only."""

    def __init__(self) -> None:
        self.enforced = False
        self.per_ten_seconds = 190
        self.searches_per_second = 5
        self.per_day = 625_000
        self.used_today = 0
        self._day = 0
        self._calls: deque[float] = deque()
        self._searches: deque[float] = deque()

    def call(self, at: float) -> None:
        self._count_day(at)
        _slide(self._calls, at, TEN_SECONDS)
        if self.enforced and len(self._calls) >= self.per_ten_seconds:
            raise too_many("TEN_SECONDLY_ROLLING")
        self._calls.append(at)

    def search(self, at: float) -> None:
        self._count_day(at)
        _slide(self._searches, at, 1.0)
        if self.enforced and len(self._searches) >= self.searches_per_second:
            raise too_many("SECONDLY")
        self._searches.append(at)

    def headers(self, *, daily: bool) -> Mapping[str, str]:
        found = {
            "X-HubSpot-RateLimit-Max": str(self.per_ten_seconds),
            "X-HubSpot-RateLimit-Remaining": str(max(0, self.per_ten_seconds - len(self._calls))),
            "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
        }
        if daily:
            found["X-HubSpot-RateLimit-Daily"] = str(self.per_day)
            found["X-HubSpot-RateLimit-Daily-Remaining"] = str(max(0, self.per_day - self.used_today))
        return found

    def _count_day(self, at: float) -> None:
        day = int(at // DAY)
        if day != self._day:
            self._day, self.used_today = day, 0
        self.used_today += 1
        if self.enforced and self.used_today > self.per_day:
            raise too_many("DAILY")


def _slide(calls: deque[float], at: float, seconds: float) -> None:
    while calls and not 0 <= at - calls[0] < seconds:
        calls.popleft()
