"""A connection's state: on hold until a person acts, paused until a time, failing or well."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F

from integration_hub.connectors.errors import BudgetError, ConfigError, ConnectorError, RateLimitError
from syncs import incidents
from syncs.models import Connection
from syncs.models.incidents import IncidentKind

OUTAGE_AFTER = timedelta(minutes=2)
"""Failing for so long is an outage; what is over before then alarms nobody."""


def hold(connection: Connection, *, code: str, reason: str, remedy: str = "", now: datetime) -> None:
    """Stop using the connection until a person releases it; its work waits."""
    Connection.objects.filter(pk=connection.pk, held_at=None).update(
        held_at=now, held_code=code, held_reason=reason
    )
    incidents.raise_incident(
        f"held:{connection.key}",
        kind=IncidentKind.HELD,
        title=f"{connection.name} is on hold: {reason}"[:200],
        remedy=remedy or "Correct the connection, check it, and release it.",
        connection=connection,
        now=now,
    )


def pause(connection: Connection, *, until: datetime, reason: str) -> None:
    """Stop using the connection until a time; it goes on by itself."""
    Connection.objects.filter(pk=connection.pk).exclude(paused_until__gt=until).update(
        paused_until=until, pause_reason=reason
    )


def release(connection: Connection, now: datetime) -> None:
    """Use the connection again, at once; close its incidents."""
    Connection.objects.filter(pk=connection.pk).update(
        held_at=None, held_code="", held_reason="", paused_until=None, pause_reason="",
        failing_since=None, failures=0,
    )  # fmt: skip
    for kind in (IncidentKind.HELD, IncidentKind.UNREACHABLE, IncidentKind.BUDGET):
        incidents.close(f"{kind}:{connection.key}", now)


def failed(connection: Connection, error: ConnectorError, now: datetime) -> None:
    """Draw the consequence of an exchange that failed as a whole: hold, pause, or one more failure."""
    if isinstance(error, ConfigError):
        hold(connection, code=error.code, reason=error.message, remedy=error.remedy, now=now)
    elif isinstance(error, RateLimitError):
        until = now + timedelta(seconds=error.retry_after)
        pause(connection, until=until, reason=error.message)
        is_budget = isinstance(error, BudgetError)
        if is_budget or until - now >= OUTAGE_AFTER:
            waits = (
                "has used up its calls"
                if is_budget
                else f"must not be called before {until:%Y-%m-%d %H:%M} UTC"
            )
            incidents.raise_incident(
                f"budget:{connection.key}",
                kind=IncidentKind.BUDGET,
                title=f"{connection.name} {waits}",
                detail=error.message,
                remedy=error.remedy
                or "It goes on when the vendor counts anew, or when you raise the budget.",
                connection=connection,
                now=now,
            )
    else:
        _count_failure(connection, error, now)


def answered(connection: Connection, now: datetime) -> None:
    """The vendor answered: whatever was failing is over."""
    changed = Connection.objects.filter(pk=connection.pk, failing_since__isnull=False).update(
        failing_since=None, failures=0
    )
    if changed:
        incidents.close(f"unreachable:{connection.key}", now)
    incidents.close(f"budget:{connection.key}", now)


def _count_failure(connection: Connection, error: ConnectorError, now: datetime) -> None:
    Connection.objects.filter(pk=connection.pk, failing_since=None).update(failing_since=now)
    Connection.objects.filter(pk=connection.pk).update(failures=F("failures") + 1)
    since = Connection.objects.values_list("failing_since", flat=True).get(pk=connection.pk)
    if since and now - since >= OUTAGE_AFTER:
        incidents.raise_incident(
            f"unreachable:{connection.key}",
            kind=IncidentKind.UNREACHABLE,
            title=f"{connection.name} has not answered since {since:%H:%M} UTC",
            detail=error.message,
            remedy="Nothing to do: work waits and goes on by itself. If it lasts, look at the vendor's status page.",
            connection=connection,
            now=now,
        )
