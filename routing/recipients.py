"""To whom a matched rule's messages go, and when: pure, on a snapshot of the directory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from routing import hours
from routing.models.decisions import Reason, Role, Verdict
from routing.models.rules import OutsideHours, QueueHandling, Recipient
from routing.rulebook import BookedRule

NAMES_SHOWN = 5


class Account(Protocol):
    """What the directory knows of one account at one connection."""

    @property
    def remote_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def active(self) -> bool: ...
    @property
    def is_group(self) -> bool: ...
    @property
    def person_id(self) -> int | None: ...


class Address(Protocol):
    """Where a person is reached at the destination."""

    @property
    def remote_id(self) -> str: ...


class Directory(Protocol):
    """What deciding asks of a directory snapshot; see routing.directory."""

    def account(self, connection_id: int, remote_id: str) -> Account | None: ...
    def members(self, connection_id: int, group_id: str) -> Iterable[Account]: ...
    def address(self, person_id: int) -> Address | None: ...
    def schedule(self, person_id: int) -> hours.Schedule: ...
    def name(self, person_id: int) -> str: ...


@dataclass(frozen=True, slots=True)
class Message:
    """One message to be. `channel` is a member's or a channel's id or name at the destination."""

    role: Role
    person_id: int | None
    channel: str
    due_at: datetime
    expires_at: datetime

    @property
    def lane(self) -> str:
        return self.channel


@dataclass(frozen=True, slots=True)
class Plan:
    """`missing_people` and `missing_owners` could not be addressed; a look-up might find them."""

    verdict: Verdict
    reason: Reason
    text: str
    messages: tuple[Message, ...]
    hold_until: datetime | None
    missing_people: frozenset[int]
    missing_owners: frozenset[str]


def plan(
    rule: BookedRule, owner_id: str, directory: Directory, *, trigger_at: datetime, now: datetime
) -> Plan:
    """Return who gets a message now, who at their opening, and why the others get none."""
    planning = _Planning(rule, directory, trigger_at, now)
    if not planning.add_recipients(owner_id):
        planning.add_fallback()
    if rule.copy_channel:
        planning.add_channel(rule.copy_channel, Role.COPY)
    return planning.result()


def fallback(rule: BookedRule, directory: Directory, *, trigger_at: datetime, now: datetime) -> Plan:
    """Return the plan for a message whose recipient turned out not to be reachable."""
    planning = _Planning(rule, directory, trigger_at, now)
    planning.add_fallback()
    return planning.result()


@dataclass(slots=True)
class _Planning:
    """Collects messages and the sentences that explain them; one message per channel."""

    rule: BookedRule
    directory: Directory
    trigger_at: datetime
    now: datetime
    messages: dict[str, Message] = field(default_factory=dict)
    sent_to: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    outside: bool = False
    missing_people: set[int] = field(default_factory=set)
    missing_owners: set[str] = field(default_factory=set)

    def add_recipients(self, owner_id: str) -> bool:
        """Say whether there is somebody: at work, held, or skipped for the hour. If not, the fallback's turn."""
        rule = self.rule
        if rule.recipient == Recipient.CHANNEL:
            return self._named_channel(rule.recipient_channel, "The rule names no channel")
        if rule.recipient == Recipient.OWNER:
            return self._owner(owner_id)
        if rule.recipient_person_id is None:
            return self._nobody("The rule names no person")
        return self._person(rule.recipient_person_id, Role.RECIPIENT)

    def add_fallback(self) -> None:
        rule = self.rule
        if rule.fallback_person_id is not None and self._person(rule.fallback_person_id, Role.FALLBACK):
            return
        if rule.fallback_channel:
            self.add_channel(rule.fallback_channel, Role.FALLBACK)
        else:
            self._nobody("No other fallback is set" if rule.fallback_person_id else "No fallback is set")

    def add_channel(self, channel: str, role: Role) -> None:
        """Channels have no working hours."""
        label = {Role.FALLBACK: f"the fallback {channel}", Role.COPY: f"{channel} (copy)"}.get(role, channel)
        self._add(channel, None, role, label)

    def result(self) -> Plan:
        own = [message for message in self.messages.values() if message.role != Role.COPY]
        held = [message.due_at for message in own if message.due_at > self.now]
        verdict = Verdict.DELIVER if self.messages else Verdict.SKIP
        if held and len(held) == len(own):
            verdict = Verdict.HOLD
        return Plan(
            verdict,
            self._reason(bool(own)),
            self._text(),
            tuple(self.messages.values()),
            min(held, default=None),
            frozenset(self.missing_people),
            frozenset(self.missing_owners),
        )

    def _reason(self, somebody: bool) -> Reason:
        if self.outside:
            return Reason.OUTSIDE_HOURS
        return Reason.MATCHED if somebody else Reason.NO_RECIPIENT

    def _owner(self, owner_id: str) -> bool:
        if not owner_id:
            return self._nobody("The record has no owner")
        account = self.directory.account(self.rule.source_id, owner_id)
        if account is None:
            self.missing_owners.add(owner_id)
            return self._nobody(f"The owner {owner_id} is not in the directory")
        return self._queue(account) if account.is_group else self._account(account, "The owner ")

    def _queue(self, queue: Account) -> bool:
        if self.rule.queue_handling == QueueHandling.CHANNEL:
            return self._named_channel(
                self.rule.queue_channel,
                f"The queue {queue.name} owns it, and the rule names no queue channel",
            )
        members = list(self.directory.members(self.rule.source_id, queue.remote_id))
        reached = [self._account(member, f"Queue {queue.name}: ") for member in members]
        return any(reached) or self._nobody(f"The queue {queue.name} has nobody who can be reached")

    def _account(self, account: Account, label: str) -> bool:
        name = account.name or account.remote_id
        if not account.active:
            return self._nobody(f"{label}{name} is not active at {self.rule.source_name}")
        if account.person_id is None:
            return self._nobody(f"{label}{name} is matched to nobody in the directory")
        return self._person(account.person_id, Role.RECIPIENT)

    def _person(self, person_id: int, role: Role) -> bool:
        name = self.directory.name(person_id)
        address = self.directory.address(person_id)
        if address is None:
            self.missing_people.add(person_id)
            return self._nobody(f"{name} has no active account at {self.rule.destination_name}")
        schedule = self.directory.schedule(person_id)
        presence = hours.at(schedule, self.now)
        if presence.open or self.rule.outside_hours == OutsideHours.SEND:
            label = f"the fallback {name}" if role == Role.FALLBACK else name
            self._add(address.remote_id, person_id, role, label)
            return True
        self.outside = True
        holds = self.rule.outside_hours == OutsideHours.HOLD
        self.notes.append(hours.describe(presence, name, schedule.zone, self.now, held=holds))
        if self.rule.outside_hours == OutsideHours.CHANNEL and self.rule.outside_channel:
            self.add_channel(self.rule.outside_channel, role)
        if not holds:
            return True
        if presence.opens_at is None:
            return False
        self._hold(address.remote_id, person_id, role, presence.opens_at)
        return True

    def _named_channel(self, channel: str, otherwise: str) -> bool:
        if not channel:
            return self._nobody(otherwise)
        self.add_channel(channel, Role.RECIPIENT)
        return True

    def _nobody(self, note: str) -> bool:
        self.notes.append(note)
        return False

    def _add(self, channel: str, person_id: int | None, role: Role, label: str) -> None:
        if channel not in self.messages:
            expires_at = self.trigger_at + self.rule.max_age
            self.messages[channel] = Message(role, person_id, channel, self.now, expires_at)
            self.sent_to.append(label)

    def _hold(self, channel: str, person_id: int, role: Role, opens_at: datetime) -> None:
        expires_at = opens_at + self.rule.max_age
        self.messages.setdefault(channel, Message(role, person_id, channel, opens_at, expires_at))

    def _text(self) -> str:
        sentences = list(dict.fromkeys(self.notes))
        if self.sent_to:
            shown = self.sent_to[:NAMES_SHOWN]
            more = len(self.sent_to) - len(shown)
            if more:
                shown.append(f"{more} more")
            names = shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
            sentences.append(f"Goes to {names}")
        return ". ".join(["Matched", *sentences]) + "."
