"""One batch call and what became of each of its rows: answers come in any order, some rows refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integration_hub.connectors.hubspot.errors import HubSpotRefusedError, refusal

Raw = Mapping[str, Any]
"""A record as HubSpot returns it."""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One row of a batch. It is known by trace id, record id or (property, value), whichever comes back."""

    trace: str
    properties: Mapping[str, str]
    record_id: str = ""
    key: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    status: int
    results: Sequence[Raw]
    errors: Sequence[Mapping[str, Any]]


def read_answer(status: int, body: Any) -> BatchAnswer:
    found = body if isinstance(body, dict) else {}
    results = [one for one in found.get("results") or () if isinstance(one, dict) and one.get("id")]
    errors = [one for one in found.get("errors") or () if isinstance(one, dict)]
    return BatchAnswer(status, results, errors)


def correlate(rows: Sequence[BatchRow], answer: BatchAnswer) -> dict[str, Raw | HubSpotRefusedError]:
    """Return by trace id what became of each row; a row of which nothing was said is left out.

    Never by position: batches were seen to answer in another order.
    """
    found: dict[str, Raw | HubSpotRefusedError] = {}
    by_id = {row.record_id: row.trace for row in rows if row.record_id}
    by_key = {(row.key[0], _folded(row.key[1])): row.trace for row in rows if row.key[1]}
    traces = {row.trace for row in rows}
    for raw in answer.results:
        trace = str(raw.get("objectWriteTraceId") or "")
        trace = trace if trace in traces else by_id.get(str(raw["id"]), "") or _by_key(raw, by_key)
        if trace:
            found.setdefault(trace, raw)
    for error in answer.errors:
        for trace in _named(error, traces, by_id, by_key):
            found.setdefault(trace, refusal(error))
    _single_rest(rows, answer, found)
    return found


def values_of(raw: Raw) -> Mapping[str, str | None]:
    properties = raw.get("properties")
    return properties if isinstance(properties, dict) else {}


def emails_of(raw: Raw) -> list[str]:
    """Return a contact's primary e-mail and its additional ones."""
    values = values_of(raw)
    additional = str(values.get("hs_additional_emails") or "").split(";")
    return [email.strip().lower() for email in (str(values.get("email") or ""), *additional) if email.strip()]


def _by_key(raw: Raw, by_key: Mapping[tuple[str, str], str]) -> str:
    for name, value in values_of(raw).items():
        trace = by_key.get((name, _folded(str(value or ""))))
        if trace:
            return trace
    return next((by_key["email", one] for one in emails_of(raw) if ("email", one) in by_key), "")


def _named(
    error: Mapping[str, Any],
    traces: set[str],
    by_id: Mapping[str, str],
    by_key: Mapping[tuple[str, str], str],
) -> list[str]:
    context = error.get("context")
    listed = context if isinstance(context, Mapping) else {}
    found = [str(one) for one in _list(listed.get("objectWriteTraceId")) if str(one) in traces]
    keys = {value: trace for (_, value), trace in by_key.items()}
    for one in _list(listed.get("ids")):
        trace = by_id.get(str(one)) or keys.get(_folded(str(one)))
        if trace:
            found.append(trace)
    return found


def _single_rest(
    rows: Sequence[BatchRow], answer: BatchAnswer, found: dict[str, Raw | HubSpotRefusedError]
) -> None:
    """The last row without a word and the last word without a row belong together, if there is one of each."""
    rest = [row.trace for row in rows if row.trace not in found]
    taken = {id(one) for one in found.values()}
    said: list[Raw | HubSpotRefusedError] = [one for one in answer.results if id(one) not in taken]
    if len(rows) == 1 and rest:
        said += [refusal(one) for one in answer.errors]
        if len(said) == 1:
            found[rest[0]] = said[0]


def _list(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else ()


def _folded(text: str) -> str:
    return text.strip().lower()
