"""Bringing a thing back to a former version, through the same checks as an import."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from integration_hub.configuration import apply, plan
from integration_hub.configuration.errors import ConfigurationError, path
from integration_hub.configuration.history import Author
from integration_hub.configuration.plan import Plan
from integration_hub.configuration.sections import BY_NAME
from syncs.models import Version
from syncs.models.versions import Cause

_LEFT_AS_THEY_ARE = ("enabled",)
"""A restore switches nothing on or off."""


def restorable(version: Version) -> Plan:
    """Say what a restore would do. ConfigurationError: something it refers to is gone, and which."""
    return plan.prepare(_given(version))


def restore(version: Version, now: datetime, *, actor: str) -> Plan:
    """Bring the thing back to this version through the checks of an import; it is audited as a version of its own."""
    author = Author(Cause.RESTORE, actor, f"As of {version.at:%Y-%m-%d %H:%M} UTC.")
    return apply.run(_given(version), now=now, author=author)


def _given(version: Version) -> dict[str, Any]:
    if version.document is None:
        where = path(version.section, version.key)
        raise ConfigurationError(
            [f"{where} was removed then; there is nothing to restore. Choose an older version."]
        )
    section = BY_NAME[version.section]
    entry = {
        name: value
        for name, value in version.document.items()
        if name in section.properties and name not in _LEFT_AS_THEY_ARE
    }
    if "settings" in entry:
        entry["settings"] = _without_others(version, entry["settings"])
    document: Any = entry if version.section == "hub" else {version.key: entry}
    return {"version": 1, version.section: document}


def _without_others(version: Version, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings with those that were added since emptied; a file merges them by name."""
    row = BY_NAME[version.section].model._default_manager.filter(key=version.key).first()
    stored = BY_NAME[version.section].entry(row)["settings"] if row else {}
    return {**dict.fromkeys(stored, ""), **settings}
