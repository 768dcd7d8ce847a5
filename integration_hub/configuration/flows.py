"""The steps of a flow in a file: what goes without saying is left out, and steps keep their rows by their keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from integration_hub.configuration.values import joined, understood_criterion
from routing.models import Flow, FlowRun, FlowStep, StepField, Transition
from routing.models.flows import FieldRole
from syncs.models import Connection, ValueMap

Entry = dict[str, Any]
Problem = tuple[tuple[str | int, ...], ValidationError]

COLUMNS = (
    "operation", "object_type", "match_field", "remote_id", "from_type", "from_id", "to_type", "to_id", "method",
    "path", "headers", "body", "event_name",
)  # fmt: skip
"""Those of a step that are texts and empty where they do not count."""
OPTIONS: Mapping[str, Any] = {
    "transform": "",
    "expression": "",
    "default": "",
    "value_map": None,
    "unknown_value": "keep",
    "write_mode": "always",
    "required": False,
}
CONDITION = ("field", "operator", "value")
ROLES = {"sends": FieldRole.WRITE, "remembers": FieldRole.REMEMBER}


def read(flow: Flow) -> list[Entry]:
    rows = flow.steps.select_related("connection").prefetch_related(
        "fields__value_map", "transitions__target"
    )
    return [understood_step(_plain(step)) for step in rows]


def understood(given: Sequence[Entry], _before: Any) -> list[Entry]:
    return [understood_step(step) for step in given]


def understood_step(given: Mapping[str, Any]) -> Entry:
    """Return the step in one order, with nothing in it that goes without saying."""
    step: Entry = {name: given[name] for name in ("key", "name")}
    step["kind"] = given.get("kind", "write")
    if given.get("connection"):
        step["connection"] = given["connection"]
    step |= {name: text for name in COLUMNS if (text := _lines_ended(given.get(name)))}
    for part in ROLES:
        if given.get(part):
            step[part] = [_understood_line(line) for line in given[part]]
    if given.get("transitions"):
        step["transitions"] = [_understood_transition(row) for row in given["transitions"]]
    return step


def write(flow: Flow, steps: Sequence[Entry]) -> Iterator[Problem]:
    """Bring the flow's steps to these; yield what the models say against them.

    A step keeps its row, so that runs stay where they stand. One that goes must have no open run on it.
    """
    stored = {step.key: step for step in flow.steps.all()}
    wanted = {step["key"] for step in steps}
    for key, step in stored.items():
        if key not in wanted and FlowRun.objects.open().filter(step=step).exists():
            words = (
                f"runs stand at the step “{key}”, which the file does not name. Move or cancel them first."
            )
            yield ("steps",), ValidationError({NON_FIELD_ERRORS: [words]})
            return
    flow.steps.exclude(key__in=wanted).delete()
    made = {}
    for number, entry in enumerate(steps, start=1):
        step = stored.get(entry["key"]) or FlowStep(flow=flow, key=entry["key"])
        wrong = _fill(step, entry, number)
        if wrong:
            yield ("steps", number), wrong
            return
        made[step.key] = step
    for number, entry in enumerate(steps, start=1):
        for inside, wrong in _write_rows(made, entry):
            yield ("steps", number, *inside), wrong


def _fill(step: FlowStep, entry: Entry, position: int) -> ValidationError | None:
    step.name, step.kind, step.position = entry["name"], entry["kind"], position
    step.connection = Connection.objects.filter(key=entry.get("connection")).first()
    for name in COLUMNS:
        setattr(step, name, entry.get(name, ""))
    try:
        step.full_clean()
    except ValidationError as error:
        return error
    step.save()
    return None


def _write_rows(made: Mapping[str, FlowStep], entry: Entry) -> Iterator[Problem]:
    step = made[entry["key"]]
    step.fields.all().delete()
    step.transitions.all().delete()
    for part, role in ROLES.items():
        for number, line in enumerate(entry.get(part, ()), start=1):
            chosen = ValueMap.objects.filter(key=line.get("value_map")).first()
            row = StepField(step=step, role=role, position=number, **{**line, "value_map": chosen})
            yield from (((part, number), wrong) for wrong in _saved(row))
    for number, given in enumerate(entry.get("transitions", ()), start=1):
        values = {name: given.get(name, "") for name in CONDITION}
        values["value"] = joined(values["value"]) if isinstance(values["value"], list) else values["value"]
        target = made[given["target"]]
        row_to = Transition(step=step, position=number, outcome=given["outcome"], target=target, **values)
        yield from ((("transitions", number), wrong) for wrong in _saved(row_to))


def _saved(row: StepField | Transition) -> Iterator[ValidationError]:
    try:
        row.full_clean()
    except ValidationError as error:
        yield error
    else:
        row.save()


def _plain(step: FlowStep) -> Entry:
    entry: Entry = {name: getattr(step, name) for name in ("key", "name", "kind", *COLUMNS)}
    entry["connection"] = step.connection.key if step.connection else None
    for part, role in ROLES.items():
        rows = [row for row in step.fields.all() if row.role == role]
        entry[part] = [
            {name: getattr(row, name) for name in ("source", "destination", *OPTIONS)}
            | {"value_map": row.value_map.key if row.value_map else None}
            for row in rows
        ]
    entry["transitions"] = [
        {name: getattr(row, name) for name in ("outcome", *CONDITION)} | {"target": row.target.key}
        for row in step.transitions.all()
    ]
    return entry


def _understood_line(given: Mapping[str, Any]) -> Entry:
    line = {name: given[name] for name in ("source", "destination") if given.get(name)}
    for name, usual in OPTIONS.items():
        value = _lines_ended(given.get(name, usual))
        if value != usual and (value or usual):
            line[name] = value
    return line


def _understood_transition(given: Mapping[str, Any]) -> Entry:
    row = {"outcome": str(given.get("outcome", "any")).strip().lower(), "target": given["target"]}
    row |= {name: given[name] for name in ("field", "operator") if given.get(name)}
    if row.get("field"):
        value = understood_criterion(1, {"operator": "", **given})["value"]
        row |= {"value": value} if value not in ("", []) else {}
    return row


def _lines_ended(value: Any) -> Any:
    return value.replace("\r\n", "\n") if isinstance(value, str) else value
