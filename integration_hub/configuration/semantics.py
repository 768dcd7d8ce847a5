"""What a schema cannot see: names of other entries, of vendors' settings, and what must not change any more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from integration_hub.configuration import flowcheck
from integration_hub.configuration.errors import listed, path
from integration_hub.configuration.sections import SECTIONS, Document, Entry, Section
from integration_hub.configuration.validate import did_you_mean
from integration_hub.connectors import registry
from integration_hub.connectors.contract import Setting, Source
from syncs import secrets
from syncs.models import Stream


def problems(current: Document, wanted: Document) -> list[str]:
    """Return sentences about a document that fits the schema, seen beside what is configured now."""
    found: list[str] = []
    for section in SECTIONS:
        for key, entry in wanted.get(section.name, {}).items():
            before = current[section.name].get(key)
            found += _incomplete(section, key, entry, new=before is None)
            found += _references(section, key, entry, current, wanted)
            found += _own_variables(section, key, entry)
            if section.name == "connections":
                found += _connection(key, entry, before or {})
    found += _two_defaults(wanted)
    found += _streams(current, wanted)
    found += _value_maps(current, wanted)
    found += flowcheck.problems(current, wanted)
    return found


def _incomplete(section: Section, key: str, entry: Entry, *, new: bool) -> Iterator[str]:
    missing = [name for name in section.required if name not in entry]
    if new and missing:
        yield f"{path(section.name, key)} is new and lacks {listed(missing)}."
    for name in section.required:
        if name in entry and entry[name] in ("", None):
            yield f"{path(section.name, key, name)} must not be empty."


def _references(
    section: Section, key: str, entry: Entry, current: Document, wanted: Document
) -> Iterator[str]:
    for name, target in section.references.items():
        to = entry.get(name)
        known = {**current[target], **wanted.get(target, {})}
        if to and to not in known:
            hint = (
                "Add them under people, with a name."
                if target == "people"
                else did_you_mean(to, sorted(known))
            )
            yield f"{path(section.name, key, name)}: “{to}” is not among the {target}. {hint}"


def _connection(key: str, entry: Entry, before: Entry) -> Iterator[str]:
    kind = entry.get("kind", before.get("kind"))
    where = path("connections", key, "kind")
    if kind is None:
        return
    if kind not in registry.CONNECTORS:
        yield f"{where}: there is no vendor “{kind}”. {did_you_mean(kind, list(registry.CONNECTORS))}"
    elif before and kind != before["kind"]:
        yield f"{where} is {before['kind']} and cannot become {kind}. Add a new connection."
    else:
        fields = {setting.name: setting for setting in registry.connector_class(kind).settings}
        yield from _settings(key, entry.get("settings", {}), fields)
        yield from _secrets(key, entry.get("secrets", {}), fields)


def _secrets(key: str, given: Mapping[str, object], fields: Mapping[str, Setting]) -> Iterator[str]:
    known = [name for name, setting in fields.items() if setting.secret]
    for name in given:
        if name not in known:
            where = path("connections", key, "secrets", name)
            yield f"{where}: there is no such secret. {did_you_mean(name, known)}"


def _own_variables(section: Section, key: str, entry: Entry) -> Iterator[str]:
    for name, value in (entry.get("secrets") or {}).items():
        if isinstance(value, Mapping) and secrets.is_own(str(value["env"])):
            where = path(section.name, key, "secrets", name)
            yield f"{where}: {value['env']} belongs to the hub itself. Name a variable of the vendor's secret."


def _settings(key: str, given: Mapping[str, object], fields: Mapping[str, Setting]) -> Iterator[str]:
    known = [name for name, setting in fields.items() if not setting.secret]
    for name, value in given.items():
        where = path("connections", key, "settings", name)
        if name not in fields:
            yield f"{where}: there is no such setting. {did_you_mean(name, known)}"
        elif fields[name].secret:
            yield f"{where} is a secret. Name its environment variable under secrets: {name}: {{env: NAME}}."
        elif fields[name].choices and value != "":
            choices = [choice for choice, _ in fields[name].choices]
            if value not in choices:
                yield f"{where} must be one of {listed(choices)}."
        elif value != "" and (problem := fields[name].check(str(value))):
            yield f"{where}: {problem}"


def _two_defaults(wanted: Document) -> Iterator[str]:
    defaults = [key for key, entry in wanted.get("working_hours", {}).items() if entry.get("is_default")]
    if len(defaults) > 1:
        yield f"working_hours: {listed(defaults)} are all marked is_default. Keep one of them."


def _streams(current: Document, wanted: Document) -> Iterator[str]:
    read = set(Stream.objects.exclude(started_at=None).values_list("key", flat=True))
    for key, entry in wanted.get("streams", {}).items():
        before = current["streams"].get(key, {})
        for name in ("connection", "object_type"):
            if key in read and entry.get(name, before[name]) != before[name]:
                yield (
                    f"{path('streams', key, name)} is {before[name]} and cannot become {entry[name]}: "
                    "the stream has been read already. Add a new stream."
                )
        kind = _kind(entry.get("connection"), current, wanted)
        if kind in registry.CONNECTORS and not issubclass(registry.connector_class(kind), Source):
            yield f"{path('streams', key, 'connection')}: nothing can be read from {kind}. Choose another one."


def _value_maps(current: Document, wanted: Document) -> Iterator[str]:
    known = sorted({**current["value_maps"], **wanted.get("value_maps", {})})
    for key, entry in wanted.get("syncs", {}).items():
        for number, line in enumerate(entry.get("mappings", ()), start=1):
            name = line.get("value_map")
            if name and name not in known:
                where = path("syncs", key, "mappings", number, "value_map")
                yield f"{where}: “{name}” is not among the value_maps. {did_you_mean(name, known)}"


def _kind(connection: str | None, current: Document, wanted: Document) -> str:
    """Return the kind of a connection as the file says it, else as it is."""
    found: str = ""
    for document in (wanted, current):
        found = found or document.get("connections", {}).get(connection or "", {}).get("kind", "")
    return found
