"""What dotted paths of a flow can lead to: the event by its sample and schema, the session by what steps remember."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from syncs.mappings.check import nearest
from syncs.models import EventType

ROOTS = ("event", "session", "answer")
DEEPEST = 20
Place = tuple[str | int, ...]
"""Where inside a step, rows counted from 1."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a step is judged by. None for `may` or `there`: what the session holds, or which fields the destination has,
    is not known, so not judged.
    """

    shape: Any
    may: Collection[str] | None = ()
    surely: Collection[str] = ()
    remembered_anywhere: Collection[str] = ()
    there: Collection[str] | None = None
    event_names: Sequence[str] = ()
    starts_by: str = ""

    def scope(self, *, answered: bool = False) -> dict[str, Any]:
        """Return what Liquid texts may name; None stands for what may hold anything."""
        session = None if self.may is None else {name.partition(".")[0]: None for name in self.may}
        known: dict[str, Any] = {"event": self.shape, "session": session}
        return {**known, "answer": None} if answered else known

    def path_fault(self, path: str, own: Collection[str] = ()) -> str:
        """Say why a path that begins with event, session or answer leads nowhere."""
        root, _, rest = path.partition(".")
        if root not in ROOTS:
            return f"“{path}” must begin with event, session or answer, such as event.{path}."
        if root == "event":
            return fault(rest, self.shape, "event.") if rest else ""
        if root == "session" and rest:
            if self.may is None:
                return ""
            return session_fault(rest, {*self.may, *own}, self.remembered_anywhere)
        return "" if rest else f"“{path}” needs a name behind it, such as {path}.id."

    def is_doubtful(self, path: str) -> bool:
        """Say whether only some ways to the step remember what the path leads to."""
        root, _, rest = path.partition(".")
        if self.may is None:
            return False
        names = {name.partition(".")[0] for name in self.surely}
        return root == "session" and rest.partition(".")[0] not in names


def shape_of(event_type: EventType | None) -> Any:
    """Return a made-up event with all that the sample or the schema names; None: nothing is known of it."""
    if event_type is None:
        return None
    described = _described(event_type.schema, 0) if event_type.schema else None
    return _merged(described, event_type.sample)


def fault(path: str, shape: Any, known: str = "") -> str:
    """Say why a dotted path leads nowhere in what is known; "": it leads somewhere, or that cannot be told."""
    if not path or any(not part or part != part.strip() for part in path.split(".")):
        return f"“{path}” is not a path: write names with single dots between them, such as company.domain."
    found = shape
    for name in path.split("."):
        if found is None:
            return ""
        if isinstance(found, list):
            return f"“{known.rstrip('.')}” is a list; no path leads into it. Take a value of it with Liquid."
        if not isinstance(found, Mapping):
            return f"“{known.rstrip('.')}” is a single value; nothing lies below it."
        if name not in found:
            return f"there is no “{known}{name}”.{nearest(name, found)}"
        found = found[name]
        known += f"{name}."
    return ""


def session_fault(path: str, may: Set[str], later: Iterable[str] = ()) -> str:
    """Say why nothing can stand at a path below session when a run comes to the step."""
    first = path.partition(".")[0]
    names = {name.partition(".")[0] for name in may}
    if first in names:
        return ""
    if first in {name.partition(".")[0] for name in later}:
        return f"“session.{first}” is remembered only by a step that does not come before."
    return f"no step before remembers “{first}”.{nearest(first, names)}"


def at(values: Any, path: str) -> Any:
    """Return what stands at a dotted path, None if nothing does."""
    found = values
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _described(schema: Any, depth: int) -> Any:
    """Return an object with the properties that a JSON Schema names; None where it leaves things open."""
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return None
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return None
    return {name: _described(inner, depth + 1) for name, inner in properties.items()}


def _merged(described: Any, sample: Any) -> Any:
    if isinstance(described, Mapping) and isinstance(sample, Mapping):
        names = [*sample, *(name for name in described if name not in sample)]
        return {name: _merged(described.get(name), sample.get(name)) for name in names}
    return described if sample is None else sample
