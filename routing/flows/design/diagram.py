"""A flow as a drawing: steps as boxes with what stands in them now, transitions as labeled arrows. One inline SVG."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from integration_hub.connectors.filters import Operator
from routing.conditions import OPERATOR_LABELS
from routing.flows.design import layout
from routing.flows.design.check import ways
from routing.flows.design.draft import FlowDraft, StepDraft
from routing.flows.design.graph import reached
from routing.flows.design.layout import HEIGHT, WIDTH, Arrow, Layout
from routing.models import FlowStep, Transition
from routing.models.flows import StepKind

NAME, SMALL, LABEL = 26, 31, 24
"""Characters that fit: of a name, of a line of small print, of an arrow's label."""
SHRUNK = 0.8
"""On a narrow screen a drawing becomes smaller, as long as it can be read; then it scrolls."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The open runs at a step: ready for it, waiting for its answer, parked."""

    here: int = 0
    waiting: int = 0
    parked: int = 0


Link = Callable[[StepDraft, str], str]
"""From a step and "here", "waiting", "parked" or "step" to an address; "" for no link."""


def drawn(
    draft: FlowDraft, counts: Mapping[str, Counts], link: Link, faulty: Collection[str] = ()
) -> SafeString:
    """Return the drawing; steps in `faulty` carry a mark. "" for a flow without steps."""
    keys, edges = ways(draft)
    if not keys:
        return SafeString("")
    plan = layout.layout(keys, edges)
    lost = set(keys) - reached(keys, edges)
    boxes = [
        _box(one, plan, counts.get(one.key, Counts()), link, one.key in lost, one.key in faulty)
        for one in draft.steps
    ]
    arrows = [_arrow(one, _labels(draft, one)) for one in plan.arrows]
    return format_html(
        '<svg class="hub-flow" role="img" aria-labelledby="flow-title flow-words" viewBox="0 0 {} {}" '
        'style="width: {}px; min-width: {}px"><title id="flow-title">{}</title>'
        '<desc id="flow-words">{}</desc>{}{}{}{}{}</svg>',
        plan.width,
        plan.height,
        plan.width,
        f"{plan.width * SHRUNK:.0f}",
        f"The steps of {draft.flow}",
        in_words(draft),
        _MARKERS,
        _start(draft, plan),
        format_html_join("", "{}", ((one[0],) for one in arrows)),
        format_html_join("", "{}", ((one,) for one in boxes)),
        format_html_join("", "{}", ((one[1],) for one in arrows)),
    )


def in_words(draft: FlowDraft) -> str:
    """Say what the drawing shows, step by step."""
    said = []
    for one in draft.steps:
        onward = "; ".join(f"{_condition(row)} to {row.target}" for row in one.transitions)
        said.append(f"{one.step.name} ({kind_in_words(one.step)}): {onward or 'ends here'}.")
    return " ".join(said)


_MARKERS = format_html(
    '<defs><marker id="{0}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    '<path class="hub-flow-tip" d="M0,0 L8,4 L0,8 z"/></marker></defs>',
    "flow-tip",
)


def _start(draft: FlowDraft, plan: Layout) -> SafeString:
    x, y = plan.boxes[draft.steps[0].key]
    middle = x + WIDTH / 2
    return format_html(
        '<g class="hub-flow-start"><circle cx="{}" cy="14" r="6"/><text x="{}" y="18">{}</text>'
        '<path class="hub-flow-way" marker-end="url(#flow-tip)" d="M{},20 V{}"/></g>',
        f"{middle:.0f}",
        f"{middle + 13:.0f}",
        _short(draft.flow.event_name, LABEL),
        f"{middle:.0f}",
        f"{y - 4:.0f}",
    )


