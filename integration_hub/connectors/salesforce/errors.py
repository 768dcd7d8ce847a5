"""What Salesforce means by its refusals: (status, error code) to what the engine does next."""

from __future__ import annotations

import json
import re
from typing import Any

import requests

from integration_hub.connectors.errors import (
    AuthError,
    BudgetError,
    ConfigError,
    ConnectorError,
    RateLimitError,
    RejectedError,
    RetryableError,
)

BUDGET_PAUSE = 15 * 60.0
"""Seconds between two tries once the calls of the day are used up: they come back bit by bit."""
CONCURRENCY_PAUSE = 5.0
LOGIN_RATE_PAUSE = 10 * 60.0

_FIELD_REMEDY = (
    "Check the field names, and in Salesforce that the integration user may see them "
    "(Setup > Profiles or Permission Sets > Field-Level Security)."
)
_QUERY_REMEDY = "Check the criteria of the rules and the fields of the stream."
_API_REMEDY = "Give the integration user the permission “API Enabled”, or an edition with API access."
_SHORTER_REMEDY = "The query is too long: ask for fewer fields or use shorter criteria."

_BY_CODE: dict[str, tuple[type[ConnectorError], str]] = {
    "INVALID_FIELD": (ConfigError, _FIELD_REMEDY),
    "INVALID_TYPE": (ConfigError, "Check the object type and that the integration user may read it."),
    "MALFORMED_QUERY": (ConfigError, _QUERY_REMEDY),
    "INVALID_QUERY_FILTER_OPERATOR": (ConfigError, _QUERY_REMEDY),
    "NUMBER_OUTSIDE_VALID_RANGE": (ConfigError, _QUERY_REMEDY),
    "UNSUPPORTED_API_VERSION": (ConfigError, "Correct the API version of this connection."),
    "QUERY_TIMEOUT": (RetryableError, "The hub reads a shorter span of time next."),
    "INVALID_QUERY_LOCATOR": (RetryableError, "The hub starts again from the last record it has read."),
    "UNABLE_TO_LOCK_ROW": (RetryableError, "Somebody else is changing the same records; it passes."),
    "SERVER_UNAVAILABLE": (RetryableError, "See status.salesforce.com."),
    "UNKNOWN_EXCEPTION": (RetryableError, "See status.salesforce.com."),
    "INVALID_SESSION_ID": (AuthError, "The access token is no longer accepted. Check the login settings."),
    "INVALID_AUTH_HEADER": (AuthError, "The access token is not a token: enter it again."),
    "API_DISABLED_FOR_ORG": (ConfigError, _API_REMEDY),
    "API_CURRENTLY_DISABLED": (ConfigError, _API_REMEDY),
    "INSUFFICIENT_ACCESS": (ConfigError, "The integration user may not do this: extend its permissions."),
    "TXN_SECURITY_METERING_ERROR": (
        ConfigError,
        "A transaction security policy blocks the integration user: ask your Salesforce administrator.",
    ),
}

_RETRY_STATUSES = {406, 408, 420}
"""Besides the 5xx: 420 and 406 come from the edge while an org is moved or set up, as pages in HTML."""

_LOGIN_REMEDY = (
    "User name, password or security token are wrong, or the login is not allowed from here "
    "(Setup > Users > Login History says why). Too many tries lock the user out."
)
_APPROVE_REMEDY = (
    "Pre-authorize the integration user for the app: Manage > OAuth Policies > Permitted Users "
    "“Admin approved”, then add its profile or permission set."
)
_AUDIENCE_REMEDY = (
    "The login address does not fit the org: a sandbox logs in at https://test.salesforce.com, "
    "production at https://login.salesforce.com."
)
_DOMAIN_REMEDY = (
    "This flow works at your My Domain only: enter its address as login address (Setup > My Domain)."
)
_CLOCK_REMEDY = "The private key does not belong to the app's certificate, or this machine's clock is wrong."
_RUN_AS_REMEDY = "Switch the client credentials flow on in the app and name its “Run As” user."
_CONSUMER_REMEDY = "Copy the consumer {} again: Setup > App Manager > your app > Manage Consumer Details."

