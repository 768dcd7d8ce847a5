"""Small coloured marks: an environment, a state, a verdict."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

TONES = {
    "production": "red",
    "sandbox": "blue",
    "ok": "green",
    "off": "gray",
    "held": "red",
    "paused": "amber",
    "delivered": "green",
    "deliver": "green",
    "matched": "green",
    "hold": "amber",
    "waiting": "blue",
    "sending": "blue",
    "running": "blue",
    "routed": "gray",
    "skip": "gray",
    "expired": "amber",
    "doubtful": "amber",
    "unmatched": "gray",
    "dead": "red",
    "error": "red",
    "failed": "red",
    "unbalanced": "red",
    "dismissed": "gray",
    "done": "green",
    "ready": "blue",
    "parked": "red",
    "canceled": "gray",
    "cancelled": "gray",
    "written": "green",
    "skipped": "amber",
    "refused": "red",
    "removed": "gray",
    "taken": "green",
    "quarantined": "amber",
}


def pill(text: object, tone: str = "gray") -> SafeString:
    return format_html('<span class="hub-pill hub-{}">{}</span>', tone, text)


def of_choice(value: str, label: object) -> SafeString:
    """Mark a choice of a model in the colour that goes with it everywhere."""
    return pill(label, TONES.get(value, "gray"))


def environment(connection: Any) -> SafeString:
    """Mark sandbox or production; "" for no connection."""
    if connection is None:
        return SafeString("")
    return of_choice(connection.environment, connection.get_environment_display())


def named(connection: Any) -> SafeString:
    """Return the connection's name with the mark of its environment."""
    if connection is None:
        return SafeString("–")
    return format_html("{} {}", connection.name, environment(connection))


def addressee(name: str, lane: str) -> SafeString:
    """Return whom a message goes to: a person's name with their id in small print, else the channel."""
    return (
        format_html('{} <small class="hub-small">{}</small>', name, lane) if name else format_html("{}", lane)
    )


def state(connection: Any, now: datetime) -> SafeString:
    current = connection.state(now)
    return of_choice(current.value, current.label)


def time(moment: datetime | None) -> SafeString | str:
    """Return an instant to the second in UTC, or a dash; lists and pages say it alike."""
    if moment is None:
        return "–"
    short, full = f"{moment:%b %d, %H:%M:%S}", f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    return format_html('<span class="hub-time" title="{}">{}</span>', full, short)
