"""Instants and lengths of time as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
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


def lasting(length: timedelta) -> str:
    """Say it in its two largest units, as everywhere in the hub: `0.8 s`, `45 s`, `12 min 5 s`, `3 d 4 h`."""
    exact = max(0.0, length.total_seconds())
    if exact < 10:
        return f"{exact:.1f} s".replace(".0 s", " s")
    days, seconds = divmod(round(exact), 86_400)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    units = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next(at for at, (count, _) in enumerate(units) if count)
    return " ".join(f"{count} {unit}" for count, unit in units[first : first + 2] if count)
