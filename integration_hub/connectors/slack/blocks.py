"""A neutral message as Slack's Block Kit, within all of its limits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    ContextBlock,
    HeaderBlock,
    MarkdownTextObject,
    PlainTextObject,
    SectionBlock,
)

from integration_hub.connectors.moments import age, instant
from integration_hub.connectors.mrkdwn import escape

MAX_BLOCKS = 50
MAX_FIELDS = 10
MAX_HEADER = 150
MAX_SECTION = 3000
MAX_FIELD = 2000
MAX_BUTTON = 75
MAX_URL = 3000
MAX_TEXT = 4000
EVENT_TYPE = "hub_delivery"
NOTHING = "–"

_ENTITY = re.compile(r"&(?:amp|lt|gt);|<[^<>\n]*>|.", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def content(values: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Return `blocks` and `text`, the fallback for notifications and screen readers."""
    return {"blocks": [block.to_dict() for block in _blocks(values, now)], "text": fallback(values)}


def fallback(values: Mapping[str, Any]) -> str:
    """Return the message as one mrkdwn text; it is never empty."""
    header = escape(_line(values.get("header")))
    parts = [values.get("text") or "", header, values.get("body") or ""]
    text = _text(parts[0]) or "\n".join(_text(part) for part in parts[1:] if _text(part))
    return shorten(text, MAX_TEXT) or NOTHING


def plain_fallback(values: Mapping[str, Any]) -> str:
    """Return everything that the blocks would have said as one mrkdwn text, for when Slack refuses them."""
    lines = [f"*{escape(_line(values.get('header')))}*" if _line(values.get("header")) else ""]
    lines.append(_text(values.get("body")))
    lines += [
        f"*{escape(_line(f['label']))}*: {_text(f['value']) or NOTHING}" for f in values.get("fields") or ()
    ]
    link = _link(values.get("link"))
    lines.append(f"<{escape(link[1])}|{escape(link[0])}>" if link else "")
    text = "\n".join(line for line in lines if line)
    return shorten(text, MAX_TEXT) or fallback(values)


def metadata(ref: str) -> dict[str, Any]:
    """Return what lets us find the message again; everybody in the conversation can read it."""
    return {"event_type": EVENT_TYPE, "event_payload": {"delivery_id": ref}}


def shorten(text: str, limit: int) -> str:
    """Cut mrkdwn at a limit, never inside an entity or a link."""
    if len(text) <= limit:
        return text
    kept: list[str] = []
    room = limit - 1
    for entity in _ENTITY.findall(text):
        room -= len(entity)
        if room < 0:
            break
        kept.append(entity)
    return "".join(kept).rstrip() + "…"


def _blocks(values: Mapping[str, Any], now: datetime) -> list[Block]:
    last: list[Block] = []
    link = _link(values.get("link"))
    if link:
        label = PlainTextObject(text=link[0], emoji=False)
        last.append(ActionsBlock(elements=[ButtonElement(text=label, url=link[1], action_id="open_record")]))
    context = _context(values, now)
    if context:
        last.append(ContextBlock(elements=[_mrkdwn(context, MAX_FIELD)]))
    first: list[Block] = []
    header = _line(values.get("header"))
    if header:
        first.append(HeaderBlock(text=PlainTextObject(text=_cut(header, MAX_HEADER), emoji=False)))
    body = _text(values.get("body"))
    if body:
        first.append(SectionBlock(text=_mrkdwn(body, MAX_SECTION)))
    first.extend(_field_blocks(values.get("fields") or ()))
    if not first:
        first.append(SectionBlock(text=_mrkdwn(fallback(values), MAX_SECTION)))
    # The link and the age are what the reader acts on: surplus fields give way to them.
    return first[: MAX_BLOCKS - len(last)] + last


def _field_blocks(fields: Sequence[Mapping[str, Any]]) -> Iterator[SectionBlock]:
    texts = [
        _mrkdwn(f"*{escape(_line(field['label']))}*\n{_text(field['value']) or NOTHING}", MAX_FIELD)
        for field in fields
    ]
    for start in range(0, len(texts), MAX_FIELDS):
        yield SectionBlock(fields=texts[start : start + MAX_FIELDS])


def _context(values: Mapping[str, Any], now: datetime) -> str:
    parts = [_text(values.get("context"))]
    triggered = instant(str(values.get("trigger_at") or ""))
    if triggered:
        shown = triggered.strftime("%Y-%m-%d %H:%M UTC")
        local = f"<!date^{int(triggered.timestamp())}^{{date_short_pretty}} {{time}}|{shown}>"
        parts.append(f"{local} ({age(triggered, now)})")
    return " · ".join(part for part in parts if part)


def _link(link: Mapping[str, str] | None) -> tuple[str, str] | None:
    """Return label and address of the button; None where Slack would refuse the address."""
    if not link:
        return None
    url = link.get("url", "").strip()
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname or len(url) > MAX_URL:
        return None
    return _cut(_line(link.get("label")) or "Open", MAX_BUTTON), url


def _mrkdwn(text: str, limit: int) -> MarkdownTextObject:
    # Verbatim: what looks like an address or a name in a customer's text stays text.
    return MarkdownTextObject(text=shorten(text, limit), verbatim=True)


def _text(value: Any) -> str:
    return _CONTROL.sub("", "" if value is None else str(value)).strip()


def _line(value: Any) -> str:
    return " ".join(_text(value).split())


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
