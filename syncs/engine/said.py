"""What a destination said of a batch, sorted by what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from integration_hub.connectors.errors import ConnectorError, RejectedError
from integration_hub.connectors.records import Outcome, RecordResult
from syncs import answers, writes
from syncs.models import Delivery


@dataclass(slots=True)
class Said:
    """Deliveries by their fate, those with one outcome together. `told` are answers that somebody waits for.

    `gone`: not there any more under the id we know; `absent`: only to be updated, and not there.
    """

    done: dict[str, list[Delivery]] = field(default_factory=dict)
    told: list[answers.Answer] = field(default_factory=list)
    gone: dict[int, tuple[Delivery, ConnectorError]] = field(default_factory=dict)
    absent: list[Delivery] = field(default_factory=list)
    refused: dict[tuple[str, str, str], tuple[ConnectorError, list[Delivery]]] = field(default_factory=dict)
    unsent: dict[int, tuple[ConnectorError, list[Delivery]]] = field(default_factory=dict)


def sorted_out(prepared: writes.Prepared, results: Sequence[RecordResult]) -> Said:
    said = Said(gone=prepared.gone(results))
    for delivery, result in zip(prepared.deliveries, results, strict=True):
        error = result.error if result.outcome == Outcome.FAILED else None
        is_awaited = answers.are_kept(delivery)
        if is_awaited and (error is None or result.answer):
            said.told.append((delivery, result))
        if error is None:
            if not is_awaited:
                # What a sync writes is found again by its link: an id of its own for each costs a statement.
                said.done.setdefault("" if delivery.sync_id else result.remote_id, []).append(delivery)
        elif delivery.pk in said.gone:
            continue
        elif delivery.sync_id is not None and writes.is_absent(delivery.operation, error):
            said.absent.append(delivery)
        elif isinstance(error, RejectedError):
            key = (error.code, error.message, error.remedy)
            said.refused.setdefault(key, (error, []))[1].append(delivery)
        else:
            said.unsent.setdefault(id(error), (error, []))[1].append(delivery)
    return said
