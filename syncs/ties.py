"""Verbs of ties: want one, go on when both records are there, note the answer.

Whoever writes a record's link calls `settled` in the same transaction. It locks the ties it looks at before it reads
the links: of two processes that settle the two ends at the same time the later one sees both.

Several records of a partner may be one there, such as the company of several customers. Only one of them writes it;
ties to the others lead to it as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet

from integration_hub.connectors.errors import ConnectorError
from integration_hub.connectors.records import Operation
from syncs import links, outbox
from syncs.models import Delivery, Priority, RecordLink, RecordTie, SyncTie
from syncs.models.links import LinkState
from syncs.models.ties import TieState

CHUNK = 500
OPERATIONS = (Operation.ASSOCIATE, Operation.UNTIE)
_MOVED = ("foreign_id", "state", "reason", "from_id", "to_id", "turn", "changed_at")


class Wish(NamedTuple):
    """One record's tie as its source has it now; `foreign_id` "": it names no other record."""

    tie_id: int
    record_id: str
    foreign_id: str


def wishes(record_id: str, foreign: Mapping[int, str]) -> list[Wish]:
    return [Wish(tie_id, record_id, foreign_id) for tie_id, foreign_id in foreign.items()]


def want(wanted: Iterable[Wish], now: datetime, priority: Priority = Priority.LIVE) -> None:
    """Store what shall be tied, untie what shall not be any more, and tie those whose both ends are there."""
    by_tie: dict[int, dict[str, str]] = {}
    for wish in wanted:
        by_tie.setdefault(wish.tie_id, {})[wish.record_id] = wish.foreign_id
    for tie in SyncTie.objects.filter(pk__in=by_tie).select_related("sync", "partner").order_by("pk"):
        own = by_tie[tie.pk]
        for ids in _chunks(sorted(own)):
            part = {record_id: own[record_id] for record_id in ids}
            _store(tie, part, now, priority)
            _go_on(tie, tie.records.filter(record_id__in=ids), now, priority)


def settled(
    sync_id: int, record_ids: Collection[str], now: datetime, priority: Priority = Priority.LIVE
) -> None:
    """Go on with the ties of records that are there now, and of those that waited for them."""
    concerned = SyncTie.objects.filter(Q(sync=sync_id) | Q(partner=sync_id))
    for tie in concerned.select_related("sync", "partner").order_by("pk"):
        for ids in _chunks(sorted(record_ids)):
            if tie.sync_id == sync_id:
                _go_on(tie, tie.records.filter(record_id__in=ids), now, priority)
            if tie.partner_id == sync_id:
                same = links.with_the_same_match(sync_id, ids)
                for part in _chunks(sorted({*ids, *same})):
                    _go_on(tie, tie.records.filter(foreign_id__in=part), now, priority)


def written(deliveries: Iterable[Delivery], now: datetime) -> None:
    """Go on with the ties of the records that these have written."""
    by_sync: dict[int, set[str]] = {}
    for delivery in deliveries:
        if delivery.sync_id is not None:
            by_sync.setdefault(delivery.sync_id, set()).add(delivery.record_id)
    for sync_id, record_ids in sorted(by_sync.items()):
        settled(sync_id, record_ids, now)


def catch_up(now: datetime, most: int = 1000) -> int:
    """Go on with ties that wait although both records are there: a matching has linked them, say. Return how many."""
    found = 0
    for tie in SyncTie.objects.select_related("sync", "partner").order_by("pk"):
        there = RecordLink.objects.filter(remote_id__isnull=False)
        others = there.filter(sync=tie.partner_id)
        is_there = Exists(others.filter(match_value=OuterRef("match_value"), state=LinkState.WRITTEN))
        passed_over = RecordLink.objects.filter(is_there, sync=tie.partner_id, state=LinkState.SKIPPED)
        waiting = tie.records.filter(
            Q(foreign_id__in=others.values("record_id")) | Q(foreign_id__in=passed_over.values("record_id")),
            state=TieState.WAITING,
            record_id__in=there.filter(sync=tie.sync_id).values("record_id"),
        )
        ids = list(waiting.values_list("pk", flat=True)[:most])
        for part in _chunks(ids):
            found += _go_on(tie, tie.records.filter(pk__in=part), now, Priority.BACKFILL)
    return found


def is_tie(delivery: Delivery) -> bool:
    return delivery.operation in OPERATIONS and "tie" in delivery.payload


def done(deliveries: Iterable[Delivery]) -> None:
    """Note those that are tied; call it in the transaction that settles them."""
    for pks in _chunks(_present(one for one in deliveries if one.operation == Operation.ASSOCIATE)):
        RecordTie.objects.filter(pk__in=pks).update(state=TieState.TIED, reason="")


def refused(deliveries: Iterable[Delivery], error: ConnectorError) -> None:
    """Note those that the destination refused to tie."""
    for pks in _chunks(_present(one for one in deliveries if one.operation == Operation.ASSOCIATE)):
        RecordTie.objects.filter(pk__in=pks).update(state=TieState.REFUSED, reason=error.message[:300])


