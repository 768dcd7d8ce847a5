"""The only HTTP of the hub: timeouts, base address, redaction, status to error, rate limit and callouts."""

from __future__ import annotations

import ipaddress
import json as jsonlib
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

import requests

from integration_hub.connectors.answers import by_status, host_of, network_error
from integration_hub.connectors.errors import (
    BudgetError,
    ConfigError,
    ConnectorError,
    RateLimitError,
    RejectedError,
    RetryableError,
    UnknownOutcomeError,
)
from integration_hub.connectors.redaction import masked, redact, without_query
from integration_hub.connectors.session import Deadline, new_session

TIMEOUT = (5.0, 20.0)
"""Seconds to connect and between two bytes of an answer."""
LONGEST_ANSWER = 45.0
"""Seconds a whole exchange may take: a trickle of bytes never trips the timeout above. Shorter than a task's life."""
LARGEST_ANSWER = 50 * 1024 * 1024

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Callout:
    """One HTTP exchange as it is kept: the address without its query, no body, no headers."""

    method: str
    url: str
    status: int | None
    seconds: float
    at: datetime
    bytes_out: int
    bytes_in: int
    error: str = ""
    purpose: str = ""


class Limiter(Protocol):
    """Shares the vendor's limits among all processes that use one connection."""

    def acquire(self, scope: str) -> None:
        """Return when one call may leave; raise RateLimitError if that is further away than a short wait."""

    def block(self, scope: str, seconds: float) -> None:
        """Nobody calls `scope` for so long: the vendor said so."""

    def report_usage(self, used: int, limit: int) -> None:
        """The vendor's own count of the calls of the day."""


class NoLimit:
    """A limiter that never says no."""

    def acquire(self, scope: str) -> None:
        return

    def block(self, scope: str, seconds: float) -> None:
        return

    def report_usage(self, used: int, limit: int) -> None:
        return


Observer = Callable[[Callout], None]
Classify = Callable[[requests.Response], ConnectorError | None]


def ignore_callout(callout: Callout) -> None:
    """Observe nothing."""


def judge_by_status(response: requests.Response) -> ConnectorError | None:
    """Leave the judgement of every answer to the status table."""
    return None


def check_base_url(url: str) -> None:
    """Raise ConfigError, in a sentence, unless `url` is https, or plain http to this very machine."""
    try:
        parts = urlsplit(url.strip())
        _ = parts.port  # reading it is what checks it
    except ValueError:
        raise ConfigError(f"“{url}” is not a valid address.", remedy=_ADDRESS_REMEDY) from None
    _check_host(parts)
    if parts.query or parts.fragment:
        raise ConfigError("The address must end before “?” or “#”.", remedy="Remove what follows the path.")


def read_json(response: requests.Response) -> Any:
    """Return the parsed body; an answer that is no JSON comes from something in between and may pass.

    Without what PostgreSQL refuses to keep, NUL, halves of characters and numbers that are none: one such value
    would keep its whole page from being stored, for ever.
    """
    try:
        body = jsonlib.loads(response.content, parse_constant=lambda _name: None)
        return _storable(body) if _SUSPICIOUS.search(response.content) else body
    except (ValueError, RecursionError):
        kind = response.headers.get("Content-Type", "no content type").partition(";")[0]
        raise RetryableError(
            f"{host_of(response.url)} answered {response.status_code} with {kind} instead of JSON.",
            code="not_json",
            remedy="Usually a proxy or a maintenance page. If it lasts, open the address in a browser.",
            status=response.status_code,
        ) from None


