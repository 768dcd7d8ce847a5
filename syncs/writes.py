"""A sync's deliveries: their payload, the writes that come of it when they are sent, and what their links say then.

A payload is `{"match", "digest", "values"}`, and where there is something `on_create`, `if_empty` (fields of these
write modes), `former` (the match value of an earlier try that may have landed) and `deleted`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from integration_hub.connectors.contract import Destination
from integration_hub.connectors.errors import ConnectorError
from integration_hub.connectors.records import MatchKey, Operation, RecordWrite, WriteRequest
from syncs import links, outbox
from syncs.links import Entry, Holder, Link
from syncs.models import Delivery, Sync
from syncs.models.links import LinkState

LANE_LENGTH = 200
Rank = tuple[int, datetime, str]


class Forgone(NamedTuple):
    """Why a delivery is not sent after all."""

    code: str
    reason: str


OLDER = Forgone("older", "A newer version of the record is there already.")
UNCHANGED = Forgone("unchanged", "It stands there just so.")
COLLAPSED = "collapsed"


@dataclass(slots=True)
class Prepared:
    """One batch, ready to be written. `outdone` are links of records that the written ones take the place of."""

    deliveries: list[Delivery] = field(default_factory=list)
    writes: list[RecordWrite] = field(default_factory=list)
    forgone: dict[Forgone, list[Delivery]] = field(default_factory=dict)
    outdone: dict[int, list[Entry]] = field(default_factory=dict)

    def entries(self, deliveries: Sequence[Delivery], now: datetime) -> list[Entry]:
        """Return the links that follow from these of its deliveries being carried out."""
        found: list[Entry] = []
        for delivery in deliveries:
            if delivery.sync_id is not None:
                found.append(entry_of(delivery, now))
                found += self.outdone.get(delivery.pk, ())
        return found

    @property
    def request(self) -> WriteRequest:
        first = self.deliveries[0]
        return WriteRequest(first.object_type, Operation(first.operation), self.writes)


def prepare(batch: Sequence[Delivery], destination: Destination) -> Prepared:
    """Return what is to be written of a batch of one object and operation, by what is known at this moment.

    Only fields that are written if they are empty cost calls here: ConnectorError.
    """
    prepared = Prepared()
    known = _Known([delivery for delivery in batch if delivery.sync_id is not None])
    for delivery in batch:
        forgone = known.forgone(delivery) if delivery.sync_id is not None else None
        if forgone:
            prepared.forgone.setdefault(forgone, []).append(delivery)
            continue
        prepared.deliveries.append(delivery)
        prepared.writes.append(
            known.write(delivery) if delivery.sync_id is not None else plain_write(delivery)
        )
        outdone = known.outdone(delivery) if delivery.sync_id is not None else []
        if outdone:
            prepared.outdone[delivery.pk] = outdone
    if any(
        delivery.sync_id is not None and delivery.payload.get("if_empty") for delivery in prepared.deliveries
    ):
        _fill_what_is_empty(prepared, destination)
    return prepared


def plain_write(delivery: Delivery) -> RecordWrite:
    return RecordWrite(
        ref=str(delivery.pk),
        values=delivery.payload,
        attempted_at=delivery.unanswered_at or delivery.attempted_at,
    )


def entry_of(delivery: Delivery, now: datetime) -> Entry:
    """Return the link of a sync's delivery that has been carried out."""
    payload = delivery.payload
    state, reason, written_at = LinkState.WRITTEN, "", now
    if payload.get("deleted"):
        state = LinkState.REMOVED
        is_gone = delivery.operation == Operation.DELETE
        reason = f"Deleted in the source, {'removed' if is_gone else 'marked'} there."
        written_at = None if is_gone else now  # type: ignore[assignment]  # None: it is not there any more
    return Entry(
        delivery.sync_id or 0, delivery.record_id, payload["match"], payload["digest"],
        delivery.version_at or now, state, reason, written_at,
    )  # fmt: skip


def refused(delivery: Delivery, error: ConnectorError, now: datetime) -> Entry:
    """Return the note for a record that the destination refused."""
    return _note(delivery, LinkState.REFUSED, error.message, now)


