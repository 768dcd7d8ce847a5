"""Liquid as we allow it: no files, bounded work, and what is wrong said in a sentence to the author."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache, wraps
from typing import Any, ClassVar

from liquid import BoundTemplate, Environment, RenderContext, is_undefined
from liquid.builtin.output import OutputNode
from liquid.exceptions import (
    LiquidError,
    LoopIterationLimitError,
    OutputStreamLimitError,
    ResourceLimitError,
)
from liquid.filter import with_context
from liquid.static_analysis import TemplateAnalysis, Variable

from integration_hub.connectors.moments import zone_named

LONGEST_TEXT = 1_000_000
"""Characters that a filter may make on its way to a shorter text."""
_REMOVED_TAGS = ("include", "render", "tablerow", "cycle", "increment", "decrement")
# Filters given values they were not made for raise these too.
_FAILURES = (LiquidError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError)


class TemplateError(ValueError):
    """A template that cannot be read or rendered; the message is a sentence for its author."""


class Sandbox(Environment):
    """What every Liquid text of the hub may use. `removed_filters` says of each why an author can do without."""

    context_depth_limit = 20
    block_nesting_limit = 20
    loop_iteration_limit = 1000
    local_namespace_limit = 200_000
    output_stream_limit = 50_000
    removed_filters: ClassVar[Mapping[str, str]] = {"safe": "there is nothing it could do here"}

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        for tag in _REMOVED_TAGS:
            del self.tags[tag]
        for name in self.removed_filters:
            del self.filters[name]
        self.add_filter("date", _date)
        self.add_filter("money", _money)
        self.add_filter("json", _json)
        for name, function in list(self.filters.items()):
            self.filters[name] = _bounded(name, function)


class Liquid:
    """Reads and renders texts in one environment; every failure is a TemplateError."""

    def __init__(self, environment: Sandbox) -> None:
        self._environment = environment
        self._template = lru_cache(maxsize=1024)(self._read)

    def rendered(self, source: str, variables: Mapping[str, object]) -> str:
        template = self._template(source)
        try:
            return template.render(variables)
        except _FAILURES as error:
            raise _explained(source, error) from None

    def value(self, source: str, variables: Mapping[str, object]) -> object:
        """Return what a text that is a single `{{ … }}` stands for, a number as a number; of others the text.

        None: the variable is not there.
        """
        template = self._template(source)
        nodes = template.nodes
        if len(nodes) != 1 or not isinstance(nodes[0], OutputNode):
            return self.rendered(source, variables)
        try:
            context = RenderContext(template, globals=template.make_globals(dict(variables)))
            found = nodes[0].expression.evaluate(context)
        except _FAILURES as error:
            raise _explained(source, error) from None
        return None if is_undefined(found) else found

    def problems(self, source: str, sample: Mapping[str, object]) -> list[str]:
        """Return what is wrong with a template, also in branches that the sample does not take."""
        try:
            analysis = self._analysis(source)
        except TemplateError as error:
            return [str(error)]
        found = [*self._unknown_filters(source, analysis), *_unknown_variables(source, analysis, sample)]
        if not found:
            try:
                self.rendered(source, sample)
            except TemplateError as error:
                found.append(str(error))
        return found

    def paths(self, source: str, root: str) -> set[str]:
        """Return the dotted paths below a variable that a template reads; TemplateError if it cannot be read."""
        found = set()
        for variable in self._analysis(source).globals.get(root, []):
            names = [name for name in variable.segments[1:] if isinstance(name, str)]
            while names and names[-1] in {"size", "first", "last"}:
                names.pop()
            if names:
                found.add(".".join(names))
        return found

    def _read(self, source: str) -> BoundTemplate:
        try:
            return self._environment.from_string(source)
        except _FAILURES as error:
            raise _explained(source, error) from None

    def _analysis(self, source: str) -> TemplateAnalysis:
        template = self._template(source)
        try:
            return template.analyze(include_partials=False)
        except _FAILURES as error:
            raise _explained(source, error) from None

    def _unknown_filters(self, source: str, analysis: TemplateAnalysis) -> Iterator[str]:
        known = self._environment.filters
        for name, spans in analysis.filters.items():
            if name in known:
                continue
            if name in self._environment.removed_filters:
                message = f"leave out the filter “{name}”; {self._environment.removed_filters[name]}."
            else:
                message = f"there is no filter “{name}”.{_nearest(name, known)}"
            yield _at(source, spans[0].index, message)


def _bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the filter so that it stops before it fills the memory: the limits above look only at what it made."""

    @wraps(function)
    def run(value: Any, *args: Any, **options: Any) -> Any:
        longest = max((len(one) for one in (value, *args) if isinstance(one, range)), default=0)
        if longest > Sandbox.loop_iteration_limit:
            raise LoopIterationLimitError("loop iteration limit reached", token=None)
        if name == "replace" and len(args) > 1:
            _allow(len(str(value)) + str(value).count(str(args[0])) * len(str(args[1])))
        elif name == "join" and isinstance(value, list | tuple):
            _allow(sum(map(len, filter(_is_text, value))) + len(value) * len(str(args[0] if args else " ")))
        found = function(value, *args, **options)
        if isinstance(found, str):
            _allow(len(found))
        return found

    return run


def _allow(length: int) -> None:
    if length > LONGEST_TEXT:
        raise OutputStreamLimitError("output stream limit reached", token=None)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


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


def _json(value: object) -> str:
    """Write a value as JSON, quotes and all; nothing as null."""
    if is_undefined(value):
        return "null"
    return json.dumps(value, ensure_ascii=False, default=str)


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
