"""Verbs of deliveries: enqueue, claim, settle, postpone, absolve, expire, bury, supersede, requeue."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Case, F, Max, Min, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Coalesce, Concat

from integration_hub.connectors.errors import (
    ConnectorError,
    RecipientError,
    RejectedError,
    UnknownOutcomeError,
)
from integration_hub.connectors.records import Operation
from syncs import links
from syncs.models import Connection, Delivery, Priority
from syncs.models.deliveries import DeliveryState

CANDIDATES = 4
"""Rows looked at for each row to claim: of one lane only the first may go."""
MATCHED_AT_ONCE = 500
SUPERSEDED = "superseded"
TIES = "tie:"
"""What the lanes of ties between records begin with."""
_PLAIN = Q(sync__isnull=False) | Q(operation=Operation.SEND)
"""What no flow waits for: messages are looked for by their own id, and a sync replaces what is older."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A delivery before it has an id."""

    connection_id: int
    origin: str
    change_id: int | None
    lane: str
    dedup_key: str
    payload: dict[str, Any]
    due_at: datetime
    expires_at: datetime | None = None
    object_type: str = "message"
    operation: str = Operation.SEND
    priority: Priority = Priority.LIVE
    sync_id: int | None = None
    record_id: str = ""
    version_at: datetime | None = None


def enqueue(drafts: Sequence[Draft], now: datetime) -> list[Delivery]:
    """Store the drafts and return those that were new; one whose dedup key is known is left out."""
    by_key: dict[str, Draft] = {}
    for draft in drafts:
        by_key.setdefault(draft.dedup_key, draft)
    keys = list(by_key)
    known: set[str] = set()
    for start in range(0, len(keys), MATCHED_AT_ONCE):
        known.update(_stored_keys(keys[start : start + MATCHED_AT_ONCE]))
    fresh = [key for key in keys if key not in known]
    rows = [_row(by_key[key], now) for key in fresh]
    Delivery.objects.bulk_create(rows, ignore_conflicts=True, batch_size=MATCHED_AT_ONCE)
    # ignore_conflicts returns no ids, and another process may have been first with a key: read back what is ours.
    stored: list[Delivery] = []
    for start in range(0, len(fresh), MATCHED_AT_ONCE):
        part = fresh[start : start + MATCHED_AT_ONCE]
        stored += Delivery.objects.filter(dedup_key__in=part).order_by("pk")
    return stored


def claim(
    connection: Connection,
    *,
    limit: int,
    now: datetime,
    lane_interval: float = 0.0,
    without: Collection[str] = (),
) -> list[Delivery]:
    """Take up to `limit` due deliveries, most urgent first, each of another lane; count the attempt.

    `without` are origins that are switched off. A lane that had a delivery within `lane_interval` seconds waits, and
    so does a write behind one of a flow that went unanswered: its record may be there and not yet be found. A tie is
    made or taken apart only after what its lane was to do before, or a late try would bring an old one back.
    """
    owner = uuid.uuid4().hex
    _recover(connection, now)
    candidates = Delivery.objects.due(now).filter(connection=connection).exclude(origin__in=without)
    is_free = ~Q(lane__in=_unanswered(connection))
    candidates = candidates.filter(_PLAIN | Q(unanswered_at__isnull=False) | is_free)
    candidates = candidates.filter(~Q(lane__startswith=TIES) | Q(pk__in=_first_ties(connection)))
    busy = Delivery.objects.filter(connection=connection, state=DeliveryState.SENDING, lease_until__gte=now)
    taken: set[str] = set(busy.values_list("lane", flat=True))
    if lane_interval:
        recent = Delivery.objects.filter(
            connection=connection, settled_at__gt=now - timedelta(seconds=lane_interval), settled_at__lte=now
        )
        taken.update(recent.values_list("lane", flat=True))
    rows = candidates.exclude(lane__in=taken).order_by("priority", "due_at", "id").values_list("pk", "lane")
    chosen: dict[str, int] = {}
    for pk, lane in rows[: limit * CANDIDATES]:
        if len(chosen) < limit:
            chosen.setdefault(lane, pk)
    if not chosen:
        return []
    pks = list(chosen.values())
    _take(pks, owner, now)
    return list(_claimed(pks, owner).order_by("priority", "due_at", "id"))


def delivered(deliveries: Sequence[Delivery], *, now: datetime, remote_id: str = "") -> int:
    """Settle: they are there. Return how many were still ours; of the others the lease ran out."""
    return _settle(
        deliveries, state=DeliveryState.DELIVERED, remote_id=remote_id, settled_at=now, unanswered_at=None,
        error="", error_code="", remedy="",
    )  # fmt: skip


def postpone(
    deliveries: Sequence[Delivery],
    error: ConnectorError,
    *,
    until: datetime,
    unanswered_at: datetime | F | None = None,
    counts: bool = True,
) -> int:
    """Put claimed ones back. `counts` False: it was not their fault, the attempt is not counted."""
    return _settle(
        deliveries, state=DeliveryState.WAITING, due_at=until, unanswered_at=unanswered_at,
        attempts=F("attempts") if counts else F("attempts") - 1, status=error.status,
        error=error.message, error_code=error.code, remedy=error.remedy,
    )  # fmt: skip


