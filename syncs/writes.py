"""A sync's deliveries: their payload, the writes that come of it when they are sent, and what their links say then.

A payload is `{"match", "digest", "values"}`, and where there is something `on_create`, `if_empty` (fields of these
write modes), `former` (a list: match values of earlier tries that may have landed) and `deleted`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import blake2b
from types import MappingProxyType
from typing import NamedTuple

from integration_hub.connectors.contract import Destination
from integration_hub.connectors.errors import ConnectorError, RejectedError
from integration_hub.connectors.records import MatchKey, Operation, RecordResult, RecordWrite, WriteRequest
from syncs import answers, filling, links, outbox
from syncs.asked import Asked, write_of
from syncs.links import Entry, Holder, Link
from syncs.mappings.nesting import merge, nested
from syncs.models import Delivery, Sync
from syncs.models.links import LinkState
from syncs.moves import Mover, Way, circles

LANE_LENGTH = 200
GONE = (404, 410)
Rank = tuple[int, datetime, str]


class Forgone(NamedTuple):
    """Why a delivery is not sent after all."""

    code: str
    reason: str


ONLY_CREATES = Forgone("only_creates", "It is there, and the sync only creates.")
NOT_THERE = Forgone("not_there", "It is not there, and the sync only updates.")
OLDER = Forgone("older", "A newer version of the record is there already.")
UNCHANGED = Forgone("unchanged", "It stands there just so.")
COLLAPSED = "collapsed"


@dataclass(slots=True)
class Prepared:
    """One batch, ready to be written. `outdone` are links of records that the written ones take the place of.

    `released` are the match values that are free when these are carried out, by delivery. `answered` need no call:
    what would be answered is known.
    """

    deliveries: list[Delivery] = field(default_factory=list)
    writes: list[RecordWrite] = field(default_factory=list)
    forgone: dict[Forgone, list[Delivery]] = field(default_factory=dict)
    outdone: dict[int, list[Entry]] = field(default_factory=dict)
    released: dict[int, str] = field(default_factory=dict)
    answered: list[answers.Answer] = field(default_factory=list)

    def entries(
        self, deliveries: Sequence[Delivery], now: datetime, ids: Mapping[int, str] = MappingProxyType({})
    ) -> list[Entry]:
        """Return the links that follow from these of its deliveries being carried out; `ids`: as what, by delivery."""
        found: list[Entry] = []
        for delivery in deliveries:
            if delivery.sync_id is not None:
                found.append(entry_of(delivery, now, ids.get(delivery.pk)))
                found += self.outdone.get(delivery.pk, ())
        return found

    def freed(self, deliveries: Sequence[Delivery]) -> dict[int, set[str]]:
        """Return by sync the match values that nobody has once these are carried out."""
        found: dict[int, set[str]] = {}
        for delivery in deliveries:
            if delivery.sync_id is not None and delivery.pk in self.released:
                found.setdefault(delivery.sync_id, set()).add(self.released[delivery.pk])
        return found

    def gone(self, results: Sequence[RecordResult]) -> dict[int, tuple[Delivery, ConnectorError]]:
        """Return by id those of syncs whose record the destination does not have any more under the id we know."""
        found: dict[int, tuple[Delivery, ConnectorError]] = {}
        for delivery, write, result in zip(self.deliveries, self.writes, results, strict=True):
            error = result.error
            if (
                delivery.sync_id is not None
                and write.remote_id
                and error is not None
                and error.status in GONE
            ):
                found[delivery.pk] = delivery, error
        return found

    @property
    def request(self) -> WriteRequest:
        first = self.deliveries[0]
        return WriteRequest(first.object_type, Operation(first.operation), self.writes)


def is_absent(operation: str, error: ConnectorError | None) -> bool:
    """Say whether an update failed because the record is not there."""
    if operation != Operation.UPDATE or not isinstance(error, RejectedError):
        return False
    return error.status in GONE or error.code == "not_found"


def prepare(batch: Sequence[Delivery], destination: Destination) -> Prepared:
    """Return what is to be written of a batch of one object and operation, by what is known at this moment.

    Only fields that are not always written may cost calls here: ConnectorError.
    """
    prepared = Prepared()
    is_event = batch[0].object_type in destination.event_types
    synced = {one.pk for one in batch if one.sync_id is not None and not is_event}
    own = [delivery for delivery in batch if delivery.pk in synced]
    known = _Known(own, destination)
    needless = known.sorted_out()
    asked = Asked(batch)
    for delivery in batch:
        answer = asked.answer(delivery)
        if answer:
            prepared.answered.append((delivery, answer))
            continue
        forgone = needless.get(delivery.pk)
        if forgone:
            prepared.forgone.setdefault(forgone, []).append(delivery)
            continue
        prepared.deliveries.append(delivery)
        if delivery.pk not in synced:
            write = event_write(delivery) if delivery.sync_id is not None else _unsynced(delivery, asked)
            happened_at = delivery.version_at or delivery.created_at
            prepared.writes.append(replace(write, happened_at=happened_at, dedup_key=delivery.dedup_key))
            continue
        prepared.writes.append(known.write(delivery))
        if outdone := known.outdone(delivery):
            prepared.outdone[delivery.pk] = outdone
        if released := known.released(delivery):
            prepared.released[delivery.pk] = released
    if prepared.deliveries:
        prepared.writes = filling.filled(prepared.deliveries, prepared.request, destination)
    return prepared


def _unsynced(delivery: Delivery, asked: Asked) -> RecordWrite:
    return asked.write(delivery) if answers.are_kept(delivery) else plain_write(delivery)


def plain_write(delivery: Delivery) -> RecordWrite:
    """Return the write of a delivery as it stands, whatever is known of its record."""
    if delivery.sync is not None:
        match = MatchKey(delivery.sync.match_path, delivery.payload["match"])
        at = delivery.unanswered_at or delivery.attempted_at
        return RecordWrite(str(delivery.pk), delivery.payload["values"], match, attempted_at=at)
    if answers.are_kept(delivery):
        return write_of(delivery)
    attempted_at = delivery.unanswered_at or delivery.attempted_at
    return RecordWrite(ref=str(delivery.pk), values=delivery.payload, attempted_at=attempted_at)


def event_write(delivery: Delivery) -> RecordWrite:
    """Return the write of a sync's event: whatever else is known or waits, it happened."""
    at = delivery.unanswered_at or delivery.attempted_at
    return RecordWrite(str(delivery.pk), delivery.payload["values"], attempted_at=at)


