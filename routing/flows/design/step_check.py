"""What is wrong with one step, said next to the field it is about."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Set
from typing import Any, NamedTuple

from integration_hub.connectors.contract import Destination
from integration_hub.connectors.records import Operation
from routing.flows.design.draft import StepDraft
from routing.flows.design.lines import line_problems
from routing.flows.design.paths import Place, Surroundings, sentence
from routing.flows.design.terms import condition_problem, term_problems
from routing.flows.outcomes import is_outcome, taken_by, usual_outcomes
from routing.models.flows import FlowStep, StepKind
from syncs.mappings.check import nearest
from syncs.models.mappings import WriteMode

NEEDED: Mapping[str, Mapping[str, str]] = {
    StepKind.WRITE: {
        "connection": "Choose the connection that it writes to.",
        "operation": "Choose what it does there: create, upsert or update.",
        "object_type": "Name what is written, such as companies.",
    },
    StepKind.TIE: {
        "connection": "Choose the connection where the two records are.",
        "from_type": "Name the type of the first record, such as contacts.",
        "from_id": "Say where the first record's id is known, such as session.contact_id.",
        "to_type": "Name the type of the second record, such as companies.",
        "to_id": "Say where the second record's id is known, such as session.company_id.",
    },
    StepKind.CALL: {
        "connection": "Choose the connection that is called.",
        "method": "Choose the method, such as POST.",
        "path": "Give the path behind the connection's address, such as /customers.",
    },
    StepKind.EMIT: {"event_name": "Name the event that it emits."},
}
"""The columns that a kind of step cannot do without, and what to say when one is empty."""
PATHS = {StepKind.WRITE: ("remote_id",), StepKind.TIE: ("from_id", "to_id")}


class Finding(NamedTuple):
    """`place` leads from the step to the field: ("object_type",) or ("sends", 2, "source"), rows counted from 1."""

    step: str
    place: Place
    message: str
    warning: bool = False


def problems(draft: StepDraft, around: Surroundings) -> Iterator[Finding]:
    """Yield what a person should hear of the step as it stands."""
    step = draft.step
    for column, message in NEEDED.get(StepKind(step.kind), {}).items():
        if not (step.connection_id if column == "connection" else getattr(step, column)):
            yield Finding(step.key, (column,), message)
    yield from _connection(step)
    yield from _ids(step, around)
    if step.kind == StepKind.WRITE:
        yield from _match(draft, around)
    if step.kind == StepKind.CALL:
        for column, message, warning in term_problems(step, around.scope()):
            yield Finding(step.key, (column,), message, warning)
    if step.kind == StepKind.EMIT:
        yield from _emitted(step, around)
    for place, message, warning in line_problems(draft, around):
        yield Finding(step.key, place, message, warning)
    yield from _transitions(draft, around)


def _connection(step: FlowStep) -> Iterator[Finding]:
    if step.connection is None or step.kind not in (StepKind.WRITE, StepKind.TIE, StepKind.CALL):
        return
    kind = step.connection.connector_class
    if not issubclass(kind, Destination) or kind.sends_messages:
        message = f"{step.connection} takes no records and no calls. Choose a connection that does."
        yield Finding(step.key, ("connection",), message)
    elif not step.connection.enabled:
        yield Finding(
            step.key, ("connection",), f"{step.connection} is switched off; runs would wait here.", True
        )


def _ids(step: FlowStep, around: Surroundings) -> Iterator[Finding]:
    for column in PATHS.get(StepKind(step.kind), ()):
        path = getattr(step, column)
        if not path:
            continue
        if path.startswith("answer."):
            message = "A step's answer is known only after it. Remember the id in an earlier step, then take session."
            yield Finding(step.key, (column,), message)
        elif said := around.path_fault(path):
            yield Finding(
                step.key, (column,), f"{sentence(said)} Correct it, or remember the id in a step before."
            )
        elif around.is_doubtful(path):
            message = f"Not every way to this step remembers “{path}”; where it is missing the run is parked."
            yield Finding(step.key, (column,), message, True)


def _match(draft: StepDraft, around: Surroundings) -> Iterator[Finding]:
    step, sent = draft.step, draft.sent
    if not sent:
        yield Finding(step.key, ("sends",), "Nothing is sent. Add at least one field under “sent”.")
    known = {row.destination for row in sent}
    if step.match_field and step.match_field not in known:
        hint = nearest(step.match_field, known)
        message = f"No line sends “{step.match_field}”, by which the record is found there.{hint}"
        yield Finding(step.key, ("match_field",), message)
    if step.operation == Operation.UPSERT and not step.match_field:
        yield Finding(
            step.key, ("match_field",), "Name the field that finds the record there, such as email."
        )
    if step.operation == Operation.UPDATE and not step.match_field and not step.remote_id:
        message = "Say which record is updated: its id, such as session.company_id, or a match key."
        yield Finding(step.key, ("remote_id",), message)
    if step.operation != Operation.CREATE and not step.match_field:
        for number, row in enumerate(sent, start=1):
            if row.write_mode == WriteMode.IF_EMPTY:
                message = "“Only if it is empty there” needs a match key, or the record cannot be looked at. Name one."
                yield Finding(step.key, ("sends", number, "write_mode"), message)
    if step.operation == Operation.CREATE and not step.match_field:
        message = (
            "Without a match key a create whose answer was lost cannot be looked for, and may be made twice."
        )
        yield Finding(step.key, ("match_field",), message, True)


def _emitted(step: FlowStep, around: Surroundings) -> Iterator[Finding]:
    if not step.event_name:
        return
    if step.event_name not in around.event_names:
        message = (
            f"The source knows no event “{step.event_name}”.{nearest(step.event_name, around.event_names)} "
            "Add it to the source, or correct the name."
        )
        yield Finding(step.key, ("event_name",), message)
    elif step.event_name == around.starts_by:
        message = "That starts this flow again, and so on without end unless a start condition stops it."
        yield Finding(step.key, ("event_name",), message, True)


def _transitions(draft: StepDraft, around: Surroundings) -> Iterator[Finding]:
    step, rows = draft.step, draft.transitions
    if step.kind == StepKind.END:
        if rows:
            yield Finding(
                step.key,
                ("transitions",),
                "An end leads nowhere. Remove its transitions, or change its kind.",
            )
        return
    if not rows:
        message = "No transition leads on from here, so runs would be parked. Add one, to an end if nothing follows."
        yield Finding(step.key, ("transitions",), message)
        return
    own = [row.destination for row in draft.remembered]
    closed: set[str] = set()
    for number, row in enumerate(rows, start=1):
        for column, message, warning in _transition(step, row, around, own, closed):
            yield Finding(step.key, ("transitions", number, column), message, warning)
        if not row.field:
            closed.add(row.outcome)
    missing = [one for one in usual_outcomes(step) if not closed & taken_by(one)]
    if missing:
        message = f"After “{'”, “'.join(missing)}” there may be no way on; then the run is parked. Add a transition."
        yield Finding(step.key, ("transitions",), message, True)


def _transition(
    step: FlowStep, row: Any, around: Surroundings, own: Collection[str], closed: Set[str]
) -> Iterator[tuple[str, str, bool]]:
    if not is_outcome(row.outcome):
        message = f"“{row.outcome}” is no outcome. Take a word such as created, a status such as 409 or 4xx, or any."
        yield "outcome", message, False
    elif closed & taken_by(row.outcome):
        yield (
            "outcome",
            "A row above takes these cases already, so this one never holds. Move it up or remove it.",
            True,
        )
    if row.target_id and row.target.flow_id != step.flow_id:
        yield "target", f"“{row.target}” is a step of another flow. Choose one of this flow.", False
    if row.field or row.operator:
        if said := around.path_fault(row.field, own) if row.field else "":
            yield "field", f"{sentence(said)} Correct the path.", False
        elif found := condition_problem(row.field, row.operator, row.value, around.shape):
            yield (*found, False)
