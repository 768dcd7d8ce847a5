"""The file against schema.json: what does not fit, in sentences with the path."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft202012Validator, ValidationError

from integration_hub.configuration.errors import listed, path

SCHEMA_FILE = Path(__file__).with_name("schema.json")
_KINDS = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping of keys to values",
    "array": "a list",
    "null": "null",
}


@cache
def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(SCHEMA_FILE.read_text())
    return loaded


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(schema())


def sentences(document: Mapping[str, Any]) -> list[str]:
    """Return what is wrong, in the order of the paths. A value that may be a secret is never repeated."""
    errors = sorted(
        _validator().iter_errors(document), key=lambda error: [str(p) for p in error.absolute_path]
    )
    return [sentence for error in errors for sentence in _sentences(error)]


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Return the sentence that helps after a wrong name."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"Did you mean {near[0]}?" if near else f"Known here: {listed(known)}."


def _sentences(error: ValidationError) -> list[str]:
    where = _path(error.absolute_path)
    rule: Any = error.schema
    if error.validator == "additionalProperties":
        known = list(rule["properties"])
        unknown = [name for name in cast("dict[str, Any]", error.instance) if name not in known]
        return [
            f"{_inside(where, name)}: there is no such key. {did_you_mean(name, known)}" for name in unknown
        ]
    if "propertyNames" in error.absolute_schema_path:
        return [f"{where}: “{error.instance}” is not {rule['x-expected']}."]
    return [f"{where or 'The file'} {_complaint(error)}"]


def _complaint(error: ValidationError) -> str:
    limit: Any = error.validator_value
    rule: Any = error.schema
    given: Any = error.instance
    match error.validator:
        case "required":
            missing = [name for name in limit if name not in given]
            return f"lacks {listed(missing)}."
        case "enum":
            return f"must be one of {listed(limit)}. {_near(given, limit)}".rstrip()
        case "const":
            return f"must be {limit}; this hub reads no other version."
        case "minimum":
            return f"must be at least {limit}."
        case "maximum":
            return f"must be at most {limit}."
        case "minLength":
            return "must not be empty."
        case "maxLength":
            return f"is {len(given)} characters long; at most {limit} are allowed."
        case "maxItems":
            return f"has {len(given)} rows; at most {limit} are allowed."
    return f"must be {_expected(rule)}."


def _near(value: object, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(value), known, n=1, cutoff=0.6)
    return f"Did you mean {near[0]}?" if near else ""


def _expected(rule: Mapping[str, Any]) -> str:
    if "x-expected" in rule:
        return str(rule["x-expected"])
    types = rule["type"]
    return " or ".join(_KINDS[name] for name in ([types] if isinstance(types, str) else types))


def _path(parts: Sequence[str | int]) -> str:
    names = [part + 1 if isinstance(part, int) else part for part in parts]
    if not names:
        return ""
    section = str(names[0])
    if section == "hub" or len(names) == 1:
        return path(section, "", *names[1:])
    return path(section, str(names[1]), *names[2:])


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
