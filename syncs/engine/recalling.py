"""Looks for what went unanswered, many in one call, before anything of it is sent again. Stores nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import Error

from integration_hub.connectors.contract import Destination
from integration_hub.connectors.errors import ConnectorError, RejectedError
from integration_hub.connectors.records import Operation, RecordResult, RecordWrite, WriteRequest
from syncs import writes
from syncs.engine import batches, push_errors
from syncs.models import Delivery

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Recall:
    """Unanswered deliveries by what the look for them said; those that were not asked for are in none.

    `early`: not found, but what was written may not show yet. `unclear`: nothing was found out. `lost`: their lease
    ran out, they are another's. `failure`: the connection failed.
    """

    destination: Destination
    clock: Callable[[], datetime]
    landed: list[tuple[Delivery, RecordWrite, RecordResult]] = field(default_factory=list)
    absent: list[Delivery] = field(default_factory=list)
    early: list[Delivery] = field(default_factory=list)
    refused: list[tuple[Delivery, RejectedError]] = field(default_factory=list)
    unclear: list[tuple[Sequence[Delivery], ConnectorError]] = field(default_factory=list)
    lost: list[Delivery] = field(default_factory=list)
    failure: ConnectorError | None = None

    def ask(self, deliveries: Sequence[Delivery], end: datetime) -> bool:
        """Ask for as many at once as the destination looks for together. False: it failed, or the time was up."""
        size = self.destination.recall_size
        groups = [deliveries[start : start + size] for start in range(0, len(deliveries), size)][::-1]
        while groups:
            now = self.clock()
            if self.failure or now >= end:
                return False
            part = groups.pop()
            group = [one for one in part if one.lease_until and one.lease_until >= now]
            self.lost += [one for one in part if one not in group]
            if group and not self._asked(group):
                groups += reversed(batches.halves(group))
        return self.failure is None

    def _asked(self, group: Sequence[Delivery]) -> bool:
        """Ask for these in one look. False: halve them, for one of them spoils it for the others."""
        try:
            written = [writes.plain_write(one) for one in group]
            request = WriteRequest(group[0].object_type, Operation(group[0].operation), written)
            found = self.destination.recall(request)
        except RejectedError as error:
            if len(group) > 1:
                return False
            self.refused.append((group[0], error))
        except ConnectorError as error:
            self.unclear.append((group, error))
            self.failure = error
        except Error:
            raise
        except Exception as failure:
            if len(group) > 1:
                return False
            logger.exception("looking for a write failed", extra={"delivery": group[0].pk})
            self.unclear.append((group, push_errors.internal(failure)))
        else:
            for one, write, result in zip(group, written, found, strict=True):
                self._sort_in(one, write, result)
        return True

    def _sort_in(self, delivery: Delivery, write: RecordWrite, result: RecordResult | None) -> None:
        if result is None:
            asked_at, patience = self.clock(), timedelta(seconds=self.destination.recall_after)
            is_early = delivery.unanswered_at is not None and asked_at < delivery.unanswered_at + patience
            (self.early if is_early else self.absent).append(delivery)
        elif result.error is None:
            self.landed.append((delivery, write, result))
        elif isinstance(result.error, RejectedError):
            self.refused.append((delivery, result.error))
        else:
            self.unclear.append(([delivery], result.error))
