"""Liquid as we allow it: no files, bounded work, and nothing that a record holds can become Slack markup.

What `{{ … }}` prints is escaped as the very last step, after all filters; what an author writes outside
stays as it is. Escaping at that point, rather than by python-liquid's `autoescape`, leaves no filter that could
undo it and no entity that `truncate` could cut. While a template renders, the three characters are stood in for
by Unicode noncharacters, so that a captured text may be printed again.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, TextIO

from liquid import BoundTemplate, Environment, RenderContext
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.echo_tag import EchoTag
from liquid.exceptions import LiquidError, ResourceLimitError
from liquid.filter import with_context
from liquid.static_analysis import TemplateAnalysis, Variable
from liquid.stringify import to_liquid_string

from routing.hours import zone_named

MAX_PRINTED = 3000

_REMOVED_TAGS = ("include", "render", "tablerow", "cycle", "increment", "decrement")
_ESCAPES = ("safe", "escape", "escape_once", "escapejs", "newline_to_br")
_STAND_INS = {"&": "\ufdd0", "<": "\ufdd1", ">": "\ufdd2"}
_TO_STAND_INS = str.maketrans(_STAND_INS)
_TO_MRKDWN = str.maketrans({"\ufdd0": "&amp;", "\ufdd1": "&lt;", "\ufdd2": "&gt;"})
_TO_PLAIN = str.maketrans({stand_in: char for char, stand_in in _STAND_INS.items()})
# Controls, marks that turn the reading direction round, and halves of characters that cannot be encoded.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# Filters given values they were not made for raise these too.
_FAILURES = (LiquidError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError)


class TemplateError(ValueError):
    """A template that cannot be read or rendered; the message is a sentence for its author."""


def mrkdwn(source: str, variables: Mapping[str, object]) -> str:
    """Render a text for Slack's markup, with what it prints escaped."""
    return _rendered(source, variables).translate(_TO_MRKDWN).strip()


def plain(source: str, variables: Mapping[str, object]) -> str:
    """Render a text that knows no markup, on one line."""
    return " ".join(_rendered(source, variables).translate(_TO_PLAIN).split())


def escaped(text: str) -> str:
    """Return plain text for use within Slack's markup."""
    return text.translate(_TO_STAND_INS).translate(_TO_MRKDWN)


def problems(source: str, sample: Mapping[str, object]) -> list[str]:
    """Return what is wrong with a template, also in branches that the sample does not take."""
    try:
        analysis = _analysis(source)
    except TemplateError as error:
        return [str(error)]
    found = [*_unknown_filters(source, analysis), *_unknown_variables(source, analysis, sample)]
    if not found:
        try:
            _rendered(source, sample)
        except TemplateError as error:
            found.append(str(error))
    return found


def paths(source: str, root: str) -> set[str]:
    """Return the dotted paths below a variable that a template reads; TemplateError if it cannot be read."""
    found = set()
    for variable in _analysis(source).globals.get(root, []):
        names = [name for name in variable.segments[1:] if isinstance(name, str)]
        while names and names[-1] in {"size", "first", "last"}:
            names.pop()
        if names:
            found.add(".".join(names))
    return found


class _PrintingNode(OutputNode):
    """Prints a value with the stand-ins in the place of `&`, `<` and `>`."""

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        return buffer.write(_printed(self.expression.evaluate(context)))


class _PrintingOutput(Output):
    node_class = _PrintingNode


class _PrintingEcho(EchoTag):
    node_class = _PrintingNode  # type: ignore[assignment]  # the same node but for how it shows itself


class _Liquid(Environment):
    context_depth_limit = 20
    block_nesting_limit = 20
    loop_iteration_limit = 1000
    local_namespace_limit = 200_000
    output_stream_limit = 50_000

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        for tag in _REMOVED_TAGS:
            del self.tags[tag]
        for name in _ESCAPES:
            del self.filters[name]
        self.add_tag(_PrintingOutput)
        self.add_tag(_PrintingEcho)
        self.add_filter("date", _date)
        self.add_filter("money", _money)


