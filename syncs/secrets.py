"""Secrets at rest: encrypted with the keys from the environment, or only the name of an environment variable."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from integration_hub.connectors.errors import ConfigError

ENVIRONMENT_PREFIX = "env:"
HUBS_OWN = frozenset(
    {"SECRET_KEY", "HUB_SECRET_KEYS", "DATABASE_URL", "REDIS_URL", "METRICS_TOKEN", "POSTGRES_PASSWORD"}
)
"""Variables with which whoever enters a connection could send the hub's own keys to an address of theirs."""


def encrypt(text: str) -> str:
    return _fernet().encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """Return the clear text. ConfigError: none of the keys in the environment opens it."""
    try:
        return _fernet().decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise ConfigError(
            "A stored secret cannot be opened with the keys in HUB_SECRET_KEYS.",
            code="secret_key",
            remedy="Put the former key back behind the new one in HUB_SECRET_KEYS, or enter the secret again.",
        ) from error


def rotated(token: str) -> str:
    """Return the same secret under the first key."""
    return encrypt(decrypt(token))


def stored(value: str) -> dict[str, str]:
    """Return how a secret that a person entered is kept: `env:NAME` by its name, everything else encrypted."""
    if value.startswith(ENVIRONMENT_PREFIX):
        name = value.removeprefix(ENVIRONMENT_PREFIX).strip()
        _refuse_own(name)
        return {"env": name}
    return {"encrypted": encrypt(value)}


def revealed(kept: dict[str, Any] | None) -> str:
    """Return the clear text of a kept secret, "" if there is none.

    A variable may hold the value itself, or, as NAME_FILE, the path of a file with it.
    """
    if not kept:
        return ""
    if "encrypted" in kept:
        return decrypt(kept["encrypted"])
    name = kept["env"]
    _refuse_own(name)
    if name in os.environ:
        return os.environ[name]
    path = os.environ.get(f"{name}_FILE", "")
    if path:
        return _read(name, path)
    raise ConfigError(
        f"The environment variable {name} is not set.",
        code="secret_missing",
        remedy=f"Set {name} (or {name}_FILE) for every process of the hub, or enter the secret itself.",
    )


def is_own(name: str) -> bool:
    """Say whether a variable, or the file that it names, belongs to the hub itself and to no connection."""
    return name.upper().removesuffix("_FILE") in HUBS_OWN


def _refuse_own(name: str) -> None:
    if is_own(name):
        raise ConfigError(
            f"{name} belongs to the hub itself.",
            code="secret_missing",
            remedy="Name a variable of the vendor's secret, such as SLACK_BOT_TOKEN.",
        )


def _read(name: str, path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigError(
            f"The file that {name}_FILE names cannot be read.",
            code="secret_missing",
            remedy=f"Correct {name}_FILE, or let the hub's processes read the file.",
        ) from None


def _fernet() -> MultiFernet:
    if not settings.HUB_SECRET_KEYS:
        raise ConfigError(
            "HUB_SECRET_KEYS is not set: secrets cannot be stored or read.",
            code="secret_key",
            remedy="Make a key with `manage.py make_key` and put it into the environment.",
        )
    return MultiFernet([Fernet(key) for key in settings.HUB_SECRET_KEYS])
