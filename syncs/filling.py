"""The fields that are written only to a new record, or only where nothing stands, after a look at what is there."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

from integration_hub.connectors.contract import Destination
from integration_hub.connectors.records import RecordWrite, WriteRequest
from syncs import answers
from syncs.mappings.nesting import merge, missing
from syncs.models import Delivery


def filled(
    deliveries: Sequence[Delivery], request: WriteRequest, destination: Destination
) -> list[RecordWrite]:
    """Return the writes with those fields; one look for all that need it. ConnectorError: it cannot be looked."""
    writes = list(request.writes)
    late: dict[int, str] = {}
    for number, (write, delivery) in enumerate(zip(writes, deliveries, strict=True)):
        if write.match and _needs_a_look(write, delivery, destination):
            late[number] = (write.former if delivery.sync_id is not None else "") or write.match.value
    if not late:
        return writes
    there = destination.look_up(request.object_type, sorted(set(late.values())))
    for number, key in late.items():
        write, delivery = writes[number], deliveries[number]
        record = there.get(key)
        values = copy.deepcopy(dict(write.values))
        if record is None and _tells_new(delivery, destination):
            merge(values, delivery.payload.get("on_create") or {})
        merge(values, missing(delivery.payload.get("if_empty") or {}, record.values if record else {}))
        writes[number] = replace(write, values=values)
    return writes


def _needs_a_look(write: RecordWrite, delivery: Delivery, destination: Destination) -> bool:
    if delivery.sync_id is None and not answers.are_kept(delivery):
        return False
    if delivery.sync_id is not None and delivery.object_type in destination.event_types:
        return False
    if delivery.payload.get("if_empty"):
        return True
    is_new = _tells_new(delivery, destination) and not write.remote_id
    return bool(is_new and delivery.payload.get("on_create"))


def _tells_new(delivery: Delivery, destination: Destination) -> bool:
    """Say whether it is the look that tells a new record; where the match value is the identity, the link does."""
    return delivery.sync_id is None or destination.gives_ids
