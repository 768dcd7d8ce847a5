"""Rows to a document: what is configured now, as plain values and as the text of a file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml
from django.db.models import Q

from integration_hub.configuration.errors import ConfigurationError, path
from integration_hub.configuration.sections import (
    HUB,
    SECTIONS,
    Document,
    Section,
    everything,
    reference_to,
)
from routing.models import Person, Rule
from syncs.models import HubSettings

_OTHER_LINE_ENDS = "\r\x85\u2028\u2029"
"""YAML folds them into blanks or plain line ends unless they are escaped."""
_HEADING = """\
# Configuration of the integration hub. Secrets are not in it: {env: NAME} names an environment variable,
# “keep” stands for one that is stored in the hub and leaves it as it is. docs/configuration.md tells the format.
"""


def of_rows(people: Iterable[str] = ()) -> Document:
    """Return everything that is configured; of the people those whom rules name, and these."""
    found: Document = {}
    for section in SECTIONS:
        rows = everything(section)
        if section.model is Person:
            rows = rows.filter(Q(pk__in=_named_by_rules()) | Q(email__in=list(people)))
        entries = {key_of(section, row): section.entry(row) for row in rows}
        found[section.name] = dict(sorted(entries.items()))
    if not found["hub"]:
        hub = next(section for section in SECTIONS if section.name == "hub")
        found["hub"] = {HUB: hub.entry(HubSettings(pk=1))}
    return found


def exported() -> dict[str, Any]:
    """Return the document as a file holds it. ConfigurationError: something in it cannot be named."""
    found = of_rows()
    nameless = [
        f"{path('rules', rule.key, name)}: {person} has no e-mail, by which a file names people. Enter it first."
        for rule in Rule.objects.select_related("recipient_person", "fallback_person")
        for name, person in _named(rule)
        if not person.email
    ]
    if nameless:
        raise ConfigurationError(nameless)
    return {"version": 1, **found, "hub": found["hub"][HUB]}


def text(document: dict[str, Any]) -> str:
    return _HEADING + body(document)


def body(document: Any) -> str:
    """Return plain values as a file writes them."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def key_of(section: Section, row: Any) -> str:
    """Return how a file names the entry."""
    return HUB if section.name == "hub" else str(reference_to(row))


def _named_by_rules() -> set[int]:
    pairs = Rule.objects.values_list("recipient_person_id", "fallback_person_id")
    return {pk for pair in pairs for pk in pair if pk is not None}


def _named(rule: Rule) -> list[tuple[str, Person]]:
    both = (("recipient_person", rule.recipient_person), ("fallback_person", rule.fallback_person))
    return [(name, person) for name, person in both if person is not None]


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such, and lists indented below their key."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = None
    if any(mark in value for mark in _OTHER_LINE_ENDS):
        style = '"'
    elif "\n" in value:
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _represent_text)
