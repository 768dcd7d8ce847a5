"""Does what syncs, rules and flows use still exist? Asked daily, before an import goes live, and by a button."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from integration_hub.connectors.schema import ObjectSchema
from routing import rulebook, validation
from routing.flows.design import check as flow_check
from routing.flows.design.draft import FlowDraft, StepDraft, draft_of
from routing.models import Flow, Rule
from routing.models.flows import StepKind
from routing.rulebook import RuleDraft
from routing.validation import Finding
from syncs.engine import schema_check
from syncs.engine.schema_check import Missing, Problem
from syncs.mappings import check as mapping_check
from syncs.models import FieldMapping, SchemaCheck, Stream, Sync
from syncs.models.mappings import Transform
from syncs.schemas import Schemas


@dataclass(frozen=True, slots=True)
class Used:
    """All that uses fields, read at once: it can be judged when the rows are no longer there."""

    syncs: Sequence[tuple[Sync, Sequence[FieldMapping]]] = ()
    rules: Sequence[tuple[Rule, RuleDraft]] = ()
    flows: Sequence[FlowDraft] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """`problems` by origin, all that were looked at among them; `unasked` says who did not answer."""

    problems: dict[str, list[Problem]] = field(default_factory=dict)
    unasked: tuple[str, ...] = ()

    @property
    def missing(self) -> list[Missing]:
        """The fields that a destination could make, each once; unique if one of its users matches by it."""
        found: dict[tuple[int, str, str], Missing] = {}
        for problem in self.every():
            one = problem.missing
            if one is not None:
                key = (one.connection_id, one.object_type, one.field.name)
                if key not in found or one.field.unique:
                    found[key] = one
        return list(found.values())

    def every(self) -> Iterator[Problem]:
        for problems in self.problems.values():
            yield from problems


def used() -> Used:
    """Read what is configured; nothing is read later."""
    syncs = Sync.objects.select_related("stream__connection", "destination").order_by("key")
    rows = syncs.prefetch_related("mappings__value_map__entries")
    rules = Rule.objects.complete().select_related("stream__connection").order_by("key")
    flows = Flow.objects.select_related("source", "waits_for").order_by("key")
    return Used(
        [(sync, list(sync.mappings.all())) for sync in rows],
        [(rule, rulebook.draft_of(rule, list(rule.criteria.all()))) for rule in rules],
        [draft_of(flow) for flow in flows],
    )


def judge(what: Used, now: datetime, schemas: Schemas | None = None) -> Report:
    """Ask the connections for what is used of them, and return what is missing. Writes nothing of it."""
    schemas = schemas or Schemas()
    found: dict[str, list[Problem]] = {}
    for sync, rows in what.syncs:
        found[sync.origin] = schema_check.of_sync(sync, rows, schemas)
    for rule, draft in what.rules:
        found[rule.origin] = _of_rule(rule, draft, schemas, now)
    for flow in what.flows:
        found[flow.flow.origin] = list(_of_flow(flow, schemas))
    return Report(found, tuple(dict.fromkeys(schemas.unasked.values())))


def run(now: datetime) -> Report:
    """Look at everything, note it, and open or close one incident for each that it breaks."""
    schemas, what = Schemas(), used()
    report = judge(what, now, schemas)
    enabled = {one.origin for one, _ in what.syncs if one.enabled} | {
        one.origin for one, _ in what.rules if one.enabled
    }
    enabled |= {one.flow.origin for one in what.flows if one.flow.enabled}
    for origin, problems in report.problems.items():
        schema_check.note(
            origin, problems, _unasked_of(origin, what, schemas), now, enabled=origin in enabled
        )
    SchemaCheck.objects.exclude(origin__in=report.problems).delete()
    _keep(what, schemas, now)
    return report


def _unasked_of(origin: str, what: Used, schemas: Schemas) -> list[str]:
    """Return why connections that this one uses were not asked."""
    for sync, _ in what.syncs:
        if sync.origin == origin:
            return _why(schemas, (sync.stream.connection_id, sync.destination_id))
    for rule, _ in what.rules:
        if rule.origin == origin:
            return _why(schemas, (rule.stream.connection_id,))
    steps = [step for flow in what.flows if flow.flow.origin == origin for step in flow.steps]
    return _why(schemas, [step.step.connection_id for step in steps if step.step.connection_id])


def _why(schemas: Schemas, connections: Iterable[int]) -> list[str]:
    return [schemas.unasked[pk] for pk in dict.fromkeys(connections) if pk in schemas.unasked]


def _keep(what: Used, schemas: Schemas, now: datetime) -> None:
    """Store what streams were described as, so that forms and rules go by it."""
    streams = {sync.stream.pk: sync.stream for sync, _ in what.syncs} | {
        rule.stream.pk: rule.stream for rule, _ in what.rules
    }
    for stream in streams.values():
        described = schemas.source(stream.connection, stream.object_type).schema
        if described is not None:
            stream.object_schema = described
            Stream.objects.filter(pk=stream.pk).update(schema=stream.schema, described_at=now)


def _of_rule(rule: Rule, draft: RuleDraft, schemas: Schemas, now: datetime) -> list[Problem]:
    """Return what is wrong with the rule by the fields as they are now, values that are no longer offered too."""
    stream = rule.stream
    described = schemas.source(stream.connection, stream.object_type)
    if described.refused:
        text = f"{stream.connection} has no {stream.object_type}: {described.refused}"
        return [Problem(rule.origin, text)]
    if described.schema is None or draft.stream is None:
        return []
    draft.stream.object_schema = described.schema
    return [
        Problem(rule.origin, one.message)
        for one in validation.problems(draft, now)
        if not one.warning or _is_gone(one, draft, described.schema)
    ]


def _is_gone(finding: Finding, draft: RuleDraft, schema: ObjectSchema) -> bool:
    """Say whether no record can have the value any more that a criterion compares with."""
    if isinstance(finding.place, str) or finding.place[2] != "value":
        return False
    field = schema.fields.get(draft.criteria[finding.place[1]].field)
    return field is not None and not field.any_value


def _of_flow(draft: FlowDraft, schemas: Schemas) -> Iterator[Problem]:
    """Yield what is wrong with the flow, by the fields that are there now."""
    there: dict[tuple[int, str], list[str]] = {}
    told: dict[tuple[str, str | int], Problem] = {}
    for one in draft.steps:
        connection, object_type = one.step.connection, one.step.object_type
        if one.step.kind != StepKind.WRITE or connection is None or not object_type:
            continue
        target = schemas.destination(connection, object_type)
        if target.refused:
            text = f"{one.key}: {connection} has no {object_type}: {target.refused}"
            yield Problem(draft.flow.origin, text)
        elif target.schema is not None:
            if schema_check.is_fixed(connection):
                fields = target.schema.fields
                there[connection.pk, object_type] = [f.name for f in fields.values() if not f.read_only]
                told |= {(one.key, number): said for number, said in _missing(draft, one, list(fields))}
            yield from _values(draft, one, target.schema)
    yield from told.values()
    for finding in flow_check.judged(draft, there):
        is_about_there = finding.place[:1] == ("sends",) and finding.place[2:] == ("destination",)
        if finding.warning or (is_about_there and (finding.step, finding.place[1]) in told):
            continue
        text = f"{finding.step}: {finding.message}" if finding.step else finding.message
        yield Problem(draft.flow.origin, text)


def _values(draft: FlowDraft, one: StepDraft, schema: ObjectSchema) -> Iterator[Problem]:
    connection = one.step.connection
    if connection is None:
        return
    for row in one.sent:
        given = schema_check.written(row)
        for text in schema_check.values(connection, schema, row.destination, given):
            yield Problem(draft.flow.origin, f"{one.key}: {text}")


def _missing(draft: FlowDraft, one: StepDraft, known: Sequence[str]) -> Iterator[tuple[int, Problem]]:
    step, connection = one.step, one.step.connection
    for number, row in enumerate(one.sent, start=1):
        if connection is None or row.destination in known:
            continue
        gives = mapping_check.GIVES.get(Transform(row.transform), "")
        unique = row.destination == step.match_field
        new = schema_check.field_to_make(row.destination, gives, transform=row.transform, unique=unique)
        text = (
            f"{one.key}: {row}: {schema_check.no_field(connection, step.object_type, row.destination, known)}"
        )
        yield number, Problem(draft.flow.origin, text, Missing(connection.pk, step.object_type, new))