_REMEDY_BY_DESCRIPTION = {
    "authentication failure": _LOGIN_REMEDY,
    "expired access/refresh token": "The refresh token was revoked or expired: authorize the app again.",
    "hasn't approved this consumer": _APPROVE_REMEDY,
    "not admin approved": _APPROVE_REMEDY,
    "audience is invalid": _AUDIENCE_REMEDY,
    "inactive": "The user or the org is inactive: activate it or enter another.",
    "invalid assertion": _CLOCK_REMEDY,
    "no client credentials user enabled": _RUN_AS_REMEDY,
    "not supported on this domain": _DOMAIN_REMEDY,
}
_REMEDY_BY_TOKEN_CODE = {
    "invalid_client_id": _CONSUMER_REMEDY.format("key"),
    "invalid_client": _CONSUMER_REMEDY.format("secret"),
    "unsupported_grant_type": "Switch this login flow on in the app's OAuth settings, or choose another one.",
    "invalid_app_access": _APPROVE_REMEDY,
}


def classify(response: requests.Response) -> ConnectorError | None:
    """Return what Salesforce's answer means; None: it is fine, or only its status speaks."""
    status = response.status_code
    if status < 400:
        return None
    body = _body(response)
    if isinstance(body, dict) and "error" in body:
        return _token_error(body, status)
    if isinstance(body, list) and body and isinstance(body[0], dict):
        return _item_error(body[0], response)
    if status in {414, 431}:
        return ConfigError(
            f"Salesforce refused the request as too long ({status}).",
            code="too_long",
            remedy=_SHORTER_REMEDY,
            status=status,
        )
    if status in _RETRY_STATUSES:
        return RetryableError(
            f"Salesforce is not available ({status}).", code=f"http_{status}", status=status
        )
    return None


def _body(response: requests.Response) -> Any:
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None


def _item_error(item: dict[str, Any], response: requests.Response) -> ConnectorError:
    code = str(item.get("errorCode") or item.get("statusCode") or "")
    said = " ".join(str(item.get("message", "")).split())
    status = response.status_code
    message = f"Salesforce: {said}" if said else f"Salesforce answered {status} {code}."
    if code == "REQUEST_LIMIT_EXCEEDED":
        return _limit_error(message, code, status)
    if code == "INVALID_SESSION_ID" and "not valid for use" in said.lower():
        remedy = "Add the OAuth scope “Manage user data via APIs (api)” to the app and authorize it again."
        return AuthError(message, code="MISSING_API_SCOPE", remedy=remedy, status=status)
    if "UNABLE_TO_LOCK_ROW" in said:
        code = "UNABLE_TO_LOCK_ROW"
    if code in _BY_CODE:
        kind, remedy = _BY_CODE[code]
        return kind(message, code=code, remedy=remedy, status=status)
    return _unlisted(message, code, response)


def _limit_error(message: str, code: str, status: int) -> ConnectorError:
    if "totalrequests" in message.lower().replace(" ", ""):
        remedy = "The API calls of the last 24 hours are used up: they come back gradually, or buy more."
        return BudgetError(message, retry_after=BUDGET_PAUSE, code=code, remedy=remedy, status=status)
    return RateLimitError(message, retry_after=CONCURRENCY_PAUSE, code=code, status=status)


def _unlisted(message: str, code: str, response: requests.Response) -> ConnectorError:
    status = response.status_code
    if status == 401:
        return AuthError(message, code=code, remedy="Check the login settings.", status=status)
    if status == 403:
        return ConfigError(
            message, code=code, remedy="Extend the integration user's permissions.", status=status
        )
    if status == 404 and not re.search(r"/sobjects/\w+/(?!describe)[^/]+$", response.url.partition("?")[0]):
        # Not one record is missing but the address itself: Salesforce has one text for both.
        remedy = "Check the API version and the name of the object type."
        return ConfigError(message, code=code, remedy=remedy, status=status)
    if status >= 500 or status in _RETRY_STATUSES:
        return RetryableError(message, code=code, remedy="See status.salesforce.com.", status=status)
    return RejectedError(message, code=code, status=status)


def _token_error(body: dict[str, Any], status: int) -> ConnectorError:
    code = str(body["error"])
    said = str(body.get("error_description", ""))
    message = f"Salesforce refused the login: {said or code} ({code})."
    lowered = said.lower()
    if "rate exceeded" in lowered or "rate_limit" in code:
        return RateLimitError(message, retry_after=LOGIN_RATE_PAUSE, code=code, status=status)
    if code in {"unknown_error", "server_error", "temporarily_unavailable"} or status >= 500:
        return RetryableError(message, code=code, status=status)
    remedies = [remedy for part, remedy in _REMEDY_BY_DESCRIPTION.items() if part in lowered]
    remedy = remedies[0] if remedies else _REMEDY_BY_TOKEN_CODE.get(code, "Check the login settings.")
    return AuthError(message, code=code, remedy=remedy, status=status)
