"""Removing what a file does not name any more, unless something that is kept still needs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Model, QuerySet

from integration_hub.configuration.errors import ConfigurationError, path
from integration_hub.configuration.plan import Action, Difference
from integration_hub.configuration.sections import BY_NAME, row_of
from routing.models import (
    Decision,
    DirectoryLink,
    Flow,
    FlowRun,
    FlowStep,
    MessageTemplate,
    Person,
    Rule,
    StepField,
    WorkingHours,
)
from syncs.models import (
    Change,
    Connection,
    Delivery,
    EventSource,
    FieldMapping,
    HubSettings,
    InboundEvent,
    RecordLink,
    Stream,
    Sync,
    ValueMap,
)

Uses = Iterator[tuple[str, QuerySet[Any], str]]
"""What still needs the row, in words, and the remedy."""

_DISABLE = "Switch it off instead: enabled: false."
_REFER = "Let the rest refer to another one first."


def remove(differences: Sequence[Difference], *, first: bool) -> None:
    """Delete the rows to be removed: rules `first`, before others change; the rest last, when nobody refers to them.

    ConfigurationError: some are still needed; deleting them would take history or settings with them.
    """
    chosen = [d for d in differences if d.action is Action.REMOVE and (d.section == "rules") is first]
    # Streams go before the connections that they refer to, and flows before those that they wait for.
    for difference in sorted(chosen, key=lambda one: (-list(BY_NAME).index(one.section), -_waits(one))):
        row = row_of(BY_NAME[difference.section], difference.key)
        sentences = [_sentence(difference, *use) for use in _uses(row) if use[1].exists()]
        if sentences:
            raise ConfigurationError(sentences)
        row.delete()


def _waits(difference: Difference) -> int:
    """Return how many flows come before this one, as it waits for them."""
    if difference.section != "flows":
        return 0
    before = dict(Flow.objects.values_list("key", "waits_for__key"))
    seen: list[str | None] = [difference.key]
    while before.get(seen[-1] or "") and before[seen[-1] or ""] not in seen:
        seen.append(before[seen[-1] or ""])
    return len(seen)


def _sentence(difference: Difference, what: str, rows: QuerySet[Any], remedy: str) -> str:
    count = rows.count()
    return f"{path(difference.section, difference.key)} cannot be removed: {count} {what} it. {remedy}"


def _uses(row: Model) -> Uses:
    match row:
        case Rule():
            yield "stored decision(s) belong to", Decision.objects.filter(rule=row), _DISABLE
        case Stream():
            yield "stored change(s) belong to", Change.objects.filter(stream=row), _DISABLE
            yield "rule(s) listen to", Rule.objects.filter(stream=row), _REFER
            yield "sync(s) read from", Sync.objects.filter(stream=row), _REFER
        case Sync():
            yield "record link(s) belong to", RecordLink.objects.filter(sync=row), _DISABLE
        case ValueMap():
            yield "line(s) of mappings use", FieldMapping.objects.filter(value_map=row), _REFER
            yield "line(s) of flows use", StepField.objects.filter(value_map=row), _REFER
        case Flow():
            yield "run(s) belong to", FlowRun.objects.filter(flow=row), _DISABLE
            yield "flow(s) wait for", Flow.objects.filter(waits_for=row), _REFER
        case EventSource():
            yield "stored event(s) came from", InboundEvent.objects.filter(source=row), _DISABLE
            yield "flow(s) start by events of", Flow.objects.filter(source=row), _REFER
        case Connection():
            yield from _uses_of_connection(row)
        case MessageTemplate():
            yield "rule(s) use", Rule.objects.filter(template=row), _REFER
        case WorkingHours():
            yield (
                "person(s) work by",
                Person.objects.filter(working_hours=row),
                "Give them another one first.",
            )


def _uses_of_connection(row: Connection) -> Uses:
    by_hand = DirectoryLink.objects.filter(connection=row, manual=True)
    escalation = HubSettings.objects.filter(escalation_connection=row)
    yield "stored deliveries went through", Delivery.objects.filter(connection=row), _DISABLE
    yield "stream(s) read from", Stream.objects.filter(connection=row), _REFER
    yield "sync(s) write to", Sync.objects.filter(destination=row), _REFER
    yield "step(s) of flows use", FlowStep.objects.filter(connection=row), _REFER
    yield "rule(s) send with", Rule.objects.filter(destination=row), _REFER
    yield "account(s) were linked by hand at", by_hand, _DISABLE
    yield "hub settings report incidents through", escalation, _REFER
