"""Two-way syncs: what a change on one side means for the other, by what both are known to hold.

A sync that has a counterpart asks a desk here, change by change, before it writes. What is to be written is then only
what differs; what came back from a write of ours, or is older than it, writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from syncs import changes, links, outbox, ties
from syncs.engine.fates import Fate
from syncs.engine.mapping import Mapped, at
from syncs.links import Link
from syncs.mappings import nesting
from syncs.models import Change, Delivery, RecordLink, RecordPair
from syncs.models.changes import ChangeOrigin
from syncs.models.deliveries import DeliveryState
from syncs.models.pairs import Choice, Conflict, ConflictKind, ConflictState, Gone
from syncs.models.syncs import WhenNew
from syncs.twoway import conflicts, merge, pairs
from syncs.twoway.merge import Answer, Move, Question, Seen, Side, State, Winner, canonical
from syncs.twoway.pairing import Field, Pairing

ECHO = Fate("unchanged", "echo", "It came back from a write of the hub: both sides hold this.")
AGREED = Fate("unchanged", "agreed", "Both sides hold this already.")
KEPT = Fate("skipped", "kept", "A value stands there already, and the mapping never overwrites it.")
YIELDED = Fate("skipped", "yielded", "The other side changed the same field and goes before it.")
CONFLICT = Fate(
    "skipped", "conflict", "Both sides changed the same field: the conflict inbox asks who is right."
)
PARKED = Fate("skipped", "parked", "The record is parked: it was written too often within minutes.")
OLDER = Fate("skipped", "older", "A newer version of the record was read before.")
NEW_IGNORED = Fate("skipped", "new_ignored", "It is new here, and the way back leaves new records alone.")
NEW_ASKED = Fate("skipped", "new_asked", "It is new here: the conflict inbox asks whether to create it.")
PARTNER_GONE = Fate(
    "skipped", "partner_gone", "The record it is paired with was deleted, so nothing is written there."
)
MERGED = Fate("skipped", "merged", "It was merged into a record that has a partner of its own.")
_SAID = (
    (Move.CONFLICT, CONFLICT),
    (Move.YIELD, YIELDED),
    (Move.ECHO, ECHO),
    (Move.STALE, ECHO),
    (Move.KEPT, KEPT),
)


@dataclass(slots=True)
class _Case:
    """One change with its pair and the newest known version of the record on the other side.

    `landed_at`: when a write of ours last reached this side. `before`: its version before this one, where that counts.
    `asked`: the fields that the conflict inbox asks about, where that counts.
    """

    change: Change
    mapped: Mapped
    pair: RecordPair
    theirs: Change | None
    their_payload: Mapping[str, Any]
    is_new: bool
    landed_at: datetime | None = None
    before: Change | None = None
    asked: frozenset[str] = frozenset()


class Desk:
    """Decides on the changes of one batch under one of the two syncs, in the transaction that routes them."""

    def __init__(
        self, pairing: Pairing, batch: Sequence[Change], known: dict[str, Link], now: datetime
    ) -> None:
        self.pairing = pairing
        self.side = pairing.side
        self.now = now
        self.links = known
        self.pairs = pairs.find(pairing, batch, known)
        ids = {change.record_id for change in batch}
        self.mine = pairs.newest(pairing.own.stream_id, ids)
        others = {self._their_id(pair) for pair in self.pairs.values()} - {""}
        self.theirs = pairs.newest(pairing.counterpart.stream_id, others)
        self.parked = 0

    def judge(self, change: Change, mapped: Mapped, *, is_open: bool) -> Mapped | Fate:
        """Return what is to be written of the change, or why nothing is. `is_open`: a write of it is on its way."""
        newest = self.mine.get(change.record_id)
        if newest and (newest.modified_at, newest.pk) > (change.modified_at, change.pk):
            return OLDER
        pair = self.pairs.get(change.record_id)
        is_new = pair is None
        if pair is None:
            refused = self._new(change)
            if refused:
                return refused
            pair = self._begun(change, mapped)
        refused = self._closed(pair, change)
        if refused:
            return refused
        theirs = self.theirs.get(self._their_id(pair))
        payload = self.pairing.their_mapper(theirs.values).payload if theirs else {}
        case = _Case(change, mapped, pair, theirs, payload, is_new)
        case.landed_at = self._written_at(self.pairing.counterpart.pk, self._their_id(pair))
        if not is_new and any(field.key not in pair.agreed for field in self.pairing.fields):
            case.before = changes.previous([change]).get(change.pk)
            case.asked = conflicts.asked_fields(pair)
        return self._decided(case, is_open)

    def deleted(self, change: Change, match_value: str) -> Fate | None:
        """Note that a record is gone. None: the sync's own policy says what becomes of its partner."""
        pair = self.pairs.get(change.record_id)
        if pair is None or not pair.pk:
            return None
        if pair.gone == self.side.other:
            return ECHO
        if pair.gone == self.side:
            return MERGED
        pair.gone = Gone(self.side.value)
        pair.save(update_fields=["gone"])
        conflicts.obsolete(pair, None, self.now)
        self._link(pair, change, match_value)
        return None

    def store(self) -> None:
        """Report what was parked."""
        if self.parked:
            pairs.report_parked(self.pairing.forward, self.pairing.back, self.parked, self.now)

    def _new(self, change: Change) -> Fate | None:
        """Say why a record without a pair is none of our business; None: it is to be created on the other side."""
        back = self.pairing.back
        if self.side is Side.LEFT or back.when_new == WhenNew.CREATE:
            return None
        if back.when_new == WhenNew.IGNORE:
            return NEW_IGNORED
        asked = Conflict.objects.filter(
            sync=self.pairing.forward, kind=ConflictKind.NEW, right_id=change.record_id
        )
        last = asked.order_by("-pk").first()
        if last is None:
            conflicts.ask_new(self.pairing.forward, change, self.now)
        if last is None or last.state == ConflictState.OPEN:
            return NEW_ASKED
        return None if last.choice == Choice.DESTINATION else NEW_IGNORED

    def _begun(self, change: Change, mapped: Mapped) -> RecordPair:
        pair = RecordPair(
            sync=self.pairing.forward, title=change.title, created_at=self.now,
            match=canonical(mapped.match_value)[: pairs.LONGEST_MATCH],
        )  # fmt: skip
        setattr(pair, pairs.ID[self.side], change.record_id)
        self.pairs[change.record_id] = pair
        return pair

    def _closed(self, pair: RecordPair, change: Change) -> Fate | None:
        """Say why nothing of this pair may be written now. A record that is there again opens it again."""
        if pair.parked_at:
            return PARKED
        if pair.gone == self.side.other:
            return PARTNER_GONE
        if pair.gone == self.side:
            pair.gone = Gone.NONE
            link = self.links.get(change.record_id)
            if link and link.written_at is None:  # its partner was removed by us: both are made anew
                setattr(pair, pairs.ID[self.side.other], "")
                pair.agreed = {}
        return None

    def _decided(self, case: _Case, is_open: bool) -> Mapped | Fate:
        pair = case.pair
        answers = {field: self._answer(case, field) for field in self.pairing.fields}
        moves = {answer.move for answer in answers.values()}
        writing = [field for field, answer in answers.items() if answer.move is Move.WRITE]
        writing += self._unlanded(case, answers) if writing or not is_open else []
        if writing and pairs.counts_as_loop(pair, self.pairing.back, self.now):
            pair.save()
            self.parked += 1
            return PARKED
        pair.title = case.change.title or pair.title
        pair.agreed = pair.agreed | {
            field.key: pairs.stored_of(answer.state) for field, answer in answers.items() if answer.state
        }
        pair.save()
        self._follow_up(case, answers)
        if not writing:
            if not is_open:
                self._note(case)
                if self._introduce(pair, case.change, case.mapped.match_value):
                    ties.settled(self.pairing.own.pk, [case.change.record_id], self.now)
            return next((fate for move, fate in _SAID if move in moves), AGREED)
        self._link(pair, case.change, case.mapped.match_value)
        return self._narrowed(case, writing)

    def _answer(self, case: _Case, field: Field) -> Answer:
        mine, theirs = self._mine(case, field), self._theirs(case, field)
        state = pairs.state_of(case.pair.agreed.get(field.key))
        if state is None and not case.is_new and field.key not in case.asked:
            state = self._as_before(case, field, theirs)
        written_at = case.landed_at
        landed = bool(state and state.since and written_at and written_at >= state.since)
        asked = Question(
            self.side, field.winner, state, mine, theirs, landed=landed,
            is_after=bool(written_at and case.change.captured_at > written_at),
            is_first=case.is_new or self.side is Side.LEFT,
        )  # fmt: skip
        answer = merge.judge(asked, self.now)
        if state and state.to is self.side and not landed and answer.move is Move.WRITE:
            self._overtake(case)
        return answer

    def _mine(self, case: _Case, field: Field) -> Seen:
        path = field.path(self.side.other).split(".")
        part = case.mapped.payload
        sent = at(part, path)
        if sent is None:
            sent = at(case.mapped.if_empty, path)
            part = case.mapped.if_empty if sent is not None else part
        as_other = canonical(sent)
        is_sent = sent is not None or _has(part, path)
        if not field.is_shared:
            return Seen(as_other, as_other, case.change.modified_at, is_sent)
        value = canonical(at(case.change.values, field.path(self.side).split(".")))
        when = self._since(case.change, field.path(self.side), value, field)
        return Seen(value, as_other, when, is_sent)

    def _theirs(self, case: _Case, field: Field) -> Seen | None:
        other = self.side.other
        if case.theirs is None or not field.is_shared or case.theirs.origin == ChangeOrigin.DELETED:
            return None
        value = canonical(at(case.theirs.values, field.path(other).split(".")))
        path = field.path(self.side).split(".")
        as_other = canonical(at(case.their_payload, path))
        when = self._since(case.theirs, field.path(other), value, field)
        return Seen(value, as_other, when, _has(case.their_payload, path))

    def _since(self, change: Change, path: str, value: str, field: Field) -> datetime:
        """Return when the field came to have this value; asked only where the newest wins or a person is asked."""
        if field.winner not in (Winner.NEWEST, Winner.ASK):
            return change.modified_at
        return pairs.origin(change, path, value).at

    def _as_before(self, case: _Case, field: Field, theirs: Seen | None) -> State | None:
        """Take what stood before this change for agreed, where two records are first met as a pair."""
        if case.before is None or not field.is_shared:
            return None
        mine = canonical(at(case.before.values, field.path(self.side).split(".")))
        value = theirs.value if theirs else mine
        return State(mine, value) if self.side is Side.LEFT else State(value, mine)

    def _unlanded(self, case: _Case, answers: Mapping[Field, Answer]) -> list[Field]:
        """Return the fields whose last write has not arrived: what replaces or follows that one carries them, too."""
        written_at = self._written_at(self.pairing.own.pk, case.change.record_id)
        return [
            field
            for field, answer in answers.items()
            if answer.move is Move.SAME
            and (state := answer.state)
            and state.to is self.side.other
            and state.since
            and not (written_at and written_at >= state.since)
        ]

    def _follow_up(self, case: _Case, answers: Mapping[Field, Answer]) -> None:
        """Keep the conflict inbox as things are, and let the other side's change come where it is right."""
        asked = [field for field, answer in answers.items() if answer.move is Move.CONFLICT]
        for field in asked:
            mine, theirs = (
                (case.change, case.theirs) if self.side is Side.LEFT else (case.theirs, case.change)
            )
            conflicts.put(self.pairing.forward, case.pair, field, (mine, theirs), self.now)
        kept = {
            field.key for field, one in answers.items() if one.move in (Move.CONFLICT, Move.STALE, Move.KEPT)
        }
        closed = conflicts.obsolete(case.pair, kept, self.now) if not case.is_new else 0
        if closed or any(answer.move is Move.YIELD for answer in answers.values()):
            pairs.again(case.theirs, self.now)

    def _overtake(self, case: _Case) -> None:
        """Give up what waits to be written over a value that won; what else it carried is decided anew."""
        other = self._their_id(case.pair)
        waiting = Delivery.objects.filter(
            sync=self.pairing.counterpart, record_id=other, settled_at=None, state=DeliveryState.WAITING
        )
        pks = list(waiting.values_list("pk", flat=True))
        if pks:
            outbox.supersede(pks, reason="The other side changed it meanwhile and goes first.", now=self.now)
            pairs.again(case.theirs, self.now)

    def _narrowed(self, case: _Case, writing: Sequence[Field]) -> Mapped:
        """Return the payload with these fields only, of a record that is still to be made all of it.

        What never overwrites is asked for there if nothing is known of it.
        """
        mapped, wanted = case.mapped, {field.path(self.side.other): field for field in writing}
        whole = {} if self._their_id(case.pair) else mapped.payload
        covered = {field.path(self.side.other) for field in self.pairing.fields}
        payload = {
            name: value for name, value in whole.items() if name not in {p.split(".")[0] for p in covered}
        }
        if_empty: dict[str, Any] = {}
        for path, field in wanted.items():
            source = mapped.payload if _has(mapped.payload, path.split(".")) else mapped.if_empty
            into = if_empty if field.winner is Winner.KEEP and case.theirs is None else payload
            nesting.merge(into, nesting.nested(path, at(source, path.split("."))))
        return mapped._replace(payload=payload, if_empty=if_empty)

    def _note(self, case: _Case) -> None:
        """Let the sync know that what this version maps to stands there, as far as it is to stand there."""
        RecordLink.objects.filter(
            sync=self.pairing.own, record_id=case.change.record_id, version_at__lte=case.change.modified_at
        ).update(payload_hash=case.mapped.digest, version_at=case.change.modified_at)

    def _link(self, pair: RecordPair, change: Change, match_value: str) -> None:
        """Let our own sync know its record there, and forget what it wrote last."""
        self._introduce(pair, change, match_value)
        links_of_it = RecordLink.objects.filter(sync=self.pairing.own, record_id=change.record_id)
        links_of_it.exclude(payload_hash="").update(payload_hash="")

    def _introduce(self, pair: RecordPair, change: Change, match_value: str) -> bool:
        """Let our own sync know its record there, also where the other way made it. False: it knew."""
        other, known = self._their_id(pair), self.links.get(change.record_id)
        if not other or (known is not None and known.remote_id == other):
            return False
        pairs.link(self.pairing.own, change.record_id, other, match_value, change, self.now)
        self.links |= links.read(self.pairing.own.pk, [change.record_id])
        return True

    def _written_at(self, sync_id: int, record_id: str) -> datetime | None:
        if not record_id:
            return None
        if sync_id == self.pairing.own.pk:
            link = self.links.get(record_id)
            return link.written_at if link else None
        rows = RecordLink.objects.filter(sync=sync_id, record_id=record_id)
        return rows.values_list("written_at", flat=True).first()

    def _their_id(self, pair: RecordPair) -> str:
        return str(getattr(pair, pairs.ID[self.side.other]))


def _has(payload: Mapping[str, Any], path: Sequence[str]) -> bool:
    """Say whether anything is to be written at the path, be it null."""
    holder = at(payload, path[:-1]) if len(path) > 1 else payload
    return isinstance(holder, dict) and path[-1] in holder
