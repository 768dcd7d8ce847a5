"""Numbers with their nouns, as sentences for people have them."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Return the count with its noun: 1 call, 2,000 calls."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def were(count: int, noun: str) -> str:
    """Return the count with its noun and verb: 1 record was, 2 records were."""
    return f"{counted(count, noun)} {'was' if count == 1 else 'were'}"
