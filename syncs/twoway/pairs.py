"""Verbs of record pairs: find the one that a record belongs to, link both ways, park and release."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Q, QuerySet

from syncs import changes, incidents
from syncs.engine import mapping
from syncs.links import Link
from syncs.models import Change, RecordLink, RecordPair, Sync
from syncs.models.changes import ChangeOrigin, ChangeState
from syncs.models.incidents import IncidentKind
from syncs.models.links import LinkState
from syncs.models.pairs import Gone
from syncs.twoway.merge import Side, State, canonical
from syncs.twoway.pairing import MERGED, Pairing, who

AT_ONCE = 500
LONGEST_MATCH = 254
LONG_AGO = timedelta(seconds=1)
VERSIONS = 50
"""Versions of a record that are looked at to tell since when a field has its value."""
ID = {Side.LEFT: "left_id", Side.RIGHT: "right_id"}


def find(pairing: Pairing, batch: Sequence[Change], links: dict[str, Link]) -> dict[str, RecordPair]:
    """Return the pairs of these records, locked; one that is only known by its link is new and not stored yet.

    A record whose creation by us is not confirmed yet is known by its match key.
    """
    mine = ID[pairing.side]
    rows = having(_locked(pairing), mine, [change.record_id for change in batch])
    found: dict[str, RecordPair] = {getattr(row, mine): row for row in rows}
    _by_links(pairing, [one for one in batch if one.record_id not in found], links, found)
    _by_match(pairing, [one for one in batch if one.record_id not in found], found)
    if pairing.side is Side.RIGHT:
        _follow_merges(pairing, batch, links, found)
    return found


def newest(stream_id: int, record_ids: Collection[str]) -> dict[str, Change]:
    """Return the newest version of each record that was read."""
    ids = list(record_ids)
    last: dict[str, int] = {}
    for start in range(0, len(ids), AT_ONCE):
        rows = Change.objects.filter(stream=stream_id, record_id__in=ids[start : start + AT_ONCE])
        last |= dict(rows.order_by("modified_at", "pk").values_list("record_id", "pk"))
    return {change.record_id: change for change in Change.objects.filter(pk__in=last.values())}


class Origin(NamedTuple):
    """Since when a field has its value, and who gave it that, as far as the vendor tells."""

    at: datetime
    by: str


def origin(change: Change, path: str, value: str) -> Origin:
    """Look through the versions that were read for the one in which the field got this value."""
    rows = Change.objects.filter(
        stream=change.stream_id, record_id=change.record_id, modified_at__lte=change.modified_at
    ).order_by("-modified_at", "-pk")
    found = Origin(change.modified_at, who(change.values))
    for values, modified_at in rows.values_list("values", "modified_at")[:VERSIONS]:
        if canonical(mapping.at(values, path.split("."))) != value:
            break
        found = Origin(modified_at, who(values))
    return found


def match_of(values: Mapping[str, Any], path: str) -> str:
    return canonical(mapping.at(values, path.split(".")))[:LONGEST_MATCH]


def state_of(stored: Mapping[str, Any] | None) -> State | None:
    if stored is None:
        return None
    since = stored.get("since")
    return State(
        stored["left"], stored["right"], Side(stored["to"]) if stored.get("to") else None, stored.get("was", ""),
        datetime.fromisoformat(since) if since else None,
    )  # fmt: skip


def stored_of(state: State) -> dict[str, Any]:
    found: dict[str, Any] = {"left": state.left, "right": state.right}
    if state.to and state.since:
        found |= {"to": state.to.value, "was": state.was, "since": state.since.isoformat()}
    return found


def link(sync: Sync, record_id: str, remote_id: str, match_value: str, change: Change, now: datetime) -> None:
    """Let a sync know the record there, which the other way made or found."""
    at = min(change.modified_at, now - LONG_AGO)
    known, made = RecordLink.objects.get_or_create(
        sync=sync,
        record_id=record_id,
        defaults={
            "remote_id": remote_id, "match_value": match_value[:LONGEST_MATCH], "version_at": at,
            "state": LinkState.WRITTEN, "written_at": at,
        },
    )  # fmt: skip
    if not made and known.remote_id != remote_id:
        RecordLink.objects.filter(pk=known.pk).update(
            remote_id=remote_id, state=LinkState.WRITTEN, written_at=known.written_at or at
        )


def again(change: Change | None, now: datetime) -> int:
    """Let a side's newest version be decided once more, unless it waits for that anyway."""
    if change is None or change.origin == ChangeOrigin.DELETED or change.state == ChangeState.WAITING:
        return 0
    return changes.repeat(change, ChangeOrigin.PAIR, now)


def counts_as_loop(pair: RecordPair, back: Sync, now: datetime) -> bool:
    """Count one more write. True: it was one too many, and the pair is parked."""
    since = now - timedelta(minutes=back.within_minutes)
    recent = [text for text in pair.recent if datetime.fromisoformat(text) > since]
    if len(recent) >= back.most_writes:
        pair.parked_at = now
        return True
    pair.recent = [*recent, now.isoformat()]
    return False


