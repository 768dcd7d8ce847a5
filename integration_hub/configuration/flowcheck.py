"""What a schema cannot see of flows: names of steps, connections and value maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from integration_hub.configuration.errors import path
from integration_hub.configuration.validate import did_you_mean

Document = Mapping[str, Mapping[str, Mapping[str, Any]]]


def problems(current: Document, wanted: Document) -> Iterator[str]:
    """Yield sentences about the flows of a file."""
    connections, value_maps = (
        sorted({**current[name], **wanted.get(name, {})}) for name in ("connections", "value_maps")
    )
    for key, entry in wanted.get("flows", {}).items():
        if entry.get("waits_for") == key:
            yield f"{path('flows', key, 'waits_for')}: a flow cannot wait for itself."
        steps = entry.get("steps", ())
        known = [step["key"] for step in steps]
        for number, step in enumerate(steps, start=1):
            where = ("steps", number)
            if step["key"] in known[: number - 1]:
                yield f"{path('flows', key, *where, 'key')}: “{step['key']}” stands here twice. Rename one of them."
            yield from _named(key, (*where, "connection"), step.get("connection"), connections, "connections")
            for row, transition in enumerate(step.get("transitions", ()), start=1):
                inside = (*where, "transitions", row, "target")
                yield from _named(key, inside, transition["target"], known, "steps")
            for part in ("sends", "remembers"):
                for row, line in enumerate(step.get(part, ()), start=1):
                    inside = (*where, part, row, "value_map")
                    yield from _named(key, inside, line.get("value_map"), value_maps, "value_maps")


def _named(
    key: str, inside: tuple[str | int, ...], name: str | None, known: list[str], what: str
) -> Iterator[str]:
    if name and name not in known:
        yield f"{path('flows', key, *inside)}: “{name}” is not among the {what}. {did_you_mean(name, known)}"
