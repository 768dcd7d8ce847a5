"""Retention of flow runs: ended ones go, but for what a later run may have to know."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from routing.models import Flow, FlowRun, StepTry

BATCH = 1_000


def prune(before: datetime) -> Iterator[int]:
    """Delete the runs that ended before then, and of each customer's last run of an awaited flow only the history.

    Whether a customer was ever registered must be known for as long as an update may come.
    """
    ended = FlowRun.objects.filter(started_at__lt=before, ended_at__lt=before)
    awaited = Flow.objects.filter(waits_for=OuterRef("flow"))
    newer = FlowRun.objects.filter(
        flow=OuterRef("flow"), subject=OuterRef("subject"), pk__gt=OuterRef("pk"), ended_at__isnull=False
    )
    prunable = ended.filter(Q(subject="") | ~Exists(awaited) | Exists(newer))
    while pks := list(prunable.order_by("started_at").values_list("pk", flat=True)[:BATCH]):
        yield FlowRun.objects.filter(pk__in=pks).delete()[1].get(FlowRun._meta.label, 0)
    kept = StepTry.objects.filter(run__in=ended)
    while pks := list(kept.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        FlowRun.objects.filter(history__in=pks).update(session={})
        StepTry.objects.filter(pk__in=pks).delete()
        yield 0
