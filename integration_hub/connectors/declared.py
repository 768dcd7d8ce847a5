"""What an operator declared as YAML: read name by name, each mistake a sentence that says where."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

import yaml

from integration_hub.connectors.errors import ConfigError
from integration_hub.connectors.schema import FieldSchema, FieldType

LONGEST = 50_000
Kind = TypeVar("Kind")


class DeclarationError(ValueError):
    """The message is a sentence for the one who wrote it."""


def declared(read: Callable[[str], Mapping[str, Kind]], text: str) -> Mapping[str, Kind]:
    """Return the objects that a connection declares. ConfigError: what is wrong with them."""
    try:
        return read(text)
    except DeclarationError as error:
        raise ConfigError(
            str(error), code="objects", remedy="Correct the objects of the connection."
        ) from None


def named(objects: Mapping[str, Kind], object_type: str) -> Kind:
    """Return one of them. ConfigError: there is none of that name."""
    try:
        return objects[object_type]
    except KeyError:
        raise ConfigError(
            f"The connection declares no object type “{object_type}”.",
            code="object_type",
            remedy="Add it to the objects of the connection.",
        ) from None


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # its stubs say nothing
        if getattr(event, "anchor", None):
            # A few nested aliases unfold into billions of entries.
            words = "anchors (&) and aliases (*) are not allowed; write the values out"
            raise yaml.constructor.ConstructorError(problem=words, problem_mark=event.start_mark)
        return super().compose_node(parent, index)


class Entry:
    """Names and values of one level; `where` is how sentences call it. `end` refuses what nobody asked for."""

    def __init__(self, where: str, given: object) -> None:
        if not isinstance(given, Mapping):
            raise DeclarationError(f"{where}: write names and values below it, such as “path: /customers”.")
        self.where = where
        self._given: Mapping[Any, Any] = given
        self._asked: set[str] = set()

    def names(self) -> list[str]:
        return [str(name) for name in self._given]

    def take(self, name: str) -> Any:
        """Return what is there, None if nothing is."""
        self._asked.add(name)
        return self._given.get(name)

    def text(self, name: str, default: str = "", *, required: bool = False) -> str:
        found = self.take(name)
        if found is None and not required:
            return default
        if not isinstance(found, str) or (required and not found.strip()):
            raise DeclarationError(
                f"{self.where}: {name} must be a text{'' if found else ' and is missing'}."
            )
        return found.strip()

    def choice(self, name: str, choices: Collection[str], default: str = "") -> str:
        found = self.text(name, default)
        if found not in choices:
            raise DeclarationError(f"{self.where}: {name} must be one of {', '.join(sorted(choices))}.")
        return found

    def number(self, name: str, default: int, *, least: int, most: int) -> int:
        found = self.take(name)
        found = default if found is None else found
        if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
            raise DeclarationError(f"{self.where}: {name} must be a whole number from {least} to {most}.")
        return found

    def flag(self, name: str) -> bool:
        found = self.take(name)
        if found is not None and not isinstance(found, bool):
            raise DeclarationError(f"{self.where}: {name} must be true or false.")
        return bool(found)

    def texts(self, name: str) -> dict[str, str]:
        """Return a level that holds texts only."""
        inner = self.entry(name)
        if inner is None:
            return {}
        found = {key: inner.take(key) for key in inner.names()}
        if not all(isinstance(value, str | int) and not isinstance(value, bool) for value in found.values()):
            raise DeclarationError(f"{inner.where}: each value must be a text or a number.")
        return {key: str(value) for key, value in found.items()}

    def entry(self, name: str) -> Entry | None:
        found = self.take(name)
        return None if found is None else Entry(f"{self.where}, {name}", found)

    def fields(self, name: str) -> tuple[FieldSchema, ...]:
        """Return the fields listed there; no vendor filters by them, so criteria are judged in the hub."""
        listed = self.take(name)
        if listed is None:
            return ()
        if not isinstance(listed, list):
            raise DeclarationError(f"{self.where}: {name} must be a list of fields.")
        found = [_field(f"{self.where}, field {number}", one) for number, one in enumerate(listed, start=1)]
        return tuple({one.name: one for one in found}.values())

    def end(self) -> None:
        for name in self.names():
            if name not in self._asked:
                near = difflib.get_close_matches(name, sorted(self._asked), n=1)
                hint = (
                    f" Did you mean “{near[0]}”?" if near else f" Known are {', '.join(sorted(self._asked))}."
                )
                raise DeclarationError(f"{self.where}: there is no “{name}”.{hint}")


def top(text: str) -> Entry:
    """Return the uppermost level of a YAML (or JSON) text."""
    if len(text) > LONGEST:
        raise DeclarationError(f"The text is longer than {LONGEST:,} characters.")
    try:
        given = yaml.load(text, _Loader)  # noqa: S506 - the loader is a safe one
    except yaml.MarkedYAMLError as error:
        line = f"Line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise DeclarationError(f"{line}this is not YAML: {error.problem or error.context}.") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise DeclarationError("This is not YAML.") from None
    return Entry("The text", {} if given is None else given)


def _field(where: str, given: object) -> FieldSchema:
    if isinstance(given, str):
        return FieldSchema(given, given, FieldType.TEXT, filterable=False)
    entry = Entry(where, given)
    name = entry.text("name", required=True)
    kind = FieldType(entry.choice("type", [kind.value for kind in FieldType], FieldType.TEXT.value))
    options = entry.take("options") or []
    if not isinstance(options, list):
        raise DeclarationError(f"{where}: options must be a list.")
    label = entry.text("label", name)
    entry.end()
    return FieldSchema(name, label, kind, tuple(str(one) for one in options), filterable=False)