def passed_over(delivery: Delivery, reason: str, now: datetime) -> Entry:
    """Return the note for a record whose match value is another's."""
    return _note(delivery, LinkState.SKIPPED, reason, now)


def _note(delivery: Delivery, state: LinkState, reason: str, now: datetime) -> Entry:
    return Entry(
        delivery.sync_id or 0, delivery.record_id, delivery.payload["match"], "", delivery.version_at or now,
        state, reason,
    )  # fmt: skip


def outdone_entry(holder: Holder, winner: str, match_path: str) -> Entry:
    """Return the link of a record in whose place another one writes from now on."""
    return Entry(
        holder.sync_id, holder.record_id, holder.match_value, "", holder.version_at, LinkState.SKIPPED,
        collapsed(winner, match_path),
    )  # fmt: skip


def collapsed(winner: str, match_path: str) -> str:
    return f"{winner} has the same {match_path} and goes first."


def rank(sync: Sync, version_at: datetime, record_id: str) -> Rank:
    """Return what decides between records with one match value: the greatest writes.

    The sync's precedence, then the newest modification; the id only so that everybody decides alike.
    """
    return -sync.precedence, version_at, record_id


def lane(sync: Sync, match_value: str) -> str:
    """Return what no two deliveries in flight may share: the target record."""
    name = f"{sync.object_type}:{match_value}"
    if len(name) > LANE_LENGTH:
        return f"{sync.object_type}:{blake2b(match_value.encode(), digest_size=16).hexdigest()}"
    return name


def siblings(sync: Sync) -> dict[int, Sync]:
    """Return by id the enabled syncs that write to the same records, found by the same key; itself among them."""
    same = Sync.objects.filter(
        destination=sync.destination_id,
        object_type=sync.object_type,
        match_path=sync.match_path,
        enabled=True,
    )
    return {one.pk: one for one in [*same, sync]}


def nested(path: str, value: Any) -> dict[str, Any]:
    """Return the value at a dotted path, as nested objects."""
    for name in reversed(path.split(".")):
        value = {name: value}
    found: dict[str, Any] = value
    return found


