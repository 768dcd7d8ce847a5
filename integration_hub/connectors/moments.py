"""Instants as messages carry and show them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def instant(text: str) -> datetime | None:
    """Return the instant that an ISO text names; None when it names none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def age(since: datetime, now: datetime) -> str:
    """Return "3 min ago", as short as it fits a line."""
    seconds = max((now - since).total_seconds(), 0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "just now"


def zone_named(name: str) -> ZoneInfo:
    """Return the time zone; ValueError with a sentence if there is none of that name."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise ValueError(
            f"“{name}” is not a time zone. Use a name such as Europe/Berlin or America/New_York."
        ) from None
