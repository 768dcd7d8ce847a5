"""How HubSpot says no: one envelope, in which every field is optional."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integration_hub.simulator.serving import Response, json_response

VALIDATION = "VALIDATION_ERROR"
Body = dict[str, Any]


class HubSpotError(Exception):
    """A refused call, or a refused row of a batch."""

    def __init__(
        self,
        status: int,
        category: str,
        message: str,
        *,
        errors: Sequence[Body] = (),
        context: Mapping[str, list[str]] | None = None,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.category = category
        self.message = message
        self.errors = list(errors)
        self.context = dict(context or {})
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})

    def envelope(self) -> Body:
        body: Body = {"status": "error", "message": self.message, "correlationId": str(uuid.uuid4())}
        if self.errors:
            body["errors"] = self.errors
        if self.context:
            body["context"] = self.context
        if self.category:
            body["category"] = self.category
        return body | self.extra

    def response(self) -> Response:
        response = json_response(self.envelope(), self.status)
        response.headers.update(self.headers)
        return response

    def row(self, trace_id: str) -> Body:
        """Return it as one entry of a batch's errors."""
        body = self.envelope()
        del body["correlationId"]
        context = body.get("context", {}) | ({"objectWriteTraceId": [trace_id]} if trace_id else {})
        return body | ({"context": context} if context else {})


@dataclass(frozen=True, slots=True)
class Flaw:
    """One property that was not valid, in the vendor's words."""

    name: str
    code: str
    message: str


def invalid_properties(flaws: Sequence[Flaw], portal_id: int) -> HubSpotError:
    """Return the refusal of a record: the details stand as a JSON text inside the message, too."""
    listed = [
        {
            "isValid": False,
            "message": flaw.message,
            "error": flaw.code,
            # It was seen missing for options.
            **({"name": flaw.name} if flaw.code != "INVALID_OPTION" else {}),
            "localizedErrorMessage": flaw.message,
            "portalId": portal_id,
        }
        for flaw in flaws
    ]
    text = json.dumps(listed, separators=(",", ":"))
    errors = [
        {"message": flaw.message, "code": flaw.code, "context": {"propertyName": [flaw.name]}}
        for flaw in flaws
    ]
    return HubSpotError(400, VALIDATION, f"Property values were not valid: {text}", errors=errors)


def bad_request(message: str, **context: list[str]) -> HubSpotError:
    return HubSpotError(400, VALIDATION, message, context=context)


def not_found(message: str = "resource not found") -> HubSpotError:
    return HubSpotError(404, "OBJECT_NOT_FOUND", message)


def contact_exists(record_id: str) -> HubSpotError:
    return HubSpotError(409, "CONFLICT", f"Contact already exists. Existing ID: {record_id}")


def value_taken(type_id: str, name: str, own: str, holder: str) -> HubSpotError:
    """Return the conflict that names two ids, of which the second has the value."""
    place = f"PropertyValueCoordinates{{objectTypeId={type_id}, propertyName={name}}}"
    return bad_request(f"Cannot set {place} on {own}. {holder} already has that value.")
