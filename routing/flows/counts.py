"""How many runs of flows stand where, for pages and the dashboard."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count

from routing.flows.design.diagram import Counts
from routing.models import Flow, FlowRun
from routing.models.flows import RunStage


@dataclass(frozen=True, slots=True)
class Today:
    """Runs of all flows: those that began and ended since midnight, and those that are open now."""

    started: int
    done: int
    open: int
    parked: int


def by_step(flow: Flow) -> dict[str, Counts]:
    """Return the open runs of a flow by the key of the step where they stand."""
    rows = FlowRun.objects.standing().filter(flow=flow).exclude(step=None)
    found: dict[str, Counter[str]] = {}
    for key, stage, count in rows.values_list("step__key", "stage").annotate(Count("pk")).order_by():
        found.setdefault(key, Counter())[stage] = count
    return {
        key: Counts(counted[RunStage.READY], counted[RunStage.SENDING], counted[RunStage.PARKED])
        for key, counted in found.items()
    }


def today(midnight: datetime) -> Today:
    """Return what the dashboard tells."""
    began = FlowRun.objects.filter(started_at__gte=midnight)
    still = FlowRun.objects.open()
    return Today(
        started=began.count(),
        done=began.filter(stage=RunStage.DONE).count(),
        open=still.exclude(stage=RunStage.PARKED).count(),
        parked=still.filter(stage=RunStage.PARKED).count(),
    )
