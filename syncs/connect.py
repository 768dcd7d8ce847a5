"""Connection row -> ready connector; the only reader of secrets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

import requests
from django.db import transaction
from django.utils import timezone

from integration_hub.connectors.contract import Connector
from integration_hub.connectors.errors import ConfigError, ConnectorError
from integration_hub.connectors.records import Check
from integration_hub.connectors.session import new_session
from integration_hub.connectors.transport import Transport
from syncs import callouts, kept, limits, secrets
from syncs.models import Connection, Environment, Priority

_sessions: dict[tuple[int, int], requests.Session] = {}
"""Open HTTP connections by process and connection: a fork must not share its parent's sockets."""


@contextmanager
def opened(
    connection: Connection,
    *,
    priority: Priority = Priority.LIVE,
    patience: float = limits.SHORT_WAIT,
    clock: Callable[[], datetime] = timezone.now,
    user: str = "",
) -> Iterator[Connector]:
    """Give the connector, ready to call the vendor. ConfigError: a setting or secret is missing.

    `patience` is for how many seconds at most a call may wait for its turn within the rate limit. `user` is who the
    calls are counted for, such as `stream:leads`.

    Whether the connection may be used now is the caller's question (`Connection.objects.usable`).
    """
    kind = connection.connector_class
    config = configuration(connection)
    limiter = limits.SharedLimiter(
        connection, kind.rates_for(config), priority, patience=patience, clock=lambda: clock().timestamp()
    )
    buffer = callouts.CalloutBuffer(connection, priority, user)
    transport = Transport(
        base_url(connection),
        observer=buffer,
        limiter=limiter,
        secrets=[config[s.name] for s in kind.settings if s.secret and config[s.name]],
        session=_session(connection),
        clock=clock,
    )
    try:
        yield kind(config, transport, kept.ConnectionKeeper(connection))
    finally:
        buffer.flush()


def used_by(connector: Connector, user: str) -> None:
    """Count the connector's next calls for this user."""
    observer = connector.transport.observer
    if isinstance(observer, callouts.CalloutBuffer):
        observer.user = user


def calls_made(connector: Connector) -> int:
    """Return how many calls the connector has made since it was opened."""
    limiter = connector.transport.limiter
    return limiter.calls if isinstance(limiter, limits.SharedLimiter) else 0


def configuration(connection: Connection) -> Mapping[str, str]:
    """Return all settings of the connection by name, its secrets in the clear, "" for what is not set."""
    config = {}
    missing = []
    for setting in connection.setting_fields:
        if setting.secret:
            value = secrets.revealed(connection.secrets.get(setting.name))
        else:
            value = str(connection.settings.get(setting.name) or setting.default)
        config[setting.name] = value
        if setting.required and not value:
            missing.append(setting.label)
    if missing:
        raise ConfigError(
            f"{connection} is not complete: {', '.join(missing)} missing.",
            code="setting_missing",
            remedy="Open the connection in the admin and fill in the named fields.",
        )
    return config


def base_url(connection: Connection) -> str:
    """Return where calls go: the override, or the vendor's address for this environment."""
    if connection.base_url:
        return connection.base_url
    kind = connection.connector_class
    if connection.environment == Environment.SANDBOX:
        return kind.sandbox_url or kind.production_url
    return kind.production_url


def set_secret(connection: Connection, name: str, value: str) -> None:
    """Keep a secret; "" leaves what is there, `env:NAME` names a variable. The caller saves the row."""
    if value:
        connection.secrets = {**connection.secrets, name: secrets.stored(value)}
        connection.kept = ""  # a token got with the former secret must not outlive it


def secret_names(connection: Connection) -> dict[str, str]:
    """Return, by name, how each secret is set: "", "stored", or "environment variable NAME"."""
    kept_ones = connection.secrets
    return {
        setting.name: _how(kept_ones.get(setting.name))
        for setting in connection.setting_fields
        if setting.secret
    }


def check(connection: Connection, now: datetime) -> Check:
    """Ask the vendor who we are; store and return the answer. An outage is an answer too."""
    try:
        with opened(connection) as connector:
            result = connector.check()
    except ConnectorError as error:
        result = Check(ok=False, summary=error.message, problems=[error.remedy] if error.remedy else [])
    Connection.objects.filter(pk=connection.pk).update(
        checked_at=now,
        check_ok=result.ok,
        check_result={
            "summary": result.summary,
            "facts": dict(result.facts),
            "problems": list(result.problems),
        },
    )
    return result


def rotate_secrets() -> int:
    """Encrypt everything anew under the first key; return how many connections were touched."""
    touched = 0
    for pk in Connection.objects.values_list("pk", flat=True):
        with transaction.atomic():
            connection = Connection.objects.select_for_update().get(pk=pk)
            connection.secrets = {
                name: {"encrypted": secrets.rotated(one["encrypted"])} if "encrypted" in one else one
                for name, one in connection.secrets.items()
            }
            connection.kept = secrets.rotated(connection.kept) if connection.kept else ""
            connection.save(update_fields=["secrets", "kept"])
            touched += 1
    return touched


def _session(connection: Connection) -> requests.Session:
    return _sessions.setdefault((os.getpid(), connection.pk), new_session())


def _how(one: Mapping[str, str] | None) -> str:
    if not one:
        return ""
    return f"environment variable {one['env']}" if "env" in one else "stored"
