"""Entries' parts that are more than one column: how each is read from rows, understood, and written back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Manager

from integration_hub.configuration import event_sources, flows, mappings, spans, ties
from integration_hub.configuration.values import joined, plain_text, shown, understood_criteria
from routing.hours import Span
from routing.models import Flow, MessageTemplate, Rule, WorkingHours
from syncs import connect
from syncs.models import Connection, Sync, ValueMap

KEEP = "keep"
"""Stands in a file for a secret that is stored encrypted: leave what is there."""
REMOVE = "remove"

Problem = tuple[tuple[str | int, ...], ValidationError]
"""Where inside the entry, and what."""


@dataclass(frozen=True, slots=True)
class Part:
    """`read` gives the plain value of a row; `understood` brings a file's value into that same form.

    `understood` gets the present value too and raises ValueError with a sentence. `write` changes the row itself
    when `in_row` (the caller saves it), else the rows that hang on it.
    """

    read: Callable[[Any], Any]
    understood: Callable[[Any, Any], Any]
    write: Callable[[Any, Any], list[Problem]]
    in_row: bool = False


def _settings(connection: Connection) -> dict[str, str]:
    stored = sorted(connection.settings.items())
    return {name: plain_text(value) for name, value in stored if value not in ("", None)}


def _merged_settings(given: Mapping[str, Any], before: Mapping[str, str]) -> dict[str, str]:
    merged = {**before, **{name: plain_text(value) for name, value in given.items()}}
    return {name: merged[name] for name in sorted(merged) if merged[name]}


def _write_settings(connection: Connection, value: dict[str, str]) -> list[Problem]:
    connection.settings = value
    return []


def _secrets(connection: Connection) -> dict[str, Any]:
    stored = sorted(connection.secrets.items())
    return {name: {"env": kept["env"]} if "env" in kept else KEEP for name, kept in stored}


def _merged_secrets(given: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**before, **{name: value for name, value in given.items() if value != KEEP}}
    return {name: merged[name] for name in sorted(merged) if merged[name] != REMOVE}


def _write_secrets(connection: Connection, value: Mapping[str, Any]) -> list[Problem]:
    connection.secrets = {name: kept for name, kept in connection.secrets.items() if name in value}
    for name, wanted in value.items():
        if wanted != KEEP:
            connect.set_secret(connection, name, f"env:{wanted['env']}")
    return []


def _spans(hours: WorkingHours) -> list[str]:
    return spans.lines(Span(span.weekday, span.start, span.end) for span in hours.spans.all())


def _understood_spans(given: Any, _before: Any) -> list[str]:
    return spans.lines(spans.parse(given))


def _write_spans(hours: WorkingHours, value: list[str]) -> list[Problem]:
    rows = [{"weekday": span.weekday, "start": span.start, "end": span.end} for span in spans.parse(value)]
    return _replaced(hours.spans, "working_hours", hours, "spans", rows)


def _holidays(hours: WorkingHours) -> dict[str, str]:
    return {holiday.date.isoformat(): holiday.name for holiday in hours.holidays.all()}


def _understood_holidays(given: Mapping[str, str], _before: Any) -> dict[str, str]:
    for day in given:
        try:
            date.fromisoformat(day)
        except ValueError:
            raise ValueError(f"“{day}” is not a day of the calendar.") from None
    return dict(sorted(given.items()))


def _write_holidays(hours: WorkingHours, value: Mapping[str, str]) -> list[Problem]:
    rows = [{"date": date.fromisoformat(day), "name": name} for day, name in value.items()]
    return _replaced(hours.holidays, "working_hours", hours, "holidays", rows)


def _fields(template: MessageTemplate) -> list[dict[str, str]]:
    return [{"label": field.label, "value": field.value} for field in template.fields.all()]


def _write_fields(template: MessageTemplate, value: list[dict[str, str]]) -> list[Problem]:
    rows = [{"position": position, **field} for position, field in enumerate(value, start=1)]
    return _replaced(template.fields, "template", template, "fields", rows)


def _criteria(rule: Rule | Flow) -> list[dict[str, Any]]:
    return [
        {"field": row.field, "operator": row.operator, "value": shown(row.operator, row.value)}
        for row in rule.criteria.all()
    ]


def _write_criteria(rule: Rule, value: list[dict[str, Any]]) -> list[Problem]:
    rows = [
        {
            **row,
            "number": number,
            "value": joined(row["value"]) if isinstance(row["value"], list) else row["value"],
        }
        for number, row in enumerate(value, start=1)
    ]
    return _replaced(rule.criteria, "rule", rule, "criteria", rows)


def _write_flow_criteria(flow: Flow, value: list[dict[str, Any]]) -> list[Problem]:
    rows = [
        {**row, "value": joined(row["value"]) if isinstance(row["value"], list) else row["value"]}
        for row in value
    ]
    return _replaced(flow.criteria, "flow", flow, "criteria", rows)


def _filter_logic(rule: Rule) -> str:
    """Return the logic with the numbers that the rows have in a file: their places."""
    places = {row.number: place for place, row in enumerate(rule.criteria.all(), start=1)}
    return re.sub(r"\d+", lambda found: str(places.get(int(found[0]), found[0])), rule.filter_logic)


def _write_filter_logic(rule: Rule, value: str) -> list[Problem]:
    rule.filter_logic = value
    return []


def _replaced(
    manager: Manager[Any], owner_field: str, owner: Any, name: str, rows: list[dict[str, Any]]
) -> list[Problem]:
    """Put these rows in the place of those that hang on the owner."""
    manager.all().delete()
    return list(_created(manager, owner_field, owner, name, rows))


def _created(
    manager: Manager[Any], owner_field: str, owner: Any, name: str, rows: list[dict[str, Any]]
) -> Iterator[Problem]:
    for number, values in enumerate(rows, start=1):
        row = manager.model(**{owner_field: owner}, **values)
        try:
            row.full_clean()
        except ValidationError as error:
            yield (name, number), error
        else:
            row.save()


def _entries(value_map: ValueMap) -> dict[str, str]:
    return {entry.source: entry.destination for entry in value_map.entries.all()}


def _understood_entries(given: Mapping[str, Any], _before: Any) -> dict[str, str]:
    entries = {source.strip(): plain_text(value) for source, value in given.items()}
    if len({source.casefold() for source in entries}) < len(given):
        raise ValueError("two values differ in case or outer blanks only; keep one of them.")
    return dict(sorted(entries.items()))


def _write_entries(value_map: ValueMap, value: Mapping[str, str]) -> list[Problem]:
    rows = [{"source": source, "destination": destination} for source, destination in value.items()]
    return _replaced(value_map.entries, "value_map", value_map, "entries", rows)


def _write_mappings(sync: Sync, value: list[dict[str, Any]]) -> list[Problem]:
    return list(mappings.write(sync, value))


def _write_ties(sync: Sync, value: list[dict[str, str]]) -> list[Problem]:
    return list(ties.write(sync, value))


def _write_steps(flow: Flow, value: list[dict[str, Any]]) -> list[Problem]:
    return list(flows.write(flow, value))


def _as_given(given: Any, _before: Any) -> Any:
    return given


PARTS: Mapping[str, Mapping[str, Part]] = {
    "connections": {
        "settings": Part(_settings, _merged_settings, _write_settings, in_row=True),
        "secrets": Part(_secrets, _merged_secrets, _write_secrets, in_row=True),
    },
    "working_hours": {
        "spans": Part(_spans, _understood_spans, _write_spans),
        "holidays": Part(_holidays, _understood_holidays, _write_holidays),
    },
    "templates": {"fields": Part(_fields, _as_given, _write_fields)},
    "rules": {
        "criteria": Part(_criteria, understood_criteria, _write_criteria),
        "filter_logic": Part(_filter_logic, _as_given, _write_filter_logic, in_row=True),
    },
    "value_maps": {"entries": Part(_entries, _understood_entries, _write_entries)},
    "syncs": {
        "mappings": Part(mappings.read, mappings.understood, _write_mappings),
        "ties": Part(ties.read, ties.understood, _write_ties),
    },
    "event_sources": {
        "secrets": Part(
            event_sources.read_secrets, event_sources.understood_secrets, event_sources.write_secrets
        ),
        "types": Part(event_sources.read_types, event_sources.understood_types, event_sources.write_types),
    },
    "flows": {
        "criteria": Part(_criteria, understood_criteria, _write_flow_criteria),
        "steps": Part(flows.read, flows.understood, _write_steps),
    },
}
