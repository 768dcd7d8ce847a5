"""Carry out a plan: everything in one transaction, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction

from integration_hub.configuration import plan, removal, rulecheck
from integration_hub.configuration.errors import ConfigurationError, path
from integration_hub.configuration.plan import Action, Difference, Plan
from integration_hub.configuration.sections import BY_NAME, Section, row_of
from routing.models import Rule
from syncs.models import Connection


def run(given: Mapping[str, Any], *, now: datetime, prune: bool = False, dry_run: bool = False) -> Plan:
    """Bring the hub to what the file says and return what that was, with warnings.

    ConfigurationError: something is wrong, and nothing was changed. A dry run does all of it and takes it back.
    """
    with transaction.atomic():
        planned = plan.prepare(given, prune=prune)
        writer = _Writer(now)
        removal.remove(planned.differences, first=True)
        for difference in _in_order(planned.differences):
            writer.write(difference)
        writer.check_rules(planned.differences)
        if writer.sentences:
            raise ConfigurationError(writer.sentences)
        removal.remove(planned.differences, first=False)
        if dry_run:
            transaction.set_rollback(True)
    return replace(planned, warnings=(*planned.warnings, *writer.warnings))


def _in_order(differences: Sequence[Difference]) -> list[Difference]:
    """Return those that write, a schedule that gives up being the default before the one that takes over."""
    order = list(BY_NAME)
    return sorted(
        (difference for difference in differences if difference.action is not Action.REMOVE),
        key=lambda one: (order.index(one.section), (one.after or {}).get("is_default") is not False),
    )


@dataclass(slots=True)
class _Writer:
    """Writes entries one by one and gathers what the models say against them."""

    now: datetime
    sentences: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    failed: set[tuple[str, str]] = field(default_factory=set)

    def write(self, difference: Difference) -> None:
        section = BY_NAME[difference.section]
        after = difference.after or {}
        if any((target, after.get(name)) in self.failed for name, target in section.references.items()):
            self._fail(difference)  # the sentence about the other entry is enough
            return
        row = _row(section, difference)
        for name, value in after.items():
            _set(section, row, name, value)
        _mind_side_effects(row, after, self.now)
        try:
            row.full_clean()
        except ValidationError as error:
            self._say(difference, (), error)
            return
        row.save()
        for name, part in section.parts.items():
            if name in after and not part.in_row:
                for inside, wrong in part.write(row, after[name]):
                    self._say(difference, inside, wrong)

    def check_rules(self, differences: Sequence[Difference]) -> None:
        """Ask about each rule what its form would ask, if the rule or its template changed."""
        if self.sentences:
            return
        for where, text, warning in rulecheck.problems(differences, self.now):
            (self.warnings if warning else self.sentences).append(f"{where}: {text}")

    def _say(self, difference: Difference, inside: tuple[str | int, ...], error: ValidationError) -> None:
        self._fail(difference)
        for name, texts in error.message_dict.items():
            place = inside if name == NON_FIELD_ERRORS else (*inside, name)
            where = path(difference.section, difference.key, *place)
            self.sentences.extend(f"{where}: {text}" for text in texts)

    def _fail(self, difference: Difference) -> None:
        self.failed.add((difference.section, difference.key))


def _row(section: Section, difference: Difference) -> Any:
    if difference.action is Action.CHANGE:
        row = row_of(section, difference.key)
        if row is not None:
            return row
    return section.model(**{section.key: difference.key or 1})


def _set(section: Section, row: Any, name: str, value: Any) -> None:
    if name in section.references:
        value = row_of(BY_NAME[section.references[name]], value) if value else None
    if name not in section.parts:
        setattr(row, name, value)
    elif section.parts[name].in_row:
        section.parts[name].write(row, value)


def _mind_side_effects(row: Any, after: Mapping[str, Any], now: datetime) -> None:
    if isinstance(row, Rule) and after.get("enabled"):
        row.active_from = now
    if isinstance(row, Connection) and {"settings", "base_url", "environment"} & set(after):
        row.kept = ""  # a token got with the former settings must not outlive them
