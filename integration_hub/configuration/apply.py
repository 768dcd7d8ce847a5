"""Carry out a plan: everything in one transaction, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction

from integration_hub.configuration import history, plan, removal, rulecheck
from integration_hub.configuration.errors import ConfigurationError, path
from integration_hub.configuration.history import Author
from integration_hub.configuration.plan import Action, Difference, Plan
from integration_hub.configuration.sections import BY_NAME, Section, row_of
from routing.models import Rule
from syncs.models import Connection
from syncs.models.versions import Cause

IMPORTED = Author(Cause.IMPORT, note="manage.py config import")


def run(
    given: Mapping[str, Any],
    *,
    now: datetime,
    prune: bool = False,
    dry_run: bool = False,
    author: Author = IMPORTED,
) -> Plan:
    """Bring the hub to what the file says and return what that was, with warnings.

    ConfigurationError: something is wrong, and nothing was changed. A dry run does all of it and takes it back.
    What changed has a version more afterwards, by `author`.
    """
    with transaction.atomic():
        history.record(history.SECTION_NAMES, now)
        planned = plan.prepare(given, prune=prune)
        writer = _Writer(now)
        removal.remove(planned.differences, first=True)
        for difference in _in_order(planned.differences):
            writer.write(difference)
        writer.check_rules(planned.differences)
        if writer.sentences:
            raise ConfigurationError(writer.sentences)
        removal.remove(planned.differences, first=False)
        history.record(history.SECTION_NAMES, now, author)
        if dry_run:
            transaction.set_rollback(True)
    return replace(planned, warnings=(*planned.warnings, *writer.warnings))


def _in_order(differences: Sequence[Difference]) -> list[Difference]:
    """Return those that write, a schedule that gives up being the default before the one that takes over.

    A flow comes after the one that it waits for, a sync after those that it is tied to, a way back after
    its forward way.
    """
    order = list(BY_NAME)
    after = {(one.section, one.key): _named(one) for one in differences}
    return sorted(
        (difference for difference in differences if difference.action is not Action.REMOVE),
        key=lambda one: (
            order.index(one.section),
            (one.after or {}).get("is_default") is not False,
            _depth(one.section, one.key, after),
        ),
    )


def _named(one: Difference) -> list[str]:
    """Return the keys of the entries of its own section that it refers to."""
    entry = one.after or {}
    if one.section == "flows":
        return [entry["waits_for"]] if entry.get("waits_for") else []
    if one.section != "syncs":
        return []
    forward = [entry["counterpart"]] if entry.get("counterpart") else []
    return [*forward, *(tie["partner"] for tie in entry.get("ties") or ())]


def _depth(
    section: str, key: str, named: Mapping[tuple[str, str], Sequence[str]], seen: frozenset[str] = frozenset()
) -> int:
    """Return how many entries of its section must be written one after the other before this one."""
    if key in seen:
        return 0
    others = named.get((section, key), ())
    return max((1 + _depth(section, other, named, seen | {key}) for other in others), default=0)


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
