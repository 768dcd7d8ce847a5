"""Which runs may move: one customer's one after the other, an update after its register, none of a flow that is off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Length

from routing.flows.shapes import BookedFlow
from routing.models import FlowRun
from routing.models.flows import RunStage
from syncs.events import inbox
from syncs.models.deliveries import DeliveryState

WAITED_IN_VAIN = "waited_in_vain"
PARKED_AT_ONCE = 1_000
_UNREAD = (
    *("event__uid", "event__body", "event__received_at", "event__content_type", "event__idempotency_key"),
    *("event__state", "event__status", "event__problem_code", "event__problem", "event__routed_at"),
    *(
        "delivery__payload",
        "delivery__lane",
        "delivery__dedup_key",
        "delivery__due_at",
        "delivery__expires_at",
    ),
    *("delivery__fresh_for", "delivery__attempted_at", "delivery__lease_owner", "delivery__lease_until"),
    *("delivery__version_at", "delivery__record_id", "delivery__created_at", "delivery__object_type"),
    *("delivery__operation", "delivery__origin", "delivery__remote_id", "delivery__unreachable"),
)
"""What moving a run does not look at: making the objects is most of what it costs."""


def due(now: datetime, limit: int) -> list[int]:
    """Return the runs that have an answer, and then those that are ready, oldest first.

    Those of large events are fewer, so that all can be loaded together.
    """
    sized = list(_sized(_answered())[:limit])
    if len(sized) < limit:
        sized += _sized(_ready(now))[: limit - len(sized)]
    return inbox.that_fit(sized)


def is_due(now: datetime) -> bool:
    return _answered().exists() or _ready(now).exists() or _overdue_of_any(now).exists()


def locked(pks: Sequence[int], now: datetime) -> list[FlowRun]:
    """Return those of the runs that may still move, locked until the transaction ends; others' are left out."""
    found: list[FlowRun] = []
    for rows in (_answered(), _ready(now)):
        own = rows.filter(pk__in=pks).select_for_update(skip_locked=True, of=("self",))
        found += own.select_related("event", "delivery").defer(*_UNREAD).order_by("pk")
    return found


def park_overdue(book: Mapping[int, BookedFlow], now: datetime) -> list[FlowRun]:
    """Park the runs whose register did not come in time; return them."""
    parked: list[FlowRun] = []
    for flow in book.values():
        if flow.enabled and flow.waits_for_id:
            other = book.get(flow.waits_for_id)
            pks = list(
                _overdue(flow.id, flow.wait_seconds, now).values_list("pk", flat=True)[:PARKED_AT_ONCE]
            )
            if not pks:
                continue
            FlowRun.objects.filter(pk__in=pks, stage=RunStage.READY, tries=0).update(
                stage=RunStage.PARKED,
                code=WAITED_IN_VAIN,
                reason=f"No run of “{other.name if other else 'another flow'}” came for this customer in time.",
                remedy="It goes on by itself when one has ended. Resume it to let it go without, or cancel it.",
            )
            parked += FlowRun.objects.filter(pk__in=pks, stage=RunStage.PARKED)
    return parked


def release(book: Mapping[int, BookedFlow], ended: Iterable[FlowRun]) -> int:
    """Let those go on that had waited in vain for what has ended now."""
    awaited = {flow.waits_for_id for flow in book.values()}
    subjects = {(run.flow_id, run.subject) for run in ended if run.subject and run.flow_id in awaited}
    waiting = FlowRun.objects.open().filter(stage=RunStage.PARKED, code=WAITED_IN_VAIN, tries=0)
    if not subjects or not waiting.exists():
        return 0
    return waiting.filter(
        flow__waits_for__in={flow for flow, _ in subjects}, subject__in={subject for _, subject in subjects}
    ).update(stage=RunStage.READY, code="", reason="", remedy="")


def _sized(rows: QuerySet[FlowRun]) -> QuerySet[FlowRun, tuple[int, int]]:
    return rows.order_by("pk").values_list("pk", Length("event__body"))


def _answered() -> QuerySet[FlowRun]:
    """Those whose delivery is settled or gone, and parked ones whose dead letter was revived and has arrived."""
    own = FlowRun.objects.open().filter(flow__enabled=True)
    sending = Q(stage=RunStage.SENDING) & (Q(delivery__settled_at__isnull=False) | Q(delivery=None))
    revived = Q(stage=RunStage.PARKED, delivery__state=DeliveryState.DELIVERED)
    return own.filter(sending | revived)


def _ready(now: datetime) -> QuerySet[FlowRun]:
    """Of one subject only the first open run moves. One that waits for its register does not keep it back."""
    earlier = FlowRun.objects.open().filter(subject=OuterRef("subject"), pk__lt=OuterRef("pk"))
    earlier = earlier.exclude(tries=0, flow__waits_for=OuterRef("flow"))
    awaited = FlowRun.objects.filter(
        flow=OuterRef("flow__waits_for"), subject=OuterRef("subject"), ended_at__isnull=False
    )
    ready = FlowRun.objects.open().filter(
        Q(due_at=None) | Q(due_at__lte=now), stage=RunStage.READY, flow__enabled=True
    )
    return ready.filter(
        Q(subject="") | ~Exists(earlier),
        Q(tries__gt=0) | Q(flow__waits_for=None) | Q(subject="") | Exists(awaited),
    )


def _overdue(flow_id: int, seconds: int, now: datetime) -> QuerySet[FlowRun]:
    """Runs that have waited their time for a flow that has no run of their subject, not even an open one."""
    before = now - timedelta(seconds=seconds)
    return _waiting_in_vain().filter(flow=flow_id, started_at__lte=before)


def _overdue_of_any(now: datetime) -> QuerySet[FlowRun]:
    flows = FlowRun.objects.open().filter(stage=RunStage.READY, tries=0, flow__waits_for__isnull=False)
    found = FlowRun.objects.none()
    for flow_id, seconds in flows.values_list("flow", "flow__wait_seconds").distinct():
        found = found | _overdue(flow_id, seconds, now)
    return found


def _waiting_in_vain() -> QuerySet[FlowRun]:
    awaited = FlowRun.objects.filter(flow=OuterRef("flow__waits_for"), subject=OuterRef("subject"))
    waiting = FlowRun.objects.open().filter(
        stage=RunStage.READY, tries=0, flow__enabled=True, flow__waits_for__isnull=False
    )
    return waiting.exclude(subject="").filter(~Exists(awaited))
