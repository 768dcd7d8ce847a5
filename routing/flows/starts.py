"""Events become runs: of each flow that is on, listens to the event's name and source, and whose condition holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import blake2b

from django.db import transaction

from routing.conditions import CriterionError
from routing.flows import conditions
from routing.flows.shapes import BookedFlow
from routing.models import FlowRun
from routing.models.flows import RunStage
from syncs.engine import mapping
from syncs.events import inbox
from syncs.events import streams as event_streams
from syncs.models import InboundEvent
from syncs.models.events import EventState

LONGEST_SUBJECT = 300
UNHEARD: Mapping[str, str] = {
    "no_flow": "No flow listens to it.",
    "flow_off": "The flow that listens to it is off.",
    "not_wanted": "No flow's start condition holds.",
}
"""Why an accepted event led to nothing."""


class AlreadyRoutedError(Exception):
    """Another process took some of the events up meanwhile."""


def are_waiting() -> bool:
    return InboundEvent.objects.filter(state=EventState.WAITING).exists()


def start(book: Mapping[int, BookedFlow], now: datetime, limit: int) -> tuple[int, list[FlowRun]]:
    """Take up to `limit` waiting events up; return how many those were and the runs they started.

    All that follows from them is stored, changes of streams too, or nothing: (0, []) if another process was first
    with one.
    """
    events = inbox.waiting(limit)
    listeners: dict[tuple[int, str], list[BookedFlow]] = defaultdict(list)
    for flow in book.values():
        listeners[flow.source_id, flow.event_name].append(flow)
    runs: list[FlowRun] = []
    unheard: dict[str, list[int]] = defaultdict(list)
    fed = event_streams.kinds()
    for event in events:
        own, why = _runs(event, listeners.get((event.source_id, event.name), ()), now)
        runs += own
        if why and (event.source_id, event.name) not in fed:
            unheard[why].append(event.pk)
    try:
        with transaction.atomic():
            _mark(events, now)
            FlowRun.objects.bulk_create(runs, batch_size=limit)
            for pk, why in event_streams.feed(events, now).items():
                InboundEvent.objects.filter(pk=pk).update(
                    problem_code="no_record", problem=f"No change: {why}"
                )
            for why, pks in unheard.items():
                InboundEvent.objects.filter(pk__in=pks).update(problem_code=why, problem=UNHEARD[why])
    except AlreadyRoutedError:
        return 0, []
    return len(events), runs


def _mark(events: Sequence[InboundEvent], now: datetime) -> None:
    if inbox.mark_routed(events, now) != len(events):
        raise AlreadyRoutedError


def _runs(event: InboundEvent, flows: Sequence[BookedFlow], now: datetime) -> tuple[list[FlowRun], str]:
    """Return the runs that the event starts, or why it starts none."""
    if not flows:
        return [], "no_flow"
    enabled = [flow for flow in flows if flow.enabled]
    if not enabled:
        return [], "flow_off"
    runs = [run for flow in enabled if (run := _run(event, flow, now))]
    return runs, "" if runs else "not_wanted"


def _run(event: InboundEvent, flow: BookedFlow, now: datetime) -> FlowRun | None:
    """Return the run, None if the event does not meet the condition. What cannot be told is parked, not passed over."""
    data = event.data if isinstance(event.data, dict) else {}
    subject = subject_of(flow, data)
    first = flow.first
    run = FlowRun(
        flow_id=flow.id, event=event, subject=subject, step_id=first.id if first else None, started_at=now,
        due_at=now,
    )  # fmt: skip
    try:
        if not conditions.all_hold(flow.criteria, data, now):
            return None
    except CriterionError as error:
        return _parked(
            run, "condition", str(error), "Correct the start condition; resume the run or cancel it."
        )
    if first is None:
        return _parked(
            run, "no_step", "The flow has no steps.", "Give it steps, then skip to one, or cancel."
        )
    if flow.subject_path and not subject:
        why = f"{flow.subject_path} is empty: it is not known whom the event is about."
        return _parked(run, "no_subject", why, "Resume it to let it go without order, or cancel it.")
    return run


def subject_of(flow: BookedFlow, data: Mapping[str, object]) -> str:
    """Return whom the event is about, "" if it does not say; case and outer blanks do not count."""
    if not flow.subject_path:
        return ""
    found = mapping.at(dict(data), flow.subject_path.split("."))
    if found is None or isinstance(found, dict | list | bool) or not str(found).strip():
        return ""
    subject = f"{flow.source_key}:{str(found).strip().casefold()}"
    if len(subject) > LONGEST_SUBJECT:
        return f"{flow.source_key}:{blake2b(subject.encode(), digest_size=16).hexdigest()}"
    return subject


def _parked(run: FlowRun, code: str, reason: str, remedy: str) -> FlowRun:
    run.stage, run.code, run.reason, run.remedy = RunStage.PARKED, code, reason, remedy
    return run
