"""The format's tables for the documentation, made from the schema so that they cannot disagree."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from integration_hub.connectors import registry

_SECTIONS = (
    "connection",
    "working_hours",
    "person",
    "template",
    "stream",
    "rule",
    "value_map",
    "sync",
    "event_source",
    "flow",
    "hub",
)
_TYPES = {
    "string": "text",
    "integer": "whole number",
    "boolean": "true/false",
    "object": "mapping",
    "array": "list",
}


def markdown(schema: Mapping[str, Any]) -> str:
    """Return a chapter for each section, with a line for each of its keys."""
    lines: list[str] = []
    for name in _SECTIONS:
        definition = schema["$defs"][name]
        lines += [f"### `{definition['title']}`", "", definition["description"], ""]
        lines += _table(schema, definition, definition.get("x-required", ()))
        lines += _rows(schema, definition, set())
        if name == "connection":
            lines += _vendors()
    return "\n".join(lines).rstrip()


def _rows(schema: Mapping[str, Any], definition: Mapping[str, Any], told: set[str]) -> Iterator[str]:
    """Yield a table for each list of entries inside, and for the lists in those; what is told once is not again."""
    for name, given in definition["properties"].items():
        rows = given.get("items", {})
        items = {**_referred(schema, rows), **rows}
        if items.get("type") != "object" or rows.get("$ref") in told:
            continue
        told |= {rows["$ref"]} if "$ref" in rows else set()
        yield f"Each of `{name}`:"
        yield ""
        yield from _table(schema, items, items.get("required", ()))
        yield from _rows(schema, items, told)


def _table(schema: Mapping[str, Any], definition: Mapping[str, Any], required: Any) -> Iterator[str]:
    yield "| key | value | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for name, given in definition["properties"].items():
        rule = {**_referred(schema, given), **given}
        default = (
            "required"
            if name in required
            else f"`{json.dumps(rule['default'])}`"
            if "default" in rule
            else ""
        )
        yield f"| `{name}` | {_value(rule)} | {default} | {rule['description']} |"
    yield ""


def _referred(schema: Mapping[str, Any], rule: Mapping[str, Any]) -> Mapping[str, Any]:
    name = rule.get("$ref", "").rpartition("/")[2]
    return schema["$defs"][name] if name else {}


def _value(rule: Mapping[str, Any]) -> str:
    if "enum" in rule:
        return ", ".join(f"`{value}`" for value in rule["enum"])
    if "anyOf" in rule:
        return " or ".join(_value(part) for part in rule["anyOf"])
    types = [rule["type"]] if isinstance(rule["type"], str) else rule["type"]
    text = " or ".join(_TYPES.get(kind, kind) for kind in types)
    if rule.get("minimum") and "maximum" in rule:
        return f"{text}, {rule['minimum']} to {rule['maximum']}"
    return text


def _vendors() -> Iterator[str]:
    """Yield what each kind of connection may have under `settings` and `secrets`."""
    for kind, label in registry.kinds():
        yield f"`settings` and `secrets` of the kind `{kind}` ({label}):"
        yield ""
        yield "| key | where | meaning |"
        yield "| --- | --- | --- |"
        for setting in registry.connector_class(kind).settings:
            where = "`secrets`" if setting.secret else "`settings`"
            choices = ", ".join(f"`{value}`" for value, _ in setting.choices)
            meaning = f"{setting.label}: {choices}" if choices else setting.label
            name, values = setting.only_for
            if name:
                meaning += f"; only for `{name}` {', '.join(f'`{value}`' for value in values)}"
            yield f"| `{setting.name}` | {where} | {meaning} |"
        yield ""
