"""How to post to a source, ready to paste: for the people who write the product that sends."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from syncs.events.proof import SIGNATURE_HEADER, TIMESTAMP_HEADER
from syncs.models import EventSource
from syncs.models.events import Proof

SECRET = "HUB_SECRET"  # noqa: S105 - the name of a variable
_CURL_HMAC = """\
body={body}
time=$(date +%s)
signature=$(printf '%s.%s' "$time" "$body" | openssl dgst -sha256 -hmac "${secret}" -r | cut -d' ' -f1)
curl -sS {url} \\
  -H 'Content-Type: application/json' \\
  -H "{timestamp}: $time" \\
  -H "{signature}: sha256=$signature" \\
  -H 'Idempotency-Key: {key}' \\
  --data-binary "$body"
"""
_CURL_BEARER = """\
curl -sS {url} \\
  -H 'Content-Type: application/json' \\
  -H "Authorization: Bearer ${secret}" \\
  -H 'Idempotency-Key: {key}' \\
  --data-binary {body}
"""
_PYTHON_HMAC = """\
import hashlib, hmac, json, os, time, urllib.request

secret = os.environ["{secret}"].encode()
body = json.dumps({event}).encode()
timestamp = str(int(time.time()))
signature = hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
request = urllib.request.Request(
    "{url}",
    data=body,
    headers={{
        "Content-Type": "application/json",
        "{timestamp}": timestamp,
        "{signature}": "sha256=" + signature,
        "Idempotency-Key": "{key}",
    }},
)
with urllib.request.urlopen(request, timeout=10) as answer:
    print(answer.status, answer.read().decode())
"""
_PYTHON_BEARER = """\
import json, os, urllib.request

request = urllib.request.Request(
    "{url}",
    data=json.dumps({event}).encode(),
    headers={{
        "Content-Type": "application/json",
        "Authorization": "Bearer " + os.environ["{secret}"],
        "Idempotency-Key": "{key}",
    }},
)
with urllib.request.urlopen(request, timeout=10) as answer:
    print(answer.status, answer.read().decode())
"""
_ASK_HMAC = """\
path={path}
time=$(date +%s)
signature=$(printf '%s.%s' "$time" "$path" | openssl dgst -sha256 -hmac "${secret}" -r | cut -d' ' -f1)
curl -sS {root}"$path" -H "{timestamp}: $time" -H "{signature}: sha256=$signature"
"""
_ASK_BEARER = """\
curl -sS {root}{path} -H "Authorization: Bearer ${secret}"
"""


@dataclass(frozen=True, slots=True)
class Examples:
    """The secret stands in the environment variable HUB_SECRET in each of them."""

    curl: str
    python: str
    ask: str


def of(source: EventSource, event: dict[str, Any] | None = None, key: str = "made-by-you-1") -> Examples:
    """Return examples that post this event; without one, the first sample of the source's types, else a bare one."""
    shown = event if event is not None else _sample(source)
    signed = source.proof == Proof.HMAC
    words = {
        "url": settings.PUBLIC_URL + source.address,
        "root": settings.PUBLIC_URL,
        "path": f"{source.address}ID",
        "body": _quoted(json.dumps(shown, ensure_ascii=False)),
        "event": repr(shown),
        "secret": SECRET,
        "key": key,
        "timestamp": TIMESTAMP_HEADER,
        "signature": SIGNATURE_HEADER,
    }
    return Examples(
        curl=(_CURL_HMAC if signed else _CURL_BEARER).format(**words),
        python=(_PYTHON_HMAC if signed else _PYTHON_BEARER).format(**words),
        ask=(_ASK_HMAC if signed else _ASK_BEARER).format(**words),
    )


def _sample(source: EventSource) -> dict[str, Any]:
    first = source.types.exclude(sample=None).first()
    if first is not None and isinstance(first.sample, dict):
        return first.sample
    kind = source.types.first()
    event: Any = kind.name if kind else "register"
    for part in reversed(source.name_path.split(".")):
        event = {part: event}
    found: dict[str, Any] = event
    return found


def _quoted(text: str) -> str:
    """Quote for a POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"
