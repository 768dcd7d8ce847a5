"""Is a webhook from HubSpot: its signatures, versions 1, 2 and 3. Values in, a verdict out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime

TOLERANCE = 300.0
"""Seconds a signed time may lie in the past or the future."""
V1, V3, TIME, VERSION = (
    "x-hubspot-signature",
    "x-hubspot-signature-v3",
    "x-hubspot-request-timestamp",
    "x-hubspot-signature-version",
)
_DECODED = {
    "%3a": ":",
    "%2f": "/",
    "%3f": "?",
    "%40": "@",
    "%21": "!",
    "%24": "$",
    "%27": "'",
    "%28": "(",
    "%29": ")",
    "%2a": "*",
    "%2c": ",",
    "%3b": ";",
}
_ENCODED = re.compile("|".join(_DECODED), re.IGNORECASE)


def verify(
    secret: str, *, method: str, url: str, body: bytes, headers: Mapping[str, str], now: datetime
) -> str:
    """Return "" for a call that HubSpot signed, else why it is refused, in a few words.

    `body` is what came over the wire, to the byte; `url` the address that HubSpot called, as seen outside of any
    proxy. Version 3 decides where it is there: version 1 covers neither address nor time.
    """
    if not secret:
        return "no client secret is set"
    given = {name.lower(): value for name, value in headers.items()}
    if V3 in given:
        return _verify_v3(secret, method, url, body, given, now)
    if V1 not in given:
        return "not signed"
    version = given.get(VERSION, "v1").lower()
    if version not in {"v1", "v2"}:
        return "unknown signature version"
    expected = v1(secret, body) if version == "v1" else v2(secret, method, url, body)
    return "" if _same(expected, given[V1]) else "wrong signature"


def v1(secret: str, body: bytes) -> str:
    return hashlib.sha256(secret.encode() + body).hexdigest()


def v2(secret: str, method: str, url: str, body: bytes) -> str:
    return hashlib.sha256(secret.encode() + method.upper().encode() + url.encode() + body).hexdigest()


def v3(secret: str, method: str, url: str, body: bytes, timestamp: str) -> str:
    text = method.upper().encode() + _decoded(url).encode() + body + timestamp.encode()
    return base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()


def _verify_v3(
    secret: str, method: str, url: str, body: bytes, given: Mapping[str, str], now: datetime
) -> str:
    stamp = given.get(TIME, "")
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) < 16):
        return "no time of signing"
    if not _same(v3(secret, method, url, body, stamp), given[V3]):
        return "wrong signature"
    return "" if abs(now.timestamp() - int(stamp) / 1000) <= TOLERANCE else "signed too long ago"


def _decoded(url: str) -> str:
    return _ENCODED.sub(lambda found: _DECODED[found[0].lower()], url)


def _same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.strip().encode("utf-8", "replace"))
