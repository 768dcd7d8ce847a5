"""From changes to what they mean for the syncs of their stream: a delivery, or the reason why there is none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integration_hub.connectors.records import Operation
from syncs import destinations, links, outbox, ties, writes
from syncs.engine import happenings, succession
from syncs.engine.fates import (
    CONVERTED_FATE,
    IGNORED,
    NOT_THERE,
    OLDER,
    ONLY_CREATES,
    REPEATED,
    SUPERSEDED,
    UNCHANGED,
    WAITING,
    Fate,
)
from syncs.engine.mapping import Mapped, Mapper
from syncs.engine.open_deliveries import Open, by_record, formers, read_open
from syncs.links import Entry, Link
from syncs.mappings import nesting
from syncs.mappings import rows as mapping_rows
from syncs.models import Change, Stream, Sync
from syncs.models.changes import ChangeOrigin
from syncs.models.deliveries import DeliveryState
from syncs.models.links import LinkState
from syncs.models.syncs import Policy, WhenDeleted
from syncs.twoway import desk as twoway
from syncs.twoway import pairing

CONVERTED = "IsConverted"
"""The field that says of a Salesforce lead that its contact is to be followed from now on."""
CONTACT = "Contact"
AT_ONCE = 500
NEWER = "A newer version of the record took its place."


@dataclass(frozen=True, slots=True)
class Target:
    """One sync with all that its decisions need; `family` are the syncs that write to the same records."""

    sync: Sync
    mapper: Mapper
    family: Mapping[int, Sync]
    follows_contact: bool
    sources: frozenset[str] = frozenset()
    pairing: pairing.Pairing | None = None

    @property
    def tells_events(self) -> bool:
        return destinations.tells_events(self.sync)


@dataclass(slots=True)
class Case:
    """A change that may be written. `mapped` is without a problem."""

    change: Change
    mapped: Mapped
    link: Link | None


def load(stream: Stream) -> list[Target]:
    """Return the stream's enabled syncs, those that go first first."""
    syncs = stream.syncs.filter(enabled=True).select_related("stream", "destination")
    found = []
    for sync in syncs.order_by("precedence", "pk"):
        family = writes.siblings(sync)
        sources = frozenset(mapping_rows.source_fields(sync))
        follows = follows_contact(sync, family)
        mapper = mapping_rows.mapper_of(sync)
        found.append(Target(sync, mapper, family, follows, sources, pairing.load(sync)))
    return found


def follows_contact(sync: Sync, family: Mapping[int, Sync]) -> bool:
    """Say whether a converted record of this sync has a contact that is synced to the same destination."""
    stream = sync.stream
    contacts = Stream.objects.filter(
        connection=stream.connection_id, object_type=CONTACT, syncs__in=family
    ).exclude(pk=stream.pk)
    return contacts.exists()


def decide(targets: Iterable[Target], changes: Sequence[Change], now: datetime) -> dict[int, list[Fate]]:
    """Enqueue what follows from the changes; return, by change id, what each came to under each sync.

    Call it in the transaction that marks the changes as routed.
    """
    fates: dict[int, list[Fate]] = {change.pk: [] for change in changes}
    told: dict[int, dict[str, Fate]] = {}
    for target in targets:
        decided = (
            happenings.decide(target, changes, now)
            if target.tells_events
            else _Deciding(target, now).all(changes)
        )
        for pk, fate in decided.items():
            fates[pk].append(fate)
            if fate is not WAITING:
                told.setdefault(pk, {})[target.sync.key] = fate
    _remember(told)
    return fates


