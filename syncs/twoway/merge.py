"""Which of two records' values goes where, field by field. Pure: what both sides hold comes in as an argument.

Each side is compared only with what it itself held when the two last agreed, so a value that the hub wrote comes back
as an echo and changes nothing. A value that was read before our own write landed is old, not news.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]+)?")
_PHONE = re.compile(r"[+(0][0-9\s()./-]{6,}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?")
_BLANKS = re.compile(r"\s+")


class Winner(StrEnum):
    """Who is right where both sides changed a field since they last agreed. Source: where the forward way reads."""

    SOURCE = "source"
    DESTINATION = "destination"
    NEWEST = "newest"
    KEEP = "keep"
    ASK = "ask"


class Side(StrEnum):
    LEFT = "left"
    RIGHT = "right"

    @property
    def other(self) -> Side:
        return Side.RIGHT if self is Side.LEFT else Side.LEFT


class Move(StrEnum):
    """`YIELD`: the other side's value is right; its own change carries it here. `KEPT`: they may differ."""

    SAME = "same"
    ECHO = "echo"
    STALE = "stale"
    AGREED = "agreed"
    LEARNED = "learned"
    KEPT = "kept"
    WRITE = "write"
    YIELD = "yield"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Seen:
    """One side's newest value of a field, as it is there and as the mapping makes it for the other side.

    Both are canonical. `at` is when it came to be so, as far as anybody knows; `is_sent` False: the mapping leaves it
    out, as it does with an empty value that clears nothing.
    """

    value: str
    as_other: str
    at: datetime
    is_sent: bool = True


@dataclass(frozen=True, slots=True)
class State:
    """What each side held when they last agreed. While a write is under way, side `to` still has what it `was`."""

    left: str
    right: str
    to: Side | None = None
    was: str = ""
    since: datetime | None = None

    def of(self, side: Side) -> str:
        return self.left if side is Side.LEFT else self.right


@dataclass(frozen=True, slots=True)
class Question:
    """A field of one pair, seen from the side whose change is decided.

    `landed`: our last write to this side is known to be there; `is_after`: this value was read after that.
    `is_first`: the side may fill the other one without knowing it.
    """

    side: Side
    winner: Winner
    state: State | None
    mine: Seen
    theirs: Seen | None
    landed: bool = True
    is_after: bool = True
    is_first: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    move: Move
    state: State | None


def judge(asked: Question, now: datetime) -> Answer:
    """Return what follows for the field, and what the sides are known to hold from now on."""
    state, mine, theirs = asked.state, asked.mine, asked.theirs
    if state is None:
        return _unknown(asked, now)
    pending = state.to is asked.side
    if mine.value == state.of(asked.side):
        return Answer(Move.ECHO if pending else Move.SAME, _settled(state) if pending else state)
    if pending and mine.value == state.was and not (asked.landed and asked.is_after):
        return Answer(Move.STALE, state)
    if _is_same(asked, state):
        return Answer(Move.AGREED, _agreed(asked))
    has_changed = theirs is not None and _has_changed(theirs, state, asked.side.other)
    in_race = pending and not asked.landed
    if has_changed or in_race:
        return _contested(asked, now)
    there = theirs.value if theirs else state.of(asked.side.other)
    if not mine.is_sent or (asked.winner is Winner.KEEP and there):
        return Answer(Move.KEPT, state)
    return _write(asked, now)


def _unknown(asked: Question, now: datetime) -> Answer:
    """Decide on a field of which no agreement is known: what both have alike is one."""
    if asked.theirs is None:
        if asked.is_first and asked.mine.is_sent:
            return _write(asked, now)
        return Answer(Move.LEARNED, _agreed(asked))
    if _is_same(asked, None):
        return Answer(Move.AGREED, _agreed(asked))
    return _contested(asked, now)


def _contested(asked: Question, now: datetime) -> Answer:
    mine, theirs = asked.mine, asked.theirs
    source = asked.side is Side.LEFT
    if asked.winner is Winner.ASK:
        return Answer(Move.CONFLICT, asked.state)
    if asked.winner is Winner.KEEP:
        if theirs is not None and theirs.value:
            return Answer(Move.KEPT if mine.value else Move.YIELD, asked.state)
        wins = True
    elif asked.winner is Winner.NEWEST and theirs is not None and mine.at != theirs.at:
        wins = mine.at > theirs.at
    else:
        wins = source if asked.winner is not Winner.DESTINATION else not source
    if not wins:
        return Answer(Move.YIELD, asked.state)
    return _write(asked, now) if mine.is_sent else Answer(Move.KEPT, asked.state)


def _write(asked: Question, now: datetime) -> Answer:
    """Take it for agreed at once: what comes back is compared with it, whenever it comes."""
    before = asked.theirs.value if asked.theirs else ""
    if asked.theirs is None and asked.state is not None:
        before = asked.state.of(asked.side.other)
    agreed = _agreed(replace(asked, theirs=None))
    return Answer(Move.WRITE, replace(agreed, to=asked.side.other, was=before, since=now))


def _agreed(asked: Question) -> State:
    mine, theirs = asked.mine.value, asked.theirs.value if asked.theirs else asked.mine.as_other
    return State(mine, theirs) if asked.side is Side.LEFT else State(theirs, mine)


def _settled(state: State) -> State:
    return State(state.left, state.right)


def _is_same(asked: Question, state: State | None) -> bool:
    """Say whether both mean the same: as one side's mapping makes it, or as the other's does."""
    mine, theirs = asked.mine, asked.theirs
    if theirs is None:
        return state is not None and mine.is_sent and mine.as_other == state.of(asked.side.other)
    alike = mine.is_sent and mine.as_other == theirs.value
    return alike or (theirs.is_sent and theirs.as_other == mine.value)


def _has_changed(theirs: Seen, state: State, side: Side) -> bool:
    is_old = state.to is side and theirs.value == state.was
    return theirs.value != state.of(side) and not is_old


def canonical(value: Any) -> str:
    """Return the value as both vendors would compare it: "" for nothing at all."""
    if value is None or value == [] or value == {}:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return _number(format(Decimal(str(value)), "f"))
    if isinstance(value, datetime | date):
        return _moment(value.isoformat())
    if isinstance(value, list | tuple):
        return ";".join(sorted(canonical(item) for item in value))
    if isinstance(value, dict):
        return ";".join(f"{name}={canonical(item)}" for name, item in sorted(value.items()))
    return _text(str(value))


def _text(text: str) -> str:
    text = _BLANKS.sub(" ", text).strip()
    if _NUMBER.fullmatch(text):
        return _number(text)
    if _MOMENT.fullmatch(text):
        return _moment(text)
    if text.lower() in ("true", "false"):
        return text.lower()
    if _PHONE.fullmatch(text) and sum(char.isdigit() for char in text) >= 7:
        return "".join(char for char in text if char.isdigit() or char == "+")
    if "@" in text and " " not in text:
        return text.lower()
    if ";" in text:
        return ";".join(sorted(part.strip() for part in text.split(";") if part.strip()))
    return text.lower() if re.fullmatch(r"(https?://)?[\w-]+(\.[\w-]+)+/?", text) else text


def _number(text: str) -> str:
    short = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if short == "-0" else short


def _moment(text: str) -> str:
    """Return a day as a day and an instant in UTC; midnight UTC is a day, for HubSpot gives it either way."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if moment.time().isoformat() == "00:00:00":
        return moment.date().isoformat()
    return moment.isoformat(timespec="milliseconds")
