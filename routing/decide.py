"""What a rule says about one version of a record, and why: pure, so previews and replays use it too."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any

from integration_hub.connectors.moments import lasting
from integration_hub.connectors.records import Values
from routing import conditions, recipients
from routing.conditions import CriterionError, Match
from routing.filter_logic import FilterLogicError
from routing.models.decisions import Reason, Verdict
from routing.models.rules import Trigger
from routing.recipients import Directory, Message
from routing.rulebook import BookedRule

DEDUP_KEY_LENGTH = 250
ROW_TEXT_LENGTH = 500
ABSENT = object()


@dataclass(frozen=True, slots=True)
class RecordState:
    """One version of a record, as it was read."""

    record_id: str
    version: str
    values: Values
    modified_at: datetime
    created_at: datetime | None = None
    owner_id: str = ""
    url: str = ""


class Unseen(Enum):
    """Why there is no version before: there was no record, or we had not looked yet."""

    NEW = auto()
    UNKNOWN = auto()


Previous = RecordState | Unseen
RowVerdict = tuple[int, bool, str]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A decision before it is stored. `rows`: each criterion's number, verdict and sentence."""

    verdict: Verdict
    reason: Reason
    text: str
    trigger_at: datetime
    rows: tuple[RowVerdict, ...] = ()
    matched: bool | None = None
    messages: tuple[Message, ...] = ()
    hold_until: datetime | None = None
    missing_people: frozenset[int] = frozenset()
    missing_owners: frozenset[str] = frozenset()


def unseen(
    created_at: datetime | None, *, started_at: datetime | None, baseline_at: datetime | None
) -> Unseen:
    """Say what it means that no earlier version is stored: all that was created since we watch is new."""
    watched_since = min((at for at in (started_at, baseline_at) if at), default=None)
    if created_at and watched_since and created_at >= watched_since:
        return Unseen.NEW
    return Unseen.UNKNOWN


def decide(
    rule: BookedRule, state: RecordState, previous: Previous, directory: Directory, *, now: datetime
) -> Proposal:
    """Return what the rule says. Of several reasons against it the first is given:

    older than the rule, cannot be evaluated, trigger, criteria, age, recipient.
    """
    trigger_at = event_time(rule, state)
    match = _evaluated(rule, state, now)
    rows: tuple[RowVerdict, ...] = ()
    matched = None
    if isinstance(match, Match):
        rows = tuple((row.number, row.matched, row.text[:ROW_TEXT_LENGTH]) for row in match.rows)
        matched = match.matched

    refusal = (
        _before_rule(rule, trigger_at)
        or (None if isinstance(match, Match) else (Verdict.ERROR, Reason.CANNOT_EVALUATE, match))
        or _not_triggered(rule, state, previous, bool(matched), now)
        or (None if matched else (Verdict.SKIP, Reason.NO_MATCH, _said_no(rule, rows)))
        or _too_old(rule, trigger_at, now)
    )
    if refusal:
        verdict, reason, text = refusal
        return Proposal(verdict, reason, text, trigger_at, rows, matched)
    plan = recipients.plan(rule, state.owner_id, directory, trigger_at=trigger_at, now=now)
    return Proposal(
        verdict=plan.verdict,
        reason=plan.reason,
        text=plan.text,
        trigger_at=trigger_at,
        rows=rows,
        matched=True,
        messages=plan.messages,
        hold_until=plan.hold_until,
        missing_people=plan.missing_people,
        missing_owners=plan.missing_owners,
    )


def event_time(rule: BookedRule, state: RecordState) -> datetime:
    """Return the event at the vendor from which the rule counts the age."""
    if rule.trigger == Trigger.CREATED and state.created_at:
        return state.created_at
    return state.modified_at


def dedup_key(rule: BookedRule, state: RecordState, message: Message) -> str:
    """Name the effect: a created record is announced to each channel once, other events once a version."""
    event = Trigger.CREATED if rule.trigger == Trigger.CREATED else f"{rule.trigger}:{state.version}"
    key = f"{rule.origin}:{state.record_id}:{event}:{message.role}:{message.channel}"
    return _fitting(key)


def fallback_key(key: str) -> str:
    """Name the second try of the message with this dedup key."""
    return _fitting(f"{key}:fallback")


def _fitting(key: str) -> str:
    return key if len(key) <= DEDUP_KEY_LENGTH else hashlib.sha256(key.encode()).hexdigest()


Refusal = tuple[Verdict, Reason, str]


def _evaluated(rule: BookedRule, state: RecordState, now: datetime) -> Match | str:
    """Return what the rows say, or the sentence why that cannot be known."""
    for row in rule.criteria:
        if row.field in rule.fields and _value(state.values, row.field) is ABSENT:
            return (
                f"Row {row.number}: {row.field} was not read with this version of the record. "
                "It is read with the record's next change."
            )
    try:
        return conditions.evaluate(
            rule.criteria, rule.filter_logic, state.values, rule.fields, now=now, zone=rule.zone
        )
    except (CriterionError, FilterLogicError) as error:
        return str(error)


