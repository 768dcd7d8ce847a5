"""Is this person at work at this instant, and when next: spans, holidays and absences in their zone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from integration_hub.connectors.moments import lasting
from integration_hub.connectors.moments import zone_named as zone_named

HORIZON = timedelta(days=60)
OUTSIDE = "outside working hours"
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Span:
    """Working time from a weekday (0 is Monday) on. An end at or before the start is on the next day."""

    weekday: int
    start: time
    end: time


@dataclass(frozen=True, slots=True)
class Absence:
    """Away from `start` until `end`, both aware."""

    start: datetime
    end: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a person works; `zone` is an IANA name, `holidays` are dates in that zone."""

    spans: tuple[Span, ...]
    zone: str
    absences: tuple[Absence, ...] = ()
    holidays: Mapping[date, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Presence:
    """The answer for one instant, in UTC but for `local`.

    `opens_at` is None when open, or if it never opens within the horizon; `closes_at` is None when closed,
    or if it stays open.
    """

    open: bool
    local: datetime
    opens_at: datetime | None
    closes_at: datetime | None
    why: str


_Period = tuple[datetime, datetime]


def at(schedule: Schedule, instant: datetime) -> Presence:
    """Say whether the schedule is open at an aware instant, why, and what comes next."""
    zone = zone_named(schedule.zone)
    now = instant.astimezone(UTC)
    local = instant.astimezone(zone)
    today = local.date()
    closings = _closings(schedule, today, zone)
    for start, end in _without(closings, _merged(_openings(schedule, today, zone))):
        if end <= now:
            continue
        if start <= now:
            closes_at = end if end <= now + HORIZON else None
            return Presence(True, local, None, closes_at, "at work")
        opens_at = start if start <= now + HORIZON else None
        return Presence(False, local, opens_at, None, _why_closed(schedule, now, today, zone))
    return Presence(False, local, None, None, _why_closed(schedule, now, today, zone))


def describe(presence: Presence, name: str, zone: str, now: datetime, *, held: bool = True) -> str:
    """Say it to a person: `Priya: 07:40 in Asia/Kolkata, opens 09:00, held 1 h 20 min`."""
    parts = [f"{name}: {presence.local:%H:%M} in {zone}"]
    if presence.open:
        until = presence.closes_at
        parts.append(f"{presence.why} until {_clock(until, presence, zone)}" if until else presence.why)
        return ", ".join(parts)
    if presence.why != OUTSIDE:
        parts.append(presence.why)
    if presence.opens_at:
        parts.append(f"opens {_clock(presence.opens_at, presence, zone)}")
        if held:
            parts.append(f"held {lasting(_in_minutes(presence.opens_at - now))}")
    else:
        parts.append(f"does not open within {HORIZON.days} days")
    return ", ".join(parts)


def _instant(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """Return the instant of a local time: a skipped one moves on by the gap, of two it is the first."""
    return datetime.combine(day, clock, zone).astimezone(UTC)


def _openings(schedule: Schedule, today: date, zone: ZoneInfo) -> Iterator[_Period]:
    """Yield every span from yesterday's on, by start; yesterday's night shift may still run."""
    for offset in range(-1, HORIZON.days + 2):
        day = today + offset * _DAY
        periods = []
        for span in schedule.spans:
            if span.weekday == day.weekday():
                last = day if span.end > span.start else day + _DAY
                periods.append((_instant(day, span.start, zone), _instant(last, span.end, zone)))
        yield from sorted(periods)


def _closings(schedule: Schedule, today: date, zone: ZoneInfo) -> list[_Period]:
    away = [(absence.start.astimezone(UTC), absence.end.astimezone(UTC)) for absence in schedule.absences]
    holidays = [
        (_instant(day, time.min, zone), _instant(day + _DAY, time.min, zone))
        for day in schedule.holidays
        if today <= day <= today + HORIZON + 2 * _DAY
    ]
    return sorted(away + holidays)


def _merged(periods: Iterable[_Period]) -> Iterator[_Period]:
    """Join periods that touch or overlap; they come by start."""
    current: _Period | None = None
    for start, end in periods:
        if current and start <= current[1]:
            current = (current[0], max(current[1], end))
            continue
        if current:
            yield current
        current = (start, end)
    if current:
        yield current


def _without(closings: list[_Period], periods: Iterable[_Period]) -> Iterator[_Period]:
    """Cut the closings, which come by start, out of the periods."""
    for start, end in periods:
        left = start
        for closed_from, closed_until in closings:
            if closed_from >= end:
                break
            if left < closed_from:
                yield left, closed_from
            left = max(left, closed_until)
        if left < end:
            yield left, end


def _why_closed(schedule: Schedule, now: datetime, today: date, zone: ZoneInfo) -> str:
    ends = [absence for absence in schedule.absences if absence.start <= now < absence.end]
    if ends:
        absence = max(ends, key=lambda absence: absence.end)
        reason = f" ({absence.reason})" if absence.reason else ""
        return f"absent until {absence.end.astimezone(zone):%a %d %b %H:%M}{reason}"
    if today in schedule.holidays:
        return f"holiday ({schedule.holidays[today]})"
    return OUTSIDE if schedule.spans else "no working hours are set"


def _clock(moment: datetime, presence: Presence, zone: str) -> str:
    local = moment.astimezone(zone_named(zone))
    return f"{local:%H:%M}" if local.date() == presence.local.date() else f"{local:%a %d %b %H:%M}"


def _in_minutes(length: timedelta) -> timedelta:
    """Round up to whole minutes, so that a wait is never said to be nothing."""
    return -(-length // _MINUTE) * _MINUTE
