"""The decide loop: waiting changes, what the rules say of them, and the messages that come of it."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, transaction

from routing import directory, drafting, rulebook
from routing.decide import Previous, Proposal, RecordState, decide, event_time, unseen
from routing.messages import MessageError
from routing.models import Alert, Decision, Person
from routing.models.decisions import Reason, Verdict
from routing.recipients import Message
from routing.rulebook import BookedRule
from routing.snapshot import Directory
from syncs import changes, incidents, leases, outbox
from syncs.engine import audience, parents, runs
from syncs.engine.fates import Fate
from syncs.models import Change, Connection, Delivery, Stream, SyncRun
from syncs.models.changes import ChangeOrigin, ChangeState
from syncs.models.incidents import IncidentKind
from syncs.models.runs import RunKind

logger = logging.getLogger(__name__)

BATCH = 500
LOOK_UPS = 10
"""People looked up for one batch at most: each is a call to the vendor, and the others wait for it."""
LOOK_UP_SECONDS = 10.0
"""After so long no further person is looked up: a vendor that hangs must not use up the life of the task."""
NO_RULES = "no_rules"
INTERNAL = "internal"
_NEAREST = (
    Reason.ALREADY_SENT,
    Reason.OUTSIDE_HOURS,
    Reason.NO_RECIPIENT,
    Reason.TOO_OLD,
    Reason.UNKNOWN_BEFORE,
    Reason.BEFORE_RULE,
    Reason.NO_MATCH,
    Reason.NOT_TRIGGERED,
)
"""Of several rules' reasons a run counts the one nearest to sending."""
_ORDER = ("waiting", "skipped", "unchanged")
"""Of what a change came to under several syncs, a run counts the first."""


def run_all(now: datetime) -> list[SyncRun]:
    """Route every stream that has changes waiting; one that fails stops no other, its run says so."""
    done = []
    waiting = Change.objects.filter(state=ChangeState.WAITING).values("stream")
    for stream in Stream.objects.filter(pk__in=waiting).select_related("connection"):
        try:
            routed = run(stream, now)
        except Exception:  # one stream never stops another
            logger.exception("routing failed", extra={"stream": stream.key})
            routed = SyncRun.objects.filter(kind=RunKind.ROUTE, stream=stream).order_by("-pk").first()
        if routed:
            done.append(routed)
    return done


def run(stream: Stream, now: datetime) -> SyncRun | None:
    """Decide on the stream's waiting changes. None: nothing waits, or another process is at it.

    A batch's decisions and messages are stored, and its changes marked, in one transaction: a crash before it
    leaves everything as it was. What is left after TASK_SECONDS waits for the next run.
    """
    if not Change.objects.filter(stream=stream, state=ChangeState.WAITING).exists():
        return None
    with leases.held(f"route:{stream.pk}", settings.LEASE_SECONDS, now) as lease:
        batch = changes.waiting(stream, BATCH) if lease else []
        if not batch:
            return None
        with runs.recording(RunKind.ROUTE, now=now, stream=stream) as counts:
            routing = _Routing(
                stream, rulebook.load(stream), now, counts, audience.load(stream), parents.interests(stream)
            )
            end = time.monotonic() + settings.TASK_SECONDS
            while batch:
                try:
                    routing.route(batch)
                except changes.AlreadyRoutedError:
                    break
                batch = changes.waiting(stream, BATCH) if time.monotonic() < end else []
        return counts.run


@dataclass(slots=True)
class _Case:
    """One change under one rule, on its way to a decision."""

    change: Change
    state: RecordState
    previous: Previous
    rule: BookedRule
    proposal: Proposal
    drafts: list[tuple[Message, outbox.Draft]] = field(default_factory=list)


