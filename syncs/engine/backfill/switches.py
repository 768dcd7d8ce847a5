"""When a backfill must stop: what the switches say, and what follows from an error."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from integration_hub.connectors.errors import AuthError, ConfigError, ConnectorError, RateLimitError
from syncs import holds
from syncs.models import Backfill, Connection, HubSettings, Sync
from syncs.models.backfills import BackfillState
from syncs.models.connections import ConnectionState

_OF_THE_REQUEST = frozenset({"query", "bulk_job", "malformed_page", "not_scannable", "not_writable"})
TRY_AGAIN = timedelta(minutes=5)
SHORT_PAUSE = timedelta(minutes=1)
"""A connection that is paused for less is waited for."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why it ends, and when it goes on by itself; `resume_at` None: when a person says so."""

    state: BackfillState
    reason: str
    resume_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Look:
    verdict: Verdict | None = None
    quiet_until: datetime | None = None


def look(backfill: Backfill, source: Connection, now: datetime) -> Look:
    """Read whether it is still to run, the switches and the state of both connections."""
    state, reason = Backfill.objects.values_list("state", "reason").get(pk=backfill.pk)
    if state != BackfillState.RUNNING:
        return Look(Verdict(BackfillState(state), reason))
    return obstacle(backfill, source, now)


def obstacle(backfill: Backfill, source: Connection, now: datetime) -> Look:
    """Say what switches and connections have against its going on."""
    if not HubSettings.get().enabled:
        return Look(paused("The hub is switched off.", now))
    if not backfill.dry_run and not Sync.objects.filter(pk=backfill.sync_id, enabled=True).exists():
        return Look(paused("The sync is switched off.", now))
    wanted = [source.pk] if backfill.dry_run else [source.pk, backfill.sync.destination_id]
    quiet = None
    for connection in Connection.objects.filter(pk__in=wanted):
        state = connection.state(now)
        until = connection.paused_until
        if state == ConnectionState.PAUSED and until and until - now <= SHORT_PAUSE:
            quiet = max(quiet or until, until)
        elif state != ConnectionState.OK:
            reason = connection.held_reason or connection.pause_reason
            words = f"{connection} cannot be used now ({state.label.lower()}). {reason}".strip()
            return Look(paused(words, now, until if state == ConnectionState.PAUSED else None))
    return Look(quiet_until=quiet)


def after_error(connection: Connection, error: ConnectorError, now: datetime) -> Verdict:
    """Draw the consequences for the connection, and say what becomes of the backfill."""
    reason = f"{error.message} {error.remedy}".strip()
    if isinstance(error, RateLimitError):
        # Only the backfill waits: the rest of the budget is for live work.
        return Verdict(BackfillState.PAUSED, reason, now + timedelta(seconds=error.retry_after))
    if is_about_the_request(error):
        return Verdict(BackfillState.FAILED, reason)
    holds.failed(connection, error, now)
    if isinstance(error, ConfigError):
        reason += f" {connection} is on hold: correct what is wrong, check it, and release it."
    return paused(reason, now)


def is_about_the_request(error: ConnectorError) -> bool:
    """Say whether the backfill's own question is to blame, not the connection."""
    refused = isinstance(error, ConfigError) and not isinstance(error, AuthError)
    return refused and (error.status in (400, 404) or error.code in _OF_THE_REQUEST)


def paused(reason: str, now: datetime, until: datetime | None = None) -> Verdict:
    return Verdict(BackfillState.PAUSED, reason, until or now + TRY_AGAIN)
