"""Working spans as people write them: `mon-fri 09:00-12:30, 13:30-17:00`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import time
from itertools import groupby

from routing.hours import Span

_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAYS = tuple(name[:3] for name in _NAMES)
EXPECTED = "such as “mon-fri 09:00-17:00”, “mon,wed 09:00-12:30, 13:30-17:00” or “fri 22:00-06:00”"

_DAY = r"[A-Za-z]{3,9}"
_CLOCK = r"\d{2}:\d{2}(?::\d{2})?"
_LINE = re.compile(
    rf"\s*(?P<days>{_DAY}(?:\s*[-–,]\s*{_DAY})*)\s+(?P<times>{_CLOCK}\s*[-–].*)",
    re.ASCII,
)
_TIMES = re.compile(rf"\s*({_CLOCK})\s*[-–]\s*({_CLOCK})\s*", re.ASCII)


def parse(lines: str | Iterable[str]) -> tuple[Span, ...]:
    """Return the spans by weekday and start. ValueError, in a sentence: a line is not understood."""
    texts = [lines] if isinstance(lines, str) else list(lines)
    found = {span for text in texts for span in _line(text)}
    return tuple(sorted(found, key=lambda span: (span.weekday, span.start, span.end)))


def lines(spans: Iterable[Span]) -> list[str]:
    """Return the one way of writing these spans that an export uses."""
    by_day = [
        (day, ", ".join(f"{_clock(span.start)}-{_clock(span.end)}" for span in of_day))
        for day, of_day in groupby(
            sorted(set(spans), key=lambda span: (span.weekday, span.start, span.end)),
            key=lambda span: span.weekday,
        )
    ]
    found = []
    # Neighbouring days with the same times differ from their position by the same number.
    for (_, times), group in groupby(enumerate(by_day), key=lambda item: (item[1][0] - item[0], item[1][1])):
        days = [day for _, (day, _) in group]
        name = DAYS[days[0]] if len(days) == 1 else f"{DAYS[days[0]]}-{DAYS[days[-1]]}"
        found.append(f"{name} {times}")
    return found


def _line(text: str) -> Iterator[Span]:
    whole = _LINE.fullmatch(text)
    if not whole:
        raise ValueError(f"“{text[:60]}” is not a span of working hours; write it {EXPECTED}.")
    weekdays = [day for part in whole["days"].split(",") for day in _weekdays(part.strip())]
    for part in whole["times"].split(","):
        times = _TIMES.fullmatch(part)
        if not times:
            raise ValueError(f"“{part.strip()[:60]}” is not a time of day from-to; write it {EXPECTED}.")
        start, end = _time(times[1]), _time(times[2])
        yield from (Span(day, start, end) for day in weekdays)


def _weekdays(text: str) -> list[int]:
    """Return the days of `fri` or of `fri-mon`, which goes over the week's end."""
    names = [name.strip() for name in re.split("[-–]", text)]
    if len(names) > 2:
        raise ValueError(f"“{text}” names more than two days; write a range such as mon-fri.")
    first, last = _weekday(names[0]), _weekday(names[-1])
    return [day % 7 for day in range(first, last + 1 if last >= first else last + 8)]


def _weekday(name: str) -> int:
    for number, known in enumerate(_NAMES):
        if known.startswith(name.lower()):
            return number
    raise ValueError(f"“{name}” is not a day; use {', '.join(DAYS)}.")


def _time(text: str) -> time:
    try:
        return time.min if text in {"24:00", "24:00:00"} else time.fromisoformat(text)
    except ValueError:
        raise ValueError(f"“{text}” is not a time of day; use 00:00 to 24:00.") from None


def _clock(moment: time) -> str:
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"
