"""The callout log and the count of calls, written in bulk so that they do not slow the work down."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db.models import F

from integration_hub.connectors.transport import Callout
from syncs.models import CalloutLog, Connection, ConnectionUsage, Priority

BUFFER = 100


class CalloutBuffer:
    """The observer of one opened connector: keeps callouts in memory, writes them together.

    A process that is killed loses at most the last BUFFER log lines; no work depends on them.
    """

    def __init__(self, connection: Connection, priority: Priority) -> None:
        self.connection = connection
        self.priority = priority
        self.callouts: list[Callout] = []
        self.total = 0

    def __call__(self, callout: Callout) -> None:
        self.callouts.append(callout)
        self.total += 1
        if len(self.callouts) >= BUFFER:
            self.flush()

    def flush(self) -> None:
        if not self.callouts:
            return
        callouts, self.callouts = self.callouts, []
        CalloutLog.objects.bulk_create([self._row(callout) for callout in callouts])
        by_day: dict[date, int] = {}
        for callout in callouts:
            by_day[callout.at.date()] = by_day.get(callout.at.date(), 0) + 1
        for day, calls in by_day.items():
            count_calls(self.connection, day, self.priority, calls)

    def _row(self, callout: Callout) -> CalloutLog:
        return CalloutLog(
            connection=self.connection,
            at=callout.at,
            method=callout.method,
            url=callout.url[:300],
            purpose=callout.purpose[:60],
            status=callout.status,
            milliseconds=round(callout.seconds * 1000),
            bytes_out=callout.bytes_out,
            bytes_in=callout.bytes_in,
            error=callout.error[:300],
        )


def count_calls(connection: Connection, day: date, priority: Priority, calls: int) -> None:
    key: dict[str, Any] = {"connection": connection, "day": day, "priority": priority}
    ConnectionUsage.objects.get_or_create(**key)
    ConnectionUsage.objects.filter(**key).update(calls=F("calls") + calls)
