"""Working hours: who is at work when, across nights, holidays, absences and both clock changes."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.hours import Absence, Schedule, Span, at, describe, zone_named

MINUTE = timedelta(minutes=1)


def week(start, end, days=range(5)):
    return tuple(Span(day, time.fromisoformat(start), time.fromisoformat(end)) for day in days)


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text, zone, fold=0):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


OFFICE = week("09:00", "18:00")
NIGHT = week("22:00", "06:00")
ALWAYS = week("00:00", "00:00", range(7))


@pytest.mark.parametrize(
    ("spans", "instant", "is_open", "next_change"),
    [
        # 2026-11-20 is a Friday.
        (OFFICE, "2026-11-20T08:59:59", False, "2026-11-20T09:00"),
        (OFFICE, "2026-11-20T09:00", True, "2026-11-20T18:00"),
        (OFFICE, "2026-11-20T17:59:59", True, "2026-11-20T18:00"),
        (OFFICE, "2026-11-20T18:00", False, "2026-11-23T09:00"),
        (OFFICE, "2026-11-22T12:00", False, "2026-11-23T09:00"),
        (week("09:00", "12:00") + week("13:00", "18:00"), "2026-11-20T12:30", False, "2026-11-20T13:00"),
        (week("13:00", "18:00") + week("09:00", "13:00"), "2026-11-20T12:30", True, "2026-11-20T18:00"),
        (week("09:00", "15:00") + week("12:00", "14:00"), "2026-11-20T13:00", True, "2026-11-20T15:00"),
        (NIGHT, "2026-11-20T23:00", True, "2026-11-21T06:00"),
        (NIGHT, "2026-11-21T05:59", True, "2026-11-21T06:00"),
        (NIGHT, "2026-11-21T06:00", False, "2026-11-23T22:00"),
        (NIGHT, "2026-11-23T03:00", False, "2026-11-23T22:00"),
        (week("00:00", "00:00", [4]), "2026-11-20T00:00", True, "2026-11-21T00:00"),
        (week("00:00", "00:00"), "2026-11-18T12:00", True, "2026-11-21T00:00"),
        (week("09:00", "09:00", [4]), "2026-11-21T08:59", True, "2026-11-21T09:00"),
        (ALWAYS, "2026-11-20T12:00", True, None),
        ((), "2026-11-20T12:00", False, None),
    ],
)
def test_a_week_is_open_in_its_spans(spans, instant, is_open, next_change):
    presence = at(Schedule(spans, "UTC"), utc(instant))

    expected = utc(next_change) if next_change else None
    assert (presence.open, presence.closes_at if is_open else presence.opens_at) == (is_open, expected)
    assert (presence.opens_at if is_open else presence.closes_at) is None


def test_the_hours_are_those_of_the_persons_zone():
    presence = at(Schedule(OFFICE, "Asia/Kolkata"), utc("2026-11-20T02:10"))

    assert not presence.open
    assert presence.local.isoformat() == "2026-11-20T07:40:00+05:30"
    assert presence.opens_at == utc("2026-11-20T03:30")


@pytest.mark.parametrize(
    ("zone", "span", "day", "opens", "closes"),
    [
        # Berlin 2026-03-29: 02:00 becomes 03:00; 2026-10-25: 03:00 becomes 02:00. Both are Sundays.
        ("Europe/Berlin", ("02:30", "08:00"), "2026-03-29", "2026-03-29T01:30", "2026-03-29T06:00"),
        ("Europe/Berlin", ("01:00", "02:30"), "2026-03-29", "2026-03-29T00:00", "2026-03-29T01:30"),
        ("Europe/Berlin", ("02:30", "08:00"), "2026-10-25", "2026-10-25T00:30", "2026-10-25T07:00"),
        ("Europe/Berlin", ("01:00", "02:30"), "2026-10-25", "2026-10-24T23:00", "2026-10-25T00:30"),
        ("America/New_York", ("00:00", "00:00"), "2026-11-01", "2026-11-01T04:00", "2026-11-02T05:00"),
        ("America/New_York", ("00:00", "00:00"), "2026-03-08", "2026-03-08T05:00", "2026-03-09T04:00"),
        ("Australia/Lord_Howe", ("02:15", "09:00"), "2026-10-04", "2026-10-03T15:45", "2026-10-03T22:00"),
        # Beirut skips midnight itself.
        ("Asia/Beirut", ("00:00", "09:00"), "2026-03-29", "2026-03-28T22:00", "2026-03-29T06:00"),
    ],
)
def test_clock_changes_move_a_skipped_time_on_and_take_the_first_of_two(zone, span, day, opens, closes):
    schedule = Schedule(week(*span, [date.fromisoformat(day).weekday()]), zone)

    before = at(schedule, utc(opens) - MINUTE)
    inside = at(schedule, utc(opens))

    assert (before.open, before.opens_at) == (False, utc(opens))
    assert (inside.open, inside.closes_at) == (True, utc(closes))


HOLIDAY = {date(2026, 11, 20): "Diwali"}


@pytest.mark.parametrize(
    ("spans", "instant", "opens_at"),
    [
        (OFFICE, "2026-11-20T10:00", "2026-11-23T09:00"),
        (NIGHT, "2026-11-20T23:30", "2026-11-21T00:00"),
        (ALWAYS, "2026-11-20T10:00", "2026-11-21T00:00"),
    ],
)
def test_a_holiday_closes_the_whole_local_date(spans, instant, opens_at):
    schedule = Schedule(spans, "Asia/Kolkata", holidays=HOLIDAY)

    presence = at(schedule, local(instant, "Asia/Kolkata"))

    assert (presence.open, presence.opens_at) == (False, local(opens_at, "Asia/Kolkata"))
    assert presence.why == "holiday (Diwali)"


def test_a_night_shift_into_a_holiday_ends_at_midnight():
    presence = at(Schedule(NIGHT, "UTC", holidays=HOLIDAY), utc("2026-11-19T23:00"))

    assert (presence.open, presence.closes_at) == (True, utc("2026-11-20T00:00"))


@pytest.mark.parametrize(
    ("instant", "is_open", "next_change", "why"),
    [
        ("2026-11-20T09:30", True, "2026-11-20T10:00", "at work"),
        ("2026-11-20T10:00", False, "2026-11-20T11:00", "absent until Fri 20 Nov 11:00 (dentist)"),
        ("2026-11-20T11:00", True, "2026-11-20T18:00", "at work"),
        ("2026-11-24T12:00", False, "2026-11-26T09:00", "absent until Wed 25 Nov 20:00"),
        ("2026-11-23T12:00", True, "2026-11-23T18:00", "at work"),
        ("2026-11-23T19:00", False, "2026-11-26T09:00", "outside working hours"),
    ],
)
def test_an_absence_closes_by_instants(instant, is_open, next_change, why):
    absences = (
        Absence(utc("2026-11-24T00:00"), utc("2026-11-25T20:00")),
        Absence(utc("2026-11-20T10:00"), utc("2026-11-20T11:00"), "dentist"),
        Absence(utc("2026-11-24T08:00"), utc("2026-11-24T10:00"), "inside another"),
    )

    presence = at(Schedule(OFFICE, "UTC", absences), utc(instant))

    assert (presence.open, presence.closes_at or presence.opens_at) == (is_open, utc(next_change))
    assert presence.why == why


def test_whoever_is_away_for_long_has_no_next_opening():
    absence = Absence(utc("2026-11-01T00:00"), utc("2027-11-01T00:00"), "parental leave")

    presence = at(Schedule(OFFICE, "UTC", (absence,)), utc("2026-11-20T12:00"))

    assert (presence.open, presence.opens_at) == (False, None)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "Europe", "Europe/Berlin\0"])
def test_an_unknown_zone_is_refused_in_a_sentence(name):
    with pytest.raises(ValueError, match="is not a time zone"):
        zone_named(name)


@pytest.mark.parametrize(
    ("schedule", "instant", "text"),
    [
        (
            Schedule(OFFICE, "Asia/Kolkata"),
            "2026-11-20T02:10",
            "Priya: 07:40 in Asia/Kolkata, opens 09:00, held 1 h 20 min",
        ),
        (
            Schedule(OFFICE, "Asia/Kolkata"),
            "2026-11-20T14:30:30",
            "Priya: 20:00 in Asia/Kolkata, opens Mon 23 Nov 09:00, held 2 d 13 h",
        ),
        (
            Schedule(OFFICE, "UTC"),
            "2026-11-20T08:59:30",
            "Priya: 08:59 in UTC, opens 09:00, held 1 min",
        ),
        (Schedule(OFFICE, "UTC"), "2026-11-20T12:00", "Priya: 12:00 in UTC, at work until 18:00"),
        (Schedule(NIGHT, "UTC"), "2026-11-20T23:00", "Priya: 23:00 in UTC, at work until Sat 21 Nov 06:00"),
        (Schedule(ALWAYS, "UTC"), "2026-11-20T12:00", "Priya: 12:00 in UTC, at work"),
        (
            Schedule(OFFICE, "UTC", (Absence(utc("2026-11-20T11:00"), utc("2026-11-20T12:30"), "lunch"),)),
            "2026-11-20T12:00",
            "Priya: 12:00 in UTC, absent until Fri 20 Nov 12:30 (lunch), opens 12:30, held 30 min",
        ),
        (
            Schedule(OFFICE, "UTC", holidays=HOLIDAY),
            "2026-11-20T09:00",
            "Priya: 09:00 in UTC, holiday (Diwali), opens Mon 23 Nov 09:00, held 3 d",
        ),
        (
            Schedule((), "UTC"),
            "2026-11-20T09:00",
            "Priya: 09:00 in UTC, no working hours are set, does not open within 60 days",
        ),
    ],
)
def test_the_decision_is_said_in_words(schedule, instant, text):
    presence = at(schedule, utc(instant))

    assert describe(presence, "Priya", schedule.zone, utc(instant)) == text


# The days around clock changes, and around one in the southern half and one of half an hour.
ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Asia/Beirut",
    "Africa/Cairo",
    "Asia/Kolkata",
    "Pacific/Apia",
    "America/Havana",
]
CHANGES = [date(2026, 3, 8), date(2026, 3, 29), date(2026, 4, 5), date(2026, 9, 6), date(2026, 10, 25)]
CLOCKS = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
SPANS = st.lists(st.builds(Span, st.integers(0, 6), CLOCKS, CLOCKS), min_size=1, max_size=6).map(tuple)


def first_instant(day, clock, zone):
    """Find when the wall clock first shows a local time, by trying the offsets of the days around."""
    wall = datetime.combine(day, clock)
    offsets = {(wall + timedelta(hours=h)).replace(tzinfo=zone).utcoffset() for h in (-24, 24)}
    candidates = sorted((wall - offset).replace(tzinfo=UTC) for offset in offsets)
    shown = [c for c in candidates if c.astimezone(zone).replace(tzinfo=None) == wall]
    # A skipped time is shown by no clock; read with the offset before the change it moves on by the gap.
    return shown[0] if shown else candidates[-1]


def open_minutes(schedule, first, minutes):
    """Say of each minute whether it is open, straight from the definition."""
    zone = ZoneInfo(schedule.zone)
    periods = []
    for offset in range(-3, minutes // 1440 + 3):
        day = first.date() + timedelta(days=offset)
        for span in schedule.spans:
            if span.weekday == day.weekday():
                last = day + timedelta(days=span.end <= span.start)
                periods.append((first_instant(day, span.start, zone), first_instant(last, span.end, zone)))
    for offset in range(minutes):
        minute = first + offset * MINUTE
        yield (
            any(start <= minute < end for start, end in periods)
            and minute.astimezone(zone).date() not in schedule.holidays
            and not any(a.start <= minute < a.end for a in schedule.absences)
        )


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_opening_is_the_first_open_minute_of_a_scan(data):
    changed = data.draw(st.sampled_from(CHANGES))
    first = datetime.combine(changed, time.min, UTC) + data.draw(st.integers(-2880, 2880)) * MINUTE
    away = first + data.draw(st.integers(-1000, 6000)) * MINUTE
    schedule = Schedule(
        data.draw(SPANS),
        data.draw(st.sampled_from(ZONES)),
        (Absence(away, away + data.draw(st.integers(1, 3000)) * MINUTE),),
        data.draw(st.dictionaries(st.sampled_from(CHANGES), st.just("holiday"), max_size=1)),
    )
    scan = list(open_minutes(schedule, first, 4 * 1440))

    presence = at(schedule, first)

    assert presence.open is scan[0]
    change = presence.closes_at if presence.open else presence.opens_at
    scanned = next((i for i, is_open in enumerate(scan) if is_open is not scan[0]), None)
    if scanned is None:
        assert change is None or change >= first + len(scan) * MINUTE
    else:
        assert change == first + scanned * MINUTE
