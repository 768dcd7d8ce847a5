"""What an import would do: a file beside what is configured now, in words."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from integration_hub.configuration import document, semantics, validate, words
from integration_hub.configuration.errors import ConfigurationError, path
from integration_hub.configuration.parts import KEEP
from integration_hub.configuration.sections import BY_NAME, HUB, SECTIONS, Document, Entry, Section

_NUMBERED = {"criteria", "filter_logic"}


class Action(StrEnum):
    CREATE = "create"
    CHANGE = "change"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Difference:
    """What becomes of one entry; `before` and `after` hold what is to be written, of a new entry everything."""

    section: str
    key: str
    action: Action
    name: str = ""
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None

    def lines(self) -> Iterator[str]:
        where = path(self.section, self.key)
        title = f" “{self.name}”" if self.name else ""
        if self.action is Action.CREATE:
            off = ", switched off" if self.after and self.after.get("enabled") is False else ""
            yield f"+ {where}: create{title}{off}"
        elif self.action is Action.REMOVE:
            yield f"- {where}: remove{title}"
        else:
            before = self.before or {}
            for field, value in (self.after or {}).items():
                yield from words.lines(f"{where}.{field}", before.get(field), value)


@dataclass(frozen=True, slots=True)
class Plan:
    differences: tuple[Difference, ...]
    same: int
    warnings: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        for difference in self.differences:
            yield from difference.lines()

    @property
    def summary(self) -> str:
        counts = {action: sum(d.action is action for d in self.differences) for action in Action}
        return (
            f"To create: {counts[Action.CREATE]}. To change: {counts[Action.CHANGE]}. "
            f"To remove: {counts[Action.REMOVE]}. The same: {self.same}."
        )


def prepare(given: Mapping[str, Any], *, prune: bool = False) -> Plan:
    """Return what the file would change. ConfigurationError: all that is wrong with it before a row is touched."""
    sentences = validate.sentences(given)
    if sentences:
        raise ConfigurationError(sentences)
    wanted = _by_section(given)
    current = document.of_rows(_emails(wanted))
    sentences = semantics.problems(current, wanted)
    desired: Document = {}
    for section in SECTIONS:
        desired[section.name] = {
            key: _merged(section, key, entry, current[section.name].get(key), sentences)
            for key, entry in wanted.get(section.name, {}).items()
        }
    if sentences:
        raise ConfigurationError(sentences)
    _hand_over_default(current, desired)
    return _compared(current, desired, wanted, prune=prune)


def _by_section(given: Mapping[str, Any]) -> Document:
    """Return the file's entries; people by their e-mail in lower case, as the directory has it."""
    wanted: Document = {name: dict(entries) for name, entries in given.items() if name in BY_NAME}
    if "hub" in wanted:
        wanted["hub"] = {HUB: dict(wanted["hub"])}
    if "people" in wanted:
        wanted["people"] = {email.lower(): entry for email, entry in wanted["people"].items()}
        if len(wanted["people"]) < len(given["people"]):
            raise ConfigurationError(["people: somebody stands here twice, in upper and lower case."])
    for name, entries in wanted.items():
        wanted[name] = {key: _lowered(BY_NAME[name], entry) for key, entry in entries.items()}
    return wanted


def _lowered(section: Section, entry: Entry) -> Entry:
    """Return the entry with references to people in lower case, and none for an empty reference."""
    changed = {
        name: (entry[name].lower() if target == "people" else entry[name]) if entry[name] else None
        for name, target in section.references.items()
        if name in entry
    }
    return {**entry, **changed}


def _emails(wanted: Document) -> set[str]:
    named = {
        rule[name]
        for rule in wanted.get("rules", {}).values()
        for name in ("recipient_person", "fallback_person")
        if rule.get(name)
    }
    return named | set(wanted.get("people", {}))


def _merged(section: Section, key: str, entry: Entry, before: Entry | None, sentences: list[str]) -> Entry:
    """Return the whole entry as it shall be; what the file does not mention stays as it is."""
    merged = dict(before if before is not None else section.defaults())
    for name, value in entry.items():
        try:
            merged[name] = _understood(section, name, value, merged[name])
        except ValueError as error:
            sentences.append(f"{path(section.name, key, name)}: {error}")
    return merged


def _understood(section: Section, name: str, value: Any, before: Any) -> Any:
    if name in section.parts:
        return section.parts[name].understood(value, before)
    if isinstance(value, str):
        return value.replace("\r\n", "\n")
    if isinstance(value, float):
        return int(value)  # for JSON Schema 60.0 is a whole number
    return value


def _hand_over_default(current: Document, desired: Document) -> None:
    """Unmark the former default schedule when the file names another: there is only one."""
    hours = desired["working_hours"]
    if not any(entry["is_default"] for entry in hours.values()):
        return
    for key, entry in current["working_hours"].items():
        if entry["is_default"] and key not in hours:
            hours[key] = {**entry, "is_default": False}
        elif entry["is_default"] and sum(other["is_default"] for other in hours.values()) > 1:
            hours[key] = {**hours[key], "is_default": False}


def _compared(current: Document, desired: Document, wanted: Document, *, prune: bool) -> Plan:
    differences: list[Difference] = []
    same = 0
    for section in SECTIONS:
        for key, after in desired[section.name].items():
            difference = _difference(section, key, current[section.name].get(key), after)
            same += difference is None
            differences += [difference] if difference else []
        if prune and section.prunable and section.name in wanted:
            differences += [
                Difference(section.name, key, Action.REMOVE, entry.get("name", ""))
                for key, entry in current[section.name].items()
                if key not in wanted[section.name]
            ]
    return Plan(tuple(differences), same, tuple(_warnings(current, wanted)))


def _difference(section: Section, key: str, before: Entry | None, after: Entry) -> Difference | None:
    name = str(after.get("name", ""))
    if before is None:
        return Difference(section.name, key, Action.CREATE, name, None, after)
    changed = {field: value for field, value in after.items() if value != before[field]}
    if not changed:
        return None
    if _NUMBERED & set(changed):
        # Stored rows may be numbered otherwise than by their places, and the logic means those numbers.
        changed |= {field: after[field] for field in _NUMBERED if field in after}
    former = {field: before[field] for field in changed}
    return Difference(section.name, key, Action.CHANGE, name, former, changed)


def _warnings(current: Document, wanted: Document) -> Iterator[str]:
    for key, entry in wanted.get("connections", {}).items():
        stored = current["connections"].get(key, {}).get("secrets", {})
        for name, secret in entry.get("secrets", {}).items():
            where = path("connections", key, "secrets", name)
            if secret == KEEP and name not in stored:
                yield f"{where}: none is stored here that could be kept. Enter it in the admin."
            elif isinstance(secret, dict) and not _is_set(secret["env"]):
                yield f"{where}: the environment variable {secret['env']} is not set in this process."


def _is_set(name: str) -> bool:
    return name in os.environ or f"{name}_FILE" in os.environ