@with_context
def _date(
    value: object, form: object = "%Y-%m-%d %H:%M", zone: object = "", *, context: RenderContext
) -> object:
    """Show a date or time; a time in the zone named here, else in the recipient's, else in UTC."""
    moment = context.resolve("now", default=None) if value == "now" else value
    if isinstance(moment, str):
        try:
            is_date = len(moment) == len("2026-11-20")
            moment = date.fromisoformat(moment) if is_date else datetime.fromisoformat(moment)
        except ValueError:
            return moment
    if isinstance(moment, datetime):
        person = context.resolve("person", default=None)
        usual = person.get("time_zone") if isinstance(person, Mapping) else ""
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(
            zone_named(str(zone or usual or "UTC"))
        )
    return moment.strftime(str(form)) if isinstance(moment, date) else value


def _money(value: object, currency: object = "") -> object:
    """Show an amount with separators, and cents only where there are some: `USD 1,200,000`, `$99.50`."""
    try:
        amount = Decimal(str(value)).quantize(Decimal("0.01"))
    except InvalidOperation:
        return value
    shown = f"{amount:,.2f}".removesuffix(".00")
    unit = str(currency or "")
    return f"{unit}{' ' if unit[-1:].isalpha() else ''}{shown}"


def _printed(value: object) -> str:
    if isinstance(value, Mapping):  # a whole record, or a variable that is not there
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    text = to_liquid_string(value, autoescape=False)
    if len(text) > MAX_PRINTED:
        text = text[:MAX_PRINTED] + "…"
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    return _UNPRINTABLE.sub("", text).translate(_TO_STAND_INS)


_LIQUID = _Liquid()


@lru_cache(maxsize=1024)
def _template(source: str) -> BoundTemplate:
    try:
        return _LIQUID.from_string(source)
    except _FAILURES as error:
        raise _explained(source, error) from None


def _analysis(source: str) -> TemplateAnalysis:
    template = _template(source)
    try:
        return template.analyze(include_partials=False)
    except _FAILURES as error:
        raise _explained(source, error) from None


def _rendered(source: str, variables: Mapping[str, object]) -> str:
    template = _template(source)
    try:
        return template.render(variables)
    except _FAILURES as error:
        raise _explained(source, error) from None


def _explained(source: str, error: Exception) -> TemplateError:
    if isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError):
        return TemplateError("The text is nested too deeply.")
    if not isinstance(error, LiquidError):
        return TemplateError(f"A filter does not fit its value: {error}".rstrip(".") + ".")
    message = str(error.message).rstrip(".")
    if isinstance(error, ResourceLimitError):
        message += "; use fewer repetitions or shorter texts"
    for word in _REMOVED_TAGS:
        message = message.replace(f"unexpected tag '{word}'", f"the tag “{word}” is not available")
    position = error.token.start_index if error.token else -1
    return TemplateError(_at(source, position, f"{message}."))


def _at(source: str, position: int, message: str) -> str:
    return message if position < 0 else f"Line {source.count(chr(10), 0, position) + 1}: {message}"


def _unknown_filters(source: str, analysis: TemplateAnalysis) -> Iterator[str]:
    for name, spans in analysis.filters.items():
        if name in _LIQUID.filters:
            continue
        if name in _ESCAPES:
            message = f"leave out the filter “{name}”; what is printed is made safe anyway."
        else:
            message = f"there is no filter “{name}”.{_nearest(name, _LIQUID.filters)}"
        yield _at(source, spans[0].index, message)


def _unknown_variables(
    source: str, analysis: TemplateAnalysis, sample: Mapping[str, object]
) -> Iterator[str]:
    for variables in analysis.globals.values():
        for variable in dict.fromkeys(variables):
            fault = _fault(variable, sample)
            if fault:
                yield _at(source, variable.span.index, fault)


def _fault(variable: Variable, sample: Mapping[str, object]) -> str:
    """Say why a path leads nowhere; what is only empty in the sample leads somewhere."""
    found: Any = sample
    known = ""
    for name in variable.segments:
        if found is None or not isinstance(name, str) or not isinstance(found, Mapping):
            break
        if name not in found:
            return f"there is no “{known}{name}”.{_nearest(name, found, known)}"
        found = found[name]
        known += f"{name}."
    if len(variable.segments) == 1 and found is not None and found is sample.get("record"):
        return f"“{variable}” is a whole record; name a field of it, such as {variable}.Name."
    return ""


def _nearest(
    name: str, known: Mapping[str, object] | Mapping[str, Callable[..., Any]], prefix: str = ""
) -> str:
    by_folded = {str(each).lower(): str(each) for each in known}
    near = difflib.get_close_matches(name.lower(), by_folded, n=1, cutoff=0.6)
    return f" Did you mean “{prefix}{by_folded[near[0]]}”?" if near else ""
