"""What HubSpot means by its refusals, single and inside a batch. Its own words are never repeated.

Validation texts hold what was sent, so sentences are made here of codes and property names only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import requests

from integration_hub.connectors.answers import by_status, retry_after
from integration_hub.connectors.errors import (
    AuthError,
    BudgetError,
    ConfigError,
    ConnectorError,
    RateLimitError,
    RejectedError,
    RetryableError,
    UnknownOutcomeError,
)

Body = Mapping[str, Any]
CONFLICT = "CONFLICT"
NOT_FOUND = "OBJECT_NOT_FOUND"
DUPLICATE_IDS = "DUPLICATE_IDS"
NOT_UNIQUE = "NOT_UNIQUE"
LOCK_WAIT = 2.0
"""Seconds a lock by bulk traffic lasts at least."""
WAITS = {"TEN_SECONDLY_ROLLING": 10.0, "SECONDLY": 1.0}
DAY_PAUSE = 3600.0
"""Seconds between two tries once the day is used up: it ends at midnight of the account's own time zone."""
MIGRATION_PAUSE = 3600.0

_EXISTING = (
    re.compile(r"Existing ID:\s*(\d+)"),
    re.compile(r"(\d+)\s+already has that value"),
)
_TWO_IDS = re.compile(r"\b(\d{3,})\b.*?\b(\d{3,})\b.*already", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][\w.]{0,99}")
_CODE = re.compile(r"[A-Z][A-Z_]{2,60}")
_AFTER_DONE = {524}
_UNAVAILABLE = {502, 503, 504, 521, 523, 524}
_FLAWS = {
    "PROPERTY_DOESNT_EXIST": (
        "{} does not exist in HubSpot",
        "Create the property, or take it out of the mapping.",
    ),
    "INVALID_EMAIL": ("{} is not a valid e-mail", "Correct the e-mail in the source."),
    "INVALID_OPTION": (
        "{} has a value that is no option",
        "Map it to an internal value of the property, not a label.",
    ),
    "INVALID_INTEGER": ("{} is not a number", "Choose a transform that makes a number."),
    "INVALID_DATE": (
        "{} is not a date that HubSpot takes",
        "Choose the transform “Date” or “Date and time”.",
    ),
    "READ_ONLY_VALUE": ("{} cannot be written", "Take the property out of the mapping."),
}
_SCOPE_REMEDY = "Give the app or the service key these scopes: {}."
_CREDENTIAL_REMEDY = "Enter the access token again, or authorize the app again: HubSpot no longer accepts it."


class HubSpotRefusedError(RejectedError):
    """A refused record. `existing_id`: the record that has the same unique value, "" if it is not named."""

    def __init__(self, message: str, *, existing_id: str = "", **details: Any) -> None:
        super().__init__(message, **details)
        self.existing_id = existing_id


def classify(response: requests.Response) -> ConnectorError | None:
    """Return what HubSpot's answer means; None: it is fine, or only its status speaks."""
    status = response.status_code
    if status < 400:
        return None
    body = body_of(response)
    if "/oauth/" in urlsplit(response.url).path and status in {400, 401, 403}:
        return token_refused(body, status)
    if status == 429:
        return _too_many(body, response)
    if status in {423, 477} or status in _UNAVAILABLE:
        return _unavailable(response)
    if status == 401:
        code = _code(body) or "INVALID_AUTHENTICATION"
        return AuthError(
            "HubSpot refused the credentials.", code=code, remedy=_CREDENTIAL_REMEDY, status=status
        )
    if status == 403:
        return _forbidden(body, response)
    if status == 414:
        return HubSpotRefusedError(
            "HubSpot found the address of the call too long.", code="too_long", status=status
        )
    if status in {400, 404, 409} and body:
        return refusal(body, status)
    return None


def refusal(body: Body, status: int = 0) -> HubSpotRefusedError:
    """Return the refusal of a record; also of one row of a batch, where the status comes from the category."""
    said = str(body.get("message") or "")
    category = _code(body)
    existing = existing_id(said)
    if existing or category == CONFLICT or status == 409:
        return HubSpotRefusedError(
            "HubSpot has another record with the same unique value.",
            existing_id=existing,
            code=CONFLICT,
            remedy="Merge the two in HubSpot, or correct the value.",
            status=status or 409,
        )
    if category == NOT_FOUND or status == 404:
        return HubSpotRefusedError(
            "HubSpot has no such record.",
            code=NOT_FOUND,
            remedy="It was archived or merged, or the object type is wrong.",
            status=404,
        )
    if said.startswith("Duplicate IDs found"):
        return HubSpotRefusedError("A batch named a record twice.", code=DUPLICATE_IDS, status=status or 400)
    if "non-unique" in said:
        return HubSpotRefusedError(
            "The match key is not a unique property in HubSpot.",
            code=NOT_UNIQUE,
            remedy="Match by a property that was created with “Require unique values”.",
            status=status or 400,
        )
    return _invalid(body, category, status or 400)


def existing_id(said: str) -> str:
    """Return the id of the record that is there already, from prose; "" if none is named."""
    for pattern in _EXISTING:
        found = pattern.search(said)
        if found:
            return found[1]
    both = _TWO_IDS.search(said)
    return both[2] if both else ""


