"""A reconciliation in words and facts, for its page and its command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from syncs.engine.reconcile.findings import EARLIER, MOST_EXAMPLES
from syncs.engine.reconcile.repair import Repaired
from syncs.models import Reconciliation
from syncs.models.reconciliations import AT_SOURCE, DIFFERENCES, SAMPLED, Kind
from syncs.models.runs import RunState
from syncs.wording import counted

MANY = 100
"""From so many missing or stale records on, a backfill is the quicker way."""
_MEANINGS = {
    Kind.MISSING: "at the source, but nothing was ever decided about {them}",
    Kind.STALE: "written or decided from older values than the source has",
    Kind.DIFFERENT: "of the sample not as written",
    Kind.EXTRA: "there, but gone at the source",
}


class Day(NamedTuple):
    day: str
    at_source: int
    counts: dict[str, int]

    @property
    def words(self) -> str:
        named = [f"{count:,} {name}" for name, count in self.counts.items() if count and name != Kind.EXTRA]
        extra = self.counts.get(Kind.EXTRA, 0)
        return f"{self.at_source:,} at the source = {' + '.join(named) or 0}" + (
            f"; {extra:,} extra" if extra else ""
        )


def span(one: Reconciliation) -> str:
    until = f"{one.until:%Y-%m-%d %H:%M} UTC"
    if one.since is None:
        return f"all records modified before {until}"
    return f"records modified from {one.since:%Y-%m-%d %H:%M} to {until}"


def by_day(one: Reconciliation) -> list[Day]:
    """Return the days that have any, the newest first."""
    found = []
    kinds = [*(kind.value for kind in AT_SOURCE), Kind.EXTRA.value]
    for day in sorted(one.days, key=lambda name: "" if name == EARLIER else name, reverse=True):
        counts = {kind: one.days[day].get(kind, 0) for kind in kinds}
        found.append(Day(day, sum(counts[kind.value] for kind in AT_SOURCE), counts))
    return found


def sentences(one: Reconciliation) -> list[str]:
    """Say what was found and what to do, without what stands in the lists."""
    return list(_sentences(one))


def _sentences(one: Reconciliation) -> Iterator[str]:
    if one.run.state == RunState.RUNNING:
        yield f"{one.at_source:,} records are compared so far; it goes on."
        return
    sampled = one.counts.get(SAMPLED, 0)
    if not one.differences:
        found = (
            "No difference was found" if one.run.state == RunState.OK else "No difference was found so far"
        )
        yield f"{found}: {counted(one.at_source, 'record')} compared, {sampled:,} of them with the destination."
        return
    for kind in DIFFERENCES:
        count = one.count(kind)
        if count:
            meaning = _MEANINGS[kind].format(them="it" if count == 1 else "them")
            listed = f" The first {MOST_EXAMPLES} are listed." if count > MOST_EXAMPLES else ""
            yield f"{count:,} {'record is' if count == 1 else 'records are'} {meaning}.{listed}"
    yield f"{sampled:,} records were compared with the destination, field by field."
    if one.count(Kind.MISSING) + one.count(Kind.STALE) >= MANY:
        yield f"For so many, a backfill is the quicker way: manage.py backfill {one.sync.key}."


def of_repair(done: Repaired) -> str:
    queued = "1 record is queued" if done.queued == 1 else f"{done.queued:,} records are queued"
    words = f"{queued}: the next route and push write what is to be written."
    if done.left:
        words += f" {done.left:,} extra stay as they are: the sync leaves deleted records alone."
    return words


def facts(one: Reconciliation) -> dict[str, Any]:
    """Return it as JSON can hold it."""
    return {
        "sync": one.sync.key,
        "state": one.run.state,
        "since": one.since.isoformat() if one.since else None,
        "until": one.until.isoformat(),
        "at_source": one.at_source,
        "counts": one.counts,
        "days": one.days,
        "examples": one.examples,
        "warnings": one.warnings,
        "repaired": one.repaired,
        "calls": one.run.calls,
        "error": one.run.error,
    }
