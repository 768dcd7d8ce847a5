"""Pure: JSON Schemas of events: is one usable, and what of an event does not fit, in sentences without values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Any, cast

from jsonschema import FormatChecker, ValidationError
from jsonschema.exceptions import SchemaError
from jsonschema.validators import Draft202012Validator, extend, validator_for
from referencing import Registry

from syncs.events import patterns

MOST = 10
"""So many complaints are told; more do not help."""
LONGEST_MATCHED = 10_000
"""Characters of a text that a pattern is tried on; a longer one does not fit."""
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_TRIALS: tuple[Any, ...] = ({}, [], "", 0, None)


@lru_cache(maxsize=500)
def compiled(schema_text: str) -> Any:
    """Return the validator of a schema given as JSON. With this registry it fetches nothing from anywhere."""
    schema = json.loads(schema_text)
    kind = extend(  # type: ignore[no-untyped-call]
        validator_for(schema, default=Draft202012Validator), {"uniqueItems": _unique, "pattern": _pattern}
    )
    return kind(schema, registry=Registry(), format_checker=FormatChecker())


def problem_of(schema: Any) -> str:
    """Return in a sentence why this is no schema that can be used, "" if it is one."""
    if not isinstance(schema, dict):
        return "A JSON Schema is an object, such as {“type”: “object”, “required”: [“email”]}."
    foreign = [one for one in _references(schema) if not one.startswith("#")]
    if foreign:
        return (
            f"It refers to {foreign[0]}. Only references within the schema, such as #/$defs/…, are followed."
        )
    kind = validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(schema)
        validator = compiled(json.dumps(schema))
        for trial in _TRIALS:
            list(validator.iter_errors(trial))
    except SchemaError as error:
        where = ".".join(map(str, error.absolute_path))
        return f"It is no valid JSON Schema: {where or 'at its top'}: {error.message}"
    except RecursionError:
        return "It refers to itself without an end."
    except Exception as error:  # noqa: BLE001 - a schema is data: whatever it does, it is a wrong schema
        return f"It cannot be used: {error}"
    endless = patterns.endless(_patterns(schema))
    if endless:
        return f"The pattern {endless} may take for ever on some texts: put no repetition into another one."
    return ""


def complaints(validator: Any, event: Any) -> list[str]:
    """Return what does not fit, each with its place; the event's own values are not repeated."""
    try:
        return list(dict.fromkeys(_sentence(error) for error in islice(validator.iter_errors(event), MOST)))
    except (ArithmeticError, RecursionError):  # 1e308 under multipleOf, a{9999999999} as a regex
        return ["The event holds a number or a pattern beyond what can be checked."]


def _sentence(error: ValidationError) -> str:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    return f"{where.removeprefix('.') or 'The event'} {_rule(error)}"


def _rule(error: ValidationError) -> str:
    """Say the schema's rule: what it wants is its author's text, what came is not told."""
    limit: Any = error.validator_value
    match error.validator:
        case "required":
            missing = [name for name in limit if name not in cast("dict[str, Any]", error.instance)]
            return f"lacks {', '.join(missing)}."
        case "type":
            return f"must be of type {' or '.join([limit] if isinstance(limit, str) else limit)}."
        case "enum":
            return f"must be one of {json.dumps(limit, ensure_ascii=False)}."
        case "const":
            return f"must be {json.dumps(limit, ensure_ascii=False)}."
        case "format":
            return f"is not in the format {limit}."
        case "additionalProperties" | "unevaluatedProperties":
            return "has keys that the schema does not allow."
        case "minLength" | "maxLength" | "minItems" | "maxItems" | "minimum" | "maximum" | "pattern":
            return f"does not keep to {error.validator}: {limit}."
    return f"does not keep to the schema's {error.validator}."


def _unique(validator: Any, wanted: Any, items: Any, _schema: Any) -> Iterator[ValidationError]:
    """Compare by hash: the library compares each with each, which takes minutes for some ten thousand objects."""
    if wanted and validator.is_type(items, "array") and len({_same(one) for one in items}) < len(items):
        yield ValidationError("has items that are alike")


def _pattern(validator: Any, pattern: str, text: Any, _schema: Any) -> Iterator[ValidationError]:
    """Refuse long texts: what is fast for a short one may take minutes, and nothing can stop it."""
    if validator.is_type(text, "string") and (len(text) > LONGEST_MATCHED or not re.search(pattern, text)):
        yield ValidationError("does not fit")


def _same(value: Any) -> str:
    """Return a text that is equal for what JSON Schema calls equal: 1 and 1.0 are, 1 and true are not."""
    return json.dumps(_whole(value), sort_keys=True)


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _whole(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_whole(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _references(schema: Any) -> Iterator[str]:
    """Yield what the schema refers to."""
    for one in _levels(schema):
        yield from (value for name in _REFERENCES if isinstance(value := one.get(name), str))


def _patterns(schema: Any) -> Iterator[str]:
    for one in _levels(schema):
        if isinstance(one.get("pattern"), str):
            yield one["pattern"]
        if isinstance(one.get("patternProperties"), dict):
            yield from one["patternProperties"]


def _levels(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in the schema; walks without recursion, for it may be deep."""
    left: list[Any] = [schema]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            yield one
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)
