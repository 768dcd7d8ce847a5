"""Who listens to streams: the way syncs learns what routing needs, without knowing routing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from syncs.models import Stream


class Listener(Protocol):
    """Named in settings.STREAM_LISTENERS by its dotted path; made anew for each question."""

    def fields(self, stream: Stream) -> Iterable[str]:
        """Name the fields, by the vendor's names with dots, that it needs of each record."""

    def switched_off(self) -> Iterable[str]:
        """Name the origins whose deliveries must not be sent now."""

    def name(self, origin: str) -> str:
        """Say what people call one of its origins; "" for an origin of somebody else."""


def fields(stream: Stream) -> set[str]:
    """Return what one read of the stream must carry so that everybody is served."""
    return {name for listener in _listeners() for name in listener.fields(stream)}


def switched_off() -> set[str]:
    return {origin for listener in _listeners() for origin in listener.switched_off()}


def name(origin: str) -> str:
    """Return what people call the origin of a delivery, such as “rule Hot leads”."""
    return next((known for listener in _listeners() if (known := listener.name(origin))), origin)


def _listeners() -> list[Listener]:
    return [import_string(path)() for path in settings.STREAM_LISTENERS]
