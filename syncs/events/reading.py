"""Pure: the body of an event to its name, its data and its idempotency key, or the reason why not."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from syncs.events import schema
from syncs.events.problems import Problem, RefusedError

DEEPEST = 100
"""Levels; the databases and the libraries that read JSON give up at different depths beyond it."""
LONGEST_NAME = 100
LONGEST_KEY = 200
_JSON_TYPE = re.compile(r"application/(?:[\w.!#$&^+-]+\+)?json", re.ASCII)
_CHARSET = re.compile(r';\s*charset="?([^";\s]+)', re.IGNORECASE)
_ODD_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


@dataclass(frozen=True, slots=True)
class Rules:
    """What a source says of its events; `types` leads from a name to its schema's validator, or None.

    `body_is_signed`: what stands in the event is proved, what stands in other headers is not.
    """

    name_path: tuple[str, ...]
    key_path: tuple[str, ...]
    types: Mapping[str, Any]
    body_is_signed: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    name: str
    data: dict[str, Any]
    key: str | None


def check(rules: Rules, body: bytes, *, content_type: str, key_header: str | None) -> Checked:
    """Return the event in the body. RefusedError: it is none that this source may post."""
    _check_type(content_type)
    data = parse(body)
    if not isinstance(data, dict):
        raise RefusedError(
            Problem.NOT_AN_OBJECT, "The body must be one JSON object, an event; send several one by one."
        )
    name = _name(rules, data)
    validator = rules.types[name]
    if validator is not None and (wrong := schema.complaints(validator, data)):
        raise RefusedError(
            Problem.SCHEMA, f"This is no “{name}” as the source describes it.", errors=wrong, event=name
        )
    return Checked(name, data, key_of(rules, data, key_header))


def parse(body: bytes) -> Any:
    """Return the JSON value as one that every database stores as it is."""
    _check_depth(body)
    try:
        data = json.loads(body.decode(), parse_constant=_no_constant, parse_float=_number)
    except UnicodeDecodeError:
        raise RefusedError(Problem.BAD_JSON, "The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise RefusedError(
            Problem.BAD_JSON, f"The body cannot be read as JSON: {error.msg}, at {where}."
        ) from None
    except ValueError as error:  # from our own two functions, or a whole number of thousands of digits
        raise RefusedError(
            Problem.BAD_JSON, "The body has a number that JSON or the hub does not know."
        ) from error
    if _ODD_ESCAPE.search(body):
        check_texts(data)
    return data


def check_texts(data: Any) -> None:
    """Refuse texts with the character NUL or half a surrogate pair: databases do not take them."""
    left = [data]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            left.extend(one)
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)
        elif isinstance(one, str) and ("\0" in one or any("\ud800" <= letter <= "\udfff" for letter in one)):
            raise RefusedError(
                Problem.BAD_TEXT,
                "A text has \\u0000 or half a surrogate pair in it; databases do not take them.",
            )


def at(data: Any, path: tuple[str, ...]) -> Any:
    """Return what stands at a path; None: nothing does."""
    for part in path:
        data = data.get(part) if isinstance(data, dict) else None
    return data


def key_of(rules: Rules, data: Any, header: str | None) -> str | None:
    """Return the idempotency key: the header's, else that of the source's field, else None.

    In a signed event the field goes first: with a new header a recorded post could be sent again and count twice.
    """
    found = at(data, rules.key_path) if rules.key_path else None
    if header is not None and (found is None or not rules.body_is_signed):
        return _header_key(header)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise RefusedError(Problem.BAD_KEY, f"{'.'.join(rules.key_path)} must be a text or a whole number.")
    key = str(found)
    if not 0 < len(key) <= LONGEST_KEY:
        raise RefusedError(
            Problem.BAD_KEY, f"{'.'.join(rules.key_path)} must have 1 to {LONGEST_KEY} characters."
        )
    return key


def _name(rules: Rules, data: dict[str, Any]) -> str:
    name = at(data, rules.name_path)
    where = ".".join(rules.name_path)
    if not isinstance(name, str) or not name:
        raise RefusedError(Problem.NO_NAME, f"The event's name must stand, as a text, in {where}.")
    if name not in rules.types:
        known = ", ".join(sorted(rules.types)[:20]) or "none"
        words = f"The name in {where} is none of this source's. They are: {known}."
        raise RefusedError(Problem.UNKNOWN_EVENT, words, event=name)
    return name


def _header_key(header: str) -> str:
    """The draft standard puts it in double quotes; most senders do not."""
    key = header.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise RefusedError(
            Problem.BAD_KEY, f"Idempotency-Key must have 1 to {LONGEST_KEY} plain printable characters."
        )
    return key


def _check_type(content_type: str) -> None:
    kind, charset = content_type.partition(";")[0].strip().lower(), _CHARSET.search(content_type)
    if not _JSON_TYPE.fullmatch(kind) or (charset and charset[1].lower() not in ("utf-8", "utf8")):
        raise RefusedError(Problem.WRONG_TYPE, "Send Content-Type: application/json, in UTF-8.")


def _check_depth(body: bytes) -> None:
    """Count brackets first: an event that has few of them cannot be deep, and that is nearly each."""
    if body.count(b"{") + body.count(b"[") <= DEEPEST:
        return
    depth, in_text, escaped = 0, False, False
    for one in body:
        if in_text:
            in_text = escaped or one != 0x22
            escaped = one == 0x5C and not escaped
        elif one == 0x22:
            in_text = True
        elif one in b"{[":
            depth += 1
            if depth > DEEPEST:
                raise RefusedError(Problem.TOO_DEEP, f"At most {DEEPEST} levels are allowed.")
        elif one in b"}]":
            depth -= 1


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value
