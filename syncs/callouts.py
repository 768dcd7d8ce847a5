"""The callout log and the count of calls, written in bulk so that they do not slow the work down."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from typing import Any

from django.db.models import F

from integration_hub.connectors.transport import Callout
from syncs.models import CalloutLog, Connection, ConnectionUsage, Priority

BUFFER = 100


class CalloutBuffer:
    """The observer of one opened connector: keeps callouts in memory, writes them together.

    A process that is killed loses at most the last BUFFER log lines; no work depends on them.
    """

    def __init__(self, connection: Connection, priority: Priority, user: str = "") -> None:
        self.connection = connection
        self.priority = priority
        self.user = user
        """Who the calls are for, such as `sync:leads`; whoever shares a connector changes it as it goes."""
        self.callouts: list[Callout] = []
        self.counts: Counter[tuple[datetime, str]] = Counter()
        self.total = 0

    def __call__(self, callout: Callout) -> None:
        self.callouts.append(callout)
        self.counts[callout.at.replace(minute=0, second=0, microsecond=0), self.user] += 1
        self.total += 1
        if len(self.callouts) >= BUFFER:
            self.flush()

    def flush(self) -> None:
        if not self.callouts:
            return
        callouts, self.callouts = self.callouts, []
        counts, self.counts = self.counts, Counter()
        CalloutLog.objects.bulk_create([self._row(callout) for callout in callouts])
        for (hour, user), calls in counts.items():
            count_calls(self.connection, hour.date(), self.priority, calls, hour=hour.hour, user=user)

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


def count_calls(
    connection: Connection, day: date, priority: Priority, calls: int, *, hour: int = 0, user: str = ""
) -> None:
    key: dict[str, Any] = {
        "connection": connection, "day": day, "hour": hour, "priority": priority, "user": user[:100]
    }  # fmt: skip
    ConnectionUsage.objects.get_or_create(**key)
    ConnectionUsage.objects.filter(**key).update(calls=F("calls") + calls)
