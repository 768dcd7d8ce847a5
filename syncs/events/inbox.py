"""Events that come in: store each as it came before it is answered, and hand them on to whoever takes them up.

The hub's switch stops none of this: an event that is not taken in is lost to us, one that waits is not.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from django.db import InterfaceError, OperationalError, connection
from django.db.models import Q
from django.db.models.functions import Length

from syncs.events import reading, sources, tallies
from syncs.events.problems import Problem, RefusedError
from syncs.events.proof import Credentials
from syncs.events.reading import Checked
from syncs.events.sources import KnownSource
from syncs.models import EventSource, EventType, InboundEvent
from syncs.models.events import EventOrigin, EventState, Proof

logger = logging.getLogger(__name__)

MOST_FOUND = 500
MOST_BYTES = 16_000_000
"""Of bodies whose events are loaded at once: read into objects, they take several times that."""
_FIELDS = [one for one in InboundEvent._meta.concrete_fields if not one.primary_key]


@dataclass(frozen=True, slots=True)
class Post:
    """One request as it came; `key` is its idempotency key's header, None if there is none."""

    body: bytes
    content_type: str = "application/json"
    key: str | None = None
    credentials: Credentials = field(default_factory=Credentials)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a post: the event it stands in, "" for none, and why it was refused, if it was."""

    uid: str
    refusal: RefusedError | None = None


def receive(source: KnownSource, post: Post, now: datetime) -> Receipt:
    """Take a post in. When this returns, what it tells is stored and survives any crash.

    Whatever proved itself is kept whole, also what is refused. Of all else one row a minute and reason is kept as
    an example, without its body: strangers must not be able to fill the database.
    """
    try:
        _admit(source, post, now)
    except RefusedError as refusal:
        return turn_away(source, post, refusal, now)
    try:
        return Receipt(_store(source, post, _checked(source, post), now))
    except RefusedError as refusal:
        tallies.count(source.pk, refusal.problem, now)
        return _keep(source, post, refusal, now)


def turn_away(source: KnownSource, post: Post, refusal: RefusedError, now: datetime) -> Receipt:
    """Count what was not even looked at, and keep an example of it: when, why and how large, not the body."""
    if not tallies.count(source.pk, refusal.problem, now):
        return Receipt("", refusal)
    return _keep(source, Post(b"", post.content_type), refusal, now)


def emit(
    source: EventSource,
    name: str,
    data: dict[str, Any],
    cause: InboundEvent | None,
    key: str | None,
    now: datetime,
) -> InboundEvent:
    """Put an event of the hub's own in; the same key again gives the event that is there."""
    body = json.dumps(data, ensure_ascii=False, allow_nan=False).encode(errors="surrogatepass")
    reading.check_texts(data)
    return _put(source, name, data, body, EventOrigin.EMITTED, now, cause=cause, key=key)


def send_sample(kind: EventType, now: datetime) -> InboundEvent:
    """Put the type's sample in as if it had been posted. RefusedError: it does not fit, or there is none."""
    if kind.sample is None:
        raise RefusedError(Problem.NOT_AN_OBJECT, f"“{kind.name}” has no sample. Enter one first.")
    body = json.dumps(kind.sample, ensure_ascii=False).encode()
    found = _checked(sources.read(kind.source), Post(body))
    return _put(kind.source, found.name, found.data, body, EventOrigin.SAMPLE, now)


def replay(event: InboundEvent, now: datetime) -> InboundEvent:
    """Put the event in once more, as a new one that names it as its cause.

    What was refused is checked anew, by what the source says now. RefusedError: it still cannot be taken.
    """
    if event.state != EventState.REFUSED:
        return _put(
            event.source, event.name, event.data or {}, bytes(event.body), EventOrigin.REPLAY, now, event
        )
    if not Problem(event.problem_code).body_is_kept:
        raise RefusedError(
            Problem.CUT_OFF, "Nothing but the reason was kept of it. The sender must send it again."
        )
    post = Post(bytes(event.body), event.content_type)
    found = _checked(sources.read(event.source), post)
    return _put(event.source, found.name, found.data, post.body, EventOrigin.REPLAY, now, event)


def replay_all(events: Iterable[InboundEvent], now: datetime) -> tuple[int, list[tuple[InboundEvent, str]]]:
    """Replay these; return how many were, and which could not be, each with the reason."""
    done, refused = 0, []
    for event in events:
        try:
            replay(event, now)
            done += 1
        except RefusedError as refusal:
            refused.append((event, refusal.text))
    return done, refused


def found(term: str) -> set[int]:
    """Return the events of this id, idempotency key or exact name, of each the newest; by their indexes."""
    by_key = Q(source__in=EventSource.objects.all(), idempotency_key=term) & ~Q(state=EventState.REFUSED)
    wanted = [by_key, Q(name=term)]
    with suppress(ValueError):
        wanted = [Q(uid=uuid.UUID(term))]
    newest = InboundEvent.objects.order_by("-received_at")
    return {pk for one in wanted for pk in newest.filter(one).values_list("pk", flat=True)[:MOST_FOUND]}


def waiting(limit: int) -> list[InboundEvent]:
    """Return the oldest events that nobody has taken up yet; their bodies are read only if asked for.

    Large ones come fewer at once, but always one.
    """
    rows = InboundEvent.objects.filter(state=EventState.WAITING).order_by("id")
    fitting = that_fit(rows.values_list("pk", Length("body"))[:limit])
    return list(rows.filter(pk__in=fitting).select_related("source").defer("body"))


