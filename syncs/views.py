"""What products and systems call: post an event, ask what became of it. Answers are JSON, whatever happens."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from syncs.events import inbox, problems
from syncs.events import listeners as event_listeners
from syncs.events import sources as event_sources
from syncs.events import tallies as event_tallies
from syncs.events.inbox import Post
from syncs.events.problems import Problem, RefusedError
from syncs.events.proof import SIGNATURE_HEADER, TIMESTAMP_HEADER, Credentials
from syncs.events.sources import KnownSource
from syncs.models import InboundEvent
from syncs.models.events import EventState, Proof

logger = logging.getLogger(__name__)

COME_BACK = 5
"""Seconds after which a sender may try again when the database is away."""
_LENGTH = re.compile(r"\d{1,15}", re.ASCII)
_PROVING = tuple(
    f"HTTP_{name.upper().replace('-', '_')}" for name in ("Authorization", TIMESTAMP_HEADER, SIGNATURE_HEADER)
)
View = Callable[..., HttpResponse]


def _as_problems(view: View) -> View:
    """Answer every refusal and every failure of the database as problem details."""

    @csrf_exempt
    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except RefusedError as refusal:
            return _refused(refusal)
        except (OperationalError, InterfaceError):
            logger.exception("the database is away")
            words = "Nothing was stored. Send it again; with the same idempotency key it counts once."
            return _refused(RefusedError(Problem.UNAVAILABLE, words, retry_after=COME_BACK))
        except DatabaseError:
            logger.exception("the database refused")
            return _refused(
                RefusedError(Problem.INTERNAL, "Nothing was stored. The hub's log has the reason.")
            )

    return answer


@_as_problems
def post(request: HttpRequest, source: str) -> HttpResponse:
    """Take an event in: 202 says that it is stored, and nothing yet of what came of it."""
    if request.method != "POST":
        raise RefusedError(Problem.WRONG_METHOD, "Post events here; ask for one with GET at its own address.")
    now, known = timezone.now(), _source(source)
    event_tallies.write_due()
    given = _credentials(request)
    content_type, key = request.META.get("CONTENT_TYPE", ""), request.META.get("HTTP_IDEMPOTENCY_KEY")
    try:
        body = _body(request, known)
    except RefusedError as refusal:
        receipt = inbox.turn_away(known, Post(b"", content_type), refusal, now)
    else:
        receipt = inbox.receive(known, Post(body, content_type, key, given), now)
    if receipt.refusal:
        return _refused(receipt.refusal, receipt.uid, known)
    address = f"/events/{known.key}/{receipt.uid}"
    answer = {"id": receipt.uid, "state": "accepted", "fate": address}
    return JsonResponse(answer, status=202, headers={"Location": address})


@_as_problems
def fate(request: HttpRequest, source: str, uid: str) -> HttpResponse:
    """Tell what became of an event, to who could have sent it."""
    if request.method not in ("GET", "HEAD"):
        raise RefusedError(
            Problem.WRONG_METHOD, "Ask for an event with GET; post events at the address of their source."
        )
    now, known = timezone.now(), _source(source)
    try:
        known.verify(_credentials(request), request.path.encode(), now)
    except RefusedError as refusal:
        event_tallies.count(known.pk, refusal.problem, now)
        return _refused(refusal, source=known)
    try:
        event = InboundEvent.objects.defer("body", "data").get(source_id=known.pk, uid=uuid.UUID(uid))
    except (ValueError, InboundEvent.DoesNotExist):
        raise RefusedError(
            Problem.UNKNOWN_ID, "It was not posted by this source, or it is no longer kept."
        ) from None
    return JsonResponse(_fate(event), headers={"Cache-Control": "no-store"})


@_as_problems
def nothing(request: HttpRequest, rest: str = "") -> HttpResponse:
    raise RefusedError(Problem.UNKNOWN_ADDRESS, "Post to /events/<source>/, ask at /events/<source>/<id>.")


def _fate(event: InboundEvent) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": str(event.uid),
        "event": event.name,
        "state": event.state,
        "received_at": _text(event.received_at),
        "routed_at": _text(event.routed_at),
        "results": [
            {"what": one.what, "run": one.run, "stage": one.stage, "step": one.step, "reason": one.reason}
            for one in event_listeners.fates(event)
        ],
    }
    if event.state == EventState.REFUSED:
        detail, *errors = event.problem.splitlines()
        found["problem"] = problems.details(Problem(event.problem_code), detail, errors=errors)
    return found


def _source(key: str) -> KnownSource:
    known = event_sources.known(key)
    if known is None:
        raise RefusedError(Problem.UNKNOWN_SOURCE, "The address names the source: /events/<source>/.")
    return known


def _body(request: HttpRequest, source: KnownSource) -> bytes:
    """Read no more than the source may send; a body in chunks says nothing of its length before it is read."""
    length = str(request.META.get("CONTENT_LENGTH") or 0)
    if "HTTP_TRANSFER_ENCODING" in request.META or not _LENGTH.fullmatch(length):
        raise RefusedError(
            Problem.NO_LENGTH, "Send the header Content-Length; a body in chunks is not taken."
        )
    size = int(length)
    if size > source.max_bytes:
        raise RefusedError(
            Problem.TOO_LARGE, f"It has {size:,} bytes; at most {source.max_bytes:,} are taken."
        )
    try:
        body: bytes = request.read(size) if size else b""
    except UnreadablePostError:
        body = b""
    if len(body) < size:
        raise RefusedError(Problem.CUT_OFF, f"Of the {size:,} announced bytes {len(body):,} came.")
    return body


def _credentials(request: HttpRequest) -> Credentials:
    """Read three headers; `request.headers` would make a dictionary of all of them for each event."""
    return Credentials(*(request.META.get(name, "") for name in _PROVING))


def _refused(refusal: RefusedError, uid: str = "", source: KnownSource | None = None) -> HttpResponse:
    members = problems.details(refusal.problem, refusal.detail, errors=refusal.errors, uid=uid)
    response = JsonResponse(members, status=refusal.problem.status, content_type=problems.CONTENT_TYPE)
    if refusal.retry_after is not None:
        response["Retry-After"] = str(refusal.retry_after)
    if refusal.problem.status == 401 and source:
        response["WWW-Authenticate"] = "Bearer" if source.proof == Proof.BEARER else "HMAC-SHA256"
    return response


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