def _present(deliveries: Iterable[Delivery]) -> list[int]:
    """Return the ties that these deliveries are the latest word of."""
    turns = {one.payload["tie"]: one.payload["turn"] for one in deliveries if is_tie(one)}
    rows = RecordTie.objects.filter(pk__in=turns).values_list("pk", "turn")
    return [pk for pk, turn in rows if turns[pk] == turn]


@dataclass(slots=True)
class _Outcome:
    """What a look at some ties has led to."""

    drafts: list[outbox.Draft] = field(default_factory=list)
    rows: list[RecordTie] = field(default_factory=list)


def _store(tie: SyncTie, wanted: Mapping[str, str], now: datetime, priority: Priority) -> None:
    """Bring the rows to what the source says; what is tied there to another record is untied."""
    known = {row.record_id: row for row in _locked(tie.records.filter(record_id__in=wanted))}
    fresh = [
        RecordTie(
            tie=tie, record_id=record_id, foreign_id=foreign_id, state=_state(foreign_id), changed_at=now
        )
        for record_id, foreign_id in wanted.items()
        if record_id not in known and foreign_id
    ]
    RecordTie.objects.bulk_create(fresh, ignore_conflicts=True)
    found = _Outcome()
    for record_id, row in known.items():
        if row.foreign_id == wanted[record_id]:
            continue
        if row.to_id:
            found.drafts.append(_draft(tie, row, Operation.UNTIE, now, priority))
        row.foreign_id, row.turn, row.changed_at = wanted[record_id], row.turn + 1, now
        row.from_id = row.to_id = row.reason = ""
        row.state = _state(row.foreign_id)
        found.rows.append(row)
    _keep(found, now)


def _go_on(tie: SyncTie, rows: QuerySet[RecordTie], now: datetime, priority: Priority) -> int:
    """Tie those of the rows whose both ends are there under other ids than were tied; return how many."""
    locked = [row for row in _locked(rows) if row.foreign_id]
    if not locked:
        return 0
    own = links.read(tie.sync_id, {row.record_id for row in locked})
    others = links.read_as_there(tie.partner_id, {row.foreign_id for row in locked})
    found = _Outcome()
    for row in locked:
        ends = _id_in(own, row.record_id), _id_in(others, row.foreign_id)
        if not all(ends):
            reason = _why(tie, row, others) if ends[0] else f"Waits until {row.record_id} itself is there."
            if row.state == TieState.WAITING and row.reason != reason:
                row.reason = reason[:300]
                found.rows.append(row)
        elif ends != (row.from_id, row.to_id):
            row.from_id, row.to_id = ends
            row.turn, row.state, row.reason, row.changed_at = row.turn + 1, TieState.SENDING, "", now
            found.rows.append(row)
            found.drafts.append(_draft(tie, row, Operation.ASSOCIATE, now, priority))
    _keep(found, now)
    return len(found.drafts)


def _keep(found: _Outcome, now: datetime) -> None:
    if found.rows:
        # They are there and locked. An upsert costs a fraction of bulk_update, which names each value in a CASE.
        RecordTie.objects.bulk_create(
            found.rows, update_conflicts=True, unique_fields=["id"], update_fields=_MOVED, batch_size=CHUNK
        )
    if found.drafts:
        outbox.enqueue(found.drafts, now)


def _draft(
    tie: SyncTie, row: RecordTie, operation: Operation, now: datetime, priority: Priority
) -> outbox.Draft:
    """Return the delivery. All of one tie go in one lane, so that what is untied first is not what was tied last."""
    values: dict[str, Any] = {
        "from_type": tie.sync.object_type, "from_id": row.from_id,
        "to_type": tie.partner.object_type, "to_id": row.to_id, "label": tie.label,
    }  # fmt: skip
    return outbox.Draft(
        connection_id=tie.sync.destination_id,
        origin=tie.sync.origin,
        change_id=None,
        lane=f"tie:{row.pk}",
        dedup_key=f"{tie.sync.origin}:tie:{row.pk}:{row.turn}:{operation}",
        payload={"values": values, "match": None, "remote_id": "", "tie": row.pk, "turn": row.turn},
        due_at=now,
        object_type=f"{tie.sync.object_type}-{tie.partner.object_type}"[:80],
        operation=operation,
        priority=priority,
        record_id=row.record_id,
    )


def _why(tie: SyncTie, row: RecordTie, others: Mapping[str, links.Link]) -> str:
    link = others.get(row.foreign_id)
    waits = f"Waits until {row.foreign_id} is written by {tie.partner}."
    if link is None:
        return waits
    return f"{waits} Its link says: {link.state}."


def _state(foreign_id: str) -> TieState:
    return TieState.WAITING if foreign_id else TieState.NONE


def _id_in(found: Mapping[str, links.Link], record_id: str) -> str:
    link = found.get(record_id)
    return (link.remote_id or "") if link is not None else ""


def _locked(rows: QuerySet[RecordTie]) -> list[RecordTie]:
    return list(rows.select_for_update().order_by("pk"))


def _chunks(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))