def that_fit(sized: Iterable[tuple[int, int]]) -> list[int]:
    """Return the first of these (key, bytes) that may be loaded together, at least one if there is one."""
    fitting: list[int] = []
    total = 0
    for key, size in sized:
        total += size
        if fitting and total > MOST_BYTES:
            break
        fitting.append(key)
    return fitting


def mark_routed(events: Iterable[InboundEvent], now: datetime) -> int:
    """Say that all that listens has taken these up; return how many were still waiting."""
    pks = [event.pk for event in events]
    rows = InboundEvent.objects.filter(pk__in=pks, state=EventState.WAITING)
    return rows.update(state=EventState.ROUTED, routed_at=now)


def _admit(source: KnownSource, post: Post, now: datetime) -> None:
    """Refuse what did not prove itself, and what is more than the source may send."""
    source.verify(post.credentials, post.body, now)
    wait = tallies.take(source, now)
    if wait:
        words = (
            f"At most {source.per_minute} events a minute are taken. Send it again when the next one begins."
        )
        raise RefusedError(Problem.TOO_MANY, words, retry_after=wait)


def _checked(source: KnownSource, post: Post) -> Checked:
    """Return the event in a post. RefusedError: it is none, or its source is switched off."""
    if not source.enabled:
        raise RefusedError(
            Problem.SOURCE_OFF, "The hub's operators have switched it off. The event was kept."
        )
    try:
        return reading.check(source.rules, post.body, content_type=post.content_type, key_header=post.key)
    except RefusedError:
        raise
    except Exception as error:
        # A schema may do what its check at saving did not show. The event is kept, and the sender told the truth.
        logger.exception("an event of %s could not be looked at", source.key)
        raise RefusedError(Problem.INTERNAL, "It was kept; the hub's log has the reason.") from error


def _store(source: KnownSource, post: Post, checked: Checked, now: datetime) -> str:
    """Store an accepted event once per idempotency key and return its id, a repeat the id of the first.

    Signed posts without a key are told apart by their signature: one that is recorded and sent again counts once.
    """
    key = checked.key
    if key is None and source.proof == Proof.HMAC and post.credentials.signature:
        key = f"signature:{post.credentials.signature.strip().lower()}"[: reading.LONGEST_KEY]
    event = InboundEvent(
        source_id=source.pk, name=checked.name, data=checked.data, body=post.body,
        content_type=post.content_type[:100], idempotency_key=key, received_at=now,
    )  # fmt: skip
    first = _insert(event)
    if first is event:
        return str(event.uid)
    if bytes(first.body) != post.body and first.data != checked.data:
        raise RefusedError(
            Problem.KEY_REUSED,
            f"The key came first with event {first.uid}, which differs. Use a new key for each event.",
        )
    return str(first.uid)


def _keep(source: KnownSource, post: Post, refusal: RefusedError, now: datetime) -> Receipt:
    event = InboundEvent(
        source_id=source.pk, name=refusal.event[: reading.LONGEST_NAME], received_at=now,
        body=post.body, content_type=post.content_type[:100], state=EventState.REFUSED,
        status=refusal.problem.status, problem_code=refusal.problem, problem=refusal.text,
    )  # fmt: skip
    _insert(event)
    return Receipt(str(event.uid), refusal)


def _put(
    source: EventSource,
    name: str,
    data: dict[str, Any],
    body: bytes,
    origin: EventOrigin,
    now: datetime,
    cause: InboundEvent | None = None,
    key: str | None = None,
) -> InboundEvent:
    event = InboundEvent(
        source=source, name=name, data=data, body=body, content_type="application/json", origin=origin,
        cause=cause, idempotency_key=key, received_at=now,
    )  # fmt: skip
    return _insert(event)


def _insert(event: InboundEvent) -> InboundEvent:
    """Store the event and return it, or the one that has its idempotency key already.

    One statement and one commit: the ORM would spend three round trips on it, and on a conflict break the
    transaction of whoever calls.
    """
    event.uid = event.uid or uuid.uuid4()
    while True:
        if _inserted(event):
            return event
        same_key = Q(source_id=event.source_id, idempotency_key=event.idempotency_key or "")
        first = InboundEvent.objects.filter(
            Q(uid=event.uid) | (same_key & ~Q(state=EventState.REFUSED))
        ).first()
        if first is not None:  # else it was deleted between our two statements
            return event if first.uid == event.uid else first


def _inserted(event: InboundEvent) -> bool:
    """Insert without the question, asked of each old connection, whether it still lives: that costs a round trip.

    It shows when the insert fails. The second try has the same id, so that it may have been stored by the first.
    """
    values = [one.get_db_prep_save(getattr(event, one.attname), connection) for one in _FIELDS]
    connection.health_check_done = True  # type: ignore[attr-defined]  # the stubs leave it out
    try:
        row = _executed(values)
    except (OperationalError, InterfaceError):
        if connection.in_atomic_block or connection.is_usable():
            raise
        connection.close()
        row = _executed(values)
    if row:
        event.pk = row[0]
        event._state.adding = False
    return row is not None


def _executed(values: Sequence[Any]) -> Sequence[int] | None:
    with connection.cursor() as cursor:
        cursor.execute(_statement(), values)
        row: Sequence[int] | None = cursor.fetchone()
        return row


@cache
def _statement() -> str:
    quote = connection.ops.quote_name
    table, names = quote(InboundEvent._meta.db_table), ", ".join(quote(str(one.column)) for one in _FIELDS)
    marks = ", ".join(["%s"] * len(_FIELDS))
    return f"INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING RETURNING id"  # noqa: S608
