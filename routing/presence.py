"""From the rows of working hours, holidays and absences to a schedule that `routing.hours` understands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, time

from routing import hours
from routing.models import Holiday, Person, WorkingHours

ALWAYS = tuple(hours.Span(weekday, time.min, time.min) for weekday in range(7))


@dataclass(frozen=True, slots=True)
class Week:
    """The working hours of many people; `zone` serves those whose own is known from nowhere."""

    spans: tuple[hours.Span, ...]
    zone: str = ""
    holidays: Mapping[date, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Weeks:
    """All working hours by their id; where none is the default, the default is round the clock.

    Sending at night is noticed and put right; an alert held for ever is noticed by nobody.
    """

    by_id: Mapping[int, Week]
    default: Week

    def of(self, working_hours_id: int | None) -> Week:
        return self.by_id.get(working_hours_id, self.default) if working_hours_id else self.default


def load() -> Weeks:
    """Read all working hours, by two queries."""
    names = ("id", "is_default", "time_zone", "spans__weekday", "spans__start", "spans__end")
    zones: dict[int, str] = {}
    spans: dict[int, list[hours.Span]] = {}
    default = None
    for key, is_default, zone, weekday, start, end in WorkingHours.objects.order_by("id").values_list(*names):
        zones[key] = zone
        own = spans.setdefault(key, [])
        if weekday is not None:
            own.append(hours.Span(weekday, start, end))
        default = key if is_default else default
    holidays: dict[int, dict[date, str]] = {}
    for key, day, name in Holiday.objects.values_list("working_hours_id", "date", "name"):
        holidays.setdefault(key, {})[day] = name
    weeks = {key: Week(tuple(spans[key]), zone, holidays.get(key, {})) for key, zone in zones.items()}
    return Weeks(weeks, weeks[default] if default else Week(ALWAYS))


def schedule(
    week: Week, zones: Iterable[str | None], absences: Iterable[hours.Absence] = ()
) -> hours.Schedule:
    """Return the week in the first of these zones that exists, else in the week's own, else in UTC."""
    return hours.Schedule(week.spans, first_zone([*zones, week.zone]), tuple(absences), week.holidays)


def schedule_for(person: Person) -> hours.Schedule:
    """Return one person's schedule, for a page; `directory.snapshot` serves many people."""
    links = person.links.exclude(time_zone="").select_related("connection").order_by("id")
    known = sorted(links, key=lambda link: (not link.active, not link.connection.sends_messages))
    absences = [hours.Absence(one.start, one.end, one.reason) for one in person.absences.all()]
    zones = [person.time_zone, *(link.time_zone for link in known)]
    return schedule(load().of(person.working_hours_id), zones, absences)


def first_zone(names: Iterable[str | None]) -> str:
    """Return the first name that is a time zone here; vendors also send names nobody else knows."""
    return next((name for name in names if name and _is_zone(name)), "UTC")


def _is_zone(name: str) -> bool:
    try:
        hours.zone_named(name)
    except ValueError:
        return False
    return True