def _before_rule(rule: BookedRule, trigger_at: datetime) -> Refusal | None:
    if rule.active_from is None or trigger_at >= rule.active_from:
        return None
    text = (
        f"It happened at {trigger_at:%Y-%m-%d %H:%M:%S} UTC, "
        f"before the rule was switched on at {rule.active_from:%Y-%m-%d %H:%M:%S} UTC."
    )
    return Verdict.SKIP, Reason.BEFORE_RULE, text


def _not_triggered(
    rule: BookedRule, state: RecordState, previous: Previous, matched: bool, now: datetime
) -> Refusal | None:
    match rule.trigger:
        case Trigger.CREATED:
            return _not_created(rule, state, previous)
        case Trigger.ENTERS:
            return _not_entering(rule, previous, now) if matched else None
        case Trigger.CHANGED:
            return _not_changed(rule, state, previous, matched)


def _not_created(rule: BookedRule, state: RecordState, previous: Previous) -> Refusal | None:
    """Automation may complete a record just after its creation, so early versions count as the creation."""
    if state.created_at is None:
        return Verdict.ERROR, Reason.CANNOT_EVALUATE, "The record has no creation time; use another trigger."
    later_by = state.modified_at - state.created_at
    if not isinstance(previous, RecordState) or later_by <= rule.max_age:
        return None
    text = f"This is a later change: the record was created {lasting(later_by)} before it."
    return Verdict.SKIP, Reason.NOT_TRIGGERED, text


def _not_entering(rule: BookedRule, previous: Previous, now: datetime) -> Refusal | None:
    if previous is Unseen.NEW:
        return None
    if previous is Unseen.UNKNOWN:
        return _unknown_before(rule, "The hub sees this record for the first time")
    unknown = [row.field for row in rule.criteria if _value(previous.values, row.field) is ABSENT]
    if unknown:
        return _unknown_before(rule, f"The hub sees {unknown[0]} of this record for the first time")
    before = _evaluated(rule, previous, now)
    if isinstance(before, str):
        return Verdict.ERROR, Reason.CANNOT_EVALUATE, f"The values before: {before}"
    if not before.matched:
        return None
    return Verdict.SKIP, Reason.NOT_TRIGGERED, "It met the criteria before this change already."


def _not_changed(rule: BookedRule, state: RecordState, previous: Previous, matched: bool) -> Refusal | None:
    watched = rule.watched_field
    value = _value(state.values, watched)
    if value is ABSENT:
        return (
            Verdict.ERROR,
            Reason.CANNOT_EVALUATE,
            f"The watched field {watched} was not read with this version. Check that the field exists.",
        )
    if previous is Unseen.NEW:
        return Verdict.SKIP, Reason.NOT_TRIGGERED, f"The record is new: {watched} was set, not changed."
    if not matched:
        return None
    if previous is Unseen.UNKNOWN:
        return _unknown_before(rule, "The hub sees this record for the first time")
    former = _value(previous.values, watched)
    if former is ABSENT:
        return _unknown_before(rule, f"The hub sees {watched} of this record for the first time")
    if _or_nothing(former) == _or_nothing(value):
        return Verdict.SKIP, Reason.NOT_TRIGGERED, f"{watched} did not change."
    return None


def _or_nothing(value: Any) -> Any:
    return None if value == "" else value


def _unknown_before(rule: BookedRule, why: str) -> Refusal:
    text = (
        f"{why}, so it is unknown whether that is a change. It counts from the next change on; "
        f"to learn all records' present values at once, run: manage.py baseline {rule.stream_key}"
    )
    return Verdict.SKIP, Reason.UNKNOWN_BEFORE, text


def _said_no(rule: BookedRule, rows: tuple[RowVerdict, ...]) -> str:
    against = [text for _, matched, text in rows if not matched]
    if against:
        return f"{'; '.join(against)}."
    return f"The filter logic {rule.filter_logic} is not met."


def _too_old(rule: BookedRule, trigger_at: datetime, now: datetime) -> Refusal | None:
    age = now - trigger_at
    if age <= rule.max_age:
        return None
    text = f"Too old: it happened {lasting(age)} ago, the rule's limit is {lasting(rule.max_age)}."
    return Verdict.SKIP, Reason.TOO_OLD, text


def _value(values: Values, path: str) -> Any:
    """Return the value at a dotted path; ABSENT if it was not read, None below a parent that is null."""
    if path in values:
        return values[path]
    found: Any = values
    for name in path.split("."):
        if found is None:
            return None
        if not isinstance(found, Mapping) or name not in found:
            return ABSENT
        found = found[name]
    return found
