"""What Iterable means by its refusals. The status rules, and its own words are never repeated.

A 400 was recorded whose `msg` held the whole request, all headers with the key among them, and errors echo
addresses and values: sentences are made here, of codes, field names and type names only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from integration_hub.connectors.answers import by_status, retry_after
from integration_hub.connectors.errors import (
    AuthError,
    ConfigError,
    ConnectorError,
    RateLimitError,
    RejectedError,
    RetryableError,
    UnknownOutcomeError,
)
from integration_hub.connectors.transport import read_json

SHORT_WAIT = 1.0
"""Seconds to wait when a limit is hit and none are named: the limits are per second."""
USER_MISSING = "user_missing"
EMAIL_TAKEN = "EmailAlreadyExists"
LIST_MISSING = "no_such_list"

_ROW = re.compile(r"obj\.(?:users|events)\[(\d+)\](?:\.(.*))?")
_WORD = re.compile(r"[\w.]{1,60}")
_PHRASES = (
    ("does not exist", USER_MISSING),
    ("already exists", EMAIL_TAKEN),
    ("forgotten list", "ForgottenUserError"),
)
_KEY_REMEDY = (
    "Enter a server-side API key of this project: a mobile or JavaScript key is refused, and so is a key of "
    "the other data center (US or EU). Iterable: Integrations > API Keys."
)
_REMEDIES = {
    "ForgottenUserError": "The person asked to be forgotten: leave the record out of the sync.",
    "InvalidEmailAddressError": "Correct the e-mail in the source.",
    "InvalidUserIdError": "A userId has 1 to 52 printable characters: check the field it is mapped from.",
    "UnknownUserIdError": "In an email-based project map an e-mail, too.",
    EMAIL_TAKEN: "Another user has the new address: merge the two in Iterable, or correct the address.",
    "BatchTooLarge": "Map fewer or shorter values: one call may hold 4 MB.",
}
TYPE_REMEDY = (
    "Iterable never changes the type of a field: choose a transform that makes this type, or another field."
)


@dataclass(frozen=True, slots=True)
class TypeConflict:
    """The type Iterable keeps for a field, and in a word what came instead."""

    expected: str
    found: str

    def sentence(self, field: str) -> str:
        return f"{field} is {self.expected} in Iterable, this record has {self.found}"


class BatchRefusedError(RejectedError):
    """A call was refused as a whole. `rows`: the field at fault by row; `conflicts`: by field; either may be empty."""

    def __init__(
        self, message: str, *, rows: Mapping[int, str], conflicts: Mapping[str, TypeConflict], **details: Any
    ) -> None:
        super().__init__(message, **details)
        self.rows = rows
        self.conflicts = conflicts


def classify(response: requests.Response) -> ConnectorError | None:
    """Return what the answer means; None: it is fine."""
    status = response.status_code
    if status == 200:
        return _unreadable(response)
    if 200 < status < 400:
        return by_status(response)
    envelope = _envelope(response)
    code = _code(envelope, status)
    if status == 429:
        return RateLimitError(
            "Iterable: too many calls.", retry_after=retry_after(response, SHORT_WAIT), status=status
        )
    if status >= 500 or status == 408:
        return _outage(response, code)
    return _refusal(status, code, envelope)


def type_error(conflicts: Mapping[str, TypeConflict]) -> RejectedError:
    """Return the refusal that names each field and its type."""
    said = "; ".join(conflict.sentence(field) for field, conflict in conflicts.items())
    return RejectedError(f"{said}.", code="RequestFieldsTypesMismatched", remedy=TYPE_REMEDY)


def shape_error(field: str) -> RejectedError:
    """Return the refusal of one value whose JSON type is not what Iterable expects at this place."""
    place = f"the field {field}" if field else "the record"
    return RejectedError(
        f"Iterable cannot read {place}: it has the wrong shape.",
        code="BadJsonBody",
        remedy="Check what is mapped to it: email and userId are texts, dataFields is an object.",
    )


def _unreadable(response: requests.Response) -> ConnectorError | None:
    try:
        answer = read_json(response)
    except RetryableError as error:
        return UnknownOutcomeError(error.message, code=error.code, remedy=error.remedy, status=200)
    if not isinstance(answer, dict):
        return UnknownOutcomeError(
            "Iterable answered with something else than an object.", code="not_json", status=200
        )
    return None


def _envelope(response: requests.Response) -> dict[str, Any] | None:
    """Return the JSON of a refusal; None: it is a page or a plain text."""
    try:
        answer = read_json(response)
    except RetryableError:
        return None
    return answer if isinstance(answer, dict) else None


def _code(envelope: dict[str, Any] | None, status: int) -> str:
    code = str((envelope or {}).get("code") or "")
    # Refusals were recorded that carry the code "Success", that of an unknown list among them.
    if "invalidListId" in str((envelope or {}).get("msg") or ""):
        return LIST_MISSING
    if code == "Success" or not _WORD.fullmatch(code):
        return f"http_{status}"
    if code == "BadParams":
        said = str((envelope or {}).get("msg") or "")
        return next((name for phrase, name in _PHRASES if phrase in said), code)
    return code


def _outage(response: requests.Response, code: str) -> ConnectorError | None:
    error = by_status(response)
    if error is not None:
        error.message = f"Iterable answered {response.status_code}."
        error.code = code
        error.remedy = "If it lasts, see status.iterable.com."
    return error


def _refusal(status: int, code: str, envelope: dict[str, Any] | None) -> ConnectorError:
    raw = (envelope or {}).get("params")
    params = raw if isinstance(raw, dict) else {}
    if status == 401:
        kind = str(params.get("apiKeyType") or "")
        which = f" a {kind} key" if kind.isalpha() else " the API key"
        return AuthError(f"Iterable refused{which}.", code=code, status=status, remedy=_KEY_REMEDY)
    if status == 403:
        words = "Iterable does not allow this call with this API key."
        return ConfigError(words, code=code, status=status, remedy=_KEY_REMEDY)
    if status == 404 and envelope is None:
        return ConfigError(
            "Iterable does not know this address.",
            code="http_404",
            status=status,
            remedy="Check the base address of the connection: https://api.iterable.com, without a path.",
        )
    if code == "UniqueFieldsLimitExceeded":
        return ConfigError(
            "The Iterable project has no room for more user fields.",
            code=code,
            status=status,
            remedy="Map to fields that exist, or ask Iterable to raise the project's limit.",
        )
    return _refused_batch(status, code, params)


def _refused_batch(status: int, code: str, params: Mapping[str, Any]) -> RejectedError:
    rows, conflicts = _named_rows(params), _named_conflicts(params)
    if status == 413:
        code = "BatchTooLarge"
    if code == LIST_MISSING:
        words = "The list does not exist in the Iterable project."
        return RejectedError(words, code=code, status=status, remedy="Choose another list in the sync.")
    remedy = _REMEDIES.get(code, f"See the code “{code}” in Iterable's list of API response codes.")
    message = f"Iterable refused it: {code}."
    if conflicts:
        error = type_error(conflicts)
        message, remedy = error.message, error.remedy
    return BatchRefusedError(message, rows=rows, conflicts=conflicts, code=code, remedy=remedy, status=status)


def _named_rows(params: Mapping[str, Any]) -> dict[int, str]:
    found = {}
    for place in params:
        match = _ROW.fullmatch(str(place))
        if match:
            found[int(match[1])] = match[2] or ""
    return found


def _named_conflicts(params: Mapping[str, Any]) -> dict[str, TypeConflict]:
    errors = params.get("validationErrors")
    if not isinstance(errors, dict):
        return {}
    return {
        # Of an event's field the name of the event comes before it: table:::field.
        str(field).rpartition(":::")[2]: TypeConflict(
            str(error.get("expectedType") or "another type"),
            str(next(iter(error.get("incomingTypes") or ()), "another type")),
        )
        for field, error in errors.items()
        if isinstance(error, dict)
    }
