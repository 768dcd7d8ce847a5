"""A call's arguments, which come as a form with texts or as JSON with values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from integration_hub.simulator.serving import Call, MalformedBodyError
from integration_hub.simulator.slack.errors import SlackError


class Arguments:
    """The arguments by name; what is not given and what is null are the same, as the API has it."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def text(self, name: str, default: str = "") -> str:
        value = self._values.get(name)
        return default if value is None else str(value)

    def flag(self, name: str) -> bool:
        return self.text(name).lower() in {"1", "true"}

    def number(self, name: str, default: int, most: int) -> int:
        text = self.text(name) or str(default)
        if not text.isdigit():
            raise SlackError("invalid_limit")
        return min(int(text) or default, most)

    def ids(self, name: str) -> list[str]:
        """Return a list that may come as one text with commas."""
        value = self._values.get(name) or []
        return [part.strip() for part in value.split(",")] if isinstance(value, str) else list(value)

    def given(self, name: str) -> bool:
        return self._values.get(name) is not None

    def structure(self, name: str, refusal: str) -> Any:
        """Return JSON, which a form carries as text; raise `refusal` for what is none."""
        value = self._values.get(name)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value) if value else None
        except ValueError:
            raise SlackError(refusal) from None


def arguments_of(call: Call) -> Arguments:
    if call.method == "GET":
        return Arguments(call.query)
    if not call.is_json():
        return Arguments(call.form())
    try:
        values = call.json()
    except MalformedBodyError:
        raise SlackError("invalid_json") from None
    if not isinstance(values, dict):
        raise SlackError("json_not_object")
    return Arguments(values)
