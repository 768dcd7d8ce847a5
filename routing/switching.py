"""The off switches: of the hub, a connection, a sync, a flow or a rule. Intake goes on; what waits is kept.

Whoever switches on, or releases a connection, says what is to become of the work that waited. Nothing is sent before
that: the switch is read at send time, and it is turned in the transaction that drops what is to be dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Model, QuerySet

from routing import switch
from routing.flows import switch as flow_switch
from routing.flows import verbs as flow_verbs
from routing.models import Flow, FlowRun, Rule
from syncs import changes, destinations, holds
from syncs.mappings import check as mapping_check
from syncs.models import Change, Connection, Delivery, HubSettings, Switching, Sync
from syncs.models.changes import ChangeOrigin
from syncs.models.connections import ConnectionState
from syncs.models.deliveries import DeliveryState, Priority
from syncs.models.switches import WaitingWork

MODELS: dict[str, type[Model]] = {"connection": Connection, "sync": Sync, "flow": Flow, "rule": Rule}
HUB = "hub"
AGES = (
    ("under an hour", timedelta(hours=1)),
    ("1 to 24 hours", timedelta(hours=24)),
    ("1 to 7 days", timedelta(days=7)),
)
OLDEST = "over 7 days"
MOST_MISSED = 2_000
"""Records that changed while a sync was off and are decided anew when it is switched on; for more, backfill it."""
DROPPED = "dropped"


class SwitchError(ValueError):
    """Why it cannot be switched, in a sentence."""


@dataclass(frozen=True, slots=True)
class Target:
    """What can be switched; `name` is how its switchings and deliveries' origins name it.

    `due_by` is set for a connection to be released: what is due later would not have been sent yet anyway.
    """

    name: str
    row: Any
    due_by: datetime | None = None

    @property
    def kind(self) -> str:
        return self.name.partition(":")[0]

    @property
    def permission(self) -> str:
        meta = self.row._meta
        return f"{meta.app_label}.change_{meta.model_name}"

    @property
    def deliveries(self) -> QuerySet[Delivery]:
        """What waits to be sent. Of hub and connection without the steps of flows: a run would stand without them."""
        waiting = Delivery.objects.filter(state=DeliveryState.WAITING, settled_at=None)
        if self.due_by:
            waiting = waiting.filter(due_at__lte=self.due_by)
        if self.kind == HUB:
            return waiting.exclude(priority=Priority.FLOW)
        if self.kind == "connection":
            return waiting.filter(connection=self.row).exclude(priority=Priority.FLOW)
        return waiting.none() if self.kind == "flow" else waiting.filter(origin=self.name)

    @property
    def runs(self) -> QuerySet[FlowRun]:
        rows = FlowRun.objects.filter(ended_at=None)
        return rows.filter(flow=self.row) if self.kind == "flow" else rows.none()


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waited: in all, by age, by who wants it; `missed` are records that changed while a sync was off."""

    total: int = 0
    missed: int = 0
    by_age: dict[str, int] = field(default_factory=dict)
    by_kind: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.total or self.missed)


def find(name: str) -> Target:
    """Return what is named `hub`, `connection:KEY`, `sync:KEY`, `flow:KEY` or `rule:KEY`.

    SwitchError: there is none.
    """
    if name == HUB:
        return Target(HUB, HubSettings.get())
    kind, _, key = name.partition(":")
    model = MODELS.get(kind)
    row = model._default_manager.filter(key=key).first() if model else None
    if row is None:
        raise SwitchError(
            f"There is no “{name}”. Name hub, or connection:, sync:, flow: or rule: and its key."
        )
    return Target(name, row)


def waiting(target: Target, now: datetime) -> Waiting:
    """Count what waits."""
    by_age: Counter[str] = Counter()
    by_kind: Counter[str] = Counter()
    since = None
    for words, age in AGES:
        by_age[words] = _between(target, now - age, since)
        since = now - age
    by_age[OLDEST] = _between(target, None, since)
    for origin, count in target.deliveries.values_list("origin").annotate(Count("pk")).order_by():
        by_kind[origin] += count
    if runs := target.runs.count():
        by_kind["runs"] = runs
    found = {words: count for words, count in by_age.items() if count}
    return Waiting(sum(by_age.values()), len(_missed(target)), found, dict(by_kind.most_common(20)))


def switch_off(target: Target, user: str, now: datetime) -> None:
    """Switch off; what waits and what comes in is kept."""
    with transaction.atomic():
        _set(target, on=False)
        _note(target, on=False, user=user, now=now)


