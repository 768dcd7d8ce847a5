"""Property values: everything travels as text. How ours are written, and whether they differ from what is there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from integration_hub.connectors.errors import RejectedError

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")


def written(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the properties as HubSpot wants them: None and "" clear, a list is "a;b", a date is midnight UTC."""
    return {name: text_of(name, value) for name, value in values.items()}


def text_of(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | Decimal):
        return f"{value:f}" if isinstance(value, Decimal) else str(value)
    if isinstance(value, float):
        return f"{Decimal(repr(value)):f}"
    if isinstance(value, list | tuple | set | frozenset):
        parts = [
            text_of(name, one) for one in (sorted(value) if isinstance(value, set | frozenset) else value)
        ]
        return ";".join(part for part in parts if part)
    if isinstance(value, str):
        return value
    raise RejectedError(
        f"{name} has a value that HubSpot cannot keep.",
        code="not_a_property_value",
        remedy="Map single values: a property holds a text, a number, a date or a list of options.",
    )


def same(name: str, ours: str, theirs: str | None) -> bool:
    """Say whether writing `ours` would change nothing. HubSpot trims, lowers e-mails, rewrites dates and numbers."""
    there = theirs or ""
    if ours == there:
        return True
    if name in {"email", "domain"}:
        return ours.strip().lower() == there.lower()
    number = _number(ours), _number(there)
    if None not in number:
        return number[0] == number[1]
    if ";" in ours or ";" in there:
        return not ours.startswith(";") and set(ours.split(";")) == set(there.split(";"))
    moments = _moment(ours), _moment(there)
    if None not in moments:
        return moments[0] == moments[1]
    return ours.strip() == there.strip()


def _number(text: str) -> Decimal | None:
    try:
        # A code such as 007 is no number: HubSpot keeps its zeros.
        return Decimal(text) if re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?", text) else None
    except InvalidOperation:
        return None


def _moment(text: str) -> datetime | None:
    if not _MOMENT.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
