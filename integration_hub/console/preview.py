"""How a message will look, roughly: Slack's markup as HTML, and nothing that a record holds as markup of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

_LINK = re.compile(r"&lt;(https?://[^|&\s]+)\|([^&]*?)&gt;")
_BOLD = re.compile(r"(?<!\w)\*(?=\S)([^*\n]+)(?<=\S)\*(?!\w)")
_ITALIC = re.compile(r"(?<!\w)_(?=\S)([^_\n]+)(?<=\S)_(?!\w)")


def message(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a rendered message for the preview's template."""
    return {
        "header": payload["header"],
        "body": markup(payload["body"]),
        "fields": [{"label": f["label"], "value": markup(f["value"])} for f in payload["fields"]],
        "link": payload["link"],
        "context": markup(payload["context"]),
    }


def markup(text: str) -> SafeString:
    """Show mrkdwn: bold, italics and links; its three entities stand for themselves."""
    html: str = escape(text)
    html = _LINK.sub(r'<span class="hub-link">\2</span>', html)
    html = _BOLD.sub(r"<b>\1</b>", html)
    html = _ITALIC.sub(r"<i>\1</i>", html)
    # What the record held was escaped once for Slack already and now once more for us: undo only the former.
    for entity in ("&amp;amp;", "&amp;lt;", "&amp;gt;"):
        html = html.replace(entity, entity.replace("&amp;", "&", 1))
    return mark_safe(html.replace("\n", "<br>"))  # noqa: S308 - escaped in the first line
