"""What became of a scene, read from the hub's tables and from Slack, and held against what was expected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from integration_hub.demo.script import STRAYS, Scene, Stage
from integration_hub.simulator.slack import Message
from routing.models import Decision
from syncs.models import Delivery
from syncs.models.deliveries import DeliveryState


@dataclass(slots=True)
class Outcome:
    """One scene's end so far. `took` counts from the event at Salesforce to the last message at Slack."""

    scene: Scene
    decision: Decision | None = None
    deliveries: list[Delivery] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    arrived: Mapping[str, int] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return self.decision.change.title if self.decision else ""

    @property
    def happened(self) -> list[str]:
        """What is at Slack, and what became of the rest."""
        lines = [f"At Slack: {count} for {name}" for name, count in sorted(self.arrived.items())]
        for delivery in self.deliveries:
            if delivery.state == DeliveryState.DELIVERED:
                if delivery.attempts > 1:
                    lines.append(f"{delivery.attempts} tries")
            elif delivery.state == DeliveryState.WAITING and not delivery.error:
                lines.append(f"Held until {delivery.due_at:%H:%M} UTC")
            else:
                lines.append(f"{DeliveryState(delivery.state).label}: {delivery.error}")
        return lines

    @property
    def took(self) -> timedelta | None:
        if not self.messages or self.decision is None:
            return None
        return max(message.at for message in self.messages) - self.decision.trigger_at

    @property
    def why(self) -> list[str]:
        """The decision in a sentence, then its criterion rows."""
        if self.decision is None:
            return ["Not decided yet."]
        rows = [f"{'✓' if matched else '✗'} {text}" for _, matched, text in self.decision.rows]
        return [self.decision.text, *rows]

    @property
    def problems(self) -> list[str]:
        """Whatever is not as the script wants it; empty: the scene has ended well."""
        return list(self._problems())

    def _problems(self) -> Iterator[str]:
        if self.decision is None:
            yield "No decision was taken."
            return
        yield from self._wrong_decision(self.decision)
        yield from self._wrong_deliveries()
        if dict(self.arrived) != dict(self.scene.messages):
            yield f"At Slack: {_shown(self.arrived)}, expected {_shown(self.scene.messages)}."
        text = self.scene.reads(self.messages)
        if text:
            yield text

    def _wrong_decision(self, decision: Decision) -> Iterator[str]:
        wanted = (self.scene.verdict, self.scene.reason)
        if (decision.verdict, decision.reason) != wanted:
            yield f"Decided {decision.verdict}/{decision.reason}, expected {wanted[0]}/{wanted[1]}."
        if not any(self.scene.says in text for text in self.why):
            yield f"The reason does not say “{self.scene.says}”."

    def _wrong_deliveries(self) -> Iterator[str]:
        states = {delivery.state for delivery in self.deliveries}
        wanted = {self.scene.state} - {None}
        if states != wanted:
            yield f"Deliveries: {_listed(states)}, expected {_listed(wanted)}."
        if self.scene.fate and not all(self.scene.fate in delivery.error for delivery in self.deliveries):
            yield f"The delivery does not say “{self.scene.fate}”."
        if any(delivery.attempts < self.scene.attempts for delivery in self.delivered):
            yield f"Expected {self.scene.attempts} tries."

    @property
    def delivered(self) -> list[Delivery]:
        return [delivery for delivery in self.deliveries if delivery.state == DeliveryState.DELIVERED]


def outcomes(scenes: tuple[Scene, ...], stage: Stage) -> list[Outcome]:
    return [outcome(scene, stage) for scene in scenes]


def outcome(scene: Scene, stage: Stage) -> Outcome:
    record_id = stage.records.get(scene.key)
    if record_id is None:
        return Outcome(scene)
    decisions = Decision.objects.filter(rule__key=scene.rule, change__record_id=record_id)
    # What the syncs make of the same record is another scene's, see audience.py.
    alerts = Delivery.objects.filter(change__record_id=record_id, sync=None)
    deliveries = list(alerts.order_by("pk"))
    messages = [m for d in deliveries for m in sent_as(stage, d)]
    return Outcome(
        scene,
        decision=decisions.order_by("change__modified_at", "pk").last(),
        deliveries=deliveries,
        messages=messages,
        arrived=Counter(stage.world.addressee(message) for message in messages),
    )


def sent_as(stage: Stage, delivery: Delivery) -> list[Message]:
    """Return every message at Slack that carries this delivery, however often it was sent."""
    return [m for m in stage.world.simulator.slack.messages if _delivery_id(m) == str(delivery.pk)]


def stray_problems(stage: Stage) -> list[str]:
    """Say what is wrong with the messages that belong to no record."""
    about_records = Delivery.objects.exclude(change=None).values_list("pk", flat=True)
    known = {str(pk) for pk in about_records}
    strays = [m for m in stage.world.simulator.slack.messages if _delivery_id(m) not in known]
    arrived = Counter(stage.world.addressee(message) for message in strays)
    if arrived == STRAYS:
        return []
    return [f"Messages about no record: {_shown(arrived)}, expected {_shown(STRAYS)}."]


def _delivery_id(message: Message) -> str:
    return str(((message.metadata or {}).get("event_payload") or {}).get("delivery_id", ""))


def _shown(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} for {name}" for name, count in sorted(counts.items())) or "nothing"


def _listed(states: set[str] | set[DeliveryState | None]) -> str:
    return ", ".join(sorted(str(state) for state in states)) or "none"
