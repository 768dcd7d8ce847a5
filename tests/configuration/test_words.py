from __future__ import annotations

import pytest

from integration_hub.configuration import words

MAIL = {"source": "Email", "destination": "email"}
NAME = {"source": "Name", "destination": "name", "transform": "trim"}
STEP = {"key": "company", "name": "Company", "sends": [MAIL]}
END = {"key": "end", "name": "End"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (1, 1, []),
        (None, "x", ["~ at: empty → x"]),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, ["~ at.b: 2 → 3"]),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["~ at.a.b: 1 → 2"]),
        ([MAIL, NAME], [NAME], ["~ at[1]: Email → email → empty"]),
        ([NAME], [MAIL, NAME], ["~ at[1]: empty → Email → email"]),
        ([STEP, END], [{**STEP, "name": "Firm"}, END], ["~ at[company].name: Company → Firm"]),
        ([STEP, END], [END, STEP], ["~ at in this order: company, end → end, company"]),
        (
            [STEP],
            [{**STEP, "sends": [MAIL, NAME]}],
            ["~ at[company].sends[2]: empty → Name → name, transform trim"],
        ),
        (
            [{"outcome": "any", "target": "end"}],
            [{"outcome": "409", "target": "end", "field": "answer.id", "operator": "is_filled"}],
            ["~ at[1]: any → end → 409 if answer.id is_filled → end"],
        ),
        ({"env": "A"}, {"env": "B"}, ["~ at: environment variable A → environment variable B"]),
    ],
)
def test_what_differs_is_said_where_it_differs(old, new, said):
    assert list(words.lines("at", old, new)) == said
