"""What is kept of the answers that somebody waits for: a flow goes on by them.

Such a delivery is no sync's and no message. Its outcome, status and answer are stored with it, and which record has
which match value is learned, in the transaction that settles it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection as database
from django.db import transaction

from integration_hub.connectors.errors import ConnectorError
from integration_hub.connectors.records import Operation, Outcome, RecordResult
from syncs import known, outbox, ties
from syncs.known import Key
from syncs.models import Delivery

LONGEST = 16_000
"""Of an answer whose JSON is longer only the record's id is kept."""
LONGEST_ID = 200
CHUNK = 500
GONE = (404, 410)
REJECTED = "rejected"
_ODD = re.compile(r"\\u(?:0000|[dD][89a-fA-F])|NaN|Infinity")

Answer = tuple[Delivery, RecordResult]


def are_kept(delivery: Delivery) -> bool:
    """Say whether somebody waits for what the vendor says of it."""
    return delivery.sync_id is None and delivery.operation != Operation.SEND


def key_of(delivery: Delivery) -> Key | None:
    """Return what finds the record of a delivery; None: it has no match key."""
    match = delivery.payload.get("match") if delivery.operation != Operation.CALL else None
    return Key(delivery.object_type, match[0], match[1]) if match else None


def settle(answers: Sequence[Answer], now: datetime) -> int:
    """Settle as delivered, with what was answered; return how many were still ours."""
    if not answers:
        return 0
    with transaction.atomic():
        settled = outbox.delivered([delivery for delivery, _ in answers], now=now)
        keep(answers)
        ties.done(delivery for delivery, _ in answers)
        learned = [
            (key, result.remote_id)
            for delivery, result in answers
            if (key := key_of(delivery)) and result.remote_id and result.outcome is not Outcome.DELETED
        ]
        if learned:
            known.learn(answers[0][0].connection_id, learned, now)
    return settled


def keep(answers: Sequence[Answer]) -> None:
    """Store outcome, status, record id and answer with those that are still ours, in one statement."""
    for start in range(0, len(answers), CHUNK):
        part = answers[start : start + CHUNK]
        values: list[Any] = []
        for delivery, result in part:
            outcome = REJECTED if result.outcome is Outcome.FAILED else result.outcome.value
            status = result.error.status if result.error and result.status is None else result.status
            values += (
                delivery.pk, delivery.lease_owner, result.remote_id[:LONGEST_ID], outcome, status, _text(result),
            )  # fmt: skip
        with database.cursor() as cursor:
            cursor.execute(_statement(len(part)), values)


def given_ids(deliveries: Sequence[Delivery], results: Sequence[RecordResult]) -> dict[int, str]:
    """Return, by delivery, under which id the destination has what was written."""
    pairs = zip(deliveries, results, strict=True)
    return {delivery.pk: result.remote_id for delivery, result in pairs if result.remote_id}


def forget_gone(deliveries: Sequence[Delivery], error: ConnectorError) -> None:
    """Forget the records that these were to write, if the vendor says that they are not there."""
    if error.status not in GONE:
        return
    keys: list[Key] = []
    records: list[tuple[str, str]] = []
    for delivery in deliveries:
        if not are_kept(delivery) or delivery.operation == Operation.CALL:
            continue
        values = delivery.payload["values"]
        if delivery.operation in ties.OPERATIONS:
            records += [(values["from_type"], values["from_id"]), (values["to_type"], values["to_id"])]
        elif key := key_of(delivery):
            keys.append(key)
        if delivery.payload.get("remote_id"):
            records.append((delivery.object_type, delivery.payload["remote_id"]))
    if keys or records:
        known.forget(deliveries[0].connection_id, keys=keys, records=records)


def _text(result: RecordResult) -> str | None:
    """Return the answer as JSON, with the record's id in it."""
    answer = dict(result.answer or {})
    if result.remote_id:
        answer.setdefault("id", result.remote_id)
    if not answer:
        return None
    text = json.dumps(answer, default=str)
    if _ODD.search(text):
        answer = _storable(answer)
        text = json.dumps(answer, default=str)
    if len(text) > LONGEST:
        own = answer.get("id")
        is_id = isinstance(own, str | int) and len(str(own)) <= LONGEST_ID
        text = json.dumps({"id": own if is_id else None, "too_long": True})
    return text


def _storable(value: Any) -> Any:
    """Leave out what PostgreSQL stores in no JSON: NUL, halves of surrogate pairs, NaN and infinity."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {_storable(str(name)): _storable(one) for name, one in value.items()}
    return [_storable(one) for one in value] if isinstance(value, list | tuple) else value


def _statement(rows: int) -> str:
    table = f'"{Delivery._meta.db_table}"'
    answer = "CAST(v.column6 AS jsonb)" if database.vendor == "postgresql" else "v.column6"
    return (
        f"UPDATE {table} SET remote_id = v.column3, outcome = v.column4, "  # noqa: S608 - names of our own
        f"status = CAST(v.column5 AS smallint), answer = {answer} "
        f"FROM (VALUES {', '.join(['(%s, %s, %s, %s, %s, %s)'] * rows)}) AS v "
        f"WHERE {table}.id = CAST(v.column1 AS bigint) AND {table}.lease_owner = v.column2"
    )
