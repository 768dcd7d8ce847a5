"""Promotion: a file of one hub names connections by their keys, its slots; here each is bound to one of this hub."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from integration_hub.configuration import validate
from integration_hub.configuration.errors import ConfigurationError, listed, path
from integration_hub.configuration.sections import BY_NAME
from syncs.models import Connection

CONNECTIONS = "connections"
Place = tuple[dict[str, Any], str, str]
"""The entry that names a connection, under which name, and where that is in the file."""


def slots(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the connections that the file names, with their kinds, as far as it tells them."""
    defined = given.get(CONNECTIONS)
    kinds = {
        key: str(entry.get("kind", ""))
        for key, entry in (defined if isinstance(defined, dict) else {}).items()
        if isinstance(entry, dict)
    }
    named = [str(entry[name]) for entry, name, _ in _places(given)]
    return {slot: kinds.get(slot, "") for slot in sorted({*kinds, *named})}


def bound(given: Mapping[str, Any], binds: Mapping[str, str]) -> dict[str, Any]:
    """Return the file with this hub's connections in it; what it says of its own connections is left out.

    A slot whose key a connection here has is bound to that one, unless told otherwise. ConfigurationError: a slot is
    not bound, or to what it does not fit.
    """
    found = validate.sentences(given)
    if found:
        raise ConfigurationError(found)
    here = dict(Connection.objects.values_list("key", "kind"))
    there = slots(given)
    problems = [*_unknown(there, binds), *_unbound(there, binds, here)]
    if problems:
        raise ConfigurationError(problems)
    changed = copy.deepcopy({name: value for name, value in given.items() if name != CONNECTIONS})
    for entry, name, _ in _places(changed):
        entry[name] = binds.get(entry[name], entry[name])
    return changed


def parse(words: list[str]) -> dict[str, str]:
    """Return `SLOT=KEY` as a mapping. ConfigurationError: one is not written so, or stands there twice."""
    found: dict[str, str] = {}
    for word in words:
        slot, mark, key = (part.strip() for part in word.partition("="))
        if not (slot and mark and key):
            raise ConfigurationError(
                [f"“{word}” is no binding. Write SLOT=KEY, such as sandbox-hubspot=production-hubspot."]
            )
        if found.setdefault(slot, key) != key:
            raise ConfigurationError([f"“{slot}” is bound twice: to {found[slot]} and to {key}."])
    return found


def _unknown(there: Mapping[str, str], binds: Mapping[str, str]) -> Iterator[str]:
    for slot in binds:
        if slot not in there:
            yield f"The file names no connection “{slot}”. {validate.did_you_mean(slot, list(there))}"


def _unbound(there: Mapping[str, str], binds: Mapping[str, str], here: Mapping[str, str]) -> Iterator[str]:
    for slot, kind in there.items():
        key = binds.get(slot, slot)
        where = path(CONNECTIONS, slot)
        if key in here and kind in ("", here[key]):
            continue
        fitting = [one for one, other in here.items() if kind in ("", other)]
        if key in here:
            yield f"{where} is {kind} and {key} is {here[key]}; they do not fit. Of that kind here: {listed(fitting)}."
        elif slot in binds:
            yield f"{where} is bound to “{key}”, which is not here. {validate.did_you_mean(key, fitting)}"
        else:
            example = fitting[0] if fitting else "KEY"
            yield (
                f"{where} is not bound. Say which connection of this hub takes its place: "
                f"--bind {slot}={example}. Of its kind here: {listed(fitting)}."
            )


def _places(given: Mapping[str, Any]) -> Iterator[Place]:
    """Yield every place of the file that names a connection; what is not a mapping is somebody else's complaint."""
    for section, entries in given.items():
        if section not in BY_NAME or section == CONNECTIONS or not isinstance(entries, dict):
            continue
        rows = {"": entries} if section == "hub" else entries
        for key, entry in rows.items():
            if isinstance(entry, dict):
                yield from _of_entry(section, str(key), entry)


def _of_entry(section: str, key: str, entry: dict[str, Any]) -> Iterator[Place]:
    for name, target in BY_NAME[section].references.items():
        if target == CONNECTIONS and entry.get(name):
            yield entry, name, path(section, key, name)
    steps = entry.get("steps") if section == "flows" else None
    for number, step in enumerate(steps if isinstance(steps, list) else (), start=1):
        if isinstance(step, dict) and step.get("connection"):
            yield step, "connection", path(section, key, "steps", number, "connection")
