"""Record ids and the text form of instants, both as Salesforce writes them."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, date, datetime

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHECK_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
ID_PATTERN = re.compile(r"[A-Za-z0-9]{15}([A-Za-z0-9]{3})?")
POD = "gK"


def checksum(id15: str) -> str:
    """Return the three letters that make a 15-character id safe where case is ignored."""
    letters = ""
    for block in (id15[:5], id15[5:10], id15[10:15]):
        bits = sum(1 << position for position, char in enumerate(block) if "A" <= char <= "Z")
        letters += CHECK_LETTERS[bits]
    return letters


def to18(record_id: str) -> str:
    """Return the 18-character form of an id of either length."""
    return record_id + checksum(record_id) if len(record_id) == 15 else record_id


def is_id(text: str) -> bool:
    return ID_PATTERN.fullmatch(text) is not None


class IdSequence:
    """Ids of one object type, each greater than the one before it, as Salesforce compares them."""

    def __init__(self, prefix: str) -> None:
        self._head = prefix + POD
        self._numbers = itertools.count(1)

    def __call__(self) -> str:
        number, tail = next(self._numbers), ""
        while number:
            number, digit = divmod(number, 62)
            tail = DIGITS[digit] + tail
        return to18(self._head + tail.rjust(15 - len(self._head), "0"))


def stamp(at: datetime) -> str:
    """Return an instant as the REST API writes it. Two such texts compare as the instants do."""
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+0000"


def whole_second(at: datetime) -> str:
    """Return the stamp of `at` in the resolution of system timestamps."""
    return stamp(at.replace(microsecond=0))


def day(at: date | datetime) -> str:
    return f"{at:%Y-%m-%d}"