def entry_of(delivery: Delivery, now: datetime, remote_id: str | None = None) -> Entry:
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
        delivery.version_at or now, state, reason, written_at, None, remote_id,
    )  # fmt: skip


def refused(delivery: Delivery, error: ConnectorError, now: datetime) -> Entry:
    """Return the note for a record that the destination refused."""
    note = _note(delivery, LinkState.REFUSED, error.message, now)
    return note._replace(problem=error.code or "rejected") if isinstance(error, RejectedError) else note


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


class _Known:
    """What a batch must know when it is sent: its syncs, the links of its records, and who else has their keys."""

    def __init__(self, deliveries: Sequence[Delivery], destination: Destination) -> None:
        self.looks_first = destination.gives_ids
        """Whether a record is new there is looked up: it may have been there before the hub."""
        self.exchanges = destination.exchanges
        by_sync: dict[int, list[Delivery]] = {}
        for delivery in deliveries:
            by_sync.setdefault(delivery.sync_id or 0, []).append(delivery)
        self.deliveries = deliveries
        self.syncs: dict[int, Sync] = {}
        self.links: dict[tuple[int, str], Link] = {}
        self.holders: dict[tuple[str, str], list[Holder]] = {}
        self.latest: dict[tuple[int, str, datetime | None], int] = {}
        self.ways: dict[Mover, Way] = {}
        self.circling: set[Mover] = set()
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

    def sorted_out(self) -> dict[int, Forgone]:
        """Return by id what need not be sent. What leaves its match value in this very batch is in nobody's way."""
        own = self.deliveries
        self.ways = {self._mover(delivery): way for delivery in own if (way := self._way(delivery))}
        while True:
            found = {one.pk: forgone for one in own if (forgone := self.forgone(one))}
            staying = self.ways.keys() & {self._mover(one) for one in own if one.pk in found}
            if not staying:
                self.circling = circles(self.ways)
                return found
            for mover in staying:
                del self.ways[mover]

    def released(self, delivery: Delivery) -> str:
        """Return the match value that another may have once this is carried out, "" if none."""
        if delivery.payload.get("deleted"):
            return str(delivery.payload["match"])
        link = self._link(delivery)
        is_left = link and link.written_at and link.match_value != delivery.payload["match"]
        return link.match_value if link and is_left else ""

    def forgone(self, delivery: Delivery) -> Forgone | None:
        link, payload = self._link(delivery), delivery.payload
        version_at = delivery.version_at
        if link and version_at and link.version_at > version_at:
            return OLDER
        # A parent's change leaves its children the version they had: of equal ones the one decided last is right.
        if self.latest.get((delivery.sync_id or 0, delivery.record_id, version_at), 0) > delivery.pk:
            return OLDER
        others = self._in_the_way(delivery, payload["match"])
        if payload.get("deleted"):
            return self._collapsed(delivery, others[0]) if others else None
        mine = self._rank_of(delivery)
        winner = max(others, key=self._rank, default=None)
        if winner and self._rank(winner) > mine:
            return self._collapsed(delivery, winner)
        if link and link.is_same(payload["match"], payload["digest"]):
            return UNCHANGED
        if delivery.operation == Operation.CREATE and link and link.written_at:
            return ONLY_CREATES
        return None

    def write(self, delivery: Delivery) -> RecordWrite:
        sync, link, payload = self.syncs[delivery.sync_id or 0], self._link(delivery), delivery.payload
        match = payload["match"]
        values = payload["values"]
        is_new = link is None or link.written_at is None
        is_circling = self._mover(delivery) in self.circling
        is_taken = (is_circling and not self.exchanges) or bool(self._in_the_way(delivery, match))
        if is_new and payload.get("on_create") and not is_taken and not self.looks_first:
            values = merge(copy.deepcopy(values), payload["on_create"])
        if sync.external_id_path and not payload.get("deleted"):
            values = merge(copy.deepcopy(values), nested(sync.external_id_path, delivery.record_id))
        tried = payload.get("former") or []
        tried = [tried] if isinstance(tried, str) else tried
        known = [link.match_value] if link is not None and not is_new else []
        # Nothing can move to where another record is, nor away from what is another's by now.
        formers = [
            one
            for one in dict.fromkeys([*known, *tried])
            if one != match and not is_taken and not self._in_the_way(delivery, one)
        ]
        return RecordWrite(
            ref=str(delivery.pk),
            values=values,
            match=MatchKey(sync.match_path, match),
            attempted_at=delivery.unanswered_at or delivery.attempted_at,
            former=formers[0] if formers else "",
            remote_id=self._place(delivery, match) if is_taken else self._remote_id(delivery, link),
            formers=tuple(formers[1:]),
        )

    def _place(self, delivery: Delivery, match_value: str) -> str:
        """Return the id there of the record in whose place this one writes; a search may not show it yet."""
        others = self._in_the_way(delivery, match_value)
        own = (one.remote_id for one in others if one.sync_id == delivery.sync_id)
        return next((remote_id for remote_id in own if remote_id), "")

    def _remote_id(self, delivery: Delivery, link: Link | None) -> str:
        """Return its id there, "" if none is known or what has it is another record's by now."""
        if link is None or not link.remote_id or self._in_the_way(delivery, link.match_value):
            return ""
        return link.remote_id

    def outdone(self, delivery: Delivery) -> list[Entry]:
        """Return the links of the records that wrote here before; what outranks this one has been sorted out."""
        sync, match = self.syncs[delivery.sync_id or 0], delivery.payload["match"]
        winner = f"{sync.name} {delivery.record_id}"
        others = self._in_the_way(delivery, match)
        return [outdone_entry(holder, winner, sync.match_path) for holder in others]

    def _link(self, delivery: Delivery) -> Link | None:
        return self.links.get((delivery.sync_id or 0, delivery.record_id))

    @staticmethod
    def _mover(delivery: Delivery) -> Mover:
        return delivery.sync_id or 0, delivery.record_id

    def _way(self, delivery: Delivery) -> Way | None:
        """Return from where to where the record moves, None if it stays or was never there."""
        link, payload = self._link(delivery), delivery.payload
        if not link or link.state != LinkState.WRITTEN or payload.get("deleted"):
            return None
        return (link.match_value, payload["match"]) if link.match_value != payload["match"] else None

    def _in_the_way(self, delivery: Delivery, match_value: str) -> list[Holder]:
        """Return the other records that write under this match value and stay there."""
        path = self.syncs[delivery.sync_id or 0].match_path
        own = (delivery.sync_id, delivery.record_id)
        return [
            holder
            for holder in self.holders.get((path, match_value), ())
            if holder.state == LinkState.WRITTEN
            and (holder.sync_id, holder.record_id) != own
            and (holder.sync_id, holder.record_id) not in self.ways
        ]

    def _rank(self, holder: Holder) -> Rank:
        return rank(self.syncs[holder.sync_id], holder.version_at, holder.record_id)

    def _rank_of(self, delivery: Delivery) -> Rank:
        version_at = delivery.version_at or delivery.created_at
        return rank(self.syncs[delivery.sync_id or 0], version_at, delivery.record_id)

    def _collapsed(self, delivery: Delivery, winner: Holder) -> Forgone:
        name = f"{self.syncs[winner.sync_id].name} {winner.record_id}"
        return Forgone(COLLAPSED, collapsed(name, self.syncs[delivery.sync_id or 0].match_path))
