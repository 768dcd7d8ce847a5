"""How fast one app may call: per method and minute, per channel and second, per workspace and minute."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from datetime import datetime

from integration_hub.simulator.slack.errors import TooFastError

TIERS = {1: 1, 2: 20, 3: 50, 4: 100}
"""Calls a minute, by tier."""

MINUTE = 60.0


class Pace:
    """Counts calls; raises TooFastError when one comes too early. Refused calls do not count."""

    def __init__(self) -> None:
        self.messages_per_minute = 300
        self._last_message: dict[str, float] = {}
        self._calls: defaultdict[str, deque[float]] = defaultdict(deque)

    def method(self, name: str, tier: int, now: datetime) -> None:
        self._minute(name, TIERS[tier], now.timestamp())

    def message(self, channel: str, now: datetime) -> None:
        at = now.timestamp()
        gap = at - self._last_message.get(channel, -math.inf)
        if 0 <= gap < 1:
            raise TooFastError(1)
        self._minute("", self.messages_per_minute, at)
        self._last_message[channel] = at

    def _minute(self, name: str, allowed: int, at: float) -> None:
        calls = self._calls[name]
        while calls and not 0 <= at - calls[0] < MINUTE:
            calls.popleft()
        if len(calls) >= allowed:
            raise TooFastError(max(1, math.ceil(MINUTE - (at - calls[0]))))
        calls.append(at)
