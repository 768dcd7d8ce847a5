"""Values of criteria as a file writes them: a list where several are meant, a text as a person would type it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from integration_hub.connectors.operands import SEVERAL_VALUES
from routing.conditions import split_values


def understood_criteria(given: list[dict[str, Any]], _before: Any) -> list[dict[str, Any]]:
    return [understood_criterion(number, row) for number, row in enumerate(given, start=1)]


def understood_criterion(number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    value = row.get("value", "")
    if isinstance(value, list):
        if row["operator"] not in SEVERAL_VALUES:
            raise ValueError(f"row {number}: {row['operator']} takes a single value, not a list.")
        value = joined([plain_text(item) for item in value])
    value = shown(row["operator"], plain_text(value))
    return {"field": row["field"], "operator": row["operator"], "value": value}


def shown(operator: str, text: str) -> str | list[str]:
    """Return the value as an export shows it: a list where several are meant, if they can be told apart."""
    if operator not in SEVERAL_VALUES:
        return text
    try:
        return split_values(text)
    except ValueError:
        return text


def joined(values: list[str]) -> str:
    """Return the text of which `split_values` makes the same values; line breaks become blanks."""
    cells = (" ".join(value.splitlines()).strip() for value in values)
    return ", ".join(
        '"' + cell.replace('"', '""') + '"' if re.search('[,"]', cell) else cell for cell in cells
    )


def plain_text(value: str | float | bool) -> str:
    """Return what a person would have typed for it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{Decimal(str(value)):f}"
    return str(value)