@dataclass(slots=True)
class _Routing:
    """One run over a stream: rules, connections and directories are read once."""

    stream: Stream
    rules: tuple[BookedRule, ...]
    now: datetime
    counts: runs.Counts
    targets: Sequence[audience.Target] = ()
    interests: Sequence[parents.Interest] = ()
    destinations: dict[int, Connection] = field(default_factory=dict)
    directories: dict[int, Directory] = field(default_factory=dict)

    def route(self, batch: Sequence[Change]) -> None:
        cases = self._decided(batch)
        missed = self._look_up(cases)
        for case in missed:
            self._decide(case)
        for case in cases:
            self._draft(case)
        self._store_isolated(batch, cases)

    def _decided(self, batch: Sequence[Change]) -> list[_Case]:
        before = changes.previous(batch) if self.rules else {}
        cases = []
        for change in batch:
            if change.origin == ChangeOrigin.DELETED:
                continue  # rules speak of records that are there
            state = state_of(change)
            previous = previous_of(self.stream, change, before.get(change.pk))
            for rule in self.rules:
                undecided = _failure(rule, state, "Not decided.")
                case = _Case(change, state, previous, rule, undecided)
                self._decide(case)
                cases.append(case)
        return cases

    def _decide(self, case: _Case) -> None:
        known = self._directory(case.rule.destination_id)
        try:
            case.proposal = decide(case.rule, case.state, case.previous, known, now=self.now)
        except Exception as error:  # noqa: BLE001 - one record never stops its neighbours
            case.proposal = _unexpected(case, error)

    def _draft(self, case: _Case) -> None:
        known = self._directory(case.rule.destination_id)
        try:
            case.drafts = [
                (message, self._one_draft(case, message, known)) for message in case.proposal.messages
            ]
        except MessageError as error:
            case.proposal = _failure(case.rule, case.state, str(error))
        except Exception as error:  # noqa: BLE001 - one record never stops its neighbours
            case.proposal = _unexpected(case, error)

    def _one_draft(self, case: _Case, message: Message, known: Directory) -> outbox.Draft:
        return drafting.draft(
            case.rule,
            case.state,
            message,
            known,
            change_id=case.change.pk,
            trigger_at=case.proposal.trigger_at,
            now=self.now,
        )

    def _directory(self, destination_id: int) -> Directory:
        if destination_id not in self.directories:
            destination = self._destination(destination_id)
            self.directories[destination_id] = directory.snapshot(self.now, destination)
        return self.directories[destination_id]

    def _destination(self, pk: int) -> Connection:
        if pk not in self.destinations:
            self.destinations[pk] = Connection.objects.get(pk=pk)
        return self.destinations[pk]

    def _look_up(self, cases: Iterable[_Case]) -> list[_Case]:
        """Ask the vendors for who could not be addressed; return the cases to decide again.

        It calls the vendors, so no transaction is open here. An outage finds nobody and the fallback stands.
        """
        missed = [case for case in cases if case.proposal.missing_people or case.proposal.missing_owners]
        owners = {owner for case in missed for owner in case.proposal.missing_owners}
        found = bool(owners) and self._look_up_owners(sorted(owners)[:LOOK_UPS])
        wanted = {
            (case.rule.destination_id, person) for case in missed for person in case.proposal.missing_people
        }
        people = Person.objects.in_bulk([person for _, person in wanted])
        end = time.monotonic() + LOOK_UP_SECONDS
        for destination_id, pk in sorted(wanted)[:LOOK_UPS]:
            destination = self._destination(destination_id)
            if pk in people and time.monotonic() < end and self._may_call(destination):
                found |= directory.look_up_missing(destination, people[pk], self.now)
        if not found:
            return []
        self.directories.clear()
        return missed

    def _look_up_owners(self, owners: Sequence[str]) -> bool:
        source = self.stream.connection
        return self._may_call(source) and directory.look_up_owner(source, owners, self.now) > 0

    def _may_call(self, connection: Connection) -> bool:
        return Connection.objects.usable(self.now).filter(pk=connection.pk).exists()

    def _store_isolated(self, batch: Sequence[Change], cases: Sequence[_Case]) -> None:
        """Store the batch; if the database refuses it, by halves, until the bad change stands alone."""
        try:
            tally = self._store(batch, cases)
        except (OperationalError, InterfaceError, changes.AlreadyRoutedError):
            raise  # no change's fault
        except IntegrityError:
            raise  # a rule or a person was deleted meanwhile: the next run reads them anew
        except Exception as error:
            if len(batch) == 1:
                logger.exception("a change cannot be decided", extra={"change": batch[0].pk})
                for case in cases:
                    case.proposal, case.drafts = _unexpected(case, error), []
                self._count(batch, self._store(batch, cases, error))
                self.counts.reasons[INTERNAL] += 1
                return
            middle = len(batch) // 2
            for half in (batch[:middle], batch[middle:]):
                pks = {change.pk for change in half}
                self._store_isolated(half, [case for case in cases if case.change.pk in pks])
        else:
            self._count(batch, tally)

    def _count(self, batch: Sequence[Change], tally: Counter[str]) -> None:
        self.counts.read += len(batch)
        self.counts.waiting += tally.pop("waiting", 0)
        self.counts.dead += tally.pop("dead", 0)
        self.counts.unchanged += tally.pop("unchanged", 0)
        self.counts.skipped += tally.total()
        self.counts.reasons.update(tally)

    def _store(
        self, batch: Sequence[Change], cases: Sequence[_Case], error: Exception | None = None
    ) -> Counter[str]:
        """Store all that follows from the batch, or nothing; return how many changes came to what.

        With an error, that is all there is to say of it, to rules and syncs alike.
        """
        with transaction.atomic():
            changes.mark_routed(batch, self.now)
            drafts = [one for case in cases for _, one in case.drafts]
            stored = {delivery.dedup_key: delivery for delivery in outbox.enqueue(drafts, self.now)}
            own = [_taken(case, stored) for case in cases]
            decisions = Decision.objects.bulk_create(
                _row(case, bool(deliveries), self.now) for case, deliveries in zip(cases, own, strict=True)
            )
            Alert.objects.bulk_create(
                Alert(decision=decision, delivery=delivery, person_id=message.person_id, role=message.role)
                for decision, deliveries in zip(decisions, own, strict=True)
                for message, delivery in deliveries
            )
            self._report_errors(cases)
            if error is not None:
                audience.give_up(self.targets, batch, error)
                return Counter(dead=len(batch))
            fates = audience.decide(self.targets, batch, self.now)
            asked = parents.request(self.interests, batch, self.now)
        to_do = asked | {delivery.change_id for delivery in stored.values()}
        return _tally(batch, decisions, to_do, fates)

    def _report_errors(self, cases: Sequence[_Case]) -> None:
        """Keep one incident per rule that fails; its next evaluation without a failure closes it."""
        for rule in self.rules:
            own = [case.proposal for case in cases if case.rule is rule]
            errors = [proposal for proposal in own if proposal.verdict == Verdict.ERROR]
            if errors:
                incidents.raise_incident(
                    f"{rule.origin}:errors",
                    kind=IncidentKind.ERRORS,
                    title=f"Rule {rule.name} cannot be evaluated",
                    detail=errors[0].text,
                    remedy="Correct the rule. Its decisions with the verdict “Error” list the records it missed.",
                    origin=rule.origin,
                    count=len(errors),
                    now=self.now,
                )
            elif any(proposal.matched is not None for proposal in own):
                incidents.close(f"{rule.origin}:errors", self.now)


