"""Rules as plain values: read once per run, so that deciding asks the database nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from django.conf import settings

from integration_hub.connectors.schema import FieldSchema
from routing.conditions import Criterion
from routing.messages import TemplateTexts
from routing.models.rules import (
    MessageTemplate,
    OutsideHours,
    QueueHandling,
    Recipient,
    Rule,
    RuleCriterion,
    Trigger,
)
from syncs.models import Connection, Stream

OUR_VARIABLES = frozenset({"record", "owner", "person", "rule", "age_minutes", "now"})
"""What templates know by name whatever the object type; an alias must not hide one."""


@dataclass(frozen=True, slots=True)
class BookedRule:
    """Everything that deciding reads of a rule. `source_id` and `destination_id` are connections."""

    id: int
    key: str
    name: str
    stream_key: str
    source_id: int
    source_name: str
    fields: Mapping[str, FieldSchema]
    zone: tzinfo
    trigger: Trigger
    watched_field: str
    criteria: tuple[Criterion, ...]
    filter_logic: str
    max_age: timedelta
    active_from: datetime | None
    destination_id: int
    destination_name: str
    recipient: Recipient
    recipient_person_id: int | None
    recipient_channel: str
    copy_channel: str
    outside_hours: OutsideHours
    outside_channel: str
    queue_handling: QueueHandling
    queue_channel: str
    fallback_person_id: int | None
    fallback_channel: str
    texts: TemplateTexts
    alias: str

    @property
    def origin(self) -> str:
        return f"rule:{self.key}"


def load(stream: Stream) -> tuple[BookedRule, ...]:
    """Return the stream's enabled rules, most urgent first."""
    rules = Rule.objects.for_routing().filter(stream=stream)
    return tuple(booked(rule, stream, list(rule.criteria.all())) for rule in rules)


def booked(rule: Rule, stream: Stream, rows: Sequence[RuleCriterion]) -> BookedRule:
    """Return the rule as values; the rows come apart because those of a form are not stored yet."""
    schema = stream.object_schema
    return BookedRule(
        id=rule.pk or 0,
        key=rule.key,
        name=rule.name,
        stream_key=stream.key,
        source_id=stream.connection_id,
        source_name=stream.connection.name,
        fields=schema.fields if schema else {},
        zone=ZoneInfo(settings.TIME_ZONE),
        trigger=Trigger(rule.trigger),
        watched_field=rule.watched_field.strip(),
        criteria=criteria_of(rows),
        filter_logic=rule.filter_logic,
        max_age=timedelta(seconds=rule.max_age_seconds),
        active_from=rule.active_from,
        destination_id=rule.destination_id,
        destination_name=rule.destination.name,
        recipient=Recipient(rule.recipient),
        recipient_person_id=rule.recipient_person_id,
        recipient_channel=rule.recipient_channel.strip(),
        copy_channel=rule.copy_channel.strip(),
        outside_hours=OutsideHours(rule.outside_hours),
        outside_channel=rule.outside_channel.strip(),
        queue_handling=QueueHandling(rule.queue_handling),
        queue_channel=rule.queue_channel.strip(),
        fallback_person_id=rule.fallback_person_id,
        fallback_channel=rule.fallback_channel.strip(),
        texts=texts_of(rule.template),
        alias=alias_of(stream),
    )


def criteria_of(rows: Sequence[RuleCriterion]) -> tuple[Criterion, ...]:
    return tuple(Criterion(row.number, row.field.strip(), row.operator, row.value) for row in rows)


def texts_of(template: MessageTemplate) -> TemplateTexts:
    return TemplateTexts(
        header=template.header,
        body=template.body,
        fields=tuple((field.label, field.value) for field in template.fields.all()),
        link_label=template.link_label,
        context=template.context,
    )


def alias_of(stream: Stream) -> str:
    """Return the name by which templates may call the record: lead for Lead; "record" where that is taken."""
    alias = stream.object_type.lower()
    return alias if alias.isidentifier() and alias not in OUR_VARIABLES else "record"


@dataclass(frozen=True, slots=True)
class RuleDraft:
    """A rule as a form holds it, complete or not, saved or not."""

    stream: Stream | None
    trigger: str
    watched_field: str
    criteria: tuple[Criterion, ...]
    filter_logic: str
    destination: Connection | None
    recipient: str
    recipient_person_id: int | None
    recipient_channel: str
    outside_hours: str
    outside_channel: str
    queue_handling: str
    queue_channel: str
    has_fallback: bool
    texts: TemplateTexts | None


def draft_of(rule: Rule, rows: Sequence[RuleCriterion]) -> RuleDraft:
    """Return what the rule says so far; what it refers to may not be chosen yet."""
    return RuleDraft(
        stream=rule.stream if rule.stream_id else None,
        trigger=rule.trigger,
        watched_field=rule.watched_field.strip(),
        criteria=criteria_of(rows),
        filter_logic=rule.filter_logic,
        destination=rule.destination if rule.destination_id else None,
        recipient=rule.recipient,
        recipient_person_id=rule.recipient_person_id,
        recipient_channel=rule.recipient_channel.strip(),
        outside_hours=rule.outside_hours,
        outside_channel=rule.outside_channel.strip(),
        queue_handling=rule.queue_handling,
        queue_channel=rule.queue_channel.strip(),
        has_fallback=bool(rule.fallback_person_id or rule.fallback_channel.strip()),
        texts=texts_of(rule.template) if rule.template_id else None,
    )
