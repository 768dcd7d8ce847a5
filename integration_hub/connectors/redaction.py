"""What may leave as a text: error messages and addresses without secrets and personal data."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from html import unescape
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

EXCERPT = 300
MASK = "***"
SHORTEST_SECRET = 4
"""Masking shorter texts would tear holes into every sentence."""

_EMAIL = re.compile(r"[\w.+%'-]+(?:@|%40)[\w-]+(?:\.[\w-]+)+")
_CREDENTIAL = re.compile(r"(?i)\b(bearer|basic)\s+(?=\S*\d)[\w.~+/=!-]{8,}")
_TOKEN_FIELD = re.compile(
    r"(?i)(\"?(?:access_token|refresh_token|client_secret|assertion|password)\"?\s*[:=]\s*\"?)[^\s\"&,}]+"
)
_QUERY = re.compile(r"(https?://[^\s?#\"'<>]+)[?#][^\s\"'<>]*")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_TITLE = re.compile(r"(?i)<title\b[^<>]*>([^<]*)")
_TAG = re.compile(r"(?is)<(script|style)\b.*?</\1>|<[^>]*>")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return `text` without secrets (plain, quoted or base64), credentials, queries of addresses, e-mails.

    Also without control characters: a proxy may answer with anything, and PostgreSQL keeps no NUL.
    """
    text = _without(_CONTROL.sub("", text), _all_forms(secrets))
    text = _QUERY.sub(r"\1", text)
    text = _TOKEN_FIELD.sub(rf"\1{MASK}", text)
    text = _CREDENTIAL.sub(rf"\1 {MASK}", text)
    return _EMAIL.sub(MASK, text)


def masked(value: Any, secrets: Iterable[str]) -> Any:
    """Return a JSON value without these secrets, all else as it is: some APIs repeat the request in their answers."""
    return _masked(value, _all_forms(secrets))


def _masked(value: Any, forms: Sequence[str]) -> Any:
    if isinstance(value, str):
        return _without(value, forms)
    if isinstance(value, Mapping):
        return {_without(str(name), forms): _masked(inner, forms) for name, inner in value.items()}
    return [_masked(inner, forms) for inner in value] if isinstance(value, list) else value


def _without(text: str, forms: Sequence[str]) -> str:
    for form in forms:
        text = text.replace(form, MASK)
    return text


def excerpt(text: str) -> str:
    """Return the beginning of an answer on one line: markup and long white space are no help to a reader.

    Of a page only its title: the body says the same once more, or apologizes.
    """
    title = _TITLE.search(text)
    plain = _plain(title[1]) if title else ""
    plain = plain or _plain(text)
    return plain if len(plain) <= EXCERPT else plain[: EXCERPT - 1] + "…"


def _plain(markup: str) -> str:
    return " ".join(unescape(_TAG.sub(" ", markup)).split())


def without_query(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _all_forms(secrets: Iterable[str]) -> list[str]:
    found = {form for secret in secrets for form in _forms(_CONTROL.sub("", secret))}
    return sorted(found, key=len, reverse=True)  # one secret may be part of another


def _forms(secret: str) -> set[str]:
    if len(secret.strip()) < SHORTEST_SECRET:
        return set()
    encoded = base64.b64encode(secret.encode()).decode()
    return {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], encoded}
