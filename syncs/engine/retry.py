"""When to try again: a value in, an instant out."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

FIRST = 2.0
LONGEST = 300.0
MOST_ATTEMPTS = 12
"""With the longest waits that is about half an hour: after that a person looks, not a machine."""
MOST_ATTEMPTS_OF_FLOWS = 2_700
"""With the longest waits that is about a week. The time that a connection is held or paused does not count."""


def next_try(attempts: int, now: datetime, *, chance: random.Random | None = None) -> datetime:
    """Return when to try again after `attempts` tries: doubling waits, each spread over its second half.

    The spread keeps many that failed together from coming back together.
    """
    wait = min(LONGEST, FIRST * 2 ** min(attempts - 1, 20))
    share = (chance or random).uniform(0.5, 1.0)
    return now + timedelta(seconds=wait * share)


def is_used_up(attempts: int, *, patient: bool = False) -> bool:
    """Say whether a person must look. `patient`: an onboarding waits for a vendor that is away for days."""
    return attempts >= (MOST_ATTEMPTS_OF_FLOWS if patient else MOST_ATTEMPTS)
