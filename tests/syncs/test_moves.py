"""Who exchanges match values in a circle."""

import pytest

from syncs.moves import circles


@pytest.mark.parametrize(
    ("ways", "circling"),
    [
        ({}, ""),
        ({"A": "12"}, ""),
        ({"A": "12", "B": "23"}, ""),
        ({"A": "12", "B": "21"}, "AB"),
        ({"A": "12", "B": "23", "C": "31", "D": "45"}, "ABC"),
        ({"A": "12", "B": "23", "C": "32"}, "BC"),
    ],
    ids=str,
)
def test_a_circle_is_told_from_a_chain(ways, circling):
    movers = {(1, name): (way[0], way[1]) for name, way in ways.items()}

    assert {name for _, name in circles(movers)} == set(circling)
