"""The writes of deliveries whose answer somebody waits for, by what is known when they are sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from integration_hub.connectors.records import MatchKey, Operation, Outcome, RecordResult, RecordWrite
from syncs import answers, known
from syncs.models import Delivery


class Asked:
    """Which records these deliveries are about, as far as it is known without a call; others are passed by."""

    def __init__(self, batch: Sequence[Delivery]) -> None:
        own = [delivery for delivery in batch if answers.are_kept(delivery)]
        self.keys = {one.pk: key for one in own if (key := answers.key_of(one))}
        keys = set(self.keys.values())
        self.ids = known.recall(own[0].connection_id, keys) if keys else {}

    def answer(self, delivery: Delivery) -> RecordResult | None:
        """Answer a create whose record is known to be there; None: the vendor must be asked."""
        remote_id = self._id(delivery)
        if not remote_id or delivery.operation != Operation.CREATE:
            return None
        return RecordResult(str(delivery.pk), Outcome.EXISTING, remote_id)

    def write(self, delivery: Delivery) -> RecordWrite:
        write = write_of(delivery)
        return replace(write, remote_id=write.remote_id or self._id(delivery))

    def _id(self, delivery: Delivery) -> str:
        key = self.keys.get(delivery.pk)
        return self.ids.get(key, "") if key else ""


def write_of(delivery: Delivery) -> RecordWrite:
    """Return the write as it was asked for. A payload is `{"values", "match", "remote_id"}`, that of a call is sent."""
    ref, payload = str(delivery.pk), delivery.payload
    attempted_at = delivery.unanswered_at or delivery.attempted_at
    if delivery.operation == Operation.CALL:
        return RecordWrite(ref, payload, attempted_at=attempted_at)
    match = MatchKey(*payload["match"]) if payload["match"] else None
    return RecordWrite(ref, payload["values"], match, attempted_at, remote_id=payload["remote_id"])