class _Deciding:
    """One batch under one sync."""

    def __init__(self, target: Target, now: datetime) -> None:
        self.target = target
        self.sync = target.sync
        self.now = now
        self.fates: dict[int, Fate] = {}
        self.notes: list[Entry] = []
        self.given_up: dict[str, list[int]] = {}
        self.drafts: list[outbox.Draft] = []
        self.released: set[str] = set()
        self.wishes: list[ties.Wish] = []

    def all(self, changes: Sequence[Change]) -> dict[int, Fate]:
        newest: dict[str, Change] = {}
        for change in sorted(changes, key=lambda one: (one.modified_at, one.pk)):
            older = newest.get(change.record_id)
            if older is not None:
                self.fates[older.pk] = SUPERSEDED
            newest[change.record_id] = change
        # The locked first: what is settled before the lock is in the links, what is not stays open until we are done.
        self.open = by_record(read_open(record_id__in=list(newest), sync=self.sync))
        self.links = links.read(self.sync.pk, newest)
        two_way = self.target.pairing
        self.desk = twoway.Desk(two_way, list(newest.values()), self.links, self.now) if two_way else None
        deleted = [one for one in newest.values() if one.origin == ChangeOrigin.DELETED]
        living = [one for one in newest.values() if one.origin != ChangeOrigin.DELETED]
        cases = [case for one in living if (case := self._case(one))]
        self._find_rivals(cases, deleted)
        self._collapse(cases)
        for change in deleted:
            self._delete(change)
        self._store()
        return self.fates

    def _case(self, change: Change) -> Case | None:
        """Map the change; None: it is decided already."""
        link = self.links.get(change.record_id)
        if self._is_older(change, link):
            self.fates[change.pk] = OLDER
            return None
        if self.target.follows_contact and change.values.get(CONVERTED) is True:
            self._skip(change, CONVERTED_FATE)
            return None
        mapped = self.target.mapper(change.values, change.record_id)
        if mapped.problem:
            self._skip(change, Fate("skipped", mapped.code, mapped.problem), problem=mapped.code)
            return None
        return Case(change, mapped, link)

    def _is_older(self, change: Change, link: Link | None) -> bool:
        versions = [one.version_at for one in self.open.get(change.record_id, ())]
        if link is not None:
            versions.append(link.version_at)
        return any(version > change.modified_at for version in versions)

    def _find_rivals(self, cases: Sequence[Case], deleted: Sequence[Change]) -> None:
        """Read which other records have the match values that this batch is about, there or on their way."""
        values = {case.mapped.match_value for case in cases}
        values |= {link.match_value for one in deleted if (link := self.links.get(one.record_id))}
        inside = {(self.sync.pk, case.change.record_id) for case in cases}
        inside |= {(self.sync.pk, one.record_id) for one in deleted}
        self.coming: dict[str, list[Open]] = {}
        lanes = [writes.lane(self.sync, value) for value in values]
        others = read_open(connection=self.sync.destination_id, lane__in=lanes)
        for one in others:
            if one.sync_id in self.target.family and (one.sync_id, one.record_id) not in inside:
                self.coming.setdefault(one.match, []).append(one)
        self.holders: dict[str, list[links.Holder]] = {}
        for holder in links.holders(self.target.family, values):
            if (holder.sync_id, holder.record_id) not in inside:
                self.holders.setdefault(holder.match_value, []).append(holder)

    def _collapse(self, cases: Sequence[Case]) -> None:
        """Of the records with one match value let the first by rank write, and tell the others whom they follow."""
        by_value: dict[str, list[Case]] = {}
        for case in cases:
            by_value.setdefault(case.mapped.match_value, []).append(case)
        for value, own in by_value.items():
            best = max(own, key=self._rank)
            stronger = self._stronger(value, self._rank(best))
            if not stronger:
                self._write(best)
            winner = stronger or self._name(self.sync.pk, best.change.record_id)
            for case in own:
                if stronger or case is not best:
                    reason = writes.collapsed(winner, self.sync.match_path)
                    self._skip(case.change, Fate("skipped", "collapsed", reason), value)

    def _stronger(self, value: str, mine: writes.Rank) -> str:
        """Name the record outside of this batch that goes first; "" if there is none."""
        rivals: list[links.Holder | Open] = [one for one in self.coming.get(value, ()) if not one.deleted]
        rivals += [one for one in self.holders.get(value, ()) if one.state == LinkState.WRITTEN]
        rival = max(rivals, default=None, key=self._rank_of)
        return self._name(rival.sync_id, rival.record_id) if rival and self._rank_of(rival) > mine else ""

    def _name(self, sync_id: int, record_id: str) -> str:
        return f"{self.target.family[sync_id].name} {record_id}"

    def _rank_of(self, one: links.Holder | Open) -> writes.Rank:
        return writes.rank(self.target.family[one.sync_id], one.version_at, one.record_id)

    def _rank(self, case: Case) -> writes.Rank:
        return writes.rank(self.sync, case.change.modified_at, case.change.record_id)

    def _write(self, case: Case) -> None:
        change, mapped, link = case.change, case.mapped, case.link
        self.wishes += ties.wishes(change.record_id, self.target.mapper.foreign(change.values))
        own = self.open.get(change.record_id, [])
        rivals = self.coming.get(mapped.match_value, ())
        in_flight = any(one.state == DeliveryState.SENDING for one in (*own, *rivals))
        if self.desk:
            judged = self.desk.judge(change, mapped, is_open=bool(own))
            if isinstance(judged, Fate):
                self.fates[change.pk] = judged
                return
            case.mapped = mapped = judged
        self._give_up(own, NEWER)
        if link and not self.desk and not in_flight and link.is_same(mapped.match_value, mapped.digest):
            self.fates[change.pk] = UNCHANGED
            self.notes.append(self._entry(change, LinkState.WRITTEN, "", mapped.match_value))
            return
        if self.sync.policy == Policy.CREATE and link and link.written_at:
            self.fates[change.pk] = ONLY_CREATES
            return
        name = self._name(self.sync.pk, change.record_id)
        self._give_up(rivals, writes.collapsed(name, self.sync.match_path))
        self._enqueue(change, self.sync.operation(), self._payload(case, own))

    def _payload(self, case: Case, own: Sequence[Open]) -> dict[str, Any]:
        mapped, link = case.mapped, case.link
        payload: dict[str, Any] = {
            "match": mapped.match_value,
            "digest": mapped.digest,
            "values": mapped.payload,
            "on_create": mapped.on_create,
            "if_empty": mapped.if_empty,
            "former": formers(own, mapped.match_value),
        }
        if link and link.state == LinkState.REMOVED and self.sync.when_deleted == WhenDeleted.MARK:
            nesting.merge(payload["values"], nesting.nested(self.sync.deleted_path, False))
        return {name: value for name, value in payload.items() if value or name == "digest"}

    def _delete(self, change: Change) -> None:
        if self.desk:
            echoed = self.desk.deleted(change, self.target.mapper(change.values).match_value)
            if echoed:
                self.fates[change.pk] = echoed
                return
        own, link = self.open.get(change.record_id, []), self.links.get(change.record_id)
        if self.sync.when_deleted == WhenDeleted.IGNORE:
            self.fates[change.pk] = IGNORED
            return
        if self._is_older(change, link):
            self.fates[change.pk] = OLDER
            return
        self._give_up(own, "The record was deleted in the source.")
        tried = next((one.match for one in own if one.attempts), "")
        match = link.match_value if link and link.written_at else tried
        if not match:
            self.fates[change.pk] = NOT_THERE
            if link:
                self.notes.append(self._entry(change, LinkState.REMOVED, NOT_THERE.reason, ""))
            return
        other = self._other(match)
        if other:
            reason = f"Deleted in the source, but {other} has the same {self.sync.match_path}: it stays."
            self.fates[change.pk] = Fate("skipped", "shared", reason)
            self.released.add(match)
            self.notes.append(self._entry(change, LinkState.REMOVED, reason, match))
            return
        values = nesting.nested(self.sync.match_path, match)
        operation = Operation.DELETE
        if self.sync.when_deleted == WhenDeleted.MARK:
            operation = Operation.UPSERT
            nesting.merge(values, nesting.nested(self.sync.deleted_path, True))
        self._enqueue(change, operation, {"match": match, "digest": "", "deleted": True, "values": values})

    def _other(self, match: str) -> str:
        """Name another living record with this match value, in this batch or outside."""
        for draft in self.drafts:
            if draft.payload["match"] == match and not draft.payload.get("deleted"):
                return self._name(self.sync.pk, draft.record_id)
        others: list[links.Holder | Open] = [*self.holders.get(match, ())]
        others += [one for one in self.coming.get(match, ()) if not one.deleted]
        return self._name(others[0].sync_id, others[0].record_id) if others else ""

    def _skip(self, change: Change, fate: Fate, match_value: str = "", problem: str | None = None) -> None:
        self.fates[change.pk] = fate
        self._give_up(self.open.get(change.record_id, ()), NEWER)
        entry = self._entry(change, LinkState.SKIPPED, fate.reason, match_value)
        self.notes.append(entry._replace(problem=problem))
        link = self.links.get(change.record_id)
        if link and link.state == LinkState.WRITTEN and link.match_value != match_value:
            self.released.add(link.match_value)

    def _entry(self, change: Change, state: str, reason: str, match_value: str) -> Entry:
        return Entry(self.sync.pk, change.record_id, match_value, "", change.modified_at, state, reason)

    def _give_up(self, deliveries: Iterable[Open], reason: str) -> None:
        waiting = [one.pk for one in deliveries if one.state == DeliveryState.WAITING]
        if waiting:
            self.given_up.setdefault(reason, []).extend(waiting)

    def _enqueue(self, change: Change, operation: Operation, payload: dict[str, Any]) -> None:
        # While the record is being written under a former key, its next write stays behind that one.
        own = self.open.get(change.record_id, ())
        lane = next((one.lane for one in own if one.state == DeliveryState.SENDING), "")
        self.fates[change.pk] = WAITING
        self.drafts.append(
            outbox.Draft(
                connection_id=self.sync.destination_id,
                origin=self.sync.origin,
                change_id=change.pk,
                lane=lane or writes.lane(self.sync, payload["match"]),
                dedup_key=f"{self.sync.origin}:{change.record_id}:{change.version}",
                payload=payload,
                due_at=self.now,
                object_type=self.sync.object_type,
                operation=operation,
                sync_id=self.sync.pk,
                record_id=change.record_id,
                version_at=change.modified_at,
            )
        )

    def _store(self) -> None:
        for reason, pks in self.given_up.items():
            outbox.supersede(pks, reason=reason, now=self.now)
        stored = {delivery.change_id for delivery in outbox.enqueue(self.drafts, self.now)}
        for draft in self.drafts:
            if draft.change_id is not None and draft.change_id not in stored:
                self.fates[draft.change_id] = REPEATED
        links.note(self.notes)
        if self.desk:
            self.desk.store()
        ties.want(self.wishes, self.now)
        succession.follow(self.sync, self.released, self.now)


def give_up(targets: Iterable[Target], changes: Sequence[Change], error: Exception) -> None:
    """Keep with changes that cannot be decided that this is so: they stop none of the others."""
    text = f"Internal error ({type(error).__name__}); the log has the details."
    told = {target.sync.key: Fate("skipped", "internal", text) for target in targets}
    if told:
        _remember({change.pk: told for change in changes})


def _remember(told: Mapping[int, Mapping[str, Fate]]) -> None:
    """Keep with the changes why nothing was sent; most of a batch say the same, so one statement for each saying."""
    groups: dict[str, list[int]] = {}
    for pk, by_key in told.items():
        groups.setdefault(json.dumps(by_key, sort_keys=True), []).append(pk)
    for text, pks in groups.items():
        for start in range(0, len(pks), AT_ONCE):
            Change.objects.filter(pk__in=pks[start : start + AT_ONCE]).update(synced=json.loads(text))
