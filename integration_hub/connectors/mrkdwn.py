"""Slack's mrkdwn, the markup of all our messages: three characters mean something, so three are escaped."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LINK = re.compile(r"<(?P<url>https?://[^|>]+)(?:\|(?P<label>[^>]*))?>")


def escape(text: str) -> str:
    """Return text that Slack shows as it is: it can mention nobody and disguise no link."""
    return _CONTROL.sub("", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def to_plain(text: str) -> str:
    """Return mrkdwn as a person reads it in a plain e-mail: links written out, entities resolved."""
    return unescape(_LINK.sub(lambda m: f"{m['label']} ({m['url']})" if m["label"] else m["url"], text))
