"""The demo's world: who works where and when, the queue, the channels, and the records they get."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from integration_hub.simulator.server import Simulator
from integration_hub.simulator.slack import Message
from routing.models import Person, Rule, WorkingHours, WorkingSpan

PRIYA, TOM, AMARA, GRACE = "Priya Nair", "Tom Becker", "Amara Okafor", "Grace Kim"
LUIS, NINA, DANA = "Luis Ortega", "Nina Roth", "Dana Demo"
QUEUE = "Inbound leads"
ADMIN_EMAIL = "dana.demo@example.test"
LATER = timedelta(hours=2)
SHIFT = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Colleague:
    """`at_work` False: their working hours open in two hours, whatever the clock says now."""

    name: str
    zone: str
    at_work: bool = True
    active_at_salesforce: bool = True
    active_at_slack: bool = True

    @property
    def email(self) -> str:
        return f"{self.name.lower().replace(' ', '.')}@example.test"


CAST = (
    Colleague(PRIYA, "Asia/Kolkata"),
    Colleague(TOM, "Europe/Berlin"),
    Colleague(AMARA, "Africa/Lagos"),
    Colleague(GRACE, "America/New_York", at_work=False),
    Colleague(LUIS, "America/Chicago", active_at_salesforce=False),
    Colleague(NINA, "Europe/Berlin", active_at_slack=False),
    Colleague(DANA, "UTC"),
)
QUEUE_MEMBERS = (TOM, AMARA)


@dataclass(slots=True)
class World:
    """The pretend vendors with the cast in them; people are called by name."""

    simulator: Simulator
    owners: dict[str, str] = field(default_factory=dict)
    addressees: dict[str, str] = field(default_factory=dict)
    """Slack's ids of members and channels, with the names people know."""

    @classmethod
    def populated(cls, simulator: Simulator) -> World:
        """Give both vendors their people, and Salesforce its queue."""
        world = cls(simulator)
        for one in CAST:
            world.owners[one.name] = simulator.salesforce.add_user(
                one.name, one.email, active=one.active_at_salesforce
            )
            member = simulator.slack.add_member(
                one.name, one.email, tz=one.zone, deleted=not one.active_at_slack
            )
            world.addressees[member] = one.name
        members = [world.owners[name] for name in QUEUE_MEMBERS]
        world.owners[QUEUE] = simulator.salesforce.add_queue(QUEUE, members)
        return world

    def now(self) -> datetime:
        return self.simulator.clock()

    def add_channels(self, names: Iterable[str]) -> None:
        for name in sorted(set(names)):
            self.addressees[self.simulator.slack.add_channel(name.lstrip("#"))] = name

    def add_lead(self, owner: str, **values: Any) -> str:
        """Add a lead that the rule for hot leads wants, unless `values` say otherwise; return its id."""
        hot = {"Company": "Acme", "Rating": "Hot", "LeadSource": "Web", "OwnerId": self.owners[owner]}
        return self.simulator.salesforce.add("Lead", **{**hot, **values})

    def add_opportunity(self, owner: str, **values: Any) -> str:
        return self.add("Opportunity", owner, **values)

    def add(self, object_type: str, owner: str, **values: Any) -> str:
        return self.simulator.salesforce.add(object_type, OwnerId=self.owners[owner], **values)

    def addressee(self, message: Message) -> str:
        """Return the person's or the channel's name."""
        return self.addressees.get(message.user or message.channel, message.channel)


def channels_of(rules: Iterable[Rule]) -> set[str]:
    """Return every channel the rules may write to."""
    named = ("recipient_channel", "copy_channel", "outside_channel", "queue_channel", "fallback_channel")
    return {getattr(rule, name) for rule in rules for name in named} - {""}


def give_hours(now: datetime) -> None:
    """Give each of the cast working hours of their own, so that the demo is the same at any hour of any day."""
    always = _hours("demo-always", "Demo: at work all the time", time.min, time.min)
    people = {person.email: person for person in Person.objects.all()}
    for colleague in CAST:
        person = people[colleague.email]
        person.working_hours = always if colleague.at_work else _opening_later(colleague, now)
        person.save(update_fields=["working_hours"])


def _opening_later(colleague: Colleague, now: datetime) -> WorkingHours:
    opens = (now + LATER).astimezone(ZoneInfo(colleague.zone)).replace(second=0, microsecond=0)
    name = f"Demo: from {opens:%H:%M} in {colleague.zone}"
    return _hours("demo-later", name, opens.time(), (opens + SHIFT).time())


def _hours(key: str, name: str, start: time, end: time) -> WorkingHours:
    """Make a schedule of one span a day; one that ends where it starts lasts the whole day."""
    hours = WorkingHours.objects.create(key=key, name=name)
    WorkingSpan.objects.bulk_create(
        WorkingSpan(working_hours=hours, weekday=weekday, start=start, end=end) for weekday in range(7)
    )
    return hours