def flaws(body: Body) -> Iterator[tuple[str, str]]:
    """Yield (property, code) of what was not valid: from the errors, else from the JSON inside the message."""
    listed = [
        (_first(entry.get("context"), "propertyName"), str(entry.get("code") or ""))
        for entry in _entries(body.get("errors"))
    ]
    listed = [pair for pair in listed if pair[1]] or [
        (str(entry.get("name") or ""), str(entry.get("error") or ""))
        for entry in _inside(body.get("message"))
    ]
    for name, code in listed:
        if _CODE.fullmatch(code):
            yield (name if _NAME.fullmatch(name) else "", code)


def body_of(response: requests.Response) -> dict[str, Any]:
    """Return the JSON object of an answer; {} for a page or anything else."""
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def token_refused(body: Body, status: int) -> ConnectorError:
    """Return what a refusal of the token endpoint means."""
    code = str(body.get("status") or body.get("error") or "")
    code = code if re.fullmatch(r"[A-Za-z_]{3,60}", code) else f"http_{status}"
    message = f"HubSpot refused to renew the access token ({code})."
    remedy = "Check client id, client secret and refresh token; authorize the app again if it was removed."
    return AuthError(message, code=code, remedy=remedy, status=status)


def _invalid(body: Body, category: str, status: int) -> HubSpotRefusedError:
    sentences, remedies, codes = [], [], []
    for name, code in dict.fromkeys(flaws(body)):
        text, remedy = _FLAWS.get(code, ("{} was refused (" + code + ")", "See the property in HubSpot."))
        sentences.append(text.format(name or "A property"))
        remedies.append(remedy)
        codes.append(code)
    if not sentences:
        required = "required propert" in str(body.get("message") or "").lower()
        text = (
            "Some required properties are missing" if required else f"HubSpot refused the record ({status})"
        )
        remedy = "A contact needs an e-mail or a name, a company a name or domain, a deal a name and a stage."
        code = category or "VALIDATION_ERROR"
        return HubSpotRefusedError(f"{text}.", code=code, remedy=remedy if required else "", status=status)
    return HubSpotRefusedError(
        "; ".join(sentences) + ".", code=codes[0], remedy=" ".join(dict.fromkeys(remedies)), status=status
    )


def _too_many(body: Body, response: requests.Response) -> RateLimitError:
    policy = str(body.get("policyName") or "").upper()
    said = str(body.get("message") or "").lower()
    if policy == "DAILY" or "daily limit" in said:
        return BudgetError(
            "The calls of the day are used up at HubSpot.",
            retry_after=retry_after(response, DAY_PAUSE),
            code="DAILY",
            remedy="They come back at midnight in the time zone of the account. All its apps share them.",
            status=429,
        )
    by_second = policy == "SECONDLY" or ("secondly limit" in said and "ten_secondly" not in said)
    wait = WAITS["SECONDLY"] if by_second else WAITS["TEN_SECONDLY_ROLLING"]
    code = "SECONDLY" if by_second else policy if _CODE.fullmatch(policy) else "RATE_LIMITS"
    return RateLimitError(
        "HubSpot says that the calls come too fast.",
        retry_after=retry_after(response, wait),
        code=code,
        status=429,
    )


def _unavailable(response: requests.Response) -> ConnectorError:
    status = response.status_code
    if status == 423:
        return RateLimitError(
            "HubSpot has locked the records for a moment: too much at once.",
            retry_after=max(LOCK_WAIT, retry_after(response, LOCK_WAIT)),
            code="locked",
            status=status,
        )
    if status == 477:
        return RateLimitError(
            "HubSpot is moving the account to another data center.",
            retry_after=retry_after(response, MIGRATION_PAUSE),
            code="migration",
            remedy="It takes up to a day and ends by itself.",
            status=status,
        )
    # 502, 504 and 524 may come after the work was done; the others never reached it.
    kind = UnknownOutcomeError if status in {502, 504, *_AFTER_DONE} else RetryableError
    return kind(
        f"HubSpot is not available ({status}).",
        code=f"http_{status}",
        remedy="See status.hubspot.com if it lasts.",
        status=status,
    )


def _forbidden(body: Body, response: requests.Response) -> ConnectorError | None:
    scopes = missing_scopes(body)
    if not scopes:
        return (
            by_status(response)
            if not body
            else ConfigError(
                "HubSpot does not allow this call.",
                code=_code(body) or "http_403",
                remedy="Check the scopes of the app or service key, and the plan of the account.",
                status=403,
            )
        )
    return ConfigError(
        "HubSpot did not grant the scopes for this call.",
        code="MISSING_SCOPES",
        remedy=_SCOPE_REMEDY.format(", ".join(scopes)),
        status=403,
    )


def missing_scopes(body: Body) -> list[str]:
    found: list[str] = []
    for entry in _entries(body.get("errors")):
        context = entry.get("context")
        listed = context.get("requiredGranularScopes") if isinstance(context, Mapping) else None
        found += [str(scope) for scope in listed or () if re.fullmatch(r"[\w.-]{3,80}", str(scope))]
    return list(dict.fromkeys(found))


def _code(body: Body) -> str:
    category = str(body.get("category") or "")
    return category if _CODE.fullmatch(category) else ""


def _entries(value: Any) -> Sequence[Body]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def _first(context: Any, name: str) -> str:
    listed = context.get(name) if isinstance(context, Mapping) else None
    return str(listed[0]) if isinstance(listed, list) and listed else ""


def _inside(message: Any) -> Sequence[Body]:
    """Return the JSON list that stands inside a message, after the first bracket."""
    text = str(message or "")
    start = text.find("[")
    if start < 0:
        return []
    try:
        return _entries(json.JSONDecoder().raw_decode(text[start:])[0])
    except (ValueError, RecursionError):
        return []
