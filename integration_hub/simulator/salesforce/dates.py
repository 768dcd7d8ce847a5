"""SOQL's date words, such as TODAY and LAST_N_DAYS:7, as spans of whole days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

DaySpan = tuple[date, date]
"""First day, and the day after the last."""


def _days(today: date, first: int, count: int) -> DaySpan:
    start = today + timedelta(days=first)
    return start, start + timedelta(days=count)


def _week(today: date, first: int, count: int = 1) -> DaySpan:
    """Weeks begin on Sunday, as in the en_US locale."""
    sunday = today - timedelta(days=(today.weekday() + 1) % 7)
    return _days(sunday, 7 * first, 7 * count)


def _month(today: date, first: int, count: int = 1) -> DaySpan:
    number = today.year * 12 + today.month - 1 + first
    return _first_of(number), _first_of(number + count)


def _first_of(month_number: int) -> date:
    year, month = divmod(month_number, 12)
    return date(year, month + 1, 1)


def _quarter(today: date, first: int, count: int = 1) -> DaySpan:
    return _month(today, 3 * first - (today.month - 1) % 3, 3 * count)


def _year(today: date, first: int, count: int = 1) -> DaySpan:
    return _month(today, 12 * first - (today.month - 1), 12 * count)


WORDS: dict[str, Callable[[date], DaySpan]] = {
    "TODAY": lambda today: _days(today, 0, 1),
    "YESTERDAY": lambda today: _days(today, -1, 1),
    "TOMORROW": lambda today: _days(today, 1, 1),
    "LAST_90_DAYS": lambda today: _days(today, -90, 91),
    "NEXT_90_DAYS": lambda today: _days(today, 1, 90),
    "THIS_WEEK": lambda today: _week(today, 0),
    "LAST_WEEK": lambda today: _week(today, -1),
    "NEXT_WEEK": lambda today: _week(today, 1),
    "THIS_MONTH": lambda today: _month(today, 0),
    "LAST_MONTH": lambda today: _month(today, -1),
    "NEXT_MONTH": lambda today: _month(today, 1),
    "THIS_QUARTER": lambda today: _quarter(today, 0),
    "LAST_QUARTER": lambda today: _quarter(today, -1),
    "NEXT_QUARTER": lambda today: _quarter(today, 1),
    "THIS_YEAR": lambda today: _year(today, 0),
    "LAST_YEAR": lambda today: _year(today, -1),
    "NEXT_YEAR": lambda today: _year(today, 1),
}

COUNTED_WORDS: dict[str, Callable[[date, int], DaySpan]] = {
    "LAST_N_DAYS": lambda today, n: _days(today, -n, n + 1),
    "NEXT_N_DAYS": lambda today, n: _days(today, 1, n),
    "N_DAYS_AGO": lambda today, n: _days(today, -n, 1),
    "LAST_N_WEEKS": lambda today, n: _week(today, -n, n),
    "NEXT_N_WEEKS": lambda today, n: _week(today, 1, n),
    "LAST_N_MONTHS": lambda today, n: _month(today, -n, n),
    "NEXT_N_MONTHS": lambda today, n: _month(today, 1, n),
    "LAST_N_YEARS": lambda today, n: _year(today, -n, n),
    "NEXT_N_YEARS": lambda today, n: _year(today, 1, n),
}


def days_of(word: str, n: int | None, today: date) -> DaySpan | None:
    """Return the days that the word means, None if it is no date word."""
    if n is None:
        plain = WORDS.get(word)
        return plain(today) if plain else None
    counted = COUNTED_WORDS.get(word)
    return counted(today, n) if counted else None
