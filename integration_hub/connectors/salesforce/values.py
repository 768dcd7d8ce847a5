"""Our values as Salesforce takes them in a record: empty is null, times are ISO texts, parents are named by a key."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from integration_hub.connectors.moments import instant
from integration_hub.connectors.salesforce.refusals import SalesforceRefusedError

_FIELD = re.compile(r"[A-Za-z]\w*")
_MATCH = re.compile(r"Id|[A-Za-z]\w*__c")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)? ?(Z|[+-]\d\d:?\d\d)")


def written(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a record as they are sent. SalesforceRefusedError: a value that no field holds."""
    record: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            record |= _parent(name, value)
        elif name.casefold() != "id":
            record[name] = _single(name, value)
    return record


def lookup_of(relationship: str) -> str:
    """Return the field behind a relationship: AccountId of Account, Plan__c of Plan__r."""
    if relationship.endswith("__r"):
        return f"{relationship[:-1]}c"
    return f"{relationship}Id"


def objections(match_path: str, paths: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield by path, the match key's being "", why a record cannot be written so."""
    if not _MATCH.fullmatch(match_path):
        yield "", "Match by an external id field, whose name ends with __c, or by Id."
    parents: dict[str, list[str]] = {}
    for path in sorted(paths):
        names = path.split(".")
        if len(names) > 2 or not all(_FIELD.fullmatch(name) for name in names):
            yield (
                path,
                "Name a field, such as Email, or a parent by its external id, such as Account.Number__c.",
            )
        elif len(names) == 2:
            parents.setdefault(names[0], []).append(path)
        elif path == "Id" and match_path != "Id":
            yield path, "The id is given by Salesforce. Take the line out, or match by Id."
    for parent, named in parents.items():
        if len(named) > 1:
            yield named[1], f"{parent} is named by “{named[0]}” already. Keep one of them."
        if lookup_of(parent) in paths:
            yield named[0], f"“{lookup_of(parent)}” names the same parent. Keep one of them."


def _parent(name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    keys = {inner: _single(f"{name}.{inner}", one) for inner, one in value.items()}
    if all(one is None for one in keys.values()):
        return {lookup_of(name): None}
    return {name: keys}


def _single(name: str, value: Any) -> Any:
    if value is None or value == "":
        return None
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime):
        return _iso(value if value.tzinfo else value.replace(tzinfo=UTC))
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        # Without the ends nobody chose: an empty list clears.
        return ";".join(str(_single(name, one)) for one in value if one not in (None, "")) or None
    if isinstance(value, str):
        return _moment_or_text(value)
    raise SalesforceRefusedError(
        f"{name} has a value that Salesforce cannot keep.",
        code="not_a_field_value",
        remedy="Map single values: a field holds a text, a number, a date, true or false, or a list of options.",
    )


def _moment_or_text(text: str) -> str:
    """Return the text; one that says an instant, as our transform writes it, in Salesforce's form."""
    if not _MOMENT.fullmatch(text):
        return text
    found = instant(text.replace(" +", "+").replace(" -", "-").replace(" Z", "Z"))
    return _iso(found) if found else text


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
