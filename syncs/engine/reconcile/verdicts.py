"""What a reconciliation says of one record of the source, by what the hub knows of it. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from syncs.engine.mapping import Mapped
from syncs.links import Link
from syncs.models.links import LinkState
from syncs.models.reconciliations import Kind


class Verdict(NamedTuple):
    """`words` say what is wrong with one that is missing or stale."""

    kind: Kind
    words: str = ""


_KINDS = {LinkState.SKIPPED: Kind.SKIPPED, LinkState.REFUSED: Kind.REFUSED, LinkState.REMOVED: Kind.SKIPPED}
NEVER = "Nothing was ever sent or decided about it."
MOVED = "It was written under another match value."
IN_DOUBT = "What stands there is in doubt: it was noted that it must be written again."
OUTDATED = "The mapping gives other values than were written: a parent's field or the mapping changed since."
TAKEN_NOW = "It was skipped, but the mapping takes it now."
IS_BACK = "It was removed there, but exists in the source."


def judge(modified_at: datetime, mapped: Mapped, problem: str, link: Link | None) -> Verdict:
    """Compare a version of a record with its link. `problem`: why the sync would not write it now, "" if it would."""
    if link is None:
        return Verdict(Kind.MISSING, f"{NEVER} It would be skipped: {problem}" if problem else NEVER)
    if link.state == LinkState.WRITTEN:
        return _of_written(modified_at, mapped, problem, link)
    kind = _KINDS[LinkState(link.state)]
    if link.version_at > modified_at:
        return Verdict(kind)  # it changed again after it was read here
    if link.state == LinkState.REMOVED:
        return Verdict(Kind.STALE, IS_BACK)
    if problem:
        return Verdict(kind)
    if link.version_at < modified_at:
        return Verdict(Kind.STALE, _newer(modified_at))
    if link.state == LinkState.SKIPPED and not link.match_value:
        return Verdict(Kind.STALE, TAKEN_NOW)  # one that another record outranks has a match value
    return Verdict(kind)


def _of_written(modified_at: datetime, mapped: Mapped, problem: str, link: Link) -> Verdict:
    if link.version_at > modified_at:
        return Verdict(Kind.WRITTEN)
    if problem:
        return Verdict(Kind.STALE, f"It was written, but would be skipped now: {problem}")
    if link.is_same(mapped.match_value, mapped.digest):
        return Verdict(Kind.WRITTEN)
    if link.version_at < modified_at:
        return Verdict(Kind.STALE, _newer(modified_at))
    if not link.payload_hash:
        return Verdict(Kind.STALE, IN_DOUBT)
    return Verdict(Kind.STALE, MOVED if link.match_value != mapped.match_value else OUTDATED)


def _newer(modified_at: datetime) -> str:
    return f"It changed at {modified_at:%Y-%m-%d %H:%M} UTC, after what was decided last."
