"""The event sources as each request needs them: read seldom, and still no older than a second."""

from __future__ import annotations

import json
import logging
import secrets as randomness
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from integration_hub.connectors.errors import ConfigError
from syncs import secrets
from syncs.events import proof as event_proof
from syncs.events import schema as event_schema
from syncs.events.problems import Problem, RefusedError
from syncs.events.proof import Credentials
from syncs.events.reading import Rules
from syncs.models import EventSecret, EventSource
from syncs.models.events import Proof

logger = logging.getLogger(__name__)

FRESH = 0.8
"""Seconds for which a process goes by what it read: what is revoked must be refused within one second."""
COME_BACK = 60
"""Seconds after which a sender may try again whose proof cannot be checked."""


@dataclass(frozen=True, slots=True)
class Secret:
    value: bytes
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class KnownSource:
    """`unreadable`: it has a secret that could not be opened, so that a proof may be right and yet not fit."""

    pk: int
    key: str
    enabled: bool
    proof: str
    window: int
    max_bytes: int
    per_minute: int | None
    secrets: tuple[Secret, ...]
    unreadable: bool
    rules: Rules

    def verify(self, given: Credentials, content: bytes, now: datetime) -> None:
        """Refuse unless one of the secrets that are valid now made the proof."""
        valid = [one.value for one in self.secrets if one.expires_at is None or now < one.expires_at]
        try:
            if self.proof == Proof.BEARER:
                event_proof.check_bearer(given, valid)
            else:
                seconds = now.timestamp()
                event_proof.check_signature(given, valid, content, window=self.window, now=seconds)
        except RefusedError as refusal:
            if self.unreadable and refusal.problem in (Problem.BAD_TOKEN, Problem.BAD_SIGNATURE):
                words = "A secret of this source cannot be read; the hub's operators must correct it."
                raise RefusedError(Problem.NOT_READY, words, retry_after=COME_BACK) from None
            raise


_known: dict[str, tuple[float, KnownSource]] = {}


def known(key: str, *, clock: Callable[[], float] = time.monotonic) -> KnownSource | None:
    """Return the source, as it was at most FRESH seconds ago. What is not there is looked for each time."""
    now = clock()
    kept = _known.get(key)
    if kept and now - kept[0] < FRESH:
        return kept[1]
    row = EventSource.objects.filter(key=key).prefetch_related("secrets").first()
    if row is None:
        _known.pop(key, None)
        return None
    source = read(row)
    _known[key] = (now, source)
    return source


def forget() -> None:
    """Have everything read anew in this process."""
    _known.clear()


def read(row: EventSource) -> KnownSource:
    opened = [(one, _opened(one)) for one in row.secrets.all()]
    types = row.types.values_list("name", "schema")
    return KnownSource(
        pk=row.pk,
        key=row.key,
        enabled=row.enabled,
        proof=row.proof,
        window=row.window_seconds,
        max_bytes=row.max_bytes,
        per_minute=row.per_minute,
        secrets=tuple(Secret(value, one.expires_at) for one, value in opened if value),
        unreadable=any(not value for _, value in opened),
        rules=Rules(
            name_path=tuple(row.name_path.split(".")),
            key_path=tuple(row.idempotency_path.split(".")) if row.idempotency_path else (),
            types={name: _validator(schema) for name, schema in types},
            body_is_signed=row.proof == Proof.HMAC,
        ),
    )


def generated() -> str:
    """Return a new secret: 256 bits at random, plain characters only."""
    return randomness.token_urlsafe(32)


def add_secret(source: EventSource, label: str, value: str, now: datetime) -> EventSecret:
    """Keep one more active secret; `env:NAME` names an environment variable."""
    return source.secrets.create(label=label, kept=secrets.stored(value), created_at=now)


def rotate_secrets() -> int:
    """Encrypt all of them anew under the first key; return how many were touched."""
    touched = 0
    for pk in EventSecret.objects.values_list("pk", flat=True):
        with transaction.atomic():
            one = EventSecret.objects.select_for_update().get(pk=pk)
            if "encrypted" in one.kept:
                one.kept = {"encrypted": secrets.rotated(one.kept["encrypted"])}
                one.save(update_fields=["kept"])
                touched += 1
    return touched


def _opened(one: EventSecret) -> bytes:
    """Return the secret; b"": it cannot be opened, which is logged and holds up no other."""
    try:
        return secrets.revealed(one.kept).encode()
    except ConfigError as error:
        logger.error("secret “%s” of an event source cannot be opened: %s", one.label, error.message)  # noqa: TRY400
        return b""


def _validator(schema: Any) -> Any:
    return None if schema is None else event_schema.compiled(json.dumps(schema, sort_keys=True))