def switch_on(
    target: Target,
    choice: WaitingWork,
    user: str,
    now: datetime,
    *,
    younger_than: timedelta | None = None,
) -> dict[str, int]:
    """Switch on, and do with what waited what was chosen; return the counts. SwitchError: it cannot be switched on."""
    _require_age(choice, younger_than)
    in_the_way = _in_the_way(target, now)
    if in_the_way:
        raise SwitchError(" ".join(in_the_way))
    with transaction.atomic():
        before = waiting(target, now)
        missed = _missed(target) if choice != WaitingWork.DROP else []
        if choice == WaitingWork.FRESH and younger_than:
            missed = [one for one in missed if one.captured_at >= now - younger_than]
        dropped = _drop(target, choice, younger_than, user, now)
        again = sum(changes.repeat(one, ChangeOrigin.REPAIR, now) for one in missed)
        _set(target, on=True, now=now)
        counts = {"waited": before.total, "dropped": dropped, "changed": before.missed, "queued": again}
        _note(target, on=True, user=user, now=now, choice=choice, younger_than=younger_than, counts=counts)
    return counts


def kept_back(target: Target, now: datetime) -> Target | None:
    """Return a connection on hold or paused, to be released, with what waits for that; None: it is neither."""
    is_held = target.kind == "connection" and target.row.state(now) in (
        ConnectionState.HELD,
        ConnectionState.PAUSED,
    )
    return replace(target, due_by=now) if is_held else None


def is_worth_asking(held: Target, now: datetime) -> bool:
    """Say whether more than an hour's work waits for the release."""
    return bool(_between(held, None, now - AGES[0][1]))


def release(
    held: Target,
    choice: WaitingWork,
    user: str,
    now: datetime,
    *,
    younger_than: timedelta | None = None,
) -> dict[str, int]:
    """Release a connection, and do with what waited what was chosen; return the counts."""
    _require_age(choice, younger_than)
    with transaction.atomic():
        waited = held.deliveries.count()
        dropped = _drop(held, choice, younger_than, user, now)
        holds.release(held.row, now)
        counts = {"waited": waited, "dropped": dropped, "released": 1}
        _note(held, on=True, user=user, now=now, choice=choice, younger_than=younger_than, counts=counts)
    return counts


def noted(target: Target, *, on: bool, user: str, now: datetime) -> None:
    """Keep that it was switched where nothing waited that a choice would have been about."""
    _note(target, on=on, user=user, now=now, choice=WaitingWork.ALL if on else "")


def _between(target: Target, since: datetime | None, until: datetime | None) -> int:
    total = 0
    for rows, age in ((target.deliveries, "created_at"), (target.runs, "started_at")):
        within: QuerySet[Any] = rows
        if since:
            within = within.filter(**{f"{age}__gte": since})
        if until:
            within = within.filter(**{f"{age}__lt": until})
        total += within.count()
    return total


def _missed(target: Target) -> list[Change]:
    """Return the newest version of each record that changed since the sync was switched off."""
    if target.kind != "sync" or target.row.enabled or destinations.tells_events(target.row):
        return []
    off = Switching.objects.filter(target=target.name).first()
    if off is None or off.on:
        return []
    rows = Change.objects.filter(
        stream=target.row.stream_id, captured_at__gte=off.made_at, origin=ChangeOrigin.POLL
    )
    newest = {one.record_id: one for one in rows.order_by("modified_at", "pk")[: 2 * MOST_MISSED]}
    return list(newest.values())[:MOST_MISSED]


def _require_age(choice: WaitingWork, younger_than: timedelta | None) -> None:
    if choice == WaitingWork.FRESH and younger_than is None:
        raise SwitchError("Say how young work must be to be processed.")


def _drop(
    target: Target, choice: WaitingWork, younger_than: timedelta | None, user: str, now: datetime
) -> int:
    """Give up what is not wanted any more; it is marked and can be requeued."""
    if choice == WaitingWork.ALL:
        return 0
    rows, runs = target.deliveries, target.runs
    if choice == WaitingWork.FRESH and younger_than:
        rows = rows.filter(created_at__lt=now - younger_than)
        runs = runs.filter(started_at__lt=now - younger_than)
    verb = "released" if target.due_by else "switched on"
    dropped = rows.update(
        state=DeliveryState.DISMISSED, settled_at=now, error_code=DROPPED,
        error=f"Dropped by {user} when {target.row} was {verb}.", remedy="Requeue it if it is wanted after all.",
    )  # fmt: skip
    canceled, _problems = flow_verbs.each(runs, "cancel", None, now)
    return dropped + canceled


def _in_the_way(target: Target, now: datetime) -> Sequence[str]:
    if target.kind == "sync":
        rows = list(target.row.mappings.select_related("value_map"))
        return [one.message for one in mapping_check.problems(target.row, rows, now) if not one.warning]
    if target.kind == "flow":
        return flow_switch.in_the_way_of_enabling(target.row)
    if target.kind == "rule":
        return switch.in_the_way_of_enabling(target.row, now)
    return ()


def _set(target: Target, *, on: bool, now: datetime | None = None) -> None:
    values: dict[str, Any] = {"enabled": on}
    if target.kind == "rule" and on and not target.row.enabled:
        values["active_from"] = now
    type(target.row)._default_manager.filter(pk=target.row.pk).update(**values)
    target.row.enabled = on


def _note(target: Target, *, on: bool, user: str, now: datetime, **more: Any) -> None:
    Switching.objects.create(
        target=target.name, name=str(target.row)[:120], on=on, made_by=user[:150], made_at=now, **more
    )
