"""Pure: does a request prove that one of a source's secrets was used? All comparisons take constant time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from syncs.events.problems import Problem, RefusedError

TIMESTAMP_HEADER = "X-Hub-Timestamp"
SIGNATURE_HEADER = "X-Hub-Signature"
_BEARER = "bearer "
_SHA256 = "sha256="


@dataclass(frozen=True, slots=True)
class Credentials:
    """The headers that prove something, as they came; "" for one that is missing."""

    authorization: str = ""
    timestamp: str = ""
    signature: str = ""


def signature(secret: bytes, timestamp: str, content: bytes) -> str:
    """Return what the signature header must hold for this content (a body, or the path of a question)."""
    return _SHA256 + hmac.new(secret, timestamp.encode() + b"." + content, hashlib.sha256).hexdigest()


def check_bearer(given: Credentials, secrets: Sequence[bytes]) -> None:
    """Refuse unless the token is one of these."""
    if given.authorization[: len(_BEARER)].lower() != _BEARER:
        raise RefusedError(
            Problem.NO_PROOF, "Send the header Authorization: Bearer, with the source's token."
        )
    token = _raw(given.authorization[len(_BEARER) :].strip())
    if not _any([hmac.compare_digest(token, secret) for secret in secrets]):
        raise RefusedError(Problem.BAD_TOKEN, "Compare it with the source's secrets; it may have expired.")


def check_signature(
    given: Credentials, secrets: Sequence[bytes], content: bytes, *, window: int, now: float
) -> None:
    """Refuse unless one of the secrets made the signature, at a time at most `window` seconds off."""
    if not given.timestamp or not given.signature:
        raise RefusedError(Problem.NO_PROOF, f"Send the headers {TIMESTAMP_HEADER} and {SIGNATURE_HEADER}.")
    if not (given.timestamp.isascii() and given.timestamp.isdigit() and len(given.timestamp) <= 12):
        raise RefusedError(Problem.BAD_TIME, f"{TIMESTAMP_HEADER} must be whole seconds since 1970 (UTC).")
    made = _raw(given.signature.strip().lower())
    fits = [
        hmac.compare_digest(made, signature(secret, given.timestamp, content).encode()) for secret in secrets
    ]
    if not _any(fits):
        raise RefusedError(
            Problem.BAD_SIGNATURE,
            f"{SIGNATURE_HEADER} must be sha256= and the HMAC-SHA256, in hexadecimal, of the time, a dot and the "
            "content exactly as sent: of a post its body, of a question its path.",
        )
    off = int(given.timestamp) - now
    if abs(off) > window:
        when = "ahead of" if off > 0 else "behind"
        raise RefusedError(
            Problem.BAD_TIME,
            f"Its time is {abs(off):.0f} s {when} the hub's clock; at most {window} s are allowed. Sign anew.",
        )


def _any(fits: Sequence[bool]) -> bool:
    """Look at all, so that the time tells nothing of which one it was."""
    return sum(fits) > 0


def _raw(header: str) -> bytes:
    """Return a header's bytes: WSGI hands them over as Latin-1."""
    return header.encode("latin-1", "replace")
