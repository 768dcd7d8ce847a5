"""Trying a message before it matters: rendered on a real record, or sent to oneself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from routing import directory, drafting, messages, router, rulebook
from routing.messages import TemplateTexts
from routing.models import Person, Rule
from routing.rulebook import alias_of
from routing.snapshot import Address, Directory
from syncs import outbox, queues
from syncs.models import Change, Delivery, Stream
from syncs.outbox import Draft

EXPIRES = timedelta(hours=1)


class RehearsalError(ValueError):
    """Why no test can be sent, in a sentence with the remedy."""


def newest_change(stream: Stream) -> Change | None:
    return Change.objects.filter(stream=stream).order_by("-id").first()


def rendered(
    texts: TemplateTexts, stream: Stream | None, now: datetime
) -> tuple[dict[str, Any], Change | None]:
    """Return the message on the stream's newest record, else on a made-up one. MessageError: it cannot be."""
    change = newest_change(stream) if stream else None
    return messages.render(texts, variables(stream, change, now), change.url if change else EXAMPLE), change


EXAMPLE = "https://example.com/record"


def variables(stream: Stream | None, change: Change | None, now: datetime) -> dict[str, object]:
    """Return what a template may print: of the record if there is one, the rest made up."""
    schema = stream.object_schema if stream else None
    alias = alias_of(stream) if stream else "record"
    known = drafting.sample_variables(schema.fields if schema else {}, alias, now)
    if change is not None:
        known |= {"record": change.values, alias: change.values}
    return known


def send_test(rule: Rule, email: str, now: datetime) -> Delivery:
    """Enqueue the rule's message, on the newest record of its stream, to the person with this e-mail."""
    person = _person(email)
    known, address = _address(rule, person, now)
    booked = rulebook.booked(rule, rule.stream, list(rule.criteria.all()))
    change = newest_change(rule.stream)
    if change is None:
        payload = messages.render(booked.texts, variables(rule.stream, None, now), EXAMPLE)
    else:
        state = router.state_of(change)
        printed = drafting.variables(booked, state, known, person.pk, trigger_at=now, now=now)
        payload = messages.render(booked.texts, printed, state.url)
    stored = outbox.enqueue([_draft(rule, payload, address.remote_id, now)], now)
    queues.wake("syncs.tasks.push_connection", rule.destination_id, queue=queues.queue_for(rule.destination))
    return stored[0]


def _draft(rule: Rule, payload: Mapping[str, Any], channel: str, now: datetime) -> Draft:
    header = f"Test: {payload['header']}"
    more = {"header": header, "channel": channel, "trigger_at": now.isoformat()}
    return Draft(
        connection_id=rule.destination_id,
        origin=f"test:{rule.key}",
        change_id=None,
        lane=channel,
        dedup_key=f"test:{rule.key}:{channel}:{now.timestamp()}",
        payload={**payload, **more},
        due_at=now,
        expires_at=now + EXPIRES,
    )


def _person(email: str) -> Person:
    if not email:
        raise RehearsalError("Your user here has no e-mail address. Enter it under Users, then try again.")
    person = Person.objects.filter(Q(email=email.casefold()) | Q(links__email__iexact=email)).first()
    if person is None:
        raise RehearsalError(
            f"Nobody in the directory has the address of your user here ({email}). "
            "Refresh the directory, or add yourself under People."
        )
    return person


def _address(rule: Rule, person: Person, now: datetime) -> tuple[Directory, Address]:
    known = directory.snapshot(now, rule.destination)
    address = known.address(person.pk)
    if address is None and directory.look_up_missing(rule.destination, person, now):
        known = directory.snapshot(now, rule.destination)
        address = known.address(person.pk)
    if address is None:
        raise RehearsalError(
            f"{person} has no active account at {rule.destination} that is known here. "
            "Refresh the directory, or link the account by hand under Directory links."
        )
    return known, address
