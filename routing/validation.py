"""What is wrong with a rule, said next to the form field it is about, before the rule is saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from integration_hub.connectors.filters import Operator
from integration_hub.connectors.schema import FieldSchema
from routing import conditions, drafting, messages
from routing.conditions import Criterion
from routing.models.rules import OutsideHours, QueueHandling, Recipient, Trigger
from routing.rulebook import RuleDraft, alias_of


class Finding(NamedTuple):
    """`place` is a field of the rule's form, or ("criteria", index of the row, field of the row).

    A warning is shown but prevents nothing.
    """

    place: str | tuple[str, int, str]
    message: str
    warning: bool = False


def problems(draft: RuleDraft, now: datetime) -> list[Finding]:
    """Return what a person should hear when saving the rule; judged by the stored schema, no vendor is asked."""
    return [*_trigger(draft), *_criteria(draft), *_recipients(draft), *_template(draft, now)]


def _fields(draft: RuleDraft) -> Mapping[str, FieldSchema] | None:
    schema = draft.stream.object_schema if draft.stream else None
    return schema.fields if schema else None


def _trigger(draft: RuleDraft) -> Iterator[Finding]:
    if draft.trigger != Trigger.CHANGED:
        return
    if not draft.watched_field:
        yield Finding("watched_field", "Say which field is watched, such as StageName.")
        return
    fields = _fields(draft)
    if fields is not None:
        row = Criterion(1, draft.watched_field, Operator.IS_EMPTY)
        for problem in conditions.problems([row], "", fields):
            if problem.part == "field":
                yield Finding("watched_field", problem.message)


def _criteria(draft: RuleDraft) -> Iterator[Finding]:
    fields = _fields(draft)
    if draft.stream and fields is None:
        yield Finding(
            "stream",
            "The stream's fields are not known yet, so field names, types and values were not checked. "
            "Check the connection, then save the rule again.",
            warning=True,
        )
    if not draft.criteria:
        yield Finding("filter_logic", "Without criteria every record matches.", warning=True)
    index_of: dict[int, int] = {}
    for index, row in enumerate(draft.criteria):
        if index_of.setdefault(row.number, index) != index:
            yield Finding(("criteria", index, "number"), f"Another row has the number {row.number} already.")
    for problem in conditions.problems(draft.criteria, draft.filter_logic, fields or {}):
        if problem.part == "logic" or problem.number is None:
            yield Finding("filter_logic", problem.message, problem.warning)
        elif fields is not None:
            place = ("criteria", index_of[problem.number], problem.part)
            yield Finding(place, problem.message, problem.warning)


def _recipients(draft: RuleDraft) -> Iterator[Finding]:
    if draft.destination and not draft.destination.sends_messages:
        yield Finding(
            "destination", f"{draft.destination} cannot send messages. Choose a Slack or e-mail connection."
        )
    if draft.recipient == Recipient.PERSON and draft.recipient_person_id is None:
        yield Finding("recipient_person", "Choose the person who gets the messages.")
    if draft.recipient == Recipient.CHANNEL and not draft.recipient_channel:
        yield Finding("recipient_channel", "Name the channel that gets the messages.")
    if draft.outside_hours == OutsideHours.CHANNEL and not draft.outside_channel:
        yield Finding("outside_channel", "Name the channel for messages outside working hours.")
    if draft.recipient != Recipient.OWNER:
        return
    if draft.queue_handling == QueueHandling.CHANNEL and not draft.queue_channel:
        yield Finding("queue_channel", "Name the channel for records that a queue owns.")
    if not draft.has_fallback:
        yield Finding(
            "fallback_channel",
            "Without a fallback nobody hears of records whose owner is inactive or unknown.",
            warning=True,
        )


def _template(draft: RuleDraft, now: datetime) -> Iterator[Finding]:
    if draft.texts is None or draft.stream is None:
        return
    fields, alias = _fields(draft), alias_of(draft.stream)
    sample = drafting.sample_variables(fields or {}, alias, now)
    if fields is None:
        sample |= {"record": None, alias: None}  # any field of it may exist
    for part, message in messages.problems(draft.texts, sample):
        yield Finding("template", f"{_part_in_words(part)}: {message}")


def _part_in_words(part: str) -> str:
    name, _, index = part.partition(".")
    return f"Field {int(index) + 1}" if index else name.replace("_", " ").capitalize()
