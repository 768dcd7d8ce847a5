"""Everything that happened to one record, in order, with reasons."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from integration_hub.connectors.moments import lasting
from routing.conditions import numerals
from routing.models import Alert, Decision
from routing.models.decisions import Role, Verdict
from syncs.changes import begins_with
from syncs.engine.correcting import Fix, holds
from syncs.models import Change, Conflict, Correction, Delivery, RecordTie, Sync, SyncTie
from syncs.models.changes import ChangeOrigin, ChangeState
from syncs.models.corrections import CorrectionKind
from syncs.models.deliveries import DeliveryState
from syncs.models.pairs import ConflictState
from syncs.models.ties import TieState

VERSIONS = 100
"""The newest versions of a record that are shown."""
NEWEST = 50_000
"""So many of the newest changes are searched for a word in the middle of a name."""
MOST = 2_000
"""So many versions whose name begins as asked are looked at: to sort all of a frequent beginning takes seconds."""
SHOWN = 120

_TITLES = {
    ChangeOrigin.BASELINE: "Learned as current values (baseline)",
    ChangeOrigin.PARENT: "Read again: its account, its owner or another parent changed",
    ChangeOrigin.DELETED: "Deleted",
    ChangeOrigin.REPAIR: "Read again to repair what a reconciliation found",
    ChangeOrigin.SUCCESSION: "Decided again: the record that went before it is out of its way",
    ChangeOrigin.PAIR: "Decided again: the record it is paired with asks for it",
}

_TWO_WAY = {"echo": "gray", "conflict": "amber", "parked": "red"}
"""What a two-way sync says of a change, and its tone."""

_TIES = {TieState.TIED: "green", TieState.REFUSED: "red"}

Line = tuple[bool | None, str]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `lines`: a change's fields, or each criterion with what it said."""

    at: datetime
    kind: str
    title: str
    text: str = ""
    tone: str = "gray"
    lines: tuple[Line, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    pk: int | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A record that was found, as its newest version names it."""

    record_id: str
    title: str
    email: str
    stream: str
    seen_at: datetime


def search(text: str, limit: int = 25) -> list[Hit]:
    """Find records by id, e-mail or name, newest first."""
    term = text.strip()
    if not term:
        return []
    folded = term.casefold()
    rows = Change.objects.select_related("stream__connection").defer("values").order_by("-id")
    by_id = begins_with("record_id", term) if len(term) >= 15 else Q(record_id=term)
    begun = Change.objects.filter(begins_with("title_key", folded)).values_list("pk", flat=True)
    found: dict[str, Hit] = {}
    for condition in (by_id, Q(email=folded), Q(pk__in=list(begun[:MOST]))):
        _collect(rows.filter(condition), found, limit)
    newest = Change.objects.order_by("-id").values_list("pk", flat=True).first()
    if len(found) < limit and newest:
        _collect(rows.filter(title_key__contains=folded, pk__gt=newest - NEWEST), found, limit)
    return list(found.values())


def events(record_id: str) -> list[Event]:
    """Return what happened to the record, oldest first; [] if the hub never saw it."""
    changes = list(
        Change.objects.filter(record_id=record_id)
        .select_related("stream__connection")
        .order_by("-modified_at", "-id")[: VERSIONS + 1]
    )
    changes.reverse()
    shown = changes[-VERSIONS:]
    decisions = list(
        Decision.objects.filter(change__in=shown).select_related("rule").order_by("decided_at", "id")
    )
    alerts = list(
        Alert.objects.filter(decision__in=decisions).select_related(
            "delivery__connection", "person", "decision__rule"
        )
    )
    alerted = {alert.delivery_id for alert in alerts}
    others = (
        Delivery.objects.filter(change__in=shown)
        .exclude(pk__in=alerted)
        .select_related("connection", "sync")
        .order_by("id")
    )
    written = {delivery.change_id for delivery in others if delivery.sync_id}
    found = [
        *_captured(changes, shown),
        *_undecided(shown, decisions, written),
        *_synced(shown),
        *(_decided(decision) for decision in decisions),
        *(event for alert in alerts for event in _delivered(alert.delivery, alert)),
        *(event for delivery in others for event in _delivered(delivery, None)),
        *_tied(record_id),
        *_settled_by_hand(record_id),
        *_corrected(record_id, shown),
    ]
    order = {"captured": 0, "decided": 1, "queued": 2, "tried": 3, "settled": 4}
    return sorted(found, key=lambda event: (event.at, order[event.kind]))


def newest(record_id: str) -> Change | None:
    """Return the record's newest version; None: the hub never saw it."""
    versions = Change.objects.filter(record_id=record_id).select_related("stream__connection")
    return versions.order_by("-modified_at", "-id").first()


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return (field, before, after) for each dotted field that differs."""
    old, new = dict(_flat(before)), dict(_flat(after))
    names = sorted(old.keys() | new.keys())
    return [(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


def _collect(rows: Iterable[Change], found: dict[str, Hit], limit: int) -> None:
    for row in rows[: limit * 5]:  # type: ignore[index]  # a queryset: several versions of each record
        if row.record_id not in found and len(found) < limit:
            found[row.record_id] = Hit(row.record_id, row.title, row.email, str(row.stream), row.captured_at)


def _captured(changes: Sequence[Change], shown: Sequence[Change]) -> Iterator[Event]:
    before: dict[int, Change] = {}
    visible = {change.pk for change in shown}
    for change in changes:
        if change.pk in visible:
            yield _capture(change, before.get(change.stream_id))
        before[change.stream_id] = change


def _capture(change: Change, before: Change | None) -> Event:
    if before is None:
        title = "Seen for the first time"
        lines: list[Line] = [
            (None, f"{name}: {_said(value)}") for name, value in sorted(_flat(change.values))
        ]
    else:
        title = "Changed"
        differing = differences(before.values, change.values)
        # The vendor's own stamps change with every version and say nothing.
        lines = [
            (None, f"{name}: {_said(old)} → {_said(new)}")
            for name, old, new in differing
            if not _is_stamp(new, change)
        ] or [(None, "None of the fields that are read here changed.")]
    if change.origin in _TITLES:
        title = _TITLES[ChangeOrigin(change.origin)]
    late = change.captured_at - change.modified_at
    return Event(
        at=change.captured_at,
        kind="captured",
        title=title,
        text=f"{change.stream}: read {lasting(late)} after it changed there ({change.modified_at:%H:%M:%S} UTC).",
        tone="blue",
        lines=tuple(lines),
        pk=change.pk,
    )


def _undecided(
    shown: Sequence[Change], decisions: Sequence[Decision], written: Collection[int | None]
) -> Iterator[Event]:
    decided = {decision.change_id for decision in decisions} | set(written)
    decided |= {change.pk for change in shown if change.synced}
    for change in shown:
        if change.pk in decided or change.origin == ChangeOrigin.BASELINE:
            continue
        if change.state == ChangeState.WAITING:
            text = (
                "It waits to be routed; that takes seconds. If it stays, look at the queues on the dashboard."
            )
            yield Event(change.captured_at, "decided", "Not decided yet", text, "amber")
        else:
            text = "No rule and no sync of its stream was switched on then."
            yield Event(change.routed_at or change.captured_at, "decided", "No rule looked at it", text)


def _synced(shown: Sequence[Change]) -> Iterator[Event]:
    """Yield why syncs sent nothing of a change."""
    told = [change for change in shown if change.synced]
    keys = {key for change in told for key in change.synced}
    names = dict(Sync.objects.filter(key__in=keys).values_list("key", "name")) if keys else {}
    for change in told:
        for key, (outcome, code, reason) in sorted(change.synced.items()):
            title = f"{names.get(key, key)}: {code if code in _TWO_WAY else outcome}"
            yield Event(
                change.routed_at or change.captured_at, "decided", title, reason, _TWO_WAY.get(code, "gray")
            )


def _corrected(record_id: str, shown: Sequence[Change]) -> Iterator[Event]:
    """Yield what people corrected of the record, and whether that still holds."""
    newest_of = {change.stream_id: change for change in shown}
    for one in Correction.objects.filter(record_id=record_id).select_related("sync"):
        is_value = one.kind == CorrectionKind.VALUE
        verb = f"{one.source} corrected" if is_value else "record left out"
        words = f"{_said(one.value)} is taken in its place." if is_value else "By choice."
        newest_one = newest_of.get(one.sync.stream_id)
        fix = Fix(one.source, one.seen, ignored=not is_value)
        is_over = newest_one is not None and not holds(newest_one.values, fix)
        lasts = "Over: the source changed since." if is_over else "It holds until the source changes."
        note = f"Note: {one.note}." if one.note else ""
        text = " ".join(part for part in (words, note, lasts) if part)
        yield Event(
            one.made_at, "decided", f"{one.sync.name}: {verb} by {one.made_by}", text,
            "gray" if is_over else "amber", facts=(("Correction", one.source),) if is_value else (), pk=one.pk,
        )  # fmt: skip


def _tied(record_id: str) -> Iterator[Event]:
    """Yield how each tie of the record stands now."""
    ties = list(SyncTie.objects.select_related("sync", "partner"))
    named = {one.pk: one for one in ties}
    rows = RecordTie.objects.filter(tie__in=ties, record_id=record_id).exclude(state=TieState.NONE)
    for row in rows.order_by("pk"):
        tie, state = named[row.tie_id], TieState(row.state)
        title = f"{tie.sync.name}: tie to {row.foreign_id} of {tie.partner.name}, {state.label.lower()}"
        yield Event(row.changed_at, "settled", title, row.reason, _TIES.get(state, "amber"), pk=row.pk)


def _settled_by_hand(record_id: str) -> Iterator[Event]:
    """Yield the questions of the conflict inbox about the record that are answered: how, and by whom."""
    asked = Conflict.objects.filter(
        Q(left_id=record_id) | Q(right_id=record_id), state=ConflictState.RESOLVED
    )
    for one in asked.select_related("sync", "resolved_by").order_by("-pk")[:VERSIONS]:
        if one.resolved_at:
            by = one.resolved_by.get_username() if one.resolved_by else "somebody who is gone"
            text = (
                f"{one.get_choice_display()}, chosen by {by}. {one.chosen_value and _said(one.chosen_value)}"
            )
            title = f"{one.sync.name}: conflict about {one.label or 'a new record'} settled"
            yield Event(one.resolved_at, "decided", title, text.strip(), "green", pk=one.pk)


def _decided(decision: Decision) -> Event:
    tone = {Verdict.DELIVER: "green", Verdict.HOLD: "amber", Verdict.ERROR: "red"}.get(
        Verdict(decision.verdict), "gray"
    )
    facts = [("Reason", decision.get_reason_display())]
    if decision.hold_until:
        facts.append(("Held until", f"{decision.hold_until:%Y-%m-%d %H:%M} UTC"))
    return Event(
        at=decision.decided_at,
        kind="decided",
        title=f"{decision.rule.name}: {decision.get_verdict_display().lower()}",
        text=decision.text,
        tone=tone,
        lines=tuple((bool(matched), f"{number}. {text}") for number, matched, text in decision.rows),
        facts=tuple(facts),
        pk=decision.pk,
    )


def _delivered(delivery: Delivery, alert: Alert | None) -> Iterator[Event]:
    if delivery.sync:
        yield from _written(delivery, delivery.sync)
        return
    whom = f"Message to {_whom(delivery, alert)}"
    due = delivery.due_at
    if delivery.state == DeliveryState.WAITING and not delivery.attempts and due > delivery.created_at:
        text = f"Due {due:%Y-%m-%d %H:%M:%S} UTC."
    else:
        text = "Due at once."
    if delivery.expires_at:
        text += f" Not sent after {delivery.expires_at:%Y-%m-%d %H:%M:%S} UTC."
    yield Event(delivery.created_at, "queued", f"{whom} queued", text, "blue", pk=delivery.pk)
    yield from _progress(delivery, alert, whom)


def _written(delivery: Delivery, sync: Sync) -> Iterator[Event]:
    """Yield what became of a sync's write: what was mapped, and whether it is there."""
    payload = delivery.payload
    what = f"{sync.name}: {payload.get('match', '')} at {delivery.connection.name}"
    title = f"{sync.name}: {'deletion passed on' if payload.get('deleted') else 'mapped and queued'}"
    parts = [payload.get(name, {}) for name in ("values", "on_create", "if_empty")]
    lines: tuple[Line, ...] = tuple(
        (None, f"{path}: {_said(value)}") for part in parts for path, value in _flat(part)
    )
    yield Event(delivery.created_at, "queued", title, f"For {what}.", "blue", lines, pk=delivery.pk)
    yield from _progress(delivery, None, what)


def _progress(delivery: Delivery, alert: Alert | None, what: str) -> Iterator[Event]:
    if delivery.settled_at:
        yield _settled(delivery, alert, what, delivery.settled_at)
    elif delivery.attempted_at:
        reason = f"{delivery.error} {delivery.remedy}".strip() or "Being sent now."
        title = f"{what}: try {delivery.attempts}"
        yield Event(delivery.attempted_at, "tried", title, reason, "amber", pk=delivery.pk)


def _settled(delivery: Delivery, alert: Alert | None, what: str, at: datetime) -> Event:
    tries = "1 try" if delivery.attempts == 1 else f"{delivery.attempts} tries"
    if delivery.state == DeliveryState.DELIVERED:
        text = f"Delivered after {tries}"
        if alert is not None:
            passed = at - alert.decision.trigger_at
            text += f", {lasting(passed)} after the event at the vendor"
        verb = "written" if delivery.sync_id else "sent"
        return Event(at, "settled", f"{what} {verb}", f"{text}.", "green", pk=delivery.pk)
    text = " ".join(part for part in (delivery.error, delivery.remedy) if part)
    tone = "red" if delivery.state == DeliveryState.DEAD else "amber"
    facts = (("Code", delivery.error_code), ("Tries", str(delivery.attempts)))
    title = f"{what}: {delivery.get_state_display().lower()}"
    return Event(at, "settled", title, text, tone, facts=facts, pk=delivery.pk)


def _whom(delivery: Delivery, alert: Alert | None) -> str:
    name = alert.person.name if alert and alert.person else delivery.lane
    notes = {Role.COPY: " (copy)", Role.FALLBACK: " (fallback)"}
    note = notes.get(Role(alert.role), "") if alert else f" ({delivery.origin})"
    return f"{name}{note} by {delivery.connection.name}"


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _is_stamp(value: Any, change: Change) -> bool:
    """Say whether a value is only the vendor's own mark of this change."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return str(value) == change.version
    return bool(moment.tzinfo) and abs(moment - change.modified_at) <= timedelta(seconds=1)


def _said(value: Any) -> str:
    if value in (None, ""):
        return "empty"
    text = numerals(value) if isinstance(value, float) else str(value)
    return f"“{text[:SHOWN]}…”" if len(text) > SHOWN else f"“{text}”"
