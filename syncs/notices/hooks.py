"""What vendors call: the addresses of change intake. Stored first, then answered as the vendor expects it."""

from __future__ import annotations

import logging
import re

from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from integration_hub.connectors.errors import ConfigError
from integration_hub.connectors.notices import Call, notifier
from syncs import connect
from syncs.models import Connection
from syncs.notices import intake

logger = logging.getLogger(__name__)

_LENGTH = re.compile(r"\d{1,15}", re.ASCII)
COME_BACK = "30"
"""Seconds; vendors have their own idea of it and try for a day."""


@csrf_exempt
def notice(request: HttpRequest, kind: str, connection: str, token: str = "") -> HttpResponse:
    """Answer 200 for all that proved itself, whatever is in it: a vendor would send the whole batch again."""
    if request.method != "POST":
        return HttpResponse("Post change notices here.\n", status=405, headers={"Allow": "POST"})
    try:
        return _taken(request, kind, connection, token)
    except ConfigError as error:
        logger.warning("a notice could not be checked: %s", error.message)
    except Error:
        logger.exception("a notice could not be stored")
    return HttpResponse("Not stored; send it again.\n", status=503, headers={"Retry-After": COME_BACK})


def _taken(request: HttpRequest, kind: str, key: str, token: str) -> HttpResponse:
    now, who = timezone.now(), notifier(kind)
    row = Connection.objects.filter(kind=kind, key=key).first()
    if row is None or who is None:
        return HttpResponse("There is no such connection.\n", status=404)
    length = str(request.META.get("CONTENT_LENGTH") or 0)
    if "HTTP_TRANSFER_ENCODING" in request.META or not _LENGTH.fullmatch(length):
        return HttpResponse("Say how long the body is.\n", status=411)
    if int(length) > who.largest:
        intake.turn_away(row, "too large", now)
        return HttpResponse("The body is too large.\n", status=413)
    body = _body(request, int(length))
    if body is None:
        return HttpResponse("The body ended early.\n", status=400)
    url = settings.PUBLIC_URL + request.get_full_path()
    call = Call(url, body, {name.lower(): value for name, value in request.headers.items()}, token)
    content_type = request.META.get("CONTENT_TYPE", "")
    refusal = intake.receive(row, who, connect.configuration(row), call, content_type, now)
    if refusal:
        return HttpResponse(f"Refused: {refusal}.\n", status=401, content_type="text/plain")
    return HttpResponse(who.answer, content_type=who.content_type)


def _body(request: HttpRequest, length: int) -> bytes | None:
    """Return the body, None if a part of it is missing: what is acknowledged is not sent again."""
    try:
        body: bytes = request.read(length)
    except UnreadablePostError:
        return None
    return body if len(body) == length else None