def give_back(deliveries: Sequence[Delivery]) -> int:
    """Return to the queue, as they were, those claimed ones that were not tried; return how many those were."""
    return _settle(
        deliveries, state=DeliveryState.WAITING, attempts=F("attempts") - 1, attempted_at=F("unanswered_at")
    )


def absolve(deliveries: Sequence[Delivery], now: datetime) -> list[Delivery]:
    """Let claimed ones that are known not to have arrived be sent again; return those that are still ours."""
    absolved: list[Delivery] = []
    for start in range(0, len(deliveries), MATCHED_AT_ONCE):
        part = deliveries[start : start + MATCHED_AT_ONCE]
        rows = _claimed([one.pk for one in part], part[0].lease_owner).filter(lease_until__gte=now)
        rows.update(unanswered_at=None)
        ours = set(rows.values_list("pk", flat=True))
        absolved += [one for one in part if one.pk in ours]
    for one in absolved:
        one.unanswered_at = None
    return absolved


def wait_for_sight(deliveries: Sequence[Delivery], error: ConnectorError, seconds: float) -> int:
    """Put back claimed ones until what they may have written can be seen; that is no try."""
    return sum(
        postpone(
            [one], error, until=one.unanswered_at + timedelta(seconds=seconds), unanswered_at=one.unanswered_at,
            counts=False,
        )
        for one in deliveries
        if one.unanswered_at is not None
    )  # fmt: skip


def expire(deliveries: Sequence[Delivery], *, reason: str, now: datetime) -> int:
    """Settle: it is too late for them to be of use."""
    return _settle(
        deliveries,
        state=DeliveryState.EXPIRED,
        settled_at=now,
        error=_with_last_error(reason),
        error_code="expired",
        remedy="",
    )


def bury(deliveries: Sequence[Delivery], error: ConnectorError, *, now: datetime) -> int:
    """Settle: dead letters, which only a person can revive.

    One that may have arrived is looked for before it is sent again. If that look is refused, the person decides.
    """
    known: dict[str, Any] = {"status": error.status}
    if isinstance(error, UnknownOutcomeError):
        known["unanswered_at"] = Coalesce(F("unanswered_at"), F("attempted_at"))
    elif isinstance(error, RejectedError):
        known |= {"unanswered_at": None, "outcome": "rejected"}
    return _settle(
        deliveries, state=DeliveryState.DEAD, settled_at=now, unreachable=isinstance(error, RecipientError),
        error=error.message, error_code=error.code, remedy=error.remedy, **known,
    )  # fmt: skip


def latest(sync_id: int, record_ids: Collection[str]) -> dict[tuple[str, datetime | None], int]:
    """Return, by record and version, the last delivery that was sent or is to be."""
    found: dict[tuple[str, datetime | None], int] = {}
    ids = list(record_ids)
    going = Delivery.objects.exclude(
        state__in=(DeliveryState.DEAD, DeliveryState.EXPIRED, DeliveryState.DISMISSED)
    )
    for start in range(0, len(ids), MATCHED_AT_ONCE):
        rows = going.filter(sync=sync_id, record_id__in=ids[start : start + MATCHED_AT_ONCE])
        versions = rows.values_list("record_id", "version_at").annotate(latest=Max("pk"))
        found.update({(record_id, version_at): pk for record_id, version_at, pk in versions})
    return found


def forgo(deliveries: Sequence[Delivery], *, code: str, reason: str, now: datetime) -> int:
    """Settle claimed ones unsent: what they would write is there, or is not theirs to write any more."""
    return _settle(
        deliveries, state=DeliveryState.DISMISSED, settled_at=now, error=reason, error_code=code, remedy=""
    )


def supersede(pks: Sequence[int], *, reason: str, now: datetime) -> int:
    """Give up waiting ones, for something newer takes their place; one that is being sent is left alone."""
    given_up = 0
    for start in range(0, len(pks), MATCHED_AT_ONCE):
        waiting = Delivery.objects.filter(
            pk__in=pks[start : start + MATCHED_AT_ONCE], state=DeliveryState.WAITING
        )
        given_up += waiting.update(
            state=DeliveryState.DISMISSED, settled_at=now, error=reason, error_code=SUPERSEDED, remedy=""
        )
    return given_up


def overdue(now: datetime) -> QuerySet[Delivery]:
    """Waiting ones that nobody may send any more, whether or not their connection can be used.

    One that may have landed already is left to the push, which asks first.
    """
    return Delivery.objects.filter(state=DeliveryState.WAITING, expires_at__lte=now, unanswered_at=None)


def expire_overdue(pks: Sequence[int], *, reason: str, now: datetime) -> int:
    return (
        overdue(now)
        .filter(pk__in=pks)
        .update(
            state=DeliveryState.EXPIRED,
            settled_at=now,
            error=_with_last_error(reason),
            error_code="expired",
            remedy="",
        )
    )


