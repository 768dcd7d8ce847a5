"""Retention of flow runs: ended ones go, but for what a later run may have to know."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from routing.models import Flow, FlowRun, StepTry

BATCH = 500


def prune(before: datetime, after: int = 0) -> Iterator[tuple[int, int]]:
    """Delete the runs that ended before then, and of each customer's last run of an awaited flow only the history.

    Whether a customer was ever registered must be known for as long as an update may come. So most runs may have to
    stay, and they are looked through once, by id: yields how many went, and after which run to go on.
    """
    ended = FlowRun.objects.filter(started_at__lt=before, ended_at__lt=before)
    awaited = Flow.objects.filter(waits_for=OuterRef("flow"))
    newer = FlowRun.objects.filter(
        flow=OuterRef("flow"), subject=OuterRef("subject"), pk__gt=OuterRef("pk"), ended_at__isnull=False
    )
    prunable = ended.filter(Q(subject="") | ~Exists(awaited) | Exists(newer))
    while window := list(ended.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        after = window[-1]
        deleted = prunable.filter(pk__in=window).delete()[1].get(FlowRun._meta.label, 0)
        FlowRun.objects.filter(pk__in=window).exclude(session={}).update(session={})
        StepTry.objects.filter(run__in=window).delete()
        yield deleted, after
