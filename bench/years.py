"""A hub that has run for long: a million rows in each table that grows. Every row is made in the database itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.management.color import no_style
from django.db import ProgrammingError, connection
from django.db.models import Model
from django.utils import timezone

from bench import staging
from routing.models import Alert, Decision, FlowRun, StepTry
from syncs.models import (
    Backfill,
    CalloutLog,
    Change,
    Conflict,
    Connection,
    ConnectionUsage,
    Delivery,
    EventSource,
    EventTally,
    Heartbeat,
    InboundEvent,
    Incident,
    KnownRecord,
    MatchCandidate,
    Notice,
    NoticedRecord,
    Partition,
    RecordLink,
    RecordPair,
    RecordTie,
    SyncRun,
    SyncTie,
    Version,
)
from syncs.schedules import QUEUES
from tests.factories import make_iterable, make_sync
from tests.flow_factories import make_onboarding

ACCOUNTS = 10
"""Connections that made calls; a usage page shows one of them."""
PARTITIONS = 100
"""Of one backfill."""
NUMBERED = {
    "postgresql": """
CREATE TABLE bench_row AS SELECT n, at, at + interval '8 seconds' AS seen, at + interval '10 seconds' AS done
FROM (
    SELECT n, now() - interval '90 days' * (1 - n::float / {rows}) AS at FROM generate_series(1, {rows}) AS n
) AS numbered""",
    "sqlite": """
CREATE TABLE bench_row AS WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows}),
    days(n, day) AS (SELECT n, julianday('now') - 90 * (1 - n * 1.0 / {rows}) FROM numbers)
