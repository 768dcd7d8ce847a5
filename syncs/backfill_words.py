"""A backfill in sentences: its quote, how it stands, and what a dry run found; for the command and the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from syncs.engine.backfill.plan import FOR_EACH, Cost, Quote
from syncs.engine.backfill.reading import DEAR, Because, Reading
from syncs.models import Backfill, SyncRun
from syncs.models.backfills import BackfillState
from syncs.wording import counted

REHEARSED = {
    "would_create": "would be created",
    "would_update": "would be updated",
    "not_sent": "would not be sent",
}


_WHY = {
    (Reading.REST, Because.TIME): "REST is quicker",
    (Reading.BULK, Because.TIME): "the job is quicker",
    (Reading.REST, Because.CALLS): "REST takes no more calls",
    (
        Reading.BULK,
        Because.CALLS,
    ): f"the job takes fewer calls, and REST more than {DEAR:.0f} % of the day's, or than are left",
    (Reading.REST, Because.ASKED): "REST was asked for",
    (Reading.BULK, Because.ASKED): "the job was asked for",
}


SHOWN_DAYS = 7


def of_quote(quote: Quote) -> list[str]:
    """Say how much it is, what it costs on each side, and how long it takes."""
    lines = [f"{counted(quote.records, 'record')}. {quote.strategy}."]
    costs = [_cost(cost) for cost in (quote.source, quote.destination) if cost]
    if not quote.is_counted:
        time = f"That takes {duration(quote.seconds)}."
        how_many = f"How many records there are is not told before they are read. {quote.strategy}."
        return [how_many, f"For each {FOR_EACH:,} of them:", *costs, time]
    lines += costs
    lines += filter(None, [of_choice(quote.choice.facts())])
    if quote.days > 1:
        lines.append(
            f"The budget does not suffice for today: with pauses it takes {quote.days} days. "
            "Raise the budget of the connection, or narrow the backfill."
        )
        lines.append(f"The plan: {of_plan(quote.plan)}.")
    else:
        lines.append(f"Expected time: {duration(quote.seconds)}.")
    return lines


def of_plan(plan: Sequence[int]) -> str:
    """Say how many records are worked on each day; those after a week together."""
    words = []
    for number, records in enumerate(plan[:SHOWN_DAYS], start=1):
        words.append(f"{'today' if number == 1 else f'day {number}'} {counted(records, 'record')}")
    left = plan[SHOWN_DAYS:]
    if left:
        words.append(f"the last {sum(left):,} by day {len(plan)}")
    return ", ".join(words)


def of_choice(facts: Mapping[str, Any]) -> str:
    """Say what the other way of reading would cost, and why it was not taken; "" if there is none."""
    other = facts.get("other")
    if not other:
        return ""
    reading, because = Reading(facts["reading"]), Because(facts["because"])
    way = "By a bulk job" if reading == Reading.REST else "By REST, page by page,"
    cost = f"{counted(other['calls'], 'call')} and {duration(other['seconds'])}"
    return f"{way} it would be {cost}: {_WHY[reading, because]}."


def of_backfill(backfill: Backfill) -> str:
    """Say how it stands, with what became of the records."""
    said = f"{backfill.get_state_display()}: {balance(backfill.run)}."
    if backfill.reason:
        said += f" {backfill.reason}"
    if backfill.state == BackfillState.PAUSED and backfill.resume_at:
        said += f" It tries again by itself at {backfill.resume_at:%Y-%m-%d %H:%M} UTC."
    return said


def balance(run: SyncRun) -> str:
    parts = {
        "delivered": run.delivered,
        "unchanged": run.unchanged,
        "skipped": run.skipped,
        "refused": run.dead,
    }
    named = ", ".join(f"{count:,} {name}" for name, count in parts.items() if count)
    return f"{run.read:,} read" + (f", of these {named}" if named else "")


def reasons(run: SyncRun) -> list[str]:
    return [f"{code.replace('_', ' ')}: {count:,}" for code, count in sorted(run.reasons.items())]


def samples(backfill: Backfill) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield what a dry run found, by what would become of it."""
    for code, title in REHEARSED.items():
        if backfill.samples.get(code):
            yield title, backfill.samples[code]


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"about {max(round(seconds), 1)} s"
    return f"about {str(timedelta(seconds=round(seconds / 60) * 60))[:-3]} h" if seconds >= 5400 else (
        f"about {round(seconds / 60)} min"
    )  # fmt: skip


def _cost(cost: Cost) -> str:
    said = f"{cost.connection}: {counted(cost.calls, 'call')}"
    if cost.share is not None:
        said += f", {cost.share:.1f} % of what backfills may spend a day"
    return f"{said} ({cost.left:,} left today)." if cost.left is not None else f"{said}."
