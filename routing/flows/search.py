"""Finding runs of flows by what people know: a subject, an event's id, an e-mail, a record's id."""

from __future__ import annotations

import json
import uuid

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from routing.models import FlowRun
from syncs.models import InboundEvent

NEWEST = 50_000
"""So many of the newest events are looked through for a text inside."""


def runs(text: str, among: QuerySet[FlowRun] | None = None) -> QuerySet[FlowRun]:
    """Return the runs of this subject, with or without its source's key, of this event, or that mention the text."""
    rows = FlowRun.objects.all() if among is None else among
    term = text.strip()
    if not term:
        return rows.none()
    keys = FlowRun.objects.filter(Q(subject=term) | Q(subject__endswith=f":{term}")).values("pk")
    found = Q(pk__in=keys) | Q(event__in=events(term))
    found |= Q(pk__in=FlowRun.objects.filter(history__delivery__remote_id=term).values("pk"))
    return rows.filter(found)


def events(text: str) -> QuerySet[InboundEvent]:
    """Return the events with this id, and the newest that hold the text as a whole value, such as an e-mail."""
    term = text.strip()
    rows = InboundEvent.objects.order_by()
    if (uid := _uid(term)) is not None:
        return rows.filter(uid=uid)
    newest = InboundEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    inside = rows.filter(pk__gt=newest - NEWEST).annotate(text=Cast("data", TextField()))
    return inside.filter(text__icontains=json.dumps(term, ensure_ascii=False))


def _uid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
