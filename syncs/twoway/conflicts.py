"""Verbs of the conflict inbox: ask, settle by a choice, and close what settled itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.db import transaction

from integration_hub.connectors.records import Operation
from syncs import changes, outbox, writes
from syncs.engine.mapping import at
from syncs.mappings import nesting
from syncs.models import Change, Conflict, RecordLink, RecordPair, Sync
from syncs.models.pairs import Choice, ConflictKind, ConflictState
from syncs.twoway import pairs
from syncs.twoway.merge import State, canonical
from syncs.twoway.pairing import Field, who

Sides = tuple[Change | None, Change | None]
"""The newest known versions at the source and at the destination."""
LONGEST_VALUE = 2_000


class ConflictError(ValueError):
    """Why a conflict cannot be settled so, in a sentence."""


def put(forward: Sync, pair: RecordPair, field: Field, sides: Sides, now: datetime) -> None:
    """Ask who is right about a field, or bring the open question up to date."""

    left, right = sides
    state = pairs.state_of(pair.agreed.get(field.key))
    found: dict[str, Any] = {
        "left_id": pair.left_id, "right_id": pair.right_id, "title": pair.title[:255],
        "label": field.right[:200], "agreed_value": state.right if state else "",
    }  # fmt: skip
    for name, change, path in (("left", left, field.left), ("right", right, field.right)):
        value = at(change.values, path.split(".")) if change else None
        found[f"{name}_value"] = _shown(value)
        origin = pairs.origin(change, path, canonical(value)) if change else None
        found |= {f"{name}_at": origin and origin.at, f"{name}_by": origin.by if origin else ""}
    Conflict.objects.update_or_create(
        pair=pair,
        field=field.key,
        kind=ConflictKind.FIELD,
        state=ConflictState.OPEN,
        defaults=found,
        create_defaults={**found, "sync": forward, "opened_at": now},
    )


def ask_new(forward: Sync, change: Change, now: datetime) -> None:
    """Ask whether a record that is new at the destination is to be created at the source."""
    Conflict.objects.create(
        sync=forward, kind=ConflictKind.NEW, right_id=change.record_id, title=change.title[:255],
        label="New record", right_value=change.email or change.title, right_at=change.created_at,
        right_by=who(change.values), opened_at=now,
    )  # fmt: skip


def asked_fields(pair: RecordPair) -> frozenset[str]:
    """Return the fields of a pair that a person is being asked about."""
    rows = (
        Conflict.objects.filter(pair=pair, state=ConflictState.OPEN) if pair.pk else Conflict.objects.none()
    )
    return frozenset(rows.values_list("field", flat=True))


def obsolete(pair: RecordPair, kept: Collection[str] | None, now: datetime) -> int:
    """Close what is open of a pair, but for the `kept` fields: the sides settled it themselves."""
    if not pair.pk:
        return 0
    rows = Conflict.objects.filter(pair=pair, state=ConflictState.OPEN).exclude(field__in=kept or ())
    return rows.update(state=ConflictState.OBSOLETE, resolved_at=now)


def resolve(one: Conflict, choice: Choice, user: Any, now: datetime, value: str = "") -> bool:
    """Settle it. False: somebody or something was faster. ConflictError: it cannot be settled so.

    The right value goes the ordinary way: its record is decided once more, and now nothing stands against it.
    """
    with transaction.atomic():
        open_now = Conflict.objects.select_for_update().filter(pk=one.pk, state=ConflictState.OPEN)
        current = open_now.select_related("sync").first()
        if current is None:
            return False
        if current.kind == ConflictKind.NEW:
            if choice == Choice.VALUE:
                raise ConflictError("A new record is created or left alone; it takes no value.")
        elif choice == Choice.VALUE and not value.strip():
            raise ConflictError("Type the value that both sides are to have.")
        Conflict.objects.filter(pk=one.pk).update(
            state=ConflictState.RESOLVED, choice=choice, chosen_value=value[:LONGEST_VALUE],
            resolved_by=user, resolved_at=now,
        )  # fmt: skip
        _carry_out(current, choice, value.strip(), now)
    return True


def resolve_all(rows: Iterable[Conflict], choice: Choice, user: Any, now: datetime) -> int:
    return sum(resolve(one, choice, user, now) for one in rows)


def _carry_out(one: Conflict, choice: Choice, value: str, now: datetime) -> None:
    back = Sync.objects.filter(counterpart=one.sync).first()
    if back is None:
        raise ConflictError("The way back is gone, so nothing can be written.")
    right = changes.newest(back.stream_id, one.right_id)
    if one.kind == ConflictKind.NEW:
        if choice == Choice.DESTINATION:
            pairs.again(right, now)
        return
    pair = RecordPair.objects.select_for_update().get(conflicts=one)
    left = changes.newest(one.sync.stream_id, one.left_id)
    left_path, _, right_path = one.field.partition("|")
    here, there = _value(left, left_path), _value(right, right_path)
    before = pairs.state_of(pair.agreed.get(one.field)) or State("", "")
    if choice == Choice.SOURCE:
        state = State(before.left if before.left != canonical(here) else _NEVER, canonical(there))
    elif choice == Choice.DESTINATION:
        state = State(canonical(here), before.right if before.right != canonical(there) else _NEVER)
    else:
        state = State(canonical(here), canonical(there))
    pair.agreed = pair.agreed | {one.field: pairs.stored_of(state)}
    pair.save(update_fields=["agreed"])
    if choice == Choice.VALUE:
        _write(back, one, left, right, nesting.nested(left_path, _typed(value, here)), now)
    else:
        pairs.again(left if choice == Choice.SOURCE else right, now)


_NEVER = "\N{SYMBOL FOR NULL}"
"""A value that no record has: compared with it, what stands there is news."""


def _write(
    back: Sync,
    one: Conflict,
    left: Change | None,
    right: Change | None,
    values: dict[str, Any],
    now: datetime,
) -> None:
    """Write the typed value to the source; from there it goes forward like any change."""
    known = RecordLink.objects.filter(sync=back, record_id=one.right_id).first()
    match = known.match_value if known else str(_value(left, back.match_path) or "")
    if left is None or right is None or not match:
        raise ConflictError("The record at the source is not known well enough to be written to.")
    pairs.link(back, one.right_id, one.left_id, match, right, now)
    draft = outbox.Draft(
        connection_id=back.destination_id,
        origin=back.origin,
        change_id=None,
        lane=writes.lane(back, match),
        dedup_key=f"{back.origin}:{one.right_id}:conflict:{one.pk}",
        payload={"match": match, "digest": "", "values": values},
        due_at=now,
        object_type=back.object_type,
        operation=Operation.UPSERT,
        sync_id=back.pk,
        record_id=one.right_id,
        version_at=max(right.modified_at, known.version_at if known else right.modified_at),
    )
    outbox.enqueue([draft], now)


def _value(change: Change | None, path: str) -> Any:
    return at(change.values, path.split(".")) if change else None


def _typed(text: str, like: Any) -> Any:
    """Return the typed value as the kind of value that stands at the source now."""
    if isinstance(like, bool):
        return text.lower() in ("true", "yes", "1")
    if isinstance(like, int | float):
        try:
            return int(text) if isinstance(like, int) else float(text)
        except ValueError:
            raise ConflictError("The source has a number here. Type a number.") from None
    return text


def _shown(value: Any) -> str:
    return "" if value is None else str(value)[:LONGEST_VALUE]
