"""Why an event is not taken: every reason with its HTTP status, told as RFC 9457 problem details."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import TextChoices

CONTENT_TYPE = "application/problem+json"
_TYPE = "tag:integration-hub,2026:problem:"
"""RFC 9457 wants a URI that names the kind of problem; a tag (RFC 4151) promises no page behind it."""


class Problem(TextChoices):
    """The label is the problem's title: the same for each occurrence."""

    UNKNOWN_ADDRESS = "unknown_address", "There is nothing at this address"
    UNKNOWN_SOURCE = "unknown_source", "There is no such event source"
    UNKNOWN_ID = "unknown_id", "There is no such event"
    WRONG_METHOD = "wrong_method", "The address does not answer this method"
    NO_LENGTH = "no_length", "The length of the body is not stated"
    TOO_LARGE = "too_large", "The body is too large"
    CUT_OFF = "cut_off", "The body ended early"
    NO_PROOF = "no_proof", "The request does not prove who sends it"
    BAD_TOKEN = "bad_token", "The token is not one of this source's"
    BAD_SIGNATURE = "bad_signature", "The signature does not fit"
    BAD_TIME = "bad_time", "The signature's time is not within the window"
    SOURCE_OFF = "source_off", "The event source is switched off"
    TOO_MANY = "too_many", "The event source sends too much"
    WRONG_TYPE = "wrong_type", "The body is not announced as JSON"
    BAD_JSON = "bad_json", "The body is not JSON"
    BAD_TEXT = "bad_text", "A text in the body cannot be stored"
    TOO_DEEP = "too_deep", "The body is nested too deeply"
    BAD_KEY = "bad_key", "The idempotency key cannot be used"
    NOT_AN_OBJECT = "not_an_object", "The event is not a JSON object"
    NO_NAME = "no_name", "The event has no name"
    UNKNOWN_EVENT = "unknown_event", "The source knows no event of this name"
    SCHEMA = "schema", "The event does not fit its schema"
    KEY_REUSED = "key_reused", "The idempotency key belongs to another event"
    INTERNAL = "internal", "The hub failed to look at the event"
    NOT_READY = "not_ready", "The hub cannot check the proof now"
    UNAVAILABLE = "unavailable", "The hub cannot store events now"

    @property
    def status(self) -> int:
        return STATUS[self]

    @property
    def body_is_kept(self) -> bool:
        """Say whether an event that was refused so stands in the inbox byte for byte."""
        return self in KEPT


STATUS: dict[str, int] = {
    Problem.UNKNOWN_ADDRESS: 404,
    Problem.UNKNOWN_SOURCE: 404,
    Problem.UNKNOWN_ID: 404,
    Problem.WRONG_METHOD: 405,
    Problem.NO_LENGTH: 411,
    Problem.TOO_LARGE: 413,
    Problem.CUT_OFF: 400,
    Problem.NO_PROOF: 401,
    Problem.BAD_TOKEN: 401,
    Problem.BAD_SIGNATURE: 401,
    Problem.BAD_TIME: 401,
    Problem.SOURCE_OFF: 403,
    Problem.TOO_MANY: 429,
    Problem.WRONG_TYPE: 415,
    Problem.BAD_JSON: 400,
    Problem.BAD_TEXT: 400,
    Problem.TOO_DEEP: 400,
    Problem.BAD_KEY: 400,
    Problem.NOT_AN_OBJECT: 422,
    Problem.NO_NAME: 422,
    Problem.UNKNOWN_EVENT: 422,
    Problem.SCHEMA: 422,
    Problem.KEY_REUSED: 422,  # as draft-ietf-httpapi-idempotency-key-header has it
    Problem.INTERNAL: 500,
    Problem.NOT_READY: 503,
    Problem.UNAVAILABLE: 503,
}
KEPT = frozenset(
    (
        Problem.SOURCE_OFF, Problem.WRONG_TYPE, Problem.BAD_JSON, Problem.BAD_TEXT, Problem.TOO_DEEP,
        Problem.BAD_KEY, Problem.NOT_AN_OBJECT, Problem.NO_NAME, Problem.UNKNOWN_EVENT, Problem.SCHEMA,
        Problem.KEY_REUSED, Problem.INTERNAL,
    )
)  # fmt: skip
"""Only what proved itself and was within the limits; anybody else could fill the database."""


class RefusedError(Exception):
    """An event is not taken. `detail` and `errors` name places and rules, never the event's values.

    `event` is the event's name as far as it was read.
    """

    def __init__(
        self,
        problem: Problem,
        detail: str,
        *,
        errors: Sequence[str] = (),
        retry_after: int | None = None,
        event: str = "",
    ) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after = retry_after
        self.event = event

    @property
    def text(self) -> str:
        return "\n".join((self.detail, *self.errors))


def details(problem: Problem, detail: str, *, errors: Sequence[str] = (), uid: str = "") -> dict[str, Any]:
    """Return the members of a problem details object; `id` where the event was kept."""
    found: dict[str, Any] = {
        "type": _TYPE + problem.value,
        "title": problem.label,
        "status": problem.status,
        "detail": detail,
        "code": problem.value,
    }
    if errors:
        found["errors"] = list(errors)
    if uid:
        found["id"] = uid
    return found
