"""Who leaves a match value within one batch, so that another can have it. Pure: ids and values in, ids out."""

from __future__ import annotations

from collections.abc import Mapping

Mover = tuple[int, str]
"""A record: its sync and its id."""
Way = tuple[str, str]
"""The match value it is under, and the one it goes to."""


def circles(ways: Mapping[Mover, Way]) -> set[Mover]:
    """Return those that exchange their values in a circle: each takes the next one's place as it stands.

    They do not move. That would need an address in between, which a crash would leave them at.
    """
    sitting: dict[str, Mover] = {}
    for mover, (here, _there) in ways.items():
        sitting.setdefault(here, mover)
    found: set[Mover] = set()
    for mover in ways:
        path = [mover]
        following = sitting.get(ways[mover][1])
        while following is not None and following not in path:
            path.append(following)
            following = sitting.get(ways[following][1])
        if following == mover:
            found.update(path)
    return found