def merge(into: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Add nested values to others, in place; where both have one, the added one stays."""
    for name, value in more.items():
        present = into.get(name)
        if isinstance(present, dict) and isinstance(value, Mapping):
            merge(present, value)
        else:
            into[name] = copy.deepcopy(value) if isinstance(value, dict) else value
    return into


class _Known:
    """What a batch must know when it is sent: its syncs, the links of its records, and who else has their keys."""

    def __init__(self, deliveries: Sequence[Delivery]) -> None:
        by_sync: dict[int, list[Delivery]] = {}
        for delivery in deliveries:
            by_sync.setdefault(delivery.sync_id or 0, []).append(delivery)
        self.syncs: dict[int, Sync] = {}
        self.links: dict[tuple[int, str], Link] = {}
        self.holders: dict[tuple[str, str], list[Holder]] = {}
        self.latest: dict[tuple[int, str, datetime | None], int] = {}
        for sync in Sync.objects.filter(pk__in=by_sync):
            self._read(sync, by_sync[sync.pk])

    def _read(self, sync: Sync, own: Sequence[Delivery]) -> None:
        record_ids = {delivery.record_id for delivery in own}
        self.latest |= {(sync.pk, *version): pk for version, pk in outbox.latest(sync.pk, record_ids).items()}
        known = links.read(sync.pk, record_ids)
        self.links |= {(sync.pk, record_id): link for record_id, link in known.items()}
        family = siblings(sync)
        self.syncs |= family
        values = {delivery.payload["match"] for delivery in own}
        values |= {link.match_value for link in known.values()}
        for holder in links.holders(family, values):
            found = self.holders.setdefault((sync.match_path, holder.match_value), [])
            if holder not in found:
                found.append(holder)

    def forgone(self, delivery: Delivery) -> Forgone | None:
        link, payload = self._link(delivery), delivery.payload
        version_at = delivery.version_at
        if link and version_at and link.version_at > version_at:
            return OLDER
        # A parent's change leaves its children the version they had: of equal ones the one decided last is right.
        if self.latest.get((delivery.sync_id or 0, delivery.record_id, version_at), 0) > delivery.pk:
            return OLDER
        others = self._writers(delivery, payload["match"])
        if payload.get("deleted"):
            return self._collapsed(delivery, others[0]) if others else None
        mine = self._rank_of(delivery)
        winner = max(others, key=self._rank, default=None)
        if winner and self._rank(winner) > mine:
            return self._collapsed(delivery, winner)
        if link and link.is_same(payload["match"], payload["digest"]):
            return UNCHANGED
        return None

    def write(self, delivery: Delivery) -> RecordWrite:
        sync, link, payload = self.syncs[delivery.sync_id or 0], self._link(delivery), delivery.payload
        match = payload["match"]
        values = payload["values"]
        is_new = link is None or link.written_at is None
        is_taken = bool(self._writers(delivery, match))
        if is_new and payload.get("on_create") and not is_taken:
            values = merge(copy.deepcopy(values), payload["on_create"])
        former = payload.get("former", "") if link is None or is_new else link.match_value
        if former == match or is_taken or (former and self._writers(delivery, former)):
            former = ""  # nothing can move to where another record is, nor away from what is another's by now
        return RecordWrite(
            ref=str(delivery.pk),
            values=values,
            match=MatchKey(sync.match_path, match),
            attempted_at=delivery.unanswered_at or delivery.attempted_at,
            former=former,
        )

    def outdone(self, delivery: Delivery) -> list[Entry]:
        """Return the links of the records that wrote here before; what outranks this one has been sorted out."""
        sync, match = self.syncs[delivery.sync_id or 0], delivery.payload["match"]
        winner = f"{sync.name} {delivery.record_id}"
        return [outdone_entry(holder, winner, sync.match_path) for holder in self._writers(delivery, match)]

    def _link(self, delivery: Delivery) -> Link | None:
        return self.links.get((delivery.sync_id or 0, delivery.record_id))

    def _writers(self, delivery: Delivery, match_value: str) -> list[Holder]:
        """Return the other records that write under this match value."""
        path = self.syncs[delivery.sync_id or 0].match_path
        own = (delivery.sync_id, delivery.record_id)
        return [
            holder
            for holder in self.holders.get((path, match_value), ())
            if holder.state == LinkState.WRITTEN and (holder.sync_id, holder.record_id) != own
        ]

    def _rank(self, holder: Holder) -> Rank:
        return rank(self.syncs[holder.sync_id], holder.version_at, holder.record_id)

    def _rank_of(self, delivery: Delivery) -> Rank:
        version_at = delivery.version_at or delivery.created_at
        return rank(self.syncs[delivery.sync_id or 0], version_at, delivery.record_id)

    def _collapsed(self, delivery: Delivery, winner: Holder) -> Forgone:
        name = f"{self.syncs[winner.sync_id].name} {winner.record_id}"
        return Forgone(COLLAPSED, collapsed(name, self.syncs[delivery.sync_id or 0].match_path))


def _fill_what_is_empty(prepared: Prepared, destination: Destination) -> None:
    """Add the fields that are only written if they are empty there, after a look at what is there."""
    keys = {
        write.ref: write.former or (write.match.value if write.match else "")
        for write, delivery in zip(prepared.writes, prepared.deliveries, strict=True)
        if delivery.sync_id is not None and delivery.payload.get("if_empty")
    }
    there = destination.look_up(prepared.request.object_type, sorted(set(keys.values())))
    for number, (write, delivery) in enumerate(zip(prepared.writes, prepared.deliveries, strict=True)):
        if write.ref in keys:
            record = there.get(keys[write.ref])
            absent = missing(delivery.payload["if_empty"], record.values if record else {})
            prepared.writes[number] = RecordWrite(
                write.ref, merge(copy.deepcopy(dict(write.values)), absent), write.match, write.attempted_at,
                write.former,
            )  # fmt: skip


def missing(wanted: Mapping[str, Any], there: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of `wanted` that is empty there."""
    found: dict[str, Any] = {}
    for name, value in wanted.items():
        present = there.get(name)
        if isinstance(value, Mapping) and isinstance(present, Mapping):
            inner = missing(value, present)
            if inner:
                found[name] = inner
        elif present in (None, "", [], {}):
            found[name] = value
    return found
