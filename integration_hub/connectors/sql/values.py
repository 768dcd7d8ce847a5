"""Values of rows as JSON can hold them, and times as a database keeps them."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID

from integration_hub.connectors.moments import instant

LARGEST_EXACT = 2**53
LONGEST_BYTES = 30_000
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS_FROM = 1e11
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_FOLD = 36
_FOLD_STEP = timedelta(minutes=5)


def plain(value: Any, zone: tzinfo) -> Any:
    """Return a value as JSON holds it: numbers exact or as text, times in UTC, bytes in base64."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _UNSTORABLE.sub("", value)
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if isinstance(value, datetime | date | time | timedelta):
        return _time(value, zone)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)[:LONGEST_BYTES]).decode()
    if isinstance(value, Mapping):
        return {str(name): plain(inner, zone) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner, zone) for inner in value]
    if isinstance(value, set | frozenset):
        return sorted(str(inner) for inner in value)
    return str(value)


def _number(value: float | Decimal) -> int | float | str | None:
    if isinstance(value, int):
        return value if abs(value) <= LARGEST_EXACT else str(value)
    if not math.isfinite(value):
        return None
    if isinstance(value, float):
        return value
    if value == value.to_integral_value():
        whole = int(value)
        return whole if abs(whole) <= LARGEST_EXACT else str(whole)
    return float(value) if Decimal(repr(float(value))) == value else f"{value.normalize():f}"


def _time(value: datetime | date | time | timedelta, zone: tzinfo) -> str | float:
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=zone)
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.total_seconds() if isinstance(value, timedelta) else value.isoformat()


def key_text(value: Any) -> str:
    """Return a key as record ids are written."""
    if isinstance(value, Decimal | float) and value == int(value):
        return str(int(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return str(value)


def key_value(text: str, sample: Any) -> Any:
    """Return a record id as a value of the key column, of which `sample` is one. ValueError: it cannot be one."""
    if isinstance(sample, int | Decimal | float):
        return int(text)
    if isinstance(sample, UUID):
        return UUID(text)
    if isinstance(sample, bytes | bytearray | memoryview):
        return bytes.fromhex(text)
    return text


def moment(value: Any, zone: tzinfo) -> datetime | None:
    """Return the instant of a raw value: a time, an ISO text, or seconds or milliseconds since 1970."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
    if isinstance(value, date):
        return datetime.combine(value, time.min, zone).astimezone(UTC)
    if isinstance(value, str):
        return _read(value.strip(), zone)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = float(value)
    try:
        return datetime.fromtimestamp(number / 1000 if abs(number) >= _MILLISECONDS_FROM else number, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def raw(wanted: datetime, sample: Any, zone: tzinfo) -> Any:
    """Return an instant as the column keeps it, of which `sample` is one; rather earlier than later.

    A clock that is put back shows an hour twice: then it is the beginning of that hour.
    """
    if isinstance(sample, datetime) and sample.tzinfo:
        return wanted
    if isinstance(sample, int | float | Decimal) and not isinstance(sample, bool):
        milliseconds = abs(float(sample)) >= _MILLISECONDS_FROM
        return math.floor(wanted.timestamp() * (1000 if milliseconds else 1))
    if isinstance(sample, str) and _is_aware(sample):
        return wanted.astimezone(UTC).strftime(f"%Y-%m-%d{_separator(sample)}%H:%M:%S")
    local = min((wanted + _FOLD_STEP * step).astimezone(zone).replace(tzinfo=None) for step in range(_FOLD))
    if isinstance(sample, datetime) or sample is None:
        return local
    if isinstance(sample, date):
        return local.date()
    return local.strftime(f"%Y-%m-%d{_separator(str(sample))}%H:%M:%S")


def _read(text: str, zone: tzinfo) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return instant(text)
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def _is_aware(text: str) -> bool:
    try:
        return datetime.fromisoformat(text.strip()).tzinfo is not None
    except ValueError:
        return False


def _separator(text: str) -> str:
    return "T" if "T" in text else " "
