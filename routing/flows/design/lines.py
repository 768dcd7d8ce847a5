"""The lines of a step, sent and remembered: what is wrong with each."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from routing.flows.design.draft import StepDraft
from routing.flows.design.paths import Place, Surroundings, sentence
from routing.models import StepField
from routing.models.flows import FieldRole, StepKind
from syncs.engine import mapping, transforms
from syncs.engine.mapping import LIQUID, Line
from syncs.engine.transforms import UnfitError
from syncs.mappings.check import nearest
from syncs.models.mappings import Transform, WriteMode

SENDING = (StepKind.WRITE, StepKind.EMIT)
PARTS = {FieldRole.WRITE: "sends", FieldRole.REMEMBER: "remembers"}

Said = tuple[Place, str, bool]


def line_problems(draft: StepDraft, around: Surroundings) -> Iterator[Said]:
    """Yield place, sentence and whether it is only a warning, for the lines of both roles."""
    kind = StepKind(draft.step.kind)
    if draft.sent and kind not in SENDING:
        yield (
            ("sends",),
            f"A step of the kind “{kind.label}” sends no fields. Remove them, or change its kind.",
            False,
        )
    if draft.remembered and kind == StepKind.END:
        yield ("remembers",), "An end remembers nothing any more. Remove the lines.", False
    if kind == StepKind.REMEMBER and not draft.remembered:
        yield ("remembers",), "Nothing is remembered. Add at least one line.", False
    for rows, role in ((draft.sent, FieldRole.WRITE), (draft.remembered, FieldRole.REMEMBER)):
        for number, row in enumerate(rows, start=1):
            for column, message, warning in _line(row, draft, around):
                yield (PARTS[role], number, column), message, warning
        yield from _clashes(rows, PARTS[role])


def _line(row: StepField, draft: StepDraft, around: Surroundings) -> Iterator[tuple[str, str, bool]]:
    if not all(part and part == part.strip() for part in row.destination.split(".")):
        yield (
            "destination",
            f"“{row.destination}” is not a path: write names with single dots between them.",
            False,
        )
    elif row.role == FieldRole.WRITE and draft.step.kind == StepKind.WRITE:
        yield from _field_there(row, draft, around.there)
    yield from _source(row, draft, around)
    yield from ((*one, False) for one in _expression(row, around))
    line = Line(row.source, row.destination, row.transform, expression=row.expression, default=row.default)
    try:
        mapping.default_value(line)
    except UnfitError as error:
        yield "default", f"This is not {error.wanted}, which the line must give.", False
    if row.role == FieldRole.REMEMBER and row.write_mode != WriteMode.ALWAYS:
        yield "write_mode", "What is remembered is always written. Choose “Always”.", False
    elif row.write_mode != WriteMode.ALWAYS and row.destination == draft.step.match_field:
        yield "write_mode", "The match key must always be sent. Choose “Always”.", False


def _field_there(
    row: StepField, draft: StepDraft, there: Collection[str] | None
) -> Iterator[tuple[str, str, bool]]:
    if there is not None and row.destination not in there:
        message = (
            f"{draft.step.connection} has no field “{row.destination}” of {draft.step.object_type} that may be "
            f"written.{nearest(row.destination, there)}"
        )
        yield "destination", message, False


def _source(row: StepField, draft: StepDraft, around: Surroundings) -> Iterator[tuple[str, str, bool]]:
    if not row.source:
        if row.transform != Transform.LIQUID and not row.default:
            yield "source", "Name where the value comes from, such as event.email, or give a default.", False
        return
    if row.role == FieldRole.WRITE and row.source.partition(".")[0] == "answer":
        message = "A step's answer is known only after it. Remember the value in an earlier step, then take session."
        yield "source", message, False
    elif said := around.path_fault(row.source):
        yield "source", f"{sentence(said)} Correct the path, or complete the sample event.", False
    elif row.required and around.is_doubtful(row.source):
        message = (
            f"Not every way to this step remembers “{row.source}”; where it is missing the run is parked."
        )
        yield "source", message, True


def _expression(row: StepField, around: Surroundings) -> Iterator[tuple[str, str]]:
    if row.transform == Transform.LIQUID:
        if not row.expression.strip():
            yield "expression", "Write the Liquid expression, such as {{ value | upcase }}."
            return
        scope = around.scope(answered=row.role == FieldRole.REMEMBER)
        for message in LIQUID.problems(row.expression, {**scope, "value": None}):
            yield "expression", message
    elif row.transform == Transform.PHONE:
        if row.expression and not transforms.is_country(row.expression):
            yield "expression", f"For a phone this is a country of two letters, such as {transforms.HOME}."
    elif row.expression:
        yield "expression", "Only the transforms Liquid and Phone read it. Choose one of them, or empty this."


def _clashes(rows: Sequence[StepField], part: str) -> Iterator[Said]:
    for number, row in enumerate(rows, start=1):
        for other in rows[: number - 1]:
            if row.destination == other.destination:
                message = f"“{row.destination}” is written by another line already. Keep one of them."
            elif row.destination.startswith(f"{other.destination}.") or other.destination.startswith(
                f"{row.destination}."
            ):
                whole, inner = sorted((row.destination, other.destination), key=len)
                message = f"“{whole}” cannot be a value and hold “{inner}”. Rename one of them."
            else:
                continue
            yield (part, number, "destination"), message, False
            break