def _box(one: StepDraft, plan: Layout, counts: Counts, link: Link, lost: bool, faulty: bool) -> SafeString:
    x, y = plan.boxes[one.key]
    classes = ["hub-flow-step", f"hub-flow-{one.step.kind}"]
    classes += ["hub-flow-lost"] * lost + ["hub-flow-faulty"] * faulty
    inside = format_html(
        '<rect class="hub-flow-box" width="{}" height="{}" rx="{}"/><rect class="hub-flow-edge" width="5" '
        'height="{}" rx="2.5"/><text class="hub-flow-name" x="16" y="22">{}</text>'
        '<text class="hub-flow-small" x="16" y="39">{}</text><title>{}</title>',
        WIDTH,
        HEIGHT,
        HEIGHT / 2 if one.step.kind == StepKind.END else 8,
        HEIGHT,
        _short(one.step.name, NAME - 3 if faulty else NAME),
        _short(kind_in_words(one.step), SMALL),
        f"{one.step.name} ({one.key}): {kind_in_words(one.step)}",
    )
    address = link(one, "step")
    if address:
        inside = format_html('<a href="{}">{}</a>', address, inside)
    mark = (
        format_html(
            '<text class="hub-flow-mark" x="{}" y="24">{}<title>{}</title></text>',
            WIDTH - 22,
            "⚠",
            "See the problems",
        )
        if faulty
        else SafeString("")
    )
    return format_html(
        '<g class="{}" transform="translate({},{})">{}{}{}</g>',
        " ".join(classes),
        f"{x:.0f}",
        f"{y:.0f}",
        inside,
        mark,
        _counted(one, counts, link),
    )


def _counted(one: StepDraft, counts: Counts, link: Link) -> SafeString:
    """Return the small print of how many runs are here, each number a way to them."""
    if one.step.kind == StepKind.END:
        return SafeString("")
    parts = []
    shown = (
        ("here", counts.here, "here"),
        ("waiting", counts.waiting, "waiting"),
        ("parked", counts.parked, "parked"),
    )
    x = 16
    for name, count, word in shown:
        if not count:
            continue
        text = f"{count:,} {word}"
        parts.append((link(one, name), name, x, text))
        x += 12 + len(text) * 6
    if not parts:
        return format_html(
            '<text class="hub-flow-count hub-flow-none" x="16" y="57">{}</text>', "no runs here"
        )
    return format_html_join(
        "", '<a href="{}"><text class="hub-flow-count hub-flow-count-{}" x="{}" y="57">{}</text></a>', parts
    )


def _arrow(arrow: Arrow, labels: list[str]) -> tuple[SafeString, SafeString]:
    """Return the line and its words; all words come last, so that no line crosses them."""
    classes = "hub-flow-way hub-flow-back" if arrow.back else "hub-flow-way"
    line = format_html('<path class="{}" marker-end="url(#flow-tip)" d="{}"/>', classes, arrow.path)
    whole = " · ".join(labels)
    words = format_html(
        '<text class="hub-flow-label{}" x="{}" y="{}">{}<title>{}</title></text>',
        " hub-flow-label-back" if arrow.back else "",
        f"{arrow.label[0]:.0f}",
        f"{arrow.label[1] + 4:.0f}",
        _short(whole, 17 if arrow.back else LABEL),
        f"{arrow.source} → {arrow.target}: {whole}",
    )
    return line, words


def _labels(draft: FlowDraft, arrow: Arrow) -> list[str]:
    step = draft.step(arrow.source)
    rows = step.transitions if step else ()
    return [_condition(row) for row in rows if row.target.key == arrow.target]


def _condition(row: Transition) -> str:
    if not row.field:
        return row.outcome
    verb = OPERATOR_LABELS[Operator(row.operator)] if row.operator else "?"
    return f"{row.outcome} if {row.field} {verb} {row.value}".rstrip()


def kind_in_words(step: FlowStep) -> str:
    """Say in a few words what the step does."""
    at = f" at {step.connection}" if step.connection else ""
    match StepKind(step.kind):
        case StepKind.WRITE:
            return f"{step.operation or 'write'} {step.object_type}{at}"
        case StepKind.TIE:
            return f"tie {step.from_type} and {step.to_type}{at}"
        case StepKind.CALL:
            return f"{step.method} {step.path}{at}"
        case StepKind.EMIT:
            return f"emit {step.event_name}"
        case kind:
            return kind.label


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
