"""Who takes events up: the way syncs learns what became of one, without knowing routing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from syncs.models import InboundEvent


@dataclass(frozen=True, slots=True)
class Fate:
    """What came of an event in one place: one flow run. It is told to the sender, so no record's values in it.

    `link` is where staff see more of it, and is not told to the sender.
    """

    what: str
    """Such as `flow:register`: the origin."""
    run: str
    """Its id there."""
    stage: str
    """Such as `waiting`, `done`, `parked`."""
    step: str = ""
    """Where it is, or where it ended."""
    reason: str = ""
    link: str = ""


class EventListener(Protocol):
    """Named in settings.EVENT_LISTENERS by its dotted path; made anew for each question."""

    def fate(self, event: InboundEvent) -> Iterable[Fate]:
        """Tell what came of the event here, oldest first; nothing if it was not taken up."""

    def prune(self, before: datetime, after: int) -> Iterator[tuple[int, int]]:
        """Delete, in batches, what came of events and ended before then; yield how many went, and where it stands."""


def fates(event: InboundEvent) -> list[Fate]:
    return [fate for listener in _listeners() for fate in listener.fate(event)]


def prune(before: datetime, after: int) -> Iterator[tuple[int, int]]:
    for listener in _listeners():
        yield from listener.prune(before, after)


def _listeners() -> list[EventListener]:
    return [import_string(path)() for path in settings.EVENT_LISTENERS]
