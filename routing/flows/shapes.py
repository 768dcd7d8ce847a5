"""Flows as plain values, and what a step would send. No behaviour beyond a look into themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integration_hub.connectors.records import Operation
from routing.conditions import Criterion
from syncs.engine.mapping import Line, Read, reader

Scope = Mapping[str, Any]
"""What paths and Liquid may read: `event`, `session`, and after an answer `answer`."""


@dataclass(frozen=True, slots=True)
class BookedField:
    """One line, compiled once."""

    line: Line
    read: Read

    @classmethod
    def of(cls, line: Line) -> BookedField:
        return cls(line, reader(line))


@dataclass(frozen=True, slots=True)
class BookedTransition:
    outcome: str
    target: str
    """The key of the step it leads to."""
    field: str = ""
    operator: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class BookedStep:
    """The columns of a step, by the same names; `kind` is a word of StepKind."""

    id: int
    key: str
    name: str
    kind: str
    connection_id: int | None = None
    operation: str = ""
    object_type: str = ""
    match_field: str = ""
    remote_id: str = ""
    from_type: str = ""
    from_id: str = ""
    to_type: str = ""
    to_id: str = ""
    method: str = ""
    path: str = ""
    headers: str = ""
    body: str = ""
    event_name: str = ""
    sent: tuple[BookedField, ...] = ()
    remembered: tuple[BookedField, ...] = ()
    transitions: tuple[BookedTransition, ...] = ()


@dataclass(frozen=True, slots=True)
class BookedFlow:
    """`steps` are in their order: the first one starts a run."""

    id: int
    key: str
    name: str
    enabled: bool
    source_id: int
    source_key: str
    event_name: str
    subject_path: str = ""
    waits_for_id: int | None = None
    wait_seconds: int = 0
    criteria: tuple[Criterion, ...] = ()
    steps: tuple[BookedStep, ...] = ()

    @property
    def origin(self) -> str:
        return f"flow:{self.key}"

    @property
    def first(self) -> BookedStep | None:
        return self.steps[0] if self.steps else None

    def step(self, key: str) -> BookedStep | None:
        return next((step for step in self.steps if step.key == key), None)

    def step_of(self, pk: int | None) -> BookedStep | None:
        return next((step for step in self.steps if step.id == pk), None)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a step cannot be done as it stands; sentences for a person, without the values."""

    code: str
    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Onward:
    """Where a run goes from an answered step, or why it stays there; and its session then."""

    session: dict[str, Any]
    target: BookedStep | Refusal
    chosen: BookedTransition | None = None


@dataclass(frozen=True, slots=True)
class StepRequest:
    """What a step would send. `connection_id` None: nothing leaves, the hub does it by itself.

    A write has values, match (field, value) and remote_id; a tie its four values; a call method, path, headers and
    body; an emitted event its name and values. `lane` names what must not be in flight twice, "" if only the run is.
    """

    kind: str
    connection_id: int | None = None
    operation: Operation | None = None
    object_type: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    match: tuple[str, str] | None = None
    remote_id: str = ""
    on_create: Mapping[str, Any] = field(default_factory=dict)
    if_empty: Mapping[str, Any] = field(default_factory=dict)
    method: str = ""
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    event_name: str = ""
    lane: str = ""

    @property
    def payload(self) -> dict[str, Any]:
        """Return it as a delivery carries it and as the history of a run shows it; {} if there is nothing to it."""
        if self.operation is Operation.CALL:
            return {
                "method": self.method, "path": self.path, "headers": dict(self.headers), "body": self.body,
            }  # fmt: skip
        if self.event_name:
            return {"event": self.event_name, "data": dict(self.values)}
        if self.operation is None:
            return {}
        payload: dict[str, Any] = {
            "values": dict(self.values), "match": list(self.match) if self.match else None,
            "remote_id": self.remote_id,
        }  # fmt: skip
        more = {"on_create": self.on_create, "if_empty": self.if_empty}
        return payload | {name: dict(values) for name, values in more.items() if values}
