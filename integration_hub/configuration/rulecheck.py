"""Ask of imported rules, templates, syncs and flows what the admin's forms would ask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from integration_hub.configuration.errors import path
from integration_hub.configuration.plan import Action, Difference
from routing import rulebook, templating, validation
from routing.flows.design import check as flow_check
from routing.flows.design import draft as flow_draft
from routing.models import Flow, MessageTemplate, Rule
from syncs.mappings import check as mapping_check
from syncs.models import Sync

Sentence = tuple[str, str, bool]
"""Path, text, and whether it is only a warning."""


def problems(differences: Sequence[Difference], now: datetime) -> Iterator[Sentence]:
    """Yield what is wrong with the rules and syncs that changed, or whose template did; all rows are written."""
    changed = _changed(differences, "rules")
    templates = _changed(differences, "templates")
    rules = Rule.objects.filter(key__in=changed) | Rule.objects.filter(template__key__in=templates)
    for rule in rules.select_related("stream", "destination", "template"):
        draft = rulebook.draft_of(rule, list(rule.criteria.all()))
        for finding in validation.problems(draft, now):
            yield _place("rules", rule.key, finding.place), finding.message, finding.warning
    for template in MessageTemplate.objects.filter(key__in=templates, rules=None):
        yield from _unused(template)
    for sync in Sync.objects.filter(key__in=_changed(differences, "syncs")).select_related(
        "stream", "destination"
    ):
        for said in mapping_check.stored_problems(sync):
            yield _place("syncs", sync.key, said.place), said.message, said.warning
    yield from _flows(_changed(differences, "flows"))


def _flows(keys: Sequence[str]) -> Iterator[Sentence]:
    """Yield what is wrong with flows as they are now; no destination is asked for its fields."""
    for flow in Flow.objects.filter(key__in=keys).select_related("source", "waits_for"):
        draft = flow_draft.draft_of(flow)
        number = {step.key: place for place, step in enumerate(draft.steps, start=1)}
        for said in flow_check.judged(draft, {}):
            inside = ("steps", number[said.step], *said.place) if said.step else said.place
            yield path("flows", flow.key, *inside), said.message, said.warning


def _unused(template: MessageTemplate) -> Iterator[Sentence]:
    """Yield what cannot be read; which variables there are is known only from a rule's stream."""
    for part, source in rulebook.texts_of(template).parts():
        try:
            templating.paths(source, "record")
        except templating.TemplateError as error:
            yield path("templates", template.key, *_inside(part)), str(error), False


def _changed(differences: Sequence[Difference], section: str) -> list[str]:
    return [d.key for d in differences if d.section == section and d.action is not Action.REMOVE]


def _place(section: str, key: str, place: str | tuple[str, int, str]) -> str:
    if isinstance(place, str):
        return path(section, key, place)
    name, index, part = place
    return path(section, key, name, index + 1, part)


def _inside(part: str) -> tuple[str | int, ...]:
    """Return where the text stands in the file: `fields.0` is the value of the first pair."""
    name, _, index = part.partition(".")
    return (name, int(index) + 1, "value") if index else (name,)
