"""Liquid for messages: nothing that a record holds can become Slack markup.

What `{{ … }}` prints is escaped as the very last step, after all filters; what an author writes outside
stays as it is. Escaping at that point, rather than by python-liquid's `autoescape`, leaves no filter that could
undo it and no entity that `truncate` could cut. While a template renders, the three characters are stood in for
by Unicode noncharacters, so that a captured text may be printed again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TextIO

from liquid import RenderContext
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.echo_tag import EchoTag
from liquid.stringify import to_liquid_string

from integration_hub.liquid import Liquid, Sandbox
from integration_hub.liquid import TemplateError as TemplateError

MAX_PRINTED = 3000

_SAFE_ANYWAY = "what is printed is made safe anyway"
_ESCAPES = ("safe", "escape", "escape_once", "escapejs", "newline_to_br")
_STAND_INS = {"&": "\ufdd0", "<": "\ufdd1", ">": "\ufdd2"}
_TO_STAND_INS = str.maketrans(_STAND_INS)
_TO_MRKDWN = str.maketrans({"\ufdd0": "&amp;", "\ufdd1": "&lt;", "\ufdd2": "&gt;"})
_TO_PLAIN = str.maketrans({stand_in: char for char, stand_in in _STAND_INS.items()})
# Controls, marks that turn the reading direction round, and halves of characters that cannot be encoded.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def mrkdwn(source: str, variables: Mapping[str, object]) -> str:
    """Render a text for Slack's markup, with what it prints escaped."""
    return _MESSAGES.rendered(source, variables).translate(_TO_MRKDWN).strip()


def plain(source: str, variables: Mapping[str, object]) -> str:
    """Render a text that knows no markup, on one line."""
    return " ".join(_MESSAGES.rendered(source, variables).translate(_TO_PLAIN).split())


def escaped(text: str) -> str:
    """Return plain text for use within Slack's markup."""
    return text.translate(_TO_STAND_INS).translate(_TO_MRKDWN)


def problems(source: str, sample: Mapping[str, object]) -> list[str]:
    """Return what is wrong with a template, also in branches that the sample does not take."""
    return _MESSAGES.problems(source, sample)


def paths(source: str, root: str) -> set[str]:
    """Return the dotted paths below a variable that a template reads; TemplateError if it cannot be read."""
    return _MESSAGES.paths(source, root)


class _PrintingNode(OutputNode):
    """Prints a value with the stand-ins in the place of `&`, `<` and `>`."""

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        return buffer.write(_printed(self.expression.evaluate(context)))


class _PrintingOutput(Output):
    node_class = _PrintingNode


class _PrintingEcho(EchoTag):
    node_class = _PrintingNode  # type: ignore[assignment]  # the same node but for how it shows itself


class _Printing(Sandbox):
    removed_filters = dict.fromkeys(_ESCAPES, _SAFE_ANYWAY)

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        self.add_tag(_PrintingOutput)
        self.add_tag(_PrintingEcho)


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


_MESSAGES = Liquid(_Printing())
