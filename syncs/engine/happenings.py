"""Changes told as events: what is mapped differs from the version before, and that is told once for each change.

Nothing here replaces or outranks anything: each event is a delivery of its own, in the order of the changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from integration_hub.connectors.records import Operation
from syncs import changes as queue
from syncs import links, outbox, writes
from syncs.engine.fates import REPEATED, UNCHANGED, WAITING, Fate
from syncs.engine.mapping import Mapped
from syncs.links import Entry
from syncs.models import Change
from syncs.models.changes import ChangeOrigin
from syncs.models.links import LinkState

if TYPE_CHECKING:
    from syncs.engine.audience import Target

DELETED = Fate("skipped", "deletion_ignored", "A deleted record is no event.")
REPAIRED = Fate("skipped", "no_event", "The record was only read again: nothing happened.")
UNKNOWN_BEFORE = Fate(
    "skipped", "unknown_before", "What it was before is not known: only a change from a known value is told."
)


def decide(target: Target, batch: Sequence[Change], now: datetime) -> dict[int, Fate]:
    """Enqueue the events of the changes; return by id what each came to."""
    before = queue.previous(batch)
    fates: dict[int, Fate] = {}
    drafts: list[outbox.Draft] = []
    notes: dict[str, Entry] = {}
    for change in sorted(batch, key=lambda one: (one.modified_at, one.pk)):
        mapped = target.mapper(change.values, change.record_id)
        fate = _fate(target, change, before.get(change.pk), mapped)
        fates[change.pk] = fate
        if fate is WAITING:
            drafts.append(_draft(target, change, mapped, now))
        elif fate is not UNCHANGED:
            notes[change.record_id] = Entry(
                target.sync.pk, change.record_id, mapped.match_value, "", change.modified_at,
                LinkState.SKIPPED, fate.reason, problem=mapped.code or None,
            )  # fmt: skip
    stored = {delivery.change_id for delivery in outbox.enqueue(drafts, now)}
    for draft in drafts:
        if draft.change_id is not None and draft.change_id not in stored:
            fates[draft.change_id] = REPEATED
    links.note(notes.values())
    return fates


def _fate(target: Target, change: Change, before: Change | None, mapped: Mapped) -> Fate:
    if change.origin == ChangeOrigin.DELETED:
        return DELETED
    if change.origin in (ChangeOrigin.REPAIR, ChangeOrigin.SUCCESSION):
        return REPAIRED
    if mapped.problem:
        return Fate("skipped", mapped.code, mapped.problem)
    if before is None:
        return WAITING if _is_new(target, change) else UNKNOWN_BEFORE
    if any(_root(source) not in before.values for source in target.sources):
        return UNKNOWN_BEFORE
    told = target.mapper(before.values, change.record_id)
    same = not told.problem and _told(target, told.payload) == _told(target, mapped.payload)
    return UNCHANGED if same else WAITING


def _is_new(target: Target, change: Change) -> bool:
    """Say whether the record was made since its stream is watched: then its first version is news."""
    since = target.sync.stream.started_at
    return bool(change.created_at and since and change.created_at >= since)


def _told(target: Target, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the event tells: whom it is about and when it happened is no news by itself."""
    aside = {_root(target.sync.match_path), "email", "userId", "createdAt"}
    return {name: value for name, value in payload.items() if name not in aside}


def _root(path: str) -> str:
    return path.partition(".")[0]


def _draft(target: Target, change: Change, mapped: Mapped, now: datetime) -> outbox.Draft:
    sync = target.sync
    payload = {"match": mapped.match_value, "digest": mapped.digest, "values": mapped.payload}
    return outbox.Draft(
        connection_id=sync.destination_id,
        origin=sync.origin,
        change_id=change.pk,
        lane=writes.lane(sync, mapped.match_value),
        dedup_key=f"{sync.origin}:{change.record_id}:{change.version}",
        payload=payload,
        due_at=now,
        object_type=sync.object_type,
        operation=Operation.UPSERT,
        sync_id=sync.pk,
        record_id=change.record_id,
        version_at=change.modified_at,
    )
