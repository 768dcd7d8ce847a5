"""The call of a flow's step: path, headers and body as Liquid, and what must not come of them. Pure.

What `{{ … }}` prints into a path is percent-encoded, so no value can add a segment, a query or another host. A body
that is JSON as it is written is rendered text by text, so no value can add a key; any other must become JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TextIO
from urllib.parse import quote, unquote

from liquid import RenderContext
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.echo_tag import EchoTag
from liquid.stringify import to_liquid_string

from integration_hub.liquid import Liquid, Sandbox
from routing.flows.shapes import Refusal, Scope
from syncs.engine.mapping import LIQUID

_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]")
_LINE_BREAK = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\u0085\u2028\u2029]")
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_NOT_OURS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "authorization", "proxy-authorization", "cookie"}
)  # fmt: skip
"""Headers that the transport or the connection sets."""


class _EncodedNode(OutputNode):
    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        value = self.expression.evaluate(context)
        return buffer.write(quote(to_liquid_string(value, autoescape=False), safe=""))


class _EncodedOutput(Output):
    node_class = _EncodedNode


class _EncodedEcho(EchoTag):
    node_class = _EncodedNode  # type: ignore[assignment]  # the same node but for how it shows itself


class _PathSandbox(Sandbox):
    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        self.add_tag(_EncodedOutput)
        self.add_tag(_EncodedEcho)
        self.add_filter("url_encode", lambda value: value)  # what is printed is encoded anyway


_PATHS = Liquid(_PathSandbox())


def path_of(source: str, scope: Scope) -> str | Refusal:
    """Return the path below the connection's address, with a slash in front; TemplateError."""
    path = _PATHS.rendered(source.strip(), scope).strip()
    if _CONTROL.search(path):
        return _refused(
            "path", "the path holds blanks or line breaks", "Write it on one line without blanks."
        )
    if "://" in path or path.startswith("//") or "\\" in path or "#" in path:
        return _refused(
            "path", "the path leads to another address", "Give what stands behind the address only."
        )
    folders = unquote(path.partition("?")[0]).split("/")
    if any(name in ("..", ".") for name in folders):
        return _refused("path", "the path leads out of the address", "Take the dots out; correct the event.")
    if "//" in path.partition("?")[0]:
        return _refused("path", "a part of the path is empty", "See which value of the event is missing.")
    return path if path.startswith("/") else f"/{path}"


def headers_of(source: str, scope: Scope) -> dict[str, str] | Refusal:
    """Return the headers, a line each; TemplateError. No value can add a line."""
    found: dict[str, str] = {}
    for line in filter(None, map(str.strip, source.splitlines())):
        name, colon, value = line.partition(":")
        name, value = name.strip(), LIQUID.rendered(value.strip(), scope).strip()
        if not colon or not _NAME.fullmatch(name):
            return _refused("headers", "a line is no header", "Write Name: value, one a line.")
        if name.casefold() in _NOT_OURS:
            return _refused("headers", f"a step may not set {name}", "It belongs to the connection.")
        if _LINE_BREAK.search(value):
            return _refused(
                "headers", f"the value of {name} holds a line break", "Take it out with a filter."
            )
        found[name] = value
    return found


def body_of(source: str, scope: Scope) -> Any:
    """Return the body as JSON has it, None if there is none, or a Refusal; TemplateError."""
    if not source.strip():
        return None
    try:
        written = json.loads(source)
    except (ValueError, RecursionError):
        try:
            return json.loads(LIQUID.rendered(source, scope), parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            if type(error).__module__ != "json.decoder" and type(error) is not RecursionError:
                raise
            remedy = "Write values as {{ event.email | json }}, which adds the quotes."
            return _refused("body", "the body does not become JSON", remedy)
    return _rendered(written, scope)


def _rendered(written: Any, scope: Scope) -> Any:
    if isinstance(written, str):
        return LIQUID.rendered(written, scope) if "{" in written else written
    if isinstance(written, Mapping):
        return {name: _rendered(one, scope) for name, one in written.items()}
    return [_rendered(one, scope) for one in written] if isinstance(written, list) else written


def _no_constant(name: str) -> Any:
    raise json.JSONDecodeError(f"{name} is no JSON", name, 0)


def _refused(code: str, what: str, remedy: str) -> Refusal:
    return Refusal(f"bad_{code}", f"It was not sent: {what}.", remedy)