def requeue(deliveries: QuerySet[Delivery], now: datetime) -> int:
    """Revive dead, expired and dismissed ones: due at once, with the time they had to be fresh when first due."""
    revivable = (DeliveryState.DEAD, DeliveryState.EXPIRED, DeliveryState.DISMISSED)
    revived = 0
    for delivery in deliveries.filter(state__in=revivable).only("pk", "fresh_for", "state"):
        expires_at = None if delivery.fresh_for is None else now + delivery.fresh_for
        revived += Delivery.objects.filter(pk=delivery.pk, state=delivery.state).update(
            state=DeliveryState.WAITING, due_at=now, expires_at=expires_at, settled_at=None, attempts=0,
            error="", error_code="", remedy="", outcome="", status=None, answer=None,
        )  # fmt: skip
    return revived


def dismiss(deliveries: QuerySet[Delivery], now: datetime) -> int:
    """Give dead letters, and what still waits, up for good."""
    return deliveries.filter(state__in=(DeliveryState.DEAD, DeliveryState.WAITING)).update(
        state=DeliveryState.DISMISSED, settled_at=Coalesce(F("settled_at"), now)
    )


def _with_last_error(reason: str) -> Case:
    """Keep, behind the reason, what stood in the way until then."""
    last = Concat(Value(f"{reason} The last try: "), F("error"), output_field=TextField())
    return Case(When(error="", then=Value(reason)), default=last, output_field=TextField())


def _stored_keys(keys: Sequence[str]) -> list[str]:
    return list(Delivery.objects.filter(dedup_key__in=keys).values_list("dedup_key", flat=True))


def _row(draft: Draft, now: datetime) -> Delivery:
    return Delivery(
        connection_id=draft.connection_id,
        origin=draft.origin,
        change_id=draft.change_id,
        object_type=draft.object_type,
        operation=draft.operation,
        lane=draft.lane,
        dedup_key=draft.dedup_key,
        payload=draft.payload,
        priority=draft.priority,
        sync_id=draft.sync_id,
        record_id=draft.record_id,
        version_at=draft.version_at,
        due_at=draft.due_at,
        expires_at=draft.expires_at,
        fresh_for=draft.expires_at and draft.expires_at - draft.due_at,
        created_at=now,
    )


def _take(pks: Sequence[int], owner: str, now: datetime) -> None:
    """Mark rows as ours. Two claimers after one lane: the database's constraint lets only one through."""
    due = Delivery.objects.due(now).filter(pk__in=pks)
    try:
        with transaction.atomic():
            _mark(due, owner, now)
    except IntegrityError:
        for pk in pks:
            try:
                with transaction.atomic():
                    _mark(due.filter(pk=pk), owner, now)
            except IntegrityError:
                continue  # its lane is in flight elsewhere


def _first_ties(connection: Connection) -> QuerySet[Delivery, Any]:
    """The first open one of each lane of ties. Asked for all lanes at once: one by one is slow where many wait."""
    own = Delivery.objects.filter(connection=connection, settled_at=None, lane__startswith=TIES)
    return own.order_by().values("lane").annotate(first=Min("pk")).values("first")


def _unanswered(connection: Connection) -> QuerySet[Delivery, Any]:
    """The lanes in which it is unknown of a flow's write whether it arrived."""
    own = Delivery.objects.filter(connection=connection, settled_at=None, state=DeliveryState.WAITING)
    return own.filter(unanswered_at__isnull=False).exclude(_PLAIN).values("lane")


def _recover(connection: Connection, now: datetime) -> None:
    """Put back those whose worker was lost in the middle of sending: whether that try landed is unknown.

    All of them, before any is chosen: one left as it is would keep its lane from others that are due before it.
    """
    lost = Delivery.objects.filter(connection=connection, state=DeliveryState.SENDING, lease_until__lt=now)
    links.doubt(lost.exclude(sync=None))
    # Looking for an earlier try sends nothing: a worker lost in that has left the earlier one in doubt.
    tried_at = Coalesce(F("unanswered_at"), F("attempted_at"))
    lost.update(state=DeliveryState.WAITING, due_at=now, unanswered_at=tried_at)


def _mark(due: QuerySet[Delivery], owner: str, now: datetime) -> None:
    due.filter(state=DeliveryState.WAITING).update(
        state=DeliveryState.SENDING,
        lease_owner=owner,
        lease_until=now + timedelta(seconds=settings.LEASE_SECONDS),
        attempted_at=now,
        attempts=F("attempts") + 1,
    )


def _claimed(pks: Sequence[int], owner: str) -> QuerySet[Delivery]:
    return Delivery.objects.filter(pk__in=pks, state=DeliveryState.SENDING, lease_owner=owner)


def _settle(deliveries: Sequence[Delivery], **fields: Any) -> int:
    """Write the outcome into those rows that are still ours; `fields` with expressions are not read back."""
    by_owner: dict[str, list[int]] = {}
    for delivery in deliveries:
        by_owner.setdefault(delivery.lease_owner, []).append(delivery.pk)
    return sum(
        _claimed(pks[start : start + MATCHED_AT_ONCE], owner).update(**fields)
        for owner, pks in by_owner.items()
        for start in range(0, len(pks), MATCHED_AT_ONCE)
    )
