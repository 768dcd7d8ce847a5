"""What an HTTP answer, or its absence, means: the status table, Retry-After and the ways a network fails."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import requests
import urllib3.exceptions

from integration_hub.connectors.errors import (
    AuthError,
    ConfigError,
    ConnectorError,
    RateLimitError,
    RejectedError,
    RetryableError,
    UnknownOutcomeError,
)
from integration_hub.connectors.redaction import excerpt

DEFAULT_WAIT = 30.0
"""Seconds to wait when a vendor says "too many" and not for how long."""
LONGEST_WAIT = 24 * 3600.0


def host_of(url: str) -> str:
    return urlsplit(url).hostname or "the vendor"


def network_error(failure: requests.RequestException, host: str) -> ConnectorError:
    cause = failure.args[0] if failure.args else None
    reason = getattr(cause, "reason", cause)
    if isinstance(failure, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(reason):
        return ConfigError(
            f"The certificate of {host} is not trusted.",
            code="certificate",
            remedy="Correct the address, or let REQUESTS_CA_BUNDLE name your certificate authority.",
        )
    never_sent = isinstance(failure, requests.exceptions.ConnectTimeout | requests.exceptions.ProxyError)
    if never_sent or isinstance(reason, urllib3.exceptions.NewConnectionError):
        return RetryableError(
            f"No connection to {host}.",
            code="connect",
            remedy="If it lasts, check the address, the name service and the firewall.",
        )
    if isinstance(failure, requests.exceptions.Timeout) or "timed out" in str(cause):
        return UnknownOutcomeError(f"{host} did not answer in time.", code="timeout")
    if isinstance(failure, requests.exceptions.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return UnknownOutcomeError(
            f"{host} dropped the connection before its answer was complete.", code="dropped"
        )
    if isinstance(failure, requests.exceptions.ContentDecodingError):
        return UnknownOutcomeError(f"The answer of {host} could not be unpacked.", code="not_readable")
    return ConfigError(
        f"The request to {host} could not be built: {type(failure).__name__}.",
        code="request",
        remedy="Check the address and secrets.",
    )


_REMEDIES = {
    401: "Check the credentials of this connection.",
    403: "The account lacks a permission: see the vendor's sentence.",
    404: "Check the address and the name of the object type.",
}


def by_status(response: requests.Response) -> ConnectorError | None:
    status = response.status_code
    if 200 <= status < 300:
        return None
    message = f"{host_of(response.url)} answered {status}"
    if 300 <= status < 400:
        target = host_of(response.headers.get("Location", ""))
        return ConfigError(
            f"{message}: a redirect to {target}.",
            code="redirect",
            status=status,
            remedy="Redirects are not followed with credentials: enter the final address in the connection.",
        )
    said = excerpt(response.content.decode("utf-8", "replace"))
    message = f"{message}: {said}" if said else f"{message}."
    if status == 429:
        return RateLimitError(message, retry_after=retry_after(response), status=status)
    kind = _class_for(status)
    return kind(message, code=f"http_{status}", status=status, remedy=_REMEDIES.get(status, ""))


def _class_for(status: int) -> type[ConnectorError]:
    if status == 401:
        return AuthError
    if status == 403:
        return ConfigError
    if status in {500, 502, 504}:
        return UnknownOutcomeError
    return RetryableError if status == 408 or status > 500 else RejectedError


def retry_after(response: requests.Response, default: float = DEFAULT_WAIT) -> float:
    """Return the seconds that the answer asks us to wait: Retry-After in seconds or as a date."""
    text = response.headers.get("Retry-After", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        seconds = _seconds_until(text, response, default)
    return min(max(seconds, 0.0), LONGEST_WAIT) if seconds == seconds else default


def _seconds_until(text: str, response: requests.Response, default: float) -> float:
    try:
        target = parsedate_to_datetime(text)
        # By the vendor's own clock: ours may be wrong by more than the wait.
        now = (
            parsedate_to_datetime(response.headers["Date"])
            if "Date" in response.headers
            else datetime.now(UTC)
        )
        return (target - now).total_seconds()
    except (ValueError, TypeError):
        return default
