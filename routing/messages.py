"""What a message says: a template's texts, rendered to a neutral payload that a connector lays out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from routing import templating
from routing.templating import TemplateError

NO_TEXT = "An alert without text"


@dataclass(frozen=True, slots=True)
class TemplateTexts:
    """The Liquid texts of a message template. Labels of fields are plain words, printed as written."""

    header: str
    body: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    link_label: str = ""
    context: str = ""

    def parts(self) -> Iterator[tuple[str, str]]:
        """Yield (part, Liquid text); the value of the first field is `fields.0`."""
        yield "header", self.header
        yield "body", self.body
        for index, (_, value) in enumerate(self.fields):
            yield f"fields.{index}", value
        yield "link_label", self.link_label
        yield "context", self.context


class MessageError(ValueError):
    """A message that cannot be rendered; the sentence names the part."""

    def __init__(self, part: str, message: str) -> None:
        super().__init__(f"Template, {part}: {message}")
        self.part = part


def render(texts: TemplateTexts, variables: Mapping[str, object], url: str = "") -> dict[str, Any]:
    """Return the payload of a message as JSON can hold it.

    `header`, `link.label` and `fields[].label` are plain text: a connector that puts them into markup escapes
    them first. `body`, `fields[].value`, `context` and `text` are mrkdwn, escaped already. Fields without a
    value are left out, as is a link that is not http or https.
    """
    header = _part("header", texts.header, variables, plain=True)
    body = _part("body", texts.body, variables)
    label = _part("link_label", texts.link_label, variables, plain=True)
    fields = [
        {"label": name.strip(), "value": _part(f"fields.{index}", value, variables)}
        for index, (name, value) in enumerate(texts.fields)
    ]
    return {
        "header": header,
        "body": body,
        "fields": [field for field in fields if field["value"]],
        "link": {"label": label, "url": url} if label and is_web_address(url) else None,
        "context": _part("context", texts.context, variables),
        "text": "\n".join(part for part in (templating.escaped(header), body) if part) or NO_TEXT,
    }


def problems(texts: TemplateTexts, sample: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return (part, sentence) for all that is wrong, judged on sample variables.

    `sample["record"]` should have every field that may be named: one that is None there is known but empty.
    """
    return [
        (part, message) for part, source in texts.parts() for message in templating.problems(source, sample)
    ]


def record_fields(texts: TemplateTexts, names: Sequence[str] = ("record",)) -> set[str]:
    """Return the fields of the record that the texts read, so that they can be fetched.

    `names` are the variables under which the record is known to templates. An invalid text reads none.
    """
    found: set[str] = set()
    for _, source in texts.parts():
        for name in names:
            try:
                found |= templating.paths(source, name)
            except TemplateError:
                continue
    return found


def is_web_address(url: str) -> bool:
    """Say whether a link may lead there: http or https with a host, and nothing that could end it early."""
    if not url.isprintable() or any(char in ' <>|"' for char in url):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _part(part: str, source: str, variables: Mapping[str, object], *, plain: bool = False) -> str:
    try:
        return (templating.plain if plain else templating.mrkdwn)(source, variables)
    except TemplateError as error:
        raise MessageError(part, str(error)) from None
