"""From a message that was decided on to the delivery that carries it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from integration_hub.connectors.schema import FieldSchema, FieldType
from routing import messages, recipients
from routing.decide import RecordState, dedup_key
from routing.recipients import Message
from routing.rulebook import BookedRule
from syncs.outbox import Draft


class Account(recipients.Account, Protocol):
    @property
    def email(self) -> str: ...


class Address(recipients.Address, Protocol):
    @property
    def zone(self) -> str: ...


class Directory(recipients.Directory, Protocol):
    """A snapshot that also knows what messages print of people."""

    def account(self, connection_id: int, remote_id: str) -> Account | None: ...
    def address(self, person_id: int) -> Address | None: ...
    def email(self, person_id: int) -> str: ...


def draft(
    rule: BookedRule,
    state: RecordState,
    message: Message,
    directory: Directory,
    *,
    change_id: int | None,
    trigger_at: datetime,
    now: datetime,
) -> Draft:
    """Return the delivery to be. MessageError: the template cannot be rendered for this record."""
    known = variables(rule, state, directory, message.person_id, trigger_at=trigger_at, now=now)
    payload = messages.render(rule.texts, known, state.url)
    payload |= {"channel": message.channel, "trigger_at": trigger_at.isoformat()}
    return Draft(
        connection_id=rule.destination_id,
        origin=rule.origin,
        change_id=change_id,
        lane=message.lane,
        dedup_key=dedup_key(rule, state, message),
        payload=payload,
        due_at=message.due_at,
        expires_at=message.expires_at,
    )


def variables(
    rule: BookedRule,
    state: RecordState,
    directory: Directory,
    person_id: int | None,
    *,
    trigger_at: datetime,
    now: datetime,
) -> dict[str, object]:
    """Return what the template may print; `person` is the recipient, empty for a channel."""
    owner = directory.account(rule.source_id, state.owner_id)
    person = {"name": "", "email": "", "time_zone": ""}
    if person_id is not None:
        address = directory.address(person_id)
        person = {
            "name": directory.name(person_id),
            "email": directory.email(person_id),
            "time_zone": address.zone if address else "",
        }
    return {
        rule.alias: state.values,
        "record": state.values,
        "owner": {"name": owner.name if owner else "", "email": owner.email if owner else ""},
        "person": person,
        "rule": {"name": rule.name, "key": rule.key},
        "age_minutes": max(0, int((now - trigger_at).total_seconds() // 60)),
        "now": now,
    }


def sample_variables(fields: Mapping[str, FieldSchema], alias: str, now: datetime) -> dict[str, object]:
    """Return variables as a record with a value in every field would give them, to try a template on."""
    record: dict[str, Any] = {}
    for name in sorted(fields):
        *parents, last = name.split(".")
        place = record
        for parent in parents:
            if not isinstance(place.get(parent), dict):
                place[parent] = {}
            place = place[parent]
        place[last] = _sample(fields[name])
    person = {"name": "Sam Sample", "email": "sam@example.com", "time_zone": "UTC"}
    return {
        alias: record,
        "record": record,
        "owner": {"name": "Sam Sample", "email": "sam@example.com"},
        "person": person,
        "rule": {"name": "Sample", "key": "sample"},
        "age_minutes": 1,
        "now": now,
    }


def _sample(field: FieldSchema) -> object:
    match field.type:
        case FieldType.NUMBER:
            return 1000
        case FieldType.BOOLEAN:
            return True
        case FieldType.DATE:
            return "2026-11-20"
        case FieldType.DATETIME:
            return "2026-11-20T09:00:00.000+0000"
        case FieldType.REFERENCE:
            return f"Sample {field.label}"
        case _:
            return field.options[0] if field.options else f"Sample {field.label}"