def state_of(change: Change) -> RecordState:
    return RecordState(
        record_id=change.record_id,
        version=change.version,
        values=change.values,
        modified_at=change.modified_at,
        created_at=change.created_at,
        owner_id=change.owner_id,
        url=change.url,
    )


def previous_of(stream: Stream, change: Change, before: Change | None) -> Previous:
    if before is not None:
        return state_of(before)
    return unseen(change.created_at, started_at=stream.started_at, baseline_at=stream.baseline_at)


def _failure(rule: BookedRule, state: RecordState, text: str) -> Proposal:
    return Proposal(Verdict.ERROR, Reason.CANNOT_EVALUATE, text, event_time(rule, state))


def _unexpected(case: _Case, error: Exception) -> Proposal:
    logger.error("a rule failed", exc_info=error, extra={"rule": case.rule.key, "change": case.change.pk})
    text = f"Internal error ({type(error).__name__}); the log has the details."
    return _failure(case.rule, case.state, text)


def _taken(case: _Case, stored: dict[str, Delivery]) -> list[tuple[Message, Delivery]]:
    """Return the case's own new deliveries: of two cases with one effect, the first has it."""
    own = []
    for message, one in case.drafts:
        delivery = stored.get(one.dedup_key)
        if delivery is not None and delivery.change_id == case.change.pk:
            own.append((message, delivery))
    return own


def _row(case: _Case, has_news: bool, now: datetime) -> Decision:
    proposal = case.proposal
    if proposal.messages and not has_news:
        text = "Already sent for an earlier version of this record."
        proposal = replace(
            proposal, verdict=Verdict.SKIP, reason=Reason.ALREADY_SENT, text=text, hold_until=None
        )
    return Decision(
        change=case.change,
        rule_id=case.rule.id,
        verdict=proposal.verdict,
        reason=proposal.reason,
        text=proposal.text,
        rows=proposal.rows,
        matched=proposal.matched,
        trigger_at=proposal.trigger_at,
        decided_at=now,
        hold_until=proposal.hold_until,
    )


def _tally(
    batch: Sequence[Change],
    decisions: Sequence[Decision],
    to_do: AbstractSet[int | None],
    fates: Mapping[int, Sequence[Fate]],
) -> Counter[str]:
    """Count each change once: as an error, else as what waits to be sent or read, else by the reason against it."""
    said: dict[int, list[Decision]] = {}
    for decision in decisions:
        said.setdefault(decision.change_id, []).append(decision)
    tally: Counter[str] = Counter()
    for change in batch:
        own = said.get(change.pk, [])
        reasons = {decision.reason for decision in own}
        synced = sorted(fates.get(change.pk, ()), key=lambda fate: _ORDER.index(fate.outcome))
        if any(decision.verdict == Verdict.ERROR for decision in own):
            tally["dead"] += 1
        elif change.pk in to_do:
            tally["waiting"] += 1
        elif synced:
            tally[synced[0].code or synced[0].outcome] += 1
        else:
            tally[next((reason for reason in _NEAREST if reason in reasons), NO_RULES)] += 1
    return tally
