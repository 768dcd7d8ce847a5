"""Sources whose events are refused again and again: told in words, and as one incident each that closes by itself."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from syncs import incidents
from syncs.events import tallies
from syncs.events.problems import Problem
from syncs.models import EventSource
from syncs.models.incidents import IncidentKind

SPAN = timedelta(minutes=10)
REPEATED = 10
"""So many refusals within the span are no slip."""
HOUR = timedelta(hours=1)


def look(now: datetime) -> None:
    """Open, or go on with, an incident for each source that is refused repeatedly; called once a minute.

    An incident that nothing more came of for ten minutes is closed with the others (`incidents.settle`).
    """
    by_source = _refused(now - SPAN)
    latest = {source: sum(codes.values()) for source, codes in _refused(now - timedelta(minutes=1)).items()}
    for source in EventSource.objects.filter(pk__in=by_source):
        codes = by_source[source.pk]
        if sum(codes.values()) < REPEATED or not latest.get(source.pk):
            continue
        incidents.raise_incident(
            f"events:{source.key}", kind=IncidentKind.EVENTS, title=f"Events of {source} are refused",
            detail=f"In ten minutes: {_words(codes)}.", remedy=_remedy(codes), origin=f"events:{source.key}",
            count=latest[source.pk], now=now,
        )  # fmt: skip


def in_words(source_id: int, now: datetime) -> str:
    """Return how many were refused in the last hour, by reason; "" if none was."""
    return _words(_refused(now - HOUR).get(source_id, {}))


def _refused(since: datetime) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for source_id, code, n in tallies.refused(since):
        found[source_id][code] = n
    return found


def _words(codes: dict[str, int]) -> str:
    often = sorted(codes.items(), key=lambda one: -one[1])
    return ", ".join(f"{n:,} × {Problem(code).label.lower()} ({code})" for code, n in often)


def _remedy(codes: dict[str, int]) -> str:
    most = Problem(max(codes, key=lambda code: codes[code]))
    if most.status == 401:
        return (
            "Compare the sender's secret and clock with the source's. Events refused so must be sent again."
        )
    if most == Problem.TOO_MANY:
        return "Let the sender send less, or raise the source's events a minute."
    if most == Problem.SOURCE_OFF:
        return "Switch the source on and replay its refused events, or have the sender stop."
    return "Open the refused events: each says why. Correct the sender or the source, then replay them."
