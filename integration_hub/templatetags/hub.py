"""How times, shares and states read on the hub's pages."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from django import template
from django.utils.safestring import SafeString

from integration_hub.console import pills
from syncs.models.deliveries import DeliveryState

register = template.Library()


@register.filter
def length_of_time(seconds: float | None) -> str:
    """Say a length as people read it: 0.8 s, 42 s, 4 min 10 s, 3 h 5 min."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@register.filter
def percent(share: float | None) -> str:
    """Say a share without the sign; nothing short of all becomes 100."""
    if share is None:
        return "0"
    return "100" if share >= 1 else f"{min(share * 100, 99.9):.1f}".removesuffix(".0")


@register.filter
def utc_time(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%b %d, %H:%M:%S}" if moment else "–"


@register.filter
def web_address(url: str) -> str:
    """Return the address if a browser may follow it, else nothing: it comes from a vendor's record."""
    return url if url.startswith(("https://", "http://")) else ""


@register.filter
def as_json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


@register.filter
def state_pill(state: str) -> SafeString:
    return pills.of_choice(state, DeliveryState(state).label)