class Transport:
    """HTTP to one account at a vendor.

    It sends once: no retries, no redirects; trying again is the outbox's business. `classify` is how a
    connector turns its vendor's answers into errors, also those with status 200; None leaves it to the
    status table.
    """

    def __init__(
        self,
        base_url: str,
        *,
        observer: Observer = ignore_callout,
        limiter: Limiter | None = None,
        secrets: Iterable[str] = (),
        session: requests.Session | None = None,
        timeout: tuple[float, float] = TIMEOUT,
        classify: Classify = judge_by_status,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.observer = observer
        self.limiter: Limiter = limiter or NoLimit()
        self.timeout = timeout
        self.classify = classify
        self.clock = clock
        self._secrets = {secret for secret in secrets if secret}
        self._session = session or new_session()

    def close(self) -> None:
        self._session.close()

    def add_secret(self, secret: str) -> None:
        """Keep a secret that was learned on the way (a new token) out of every message, too."""
        if secret:
            self._secrets.add(secret)

    def redact(self, text: str) -> str:
        return redact(text, self._secrets)

    def masked(self, value: Any) -> Any:
        """Return a JSON value without the secrets that a vendor repeats in it."""
        return masked(value, self._secrets)

    def address(self, path_or_url: str) -> str:
        """Return the full address; a full one given must be as safe as the base address.

        RejectedError: an id in it is “..” or “.”, which on the way would make it the address of something else.
        """
        if not _DOTS.isdisjoint(unquote(unquote(urlsplit(path_or_url).path)).replace("\\", "/").split("/")):
            raise RejectedError(
                "The address of the request holds “.” or “..” in the place of a name.",
                code="path",
                remedy="Correct the id or the path that it was made from.",
            )
        if not path_or_url.startswith(("https://", "http://")):
            return f"{self.base_url}/{path_or_url.lstrip('/')}"
        _check_host(urlsplit(path_or_url))
        return path_or_url

    def request(
        self,
        method: str,
        path_or_url: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: Mapping[str, Any] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        scope: str = "",
        repeatable: bool = True,
        purpose: str = "",
    ) -> requests.Response:
        """Return a 2xx answer, read to its end; raise ConnectorError for everything else.

        `repeatable` False: doing it twice would do harm, so a lost answer is an UnknownOutcomeError.
        """
        self.limiter.acquire(scope)
        exchange = _Exchange(method, self.address(path_or_url), purpose, self.clock())
        content = {"params": params, "json": json, "data": data, "headers": dict(headers or {})}
        answer = self._attempt(exchange, content)
        if isinstance(answer, requests.Response):
            self.record(exchange.callout(""))
            return answer
        error = self._presentable(answer, repeatable=repeatable)
        self.record(exchange.callout(error.code, clean=self.redact))
        if isinstance(error, RateLimitError) and not isinstance(error, BudgetError):
            self.limiter.block(scope, error.retry_after)
        # Whatever came before holds addresses with queries, headers and bodies: it must not reach a log.
        raise error from None

    def record(self, callout: Callout) -> None:
        """Hand over a callout; also for the vendors that are not reached by HTTP."""
        try:
            self.observer(callout)
        except Exception:
            # The exchange has happened: a log that fails must not make it look otherwise.
            logger.exception("callout could not be recorded")

    def _attempt(self, exchange: _Exchange, content: dict[str, Any]) -> requests.Response | ConnectorError:
        options: dict[str, Any] = {"timeout": self.timeout, "allow_redirects": False, "stream": True}
        deadline = Deadline(LONGEST_ANSWER)
        try:
            with deadline:
                response = self._session.request(exchange.method, exchange.url, **content, **options)
                exchange.answered(response)
            if deadline.passed:
                return _too_slow(exchange.url)
            return self.classify(response) or by_status(response) or response
        except requests.RequestException as failure:
            return (
                _too_slow(exchange.url) if deadline.passed else network_error(failure, host_of(exchange.url))
            )
        except UnicodeError:
            return ConfigError(
                "The request holds a character that cannot be sent in a header.",
                code="request",
                remedy="Enter the tokens and secrets again: something else was pasted with them.",
            )
        except ConnectorError as failure:
            return failure

    def _presentable(self, error: ConnectorError, *, repeatable: bool) -> ConnectorError:
        if isinstance(error, UnknownOutcomeError) and repeatable:
            error = RetryableError(error.message, code=error.code, remedy=error.remedy, status=error.status)
        error.message = self.redact(error.message)
        error.remedy = self.redact(error.remedy)
        error.code = self.redact(error.code)[:80]
        error.args = (error.message,)
        return error


class _Exchange:
    """What is noted of one exchange while it runs."""

    def __init__(self, method: str, url: str, purpose: str, at: datetime) -> None:
        self.method = method
        self.url = url
        self.purpose = purpose
        self.at = at
        self.started = time.monotonic()
        self.status: int | None = None
        self.bytes_out = 0
        self.bytes_in = 0

    def answered(self, response: requests.Response) -> None:
        """Read the body, within bounds."""
        self.status = response.status_code
        self.bytes_out = len(response.request.body or b"")
        chunks = []
        for chunk in response.iter_content(64 * 1024):
            chunks.append(chunk)
            self.bytes_in += len(chunk)
            if self.bytes_in > LARGEST_ANSWER:
                response.close()
                raise ConfigError(
                    f"{host_of(self.url)} sent more than {LARGEST_ANSWER // 1024 // 1024} MB in one answer.",
                    code="answer_too_large",
                    remedy="Ask for fewer fields or smaller pages.",
                )
        # requests keeps a body that it read itself in just this way; it offers no bounded reading.
        response._content = b"".join(chunks)

    def callout(self, error: str, clean: Callable[[str], str] = redact) -> Callout:
        return Callout(
            method=self.method,
            url=clean(without_query(self.url)),
            status=self.status,
            seconds=time.monotonic() - self.started,
            at=self.at,
            bytes_out=self.bytes_out,
            bytes_in=self.bytes_in,
            error=error,
            purpose=self.purpose,
        )


_DOTS = frozenset({".", ".."})
_ADDRESS_REMEDY = "Enter an address such as https://example.com."


def _too_slow(url: str) -> UnknownOutcomeError:
    words = f"{host_of(url)} took more than {LONGEST_ANSWER:.0f} s for one answer."
    return UnknownOutcomeError(words, code="timeout")


def _check_host(parts: SplitResult) -> None:
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError("The address is not complete.", remedy=_ADDRESS_REMEDY)
    if parts.username or parts.password:
        raise ConfigError(
            "The address holds a user name or password.", remedy="Use the fields made for them."
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ConfigError(
            f"Plain http is allowed for this machine only, not for {parts.hostname}.",
            remedy="Use an https address: tokens and personal data would travel unprotected.",
        )


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_SUSPICIOUS = re.compile(rb"\\u0000|\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("", value)
    if isinstance(value, dict):
        return {_storable(key): _storable(inner) for key, inner in value.items()}
    return [_storable(inner) for inner in value] if isinstance(value, list) else value
