"""Trouble on demand: "the next two calls fail", "one call in twenty fails", "the vendor is down"."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

COMMON_KINDS = frozenset({"drop", "drop_after", "delay", "status", "unavailable"})
"""drop: closed unanswered and undone; drop_after: done, then closed unanswered; delay: done at once, answered
after `seconds`; status: any `status` with `body`; unavailable: 503 with an HTML page."""

OUTAGE_KINDS = frozenset({"drop", "refuse", "unavailable"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of trouble, for calls whose path contains `path`."""

    kind: str
    path: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


class Faults:
    """The trouble one vendor is in. Scheduled failures come before random ones, an outage before both."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self.kinds = COMMON_KINDS | frozenset(kinds)
        self.on_listening: Callable[[bool], None] | None = None
        self._lock = threading.Lock()
        self._queue: list[tuple[int, Fault]] = []
        self._rates: list[tuple[float, Fault]] = []
        self._outage: Fault | None = None
        self._chance = random.Random(20)  # noqa: S311 - reproducible trouble, no secret

    def fail_next(self, n: int, kind: str, path: str = "", **options: Any) -> None:
        """Let the next `n` calls whose path contains `path` fail in this way."""
        with self._lock:
            self._queue.append((n, self._fault(kind, path, options)))

    def set(self, kind: str, rate: float, path: str = "", **options: Any) -> None:
        """Let this share of calls (0 to 1) fail in this way; 0 ends it."""
        fault = self._fault(kind, path, options)
        with self._lock:
            self._rates = [(r, f) for r, f in self._rates if (f.kind, f.path) != (kind, path)]
            if rate > 0:
                self._rates.append((rate, fault))

    def outage(self, on: bool, kind: str = "drop") -> None:
        """Take the vendor down or bring it back; "refuse" closes the port itself."""
        if kind not in OUTAGE_KINDS:
            raise ValueError(
                f"An outage cannot be {kind!r}. Choose one of: {', '.join(sorted(OUTAGE_KINDS))}."
            )
        self._outage = Fault(kind) if on else None
        if self.on_listening is not None:
            self.on_listening(not (on and kind == "refuse"))

    def clear(self) -> None:
        """End all trouble."""
        with self._lock:
            self._queue.clear()
            self._rates.clear()
        self.outage(on=False)

    def take(self, path: str) -> Fault | None:
        """Return the trouble that the call to `path` runs into, and use it up."""
        if self._outage is not None:
            return self._outage
        if not self._queue and not self._rates:
            return None
        with self._lock:
            return self._scheduled(path) or self._random(path)

    def _scheduled(self, path: str) -> Fault | None:
        for position, (left, fault) in enumerate(self._queue):
            if fault.path in path:
                if left > 1:
                    self._queue[position] = (left - 1, fault)
                else:
                    del self._queue[position]
                return fault
        return None

    def _random(self, path: str) -> Fault | None:
        for rate, fault in self._rates:
            if fault.path in path and self._chance.random() < rate:
                return fault
        return None

    def _fault(self, kind: str, path: str, options: Mapping[str, Any]) -> Fault:
        if kind not in self.kinds:
            raise ValueError(f"There is no fault {kind!r}. Choose one of: {', '.join(sorted(self.kinds))}.")
        return Fault(kind, path, dict(options))
