"""What is new in the hub's tables since the last look, one line each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from integration_hub.connectors.moments import lasting
from routing.models import Alert, Decision
from routing.models.decisions import Verdict
from syncs import listeners
from syncs.models import Change, Delivery, Priority, Sync
from syncs.models.changes import ChangeState
from syncs.models.deliveries import DeliveryState

COLOURS = {
    Verdict.DELIVER: "green", Verdict.HOLD: "yellow", Verdict.SKIP: "dim", Verdict.ERROR: "red",
    DeliveryState.DELIVERED: "bold green", DeliveryState.EXPIRED: "magenta", DeliveryState.DEAD: "bold red",
    DeliveryState.WAITING: "yellow",
}  # fmt: skip
AS_EVER = {"superseded", "older", "already_queued"}


@dataclass(slots=True)
class Line:
    text: str
    style: str = ""


@dataclass(slots=True)
class Watcher:
    """Remembers what it has told already."""

    since: datetime
    decided: int = 0
    synced: int = 0

    def news(self) -> list[Line]:
        """Return what was decided and what became of messages and users, and never the same twice."""
        return [*self._decisions(), *self._not_synced(), *self._deliveries()]

    def _decisions(self) -> Iterator[Line]:
        """Of a record that one rule wants, the others' refusals are no news."""
        fresh = Decision.objects.filter(pk__gt=self.decided).select_related("change", "rule").order_by("pk")
        told = {decision.change_id for decision in fresh if decision.verdict != Verdict.SKIP}
        for decision in fresh:
            self.decided = decision.pk
            if decision.verdict == Verdict.SKIP and decision.change_id in told:
                continue
            told.add(decision.change_id)
            what = (
                f"{decision.change.title}: {decision.rule.name}: {decision.get_verdict_display().lower()}. "
            )
            yield Line(what + decision.text, COLOURS[Verdict(decision.verdict)])

    def _not_synced(self) -> Iterator[Line]:
        """Why a record is no user; that a newer version took the place of an older one is no news."""
        for change in Change.objects.filter(pk__gt=self.synced, state=ChangeState.ROUTED).order_by("pk"):
            self.synced = change.pk
            for key, (outcome, code, reason) in change.synced.items():
                if outcome == "skipped" and code not in AS_EVER:
                    yield Line(f"{change.title}: {_absent(key)}. {reason}", "dim")

    def _deliveries(self) -> Iterator[Line]:
        """A try that failed has the state “waiting” and an error; only then is a waiting one told."""
        until = self.since
        touched = Q(settled_at__gt=self.since) | (
            Q(state=DeliveryState.WAITING, attempted_at__gt=self.since) & ~Q(error="")
        )
        for delivery in (
            Delivery.objects.filter(touched).select_related("change", "connection").order_by("pk")
        ):
            until = max(until, delivery.settled_at or until, delivery.attempted_at or until)
            if delivery.sync_id is not None and delivery.state == DeliveryState.DISMISSED:
                continue  # a newer version of the record took its place
            yield Line(_fate(delivery), COLOURS.get(DeliveryState(delivery.state), ""))
        self.since = until


def _absent(key: str) -> str:
    sync = Sync.objects.select_related("destination").get(key=key)
    return f"no {sync.object_type} at {sync.destination}, by {sync}"


def _fate(delivery: Delivery) -> str:
    title = delivery.change.title if delivery.change else "Incident"
    if delivery.sync_id is not None:
        state = DeliveryState(delivery.state).label.lower()
        what = f"{delivery.object_type} {delivery.payload.get('match', '')}".strip()
        return f"{title}: {what} at {delivery.connection}: {state}. {delivery.error}".strip()
    if delivery.priority == Priority.FLOW:
        ended = delivery.outcome or DeliveryState(delivery.state).label.lower()
        what = (
            f"{listeners.name(delivery.origin)}: {delivery.object_type} at HubSpot: {ended}. {delivery.error}"
        )
        return what[:1].upper() + what[1:].strip()
    alert = Alert.objects.filter(delivery=delivery).select_related("decision", "person").first()
    to = alert.person.name if alert and alert.person else delivery.lane
    if delivery.state == DeliveryState.DELIVERED and delivery.settled_at:
        since = alert.decision.trigger_at if alert else delivery.created_at
        return f"{title}: at Slack for {to}, {lasting(delivery.settled_at - since)} after it happened"
    state = DeliveryState(delivery.state).label.lower()
    return f"{title}: message for {to}: {state}. {delivery.error}"