def report_parked(forward: Sync, back: Sync, count: int, now: datetime) -> None:
    incidents.raise_incident(
        f"loops:{forward.key}",
        kind=IncidentKind.LOOPS,
        title=f"Records of {forward} are parked",
        detail=f"A record was written more than {back.most_writes} times within {back.within_minutes} minutes: "
        "two systems keep changing it.",
        remedy="Find out what changes it on each side, stop one of the two, then release it in Record pairs.",
        origin=forward.origin,
        count=count,
        now=now,
    )


def release(pairs: Iterable[RecordPair], now: datetime) -> int:
    """Let parked pairs go on: both sides are compared anew. Return how many were parked."""
    released = 0
    for pair in pairs:
        with transaction.atomic():
            parked = RecordPair.objects.filter(pk=pair.pk, parked_at__isnull=False)
            if not parked.update(parked_at=None, recent=[]):
                continue
            released += 1
            forward = pair.sync
            again(changes.newest(forward.stream_id, pair.left_id), now)
            back = Sync.objects.filter(counterpart=forward).first()
            if back is not None:
                again(changes.newest(back.stream_id, pair.right_id), now)
            if not RecordPair.objects.filter(sync=forward, parked_at__isnull=False).exists():
                incidents.close(f"loops:{forward.key}", now)
    return released


def having(rows: QuerySet[RecordPair], side: str, ids: Sequence[str]) -> QuerySet[RecordPair]:
    """Return those whose record on this side is one of these; SQLite finds its index by the second condition only."""
    return rows.filter(**{f"{side}__in": ids}).exclude(**{side: ""})


def _locked(pairing: Pairing, *conditions: Q, **where: Any) -> QuerySet[RecordPair]:
    rows = RecordPair.objects.filter(*conditions, sync=pairing.forward, **where)
    return rows.order_by("pk").select_for_update()


def _by_links(
    pairing: Pairing, rest: Sequence[Change], links: Mapping[str, Link], found: dict[str, RecordPair]
) -> None:
    """Find by what one of the syncs has written: its link tells both records."""
    ids = [change.record_id for change in rest]
    written = RecordLink.objects.filter(sync=pairing.counterpart, remote_id__in=ids, written_at__isnull=False)
    others = dict(written.values_list("remote_id", "record_id"))
    for record_id in ids:
        own = links.get(record_id)
        if own and own.remote_id and own.written_at:
            others.setdefault(record_id, own.remote_id)
    theirs, mine = ID[pairing.side.other], ID[pairing.side]
    known = {getattr(row, theirs): row for row in having(_locked(pairing), theirs, list(others.values()))}
    for change in rest:
        other = others.get(change.record_id)
        if other:
            pair = known.get(other) or RecordPair(
                sync=pairing.forward, created_at=change.captured_at, title=change.title, **{theirs: other}
            )
            setattr(pair, mine, change.record_id)
            found[change.record_id] = pair


def _by_match(pairing: Pairing, rest: Sequence[Change], found: dict[str, RecordPair]) -> None:
    """Find what is being made: it comes back before the answer of who made it is stored."""
    path = pairing.counterpart.match_path
    keys = {change.record_id: match_of(change.values, path) for change in rest}
    wanted = {key for key in keys.values() if key}
    if not wanted:
        return
    mine = ID[pairing.side]
    coming = {row.match: row for row in _locked(pairing, **{mine: "", "match__in": list(wanted)})}
    for record_id, key in keys.items():
        pair = coming.pop(key, None)
        if pair is not None:
            setattr(pair, mine, record_id)
            found[record_id] = pair


def _follow_merges(
    pairing: Pairing, batch: Sequence[Change], links: dict[str, Link], found: dict[str, RecordPair]
) -> None:
    """Let a pair whose record was merged into another follow it, unless that one has a pair already.

    Its way back forgets the loser: that it is gone now is no deletion of the record at the source.
    """
    winners = {
        loser: change
        for change in batch
        for loser in str(change.values.get(MERGED) or "").split(";")
        if loser and loser != change.record_id
    }
    for stored in having(_locked(pairing, gone=""), "right_id", list(winners)):
        loser, change = stored.right_id, winners[stored.right_id]
        pair = found.pop(loser, stored)
        RecordLink.objects.filter(sync=pairing.back, record_id=loser).delete()
        links.pop(loser, None)
        if change.record_id in found:
            pair.gone = Gone.RIGHT
            found[loser] = pair
        else:
            pair.right_id = change.record_id
            found[change.record_id] = pair
            forward = RecordLink.objects.filter(sync=pairing.forward, record_id=pair.left_id)
            forward.update(remote_id=change.record_id)
        pair.save(update_fields=["gone", "right_id"])