SELECT n, strftime('%Y-%m-%d %H:%M:%f', day) AS at, strftime('%Y-%m-%d %H:%M:%f', day, '+8 seconds') AS seen,
    strftime('%Y-%m-%d %H:%M:%f', day, '+10 seconds') AS done FROM days""",
}
TYPES = {"postgresql": {"json": "jsonb", "bytes": "bytea"}, "sqlite": {"json": "text", "bytes": "blob"}}
UUID = {
    "postgresql": "CAST(md5(CAST(n AS text)) AS uuid)",
    "sqlite": "substr('00000000000000000000000000000000' || printf('%x', n), -32)",
}
INDEXES = {
    "postgresql": "SELECT indexdef, indexname FROM pg_indexes WHERE schemaname = 'public' AND tablename = %s "
    "AND indexname NOT IN (SELECT conname FROM pg_constraint)",
    "sqlite": "SELECT sql, name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = %s",
}


@dataclass(frozen=True, slots=True)
class Names:
    """What the rows refer to."""

    stream: int
    crm: int
    chat: int
    owner: str
    rule: int
    rule_keys: str
    person: int
    sync: int
    sync_key: str
    tie: int
    source: int
    flow: int
    step: int
    account: int


def fill(rows: int) -> None:
    """Let the hub have run for 90 days."""
    names = _company()
    values = {name: getattr(names, name) for name in Names.__dataclass_fields__}
    values |= TYPES[connection.vendor] | {
        "rows": rows, "uuid": UUID[connection.vendor], "accounts": ACCOUNTS, "partitions": PARTITIONS,
        "record": "'00QB' || (10000000000 + n) || 'AAA'", "there": "CAST(500000000 + n AS text)",
    }  # fmt: skip
    with connection.cursor() as cursor, _unchecked(cursor):
        cursor.execute(NUMBERED[connection.vendor].format(rows=rows))
        for model, columns in tables(values):
            with _without_indexes(cursor, model):
                _insert(cursor, model, columns)
        cursor.execute("DROP TABLE bench_row")
        for statement in connection.ops.sequence_reset_sql(no_style(), apps.get_models()):
            cursor.execute(statement)
    if connection.vendor == "postgresql":  # nobody does so for SQLite
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    for queue in QUEUES:
        Heartbeat.objects.create(queue=queue, beaten_at=timezone.now())


def _company() -> Names:
    company = staging.company()
    rules = staging.rules(company)
    users = make_iterable()
    forward = make_sync(stream=company.stream, destination=users)
    partner = make_sync(stream=company.stream, destination=users)
    tie = SyncTie.objects.create(sync=forward, partner=partner, source_path="AccountId")
    flow = make_onboarding(users)
    source = EventSource.objects.get()
    accounts = [
        Connection.objects.create(kind="http_json", key=f"account-{n}", name=f"Account {n}")
        for n in range(ACCOUNTS)
    ]
    return Names(
        company.stream.pk, company.stream.connection_id, company.chat.pk, company.owners[0], rules[0].pk,
        rules[0].key.rpartition("-")[2], company.chat.directory_links.values_list("person", flat=True)[0],
        forward.pk, forward.key, tie.pk, source.pk, flow.pk, flow.steps.all()[0].pk, accounts[0].pk,
    )  # fmt: skip


def tables(values: dict[str, Any]) -> Iterator[tuple[type[Model], dict[str, str]]]:
    """Yield each table with its columns, as SQL over n (the row's number) and the times at, seen and done."""
    for model, columns in (*alerts(), *history(), *events(), *syncs(), *states()):
        yield model, {name: text.format(**values) for name, text in columns.items()}


def alerts() -> Iterator[tuple[type[Model], dict[str, str]]]:
    yield Change, {
        "id": "n", "stream_id": "{stream}", "record_id": "{record}", "version": "'v' || n", "modified_at": "at",
        "created_at": "at", "captured_at": "seen", "title": "'Lead Number ' || n", "title_key": "'lead number ' || n",
        "email": "'lead' || n || '@example.test'", "owner_id": "'{owner}'", "url": "'https://crm.test/' || n",
        "values": """CAST('{{"Name": "Lead Number ' || n || '", "Rating": "Hot", "Company": "Acme"}}' AS {json})""",
        "state": "'routed'", "routed_at": "done",
    }  # fmt: skip
    yield Decision, {
        "id": "n", "change_id": "n", "rule_id": "{rule} + n % 5", "verdict": "'deliver'", "reason": "'matched'",
        "text": "'Matched. Sent to Priya Nair.'", "matched": "true", "trigger_at": "at", "decided_at": "done",
        "rows": """CAST('[[1, true, "Rating is Hot, as wanted"]]' AS {json})""",
    }  # fmt: skip
    yield Delivery, _settled() | {
        "id": "n", "connection_id": "{chat}", "origin": "'rule:rule-' || ({rule_keys} + n % 5)", "change_id": "n",
        "object_type": "'message'", "operation": "'send'", "lane": "'U0000000' || n % 10",
        "dedup_key": "'key-' || n", "remote_id": "'D1:' || n", "fresh_for": "NULL", "answer": "NULL",
        "payload": """CAST('{{"channel": "U1", "header": "Lead", "text": "Lead", "fields": []}}' AS {json})""",
    }  # fmt: skip
    yield Alert, {
        "id": "n", "decision_id": "n", "delivery_id": "n", "person_id": "{person}", "role": "'recipient'",
    }  # fmt: skip


def _settled() -> dict[str, str]:
    return {
        "state": "CASE WHEN n % 200 = 0 THEN 'dead' WHEN n % 50 = 1 THEN 'expired' ELSE 'delivered' END",
        "error_code": "CASE WHEN n % 200 = 0 THEN 'rejected' ELSE '' END",
        "outcome": "CASE WHEN n % 200 = 0 THEN 'rejected' ELSE 'sent' END",
        "due_at": "seen", "attempts": "1", "attempted_at": "seen", "created_at": "seen", "settled_at": "done",
    }  # fmt: skip


def history() -> Iterator[tuple[type[Model], dict[str, str]]]:
    yield SyncRun, {
        "id": "n", "stream_id": "{stream}", "connection_id": "{chat}", "started_at": "at", "finished_at": "seen",
        "kind": "CASE n % 3 WHEN 0 THEN 'poll' WHEN 1 THEN 'route' ELSE 'push' END", "read": "1", "waiting": "1",
        "state": "CASE WHEN n % 10000 = 0 THEN 'failed' ELSE 'ok' END",
    }  # fmt: skip
    yield CalloutLog, {
        "connection_id": "{chat}", "at": "at", "method": "'POST'", "url": "'https://slack.test/api/chat.postMessage'",
        "purpose": "'send message'", "status": "200", "milliseconds": "150", "bytes_out": "900", "bytes_in": "500",
    }  # fmt: skip
    yield Incident, {
        "key": "'dead_letters:rule:' || n", "kind": "CASE WHEN n % 2 = 0 THEN 'held' ELSE 'dead_letters' END",
        "connection_id": "{chat}", "title": "'Dead letters'", "opened_at": "at", "last_seen_at": "seen",
        "closed_at": "CASE WHEN n > {rows} - 20 THEN NULL ELSE done END",
    }  # fmt: skip
    yield Version, {
        "section": "CASE WHEN n % 2 = 0 THEN 'rules' ELSE 'syncs' END", "key": "'thing-' || n % 1000",
        "name": "'Thing ' || n % 1000", "at": "at", "cause": "CASE WHEN n % 9 = 0 THEN 'import' ELSE 'admin' END",
        "document": """CAST('{{"name": "Thing", "max_age_seconds": ' || n || '}}' AS {json})""",
    }  # fmt: skip
    yield ConnectionUsage, {
        "connection_id": "{account} + n % {accounts}", "day": "date(at)", "calls": "3", "priority": "10",
        "hour": "n / {accounts} % 24", "user": "'rule:rule-' || n",
    }  # fmt: skip


def events() -> Iterator[tuple[type[Model], dict[str, str]]]:
    body = """'{{"event": "register", "customer": {{"id": "c-' || n || '", "email": "c' || n || '@example.test"}}}}'"""
    yield InboundEvent, {
        "id": "n", "uid": "{uuid}", "source_id": "{source}", "received_at": "at", "routed_at": "done",
        "name": "CASE WHEN n % 2 = 0 THEN 'register' ELSE 'update' END", "idempotency_key": "'event-' || n",
        "state": "CASE WHEN n % 100 = 7 THEN 'refused' ELSE 'routed' END", "body": f"CAST({body} AS {{bytes}})",
        "data": f"CAST({body} AS {{json}})",
        "problem_code": "CASE WHEN n % 100 = 7 THEN 'no_proof' ELSE '' END",
    }  # fmt: skip
    yield FlowRun, {
        "id": "n", "flow_id": "{flow}", "event_id": "n", "subject": "'product:c-' || n", "step_id": "{step}",
        "stage": "CASE WHEN n > {rows} - 50 THEN 'parked' ELSE 'done' END", "tries": "1", "started_at": "seen",
        "session": """CAST('{{"company_id": "1"}}' AS {json})""",
        "ended_at": "CASE WHEN n > {rows} - 50 THEN NULL ELSE done END",
    }  # fmt: skip
    yield StepTry, {
        "run_id": "n", "number": "1", "step_key": "'company'", "outcome": "'created'", "status": "201",
        "request": """CAST('{{"name": "Acme"}}' AS {json})""", "answer": """CAST('{{"id": "1"}}' AS {json})""",
        "delivery_id": "{rows} + n", "began_at": "seen", "ended_at": "done",
    }  # fmt: skip
    yield EventTally, {
        "source_id": "{source}", "minute": "at", "code": "'no_proof'", "count": "1",
    }  # fmt: skip
    yield Notice, {
        "id": "n", "connection_id": "{crm}", "received_at": "at", "verified": "true", "events": "1",
        "state": "CASE WHEN n % 1000 = 0 THEN 'quarantined' ELSE 'taken' END", "taken_at": "seen",
        "body": """CAST('[{{"objectId": ' || n || '}}]' AS {bytes})""",
    }  # fmt: skip
    yield NoticedRecord, {
        "stream_id": "{stream}", "notice_id": "n", "key": "'event-' || n", "record_id": "{record}",
        "happened_at": "at", "received_at": "at", "due_at": "at", "state": "'read'", "read_at": "seen",
    }  # fmt: skip


def syncs() -> Iterator[tuple[type[Model], dict[str, str]]]:
    yield Delivery, _settled() | {
        "id": "{rows} + n", "connection_id": "(SELECT destination_id FROM syncs_sync WHERE id = {sync})",
        "origin": "'sync:{sync_key}'", "change_id": "n", "sync_id": "{sync}", "record_id": "{record}",
        "version_at": "at", "object_type": "'user'", "operation": "'upsert'",
        "lane": "'user:lead' || n || '@example.test'", "dedup_key": "'sync-' || n", "remote_id": "{there}",
        "fresh_for": "NULL", "answer": "NULL",
        "payload": """CAST('{{"match": "lead' || n || '@example.test", "values": {{"Name": "Lead"}}}}' AS {json})""",
    }  # fmt: skip
    yield RecordLink, {
        "sync_id": "{sync}", "record_id": "{record}", "match_value": "'lead' || n || '@example.test'",
        "remote_id": "{there}", "payload_hash": "'0123456789abcdef'", "version_at": "at", "written_at": "done",
        "state": "CASE WHEN n % 100 < 2 THEN 'skipped' ELSE 'written' END", "run_id": "{rows} - 20",
        "problem": "CASE WHEN n % 100 = 1 THEN 'unknown_value' ELSE NULL END",
        "reason": "CASE WHEN n % 100 = 1 THEN 'Country → dataFields.Country: “' || n / 100 % 300 || '”' ELSE '' END",
    }  # fmt: skip
    yield Backfill, {
        "id": "n", "sync_id": "{sync}", "run_id": "n", "expected": "1000", "state": "'done'",
        "FROM": "bench_row WHERE n <= {rows} / {partitions}",
    }  # fmt: skip
    yield (
        Partition,
        {"backfill_id": "1 + (n - 1) / {partitions}", "number": "n % {partitions}", "done": "true"},
    )
    yield RecordPair, {
        "id": "n", "sync_id": "{sync}", "left_id": "{record}", "right_id": "{there}",
        "match": "'lead' || n || '@example.test'", "title": "'Lead Number ' || n", "created_at": "at",
        "parked_at": "CASE WHEN n % 100000 = 5 THEN done ELSE NULL END",
        "gone": "CASE WHEN n % 100000 = 6 THEN 'left' ELSE '' END",
    }  # fmt: skip
    yield Conflict, {
        "sync_id": "{sync}", "pair_id": "n", "left_id": "{record}", "right_id": "{there}", "opened_at": "at",
        "title": "'Lead Number ' || n", "field": "'Phone|phone'", "left_value": "'1'", "right_value": "'2'",
        "label": "CASE WHEN n % 2 = 0 THEN 'phone' ELSE 'city' END",
        "state": "CASE WHEN n > {rows} - 200 THEN 'open' ELSE 'resolved' END",
        "resolved_at": "CASE WHEN n > {rows} - 200 THEN NULL ELSE done END",
    }  # fmt: skip


def states() -> Iterator[tuple[type[Model], dict[str, str]]]:
    yield RecordTie, {
        "tie_id": "{tie}", "record_id": "{record}", "foreign_id": "'001B' || n / 3", "from_id": "{there}",
        "to_id": "'6' || n", "state": "CASE WHEN n % 1000 = 0 THEN 'waiting' ELSE 'tied' END", "changed_at": "at",
    }  # fmt: skip
    yield KnownRecord, {
        "connection_id": "{crm}", "object_type": "'contacts'", "key_field": "'email'", "remote_id": "{there}",
        "key_value": "'lead' || n || '@example.test'", "learned_at": "at",
    }  # fmt: skip
    yield MatchCandidate, {
        "sync_id": "{sync}", "key": "'lead' || n || '@example.test'", "source_id": "{record}", "remote_id": "{there}",
        "why": "'Several.'", "state": "CASE WHEN n % 1000 = 0 THEN 'open' ELSE 'same' END", "decided_at": "done",
    }  # fmt: skip


def _insert(cursor: Any, model: type[Model], columns: dict[str, str]) -> None:
    """Insert a row for each number; what is not said is as the model has it by itself."""
    names, texts, parameters = [], [], []
    for field in model._meta.concrete_fields:
        if field.attname in columns:
            texts.append(columns[field.attname].replace("%", "%%"))
        elif field.primary_key:
            continue
        else:
            texts.append("%s")
            parameters.append(field.get_db_prep_save(field.get_default(), connection))
        names.append(f'"{field.column}"')
    source = columns.get("FROM", "bench_row")
    statement = (
        f'INSERT INTO "{model._meta.db_table}" ({", ".join(names)}) SELECT {", ".join(texts)} FROM {source}'  # noqa: S608 - our own
    )
    cursor.execute(statement, parameters)


@contextmanager
def _without_indexes(cursor: Any, model: type[Model]) -> Iterator[None]:
    """Make the indexes when the rows stand: that takes a third of the time."""
    cursor.execute(INDEXES[connection.vendor], [model._meta.db_table])
    found = cursor.fetchall()
    for _, name in found:
        cursor.execute(f'DROP INDEX "{name}"')
    yield
    for statement, _ in found:
        cursor.execute(statement)


@contextmanager
def _unchecked(cursor: Any) -> Iterator[None]:
    if connection.vendor == "sqlite":
        with connection.constraint_checks_disabled():
            yield
        return
    cursor.execute("SET synchronous_commit = off")
    cursor.execute("SET maintenance_work_mem = '256MB'")
    with suppress(ProgrammingError):  # only a superuser may leave the references unchecked
        cursor.execute("SET session_replication_role = replica")
    yield
    cursor.execute("RESET session_replication_role")
