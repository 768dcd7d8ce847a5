"""Parked runs of flows: one incident a flow, over when none is parked any more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

from routing.flows.shapes import BookedFlow
from routing.models import FlowRun
from routing.models.flows import RunStage
from syncs import incidents
from syncs.models import Incident
from syncs.models.incidents import IncidentKind

REMEDY = "Open the runs that are parked: resume, retry, skip or cancel each."


def report(book: Mapping[int, BookedFlow], runs: Iterable[FlowRun], now: datetime) -> None:
    """Open an incident for each flow of these runs, or count on."""
    by_flow: dict[int, list[FlowRun]] = defaultdict(list)
    for run in runs:
        by_flow[run.flow_id].append(run)
    for flow_id, own in by_flow.items():
        flow = book[flow_id]
        incidents.raise_incident(
            f"parked:{flow.origin}", kind=IncidentKind.PARKED, title=f"Runs of the flow “{flow.name}” are parked",
            detail=own[0].reason, remedy=own[0].remedy or REMEDY, origin=flow.origin, count=len(own), now=now,
        )  # fmt: skip


def settle(now: datetime) -> None:
    """Close what is over."""
    open_now = Incident.objects.filter(kind=IncidentKind.PARKED, closed_at=None)
    for key, origin in list(open_now.values_list("key", "origin")):
        parked = FlowRun.objects.open().filter(stage=RunStage.PARKED, flow__key=origin.removeprefix("flow:"))
        if not parked.exists():
            incidents.close(key, now)
