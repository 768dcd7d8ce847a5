"""Finding runs of flows by what people know: a subject, an event's id, an e-mail, a record's id."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from routing.models import FlowRun, StepTry
from syncs.models import Delivery, EventSource, InboundEvent

NEWEST = 20_000
"""So many of the newest events are looked through for a text inside."""
MOST_FOUND = 500


def runs(
    text: str, among: QuerySet[FlowRun] | None = None, *, of: Sequence[int] | None = None
) -> QuerySet[FlowRun]:
    """Return the runs of this subject, with or without its source's key, of this event, or that mention the text.

    Each is looked for by its own index: one condition over all of them would read the whole table. `of`: the events
    that the text finds, if they are known already.
    """
    rows = FlowRun.objects.all() if among is None else among
    term = text.strip()
    if not term:
        return rows.none()
    subjects = [term, *(f"{key}:{term}" for key in EventSource.objects.values_list("key", flat=True))]
    written = list(Delivery.objects.filter(remote_id=term).values_list("pk", flat=True)[:MOST_FOUND])
    mentioned = list(events(term).values_list("pk", flat=True)) if of is None else of
    found = set(StepTry.objects.filter(delivery__in=written).values_list("run", flat=True))
    found |= set(FlowRun.objects.filter(event__in=mentioned).values_list("pk", flat=True))
    for subject in subjects:
        own = FlowRun.objects.filter(subject=subject).order_by("-pk")
        found |= set(own.values_list("pk", flat=True)[:MOST_FOUND])
    return rows.filter(pk__in=found)


def events(text: str) -> QuerySet[InboundEvent]:
    """Return the events with this id, and the newest that hold the text as a whole value, such as an e-mail."""
    term = text.strip()
    rows = InboundEvent.objects.order_by()
    if (uid := _uid(term)) is not None:
        return rows.filter(uid=uid)
    newest = InboundEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    inside = rows.filter(pk__gt=newest - NEWEST).annotate(text=Cast("data", TextField()))
    found = inside.filter(text__icontains=json.dumps(term, ensure_ascii=False))
    return rows.filter(pk__in=list(found.values_list("pk", flat=True)[:MOST_FOUND]))


def _uid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
