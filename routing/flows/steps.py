"""What a step of a flow sends, what it remembers, and where the run goes from it. Pure: values in, values out.

A text of a flow is Liquid over event, session and answer; it reaches nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b
from typing import Any

from integration_hub.connectors.records import Operation
from integration_hub.liquid import TemplateError
from routing.conditions import Criterion, CriterionError
from routing.flows import calls, conditions
from routing.flows.shapes import (
    BookedField,
    BookedFlow,
    BookedStep,
    BookedTransition,
    Onward,
    Refusal,
    Scope,
    StepRequest,
)
from syncs.engine import mapping
from syncs.engine.mapping import LIQUID as LIQUID

REJECTED = "rejected"
DONE = "done"
ANY = "any"
SENDING = ("write", "tie", "call")
"""Kinds of steps that go to a connection."""
LANE_LENGTH = 200
_CLASS = re.compile(r"[1-5]xx")


def prepare(step: BookedStep, scope: Scope) -> StepRequest | Refusal:
    """Return what the step would send. A step that sends nothing gives a request without a connection."""
    if step.kind in SENDING and step.connection_id is None:
        return Refusal("no_connection", "It is not said where the step goes.", "Choose its connection.")
    try:
        if step.kind == "write":
            return _write(step, scope)
        if step.kind == "tie":
            return _tie(step, scope)
        if step.kind == "call":
            return _call(step, scope)
        values = _values(step.sent, scope) if step.kind == "emit" else {}
        return StepRequest(
            step.kind, values=values, event_name=step.event_name if step.kind == "emit" else ""
        )
    except mapping.Refusal as refusal:
        return _refusal(refusal)
    except TemplateError as error:
        return Refusal("liquid", f"A text of the step cannot be rendered. {error}", "Correct the step.")


def onward(
    flow: BookedFlow, step: BookedStep, outcome: str, status: int | None, scope: Scope, now: datetime
) -> Onward:
    """Return what comes of an answer: what is remembered of it, and the way on. A refusal is nothing to remember from.

    `scope` holds the answer, and the session as it was before. What a run does and what a trial shows is this.
    """
    session = dict(scope.get("session") or {})
    if outcome != REJECTED:
        after = remember(step, scope)
        if isinstance(after, Refusal):
            return Onward(session, after)
        session = after
    try:
        chosen = choose(step, outcome, status, {**scope, "session": session}, now)
    except CriterionError as error:
        return Onward(session, Refusal("condition", str(error), "Correct the condition, then resume."))
    target = flow.step(chosen.target) if chosen else None
    if target is None:
        shown = f" ({status})" if status else ""
        reason = f"No transition of “{step.name}” takes the outcome “{outcome}”{shown}."
        return Onward(session, Refusal("no_transition", reason, "Add one and resume, or skip to a step."))
    return Onward(session, target, chosen)


def remember(step: BookedStep, scope: Scope) -> dict[str, Any] | Refusal:
    """Return the session as it is after the step; `scope` holds its answer. What has no value stays as it was."""
    session = _copy(scope.get("session") or {})
    try:
        for one in step.remembered:
            value = one.read(scope)
            if value is not None:
                _put(session, one.line.destination, value)
    except mapping.Refusal as refusal:
        return _refusal(refusal)
    return session


def choose(
    step: BookedStep, outcome: str, status: int | None, scope: Scope, now: datetime
) -> BookedTransition | None:
    """Return the first transition that fits; None: the run stays. CriterionError: a condition cannot be told.

    "any" fits whatever is not a refusal: those must be named. What was found there counts as 409, however found.
    """
    for transition in step.transitions:
        if _fits(transition.outcome, outcome, status) and _holds(transition, scope, now):
            return transition
    return None


def _fits(wanted: str, outcome: str, status: int | None) -> bool:
    if wanted == ANY:
        return outcome != REJECTED
    if wanted == outcome:
        return True
    if _CLASS.fullmatch(wanted):
        return status is not None and wanted[0] == str(status)[0]
    return wanted.isdecimal() and (int(wanted) == status or (outcome == "existing" and wanted == "409"))


def _holds(transition: BookedTransition, scope: Scope, now: datetime) -> bool:
    if not transition.field:
        return True
    row = Criterion(1, transition.field, transition.operator, transition.value)
    return conditions.holds(row, scope, now)


def _write(step: BookedStep, scope: Scope) -> StepRequest | Refusal:
    if not step.operation:
        return Refusal(
            "no_operation", "It is not said what the step does.", "Choose create, upsert or update."
        )
    operation = Operation(step.operation)
    by_mode = {
        mode: _values((one for one in step.sent if one.line.write_mode == mode), scope)
        for mode in ("always", "on_create", "if_empty")
    }
    values = by_mode["always"]
    if operation is Operation.CREATE:
        values = _merged(values, by_mode["on_create"], by_mode["if_empty"])
    remote_id = _text(_at(scope, step.remote_id))
    match_value = _text(mapping.at(values, step.match_field.split("."))) if step.match_field else ""
    if refusal := _unfound(step, operation, match_value, remote_id):
        return refusal
    request = StepRequest(
        step.kind, step.connection_id, operation, step.object_type, values,
        match=(step.match_field, match_value) if match_value else None,
        remote_id=remote_id, lane=_lane(step.object_type, match_value.casefold() or remote_id),
    )  # fmt: skip
    if operation is Operation.CREATE:
        return request
    on_create = by_mode["on_create"] if operation is Operation.UPSERT else {}
    return replace(request, on_create=on_create, if_empty=by_mode["if_empty"])


def _unfound(step: BookedStep, operation: Operation, match_value: str, remote_id: str) -> Refusal | None:
    """Refuse what would be written to nobody knows which record."""
    if step.match_field and not match_value and not (remote_id and operation is Operation.UPDATE):
        return Refusal(
            "no_match_value",
            f"{step.match_field} is empty, by which the record is found there.",
            "Fill in its source, or correct the event.",
        )
    if operation is not Operation.CREATE and not match_value and not remote_id:
        return Refusal(
            "no_record",
            "It is not known which record to write: no match key is set, and no record id is known.",
            "Give the step a match key, or remember the id in an earlier step.",
        )
    has_late = any(one.line.write_mode == "if_empty" for one in step.sent)
    if has_late and operation is not Operation.CREATE and not match_value:
        return Refusal(
            "no_match_value",
            "“Only if it is empty there” needs a match key: without one the record cannot be looked at.",
            "Give the step a match key, or write the field always.",
        )
    return None


def _tie(step: BookedStep, scope: Scope) -> StepRequest | Refusal:
    ends = {
        "from_type": step.from_type, "from_id": _text(_at(scope, step.from_id)),
        "to_type": step.to_type, "to_id": _text(_at(scope, step.to_id)),
    }  # fmt: skip
    for side, path in (("from_id", step.from_id), ("to_id", step.to_id)):
        if not ends[side]:
            return Refusal(
                "no_record",
                f"{path or 'The record id'} is empty: it is not known which records to tie.",
                "Remember the id in an earlier step.",
            )
    lane = _lane("tie", ":".join(ends.values()))
    object_type = f"{step.from_type}-{step.to_type}"[:80]
    return StepRequest(step.kind, step.connection_id, Operation.ASSOCIATE, object_type, ends, lane=lane)


def _call(step: BookedStep, scope: Scope) -> StepRequest | Refusal:
    path = calls.path_of(step.path, scope)
    if isinstance(path, Refusal):
        return path
    headers = calls.headers_of(step.headers, scope)
    if isinstance(headers, Refusal):
        return headers
    body = calls.body_of(step.body, scope)
    if isinstance(body, Refusal):
        return body
    return StepRequest(
        step.kind, step.connection_id, Operation.CALL, "call",
        method=step.method, path=path, headers=headers, body=body,
    )  # fmt: skip


def _values(fields: Iterable[BookedField], scope: Scope) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for one in fields:
        value = one.read(scope)
        if value is not None:
            _put(values, one.line.destination, value)
    return values


def _put(values: dict[str, Any], path: str, value: Any) -> None:
    *folders, name = path.split(".")
    for folder in folders:
        inner = values.get(folder)
        if not isinstance(inner, dict):
            inner = values[folder] = {}
        values = inner
    values[name] = value


def _merged(*parts: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            present = merged.get(name)
            is_inner = isinstance(present, dict) and isinstance(value, Mapping)
            merged[name] = _merged(present or {}, value) if is_inner else value
    return merged


def _copy(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copy(one) if isinstance(one, Mapping) else one for name, one in values.items()}


def _at(scope: Scope, path: str) -> Any:
    return mapping.at(dict(scope), path.split(".")) if path else None


def _text(value: Any) -> str:
    """Return an id or a match value as a text; an object is none."""
    if value is None or isinstance(value, Mapping | list | tuple | bool):
        return ""
    return str(value).strip()


def _lane(name: str, value: str) -> str:
    if not value:
        return ""
    lane = f"{name}:{value}"
    return (
        lane if len(lane) <= LANE_LENGTH else f"{name}:{blake2b(value.encode(), digest_size=16).hexdigest()}"
    )


def _refusal(refusal: mapping.Refusal) -> Refusal:
    return Refusal(refusal.code, str(refusal), "")
