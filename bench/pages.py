"""How long the pages take with a million rows behind them. `python -m bench.pages ROWS`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db import ProgrammingError, connection
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bench import staging
from integration_hub import metrics
from routing.models import Decision
from syncs.models import Change, Delivery, Heartbeat
from syncs.schedules import QUEUES

TRIES = 3
SLOW_QUERY = 0.05
FROM_TABLE = ' FROM "'

CHANGES = """
INSERT INTO syncs_change (stream_id, record_id, version, modified_at, created_at, captured_at, title, title_key, email,
    owner_id, url, values, origin, state, routed_at)
SELECT %(stream)s, '00QB' || lpad(n::text, 11, '0') || 'AAA', 'v' || n, at, at, at + interval '8 seconds',
    'Lead Number ' || n, 'lead number ' || n, 'lead' || n || '@example.test', %(owner)s, 'https://crm.test/' || n,
    jsonb_build_object('Name', 'Lead Number ' || n, 'Rating', 'Hot', 'Company', 'Acme', 'AnnualRevenue', n),
    'poll', 'routed', at + interval '9 seconds'
FROM (SELECT n, now() - interval '90 days' * (1 - n::float / %(rows)s) AS at
      FROM generate_series(1, %(rows)s) AS n) AS numbered"""
DECISIONS = """
INSERT INTO routing_decision (change_id, rule_id, verdict, reason, text, rows, matched, trigger_at, decided_at)
SELECT id, (%(rules)s::bigint[])[1 + id %% 5], 'deliver', 'matched', 'Matched. Sent to Priya Nair.',
    '[[1, true, "Rating is Hot, as wanted"]]', true, modified_at, routed_at FROM syncs_change"""
DELIVERIES = """
INSERT INTO syncs_delivery (connection_id, origin, change_id, object_type, operation, lane, dedup_key, payload,
    priority, state, due_at, expires_at, attempts, attempted_at, lease_owner, remote_id, error_code, error, remedy,
    unreachable, created_at, settled_at)
SELECT %(chat)s, 'rule:rule-' || (1 + id %% 5), id, 'message', 'send', 'U0000000' || id %% 10, 'key-' || id,
    '{"channel": "U1", "header": "Lead", "text": "Lead", "body": "", "fields": [], "link": null, "context": ""}', 10,
    CASE WHEN id %% 200 = 0 THEN 'dead' WHEN id %% 50 = 1 THEN 'expired' ELSE 'delivered' END, routed_at,
    routed_at + interval '5 minutes', 1, routed_at, '', 'D1:' || id,
    CASE WHEN id %% 200 = 0 THEN 'rejected' ELSE '' END, '', '', false, routed_at, routed_at + interval '1 second'
FROM syncs_change"""
ALERTS = """
INSERT INTO routing_alert (decision_id, delivery_id, person_id, role)
SELECT d.id, o.id, %(person)s, 'recipient' FROM routing_decision d JOIN syncs_delivery o ON o.change_id = d.change_id"""
RUNS = """
INSERT INTO syncs_syncrun (kind, stream_id, connection_id, state, started_at, finished_at, read, delivered, unchanged,
    skipped, waiting, dead, reasons, calls, error)
SELECT (ARRAY['poll', 'route', 'push'])[1 + n %% 3], %(stream)s, %(chat)s, 'ok', at, at, 1, 0, 0, 0, 1, 0, '{}', 1, ''
FROM (SELECT n, now() - interval '30 days' * (1 - n::float / %(rows)s) AS at
      FROM generate_series(1, %(rows)s) AS n) AS numbered"""
CALLOUTS = """
INSERT INTO syncs_calloutlog (connection_id, at, method, url, purpose, status, milliseconds, bytes_out, bytes_in, error)
SELECT %(chat)s, started_at, 'POST', 'https://slack.test/api/chat.postMessage', 'send message', 200, 150, 900, 500, ''
FROM syncs_syncrun"""


def fill(rows: int) -> None:
    """Let the hub have run for 90 days."""
    company = staging.company()
    rules = staging.rules(company)
    values: dict[str, Any] = {
        "rows": rows,
        "stream": company.stream.pk,
        "chat": company.chat.pk,
        "owner": company.owners[0],
        "rules": [rule.pk for rule in rules],
        "person": company.chat.directory_links.values_list("person", flat=True)[0],
    }
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        with suppress(ProgrammingError):  # only a superuser may leave the references unchecked
            cursor.execute("SET session_replication_role = replica")
        for statement in (CHANGES, DECISIONS, DELIVERIES, ALERTS, RUNS, CALLOUTS):
            cursor.execute(statement, values)
        cursor.execute("RESET session_replication_role")
        cursor.execute("VACUUM ANALYZE")
    for queue in QUEUES:
        Heartbeat.objects.create(queue=queue, beaten_at=timezone.now())


def addresses() -> dict[str, str]:
    """Return the pages by what they are."""
    record = Change.objects.values_list("record_id", flat=True).get(version=f"v{_middle()}")
    lists = {
        "changes": "syncs/change", "decisions": "routing/decision", "deliveries": "syncs/delivery",
        "alerts": "routing/alert", "runs": "syncs/syncrun", "callouts": "syncs/calloutlog",
    }  # fmt: skip
    pages = {"dashboard": "/admin/"} | {name: f"/admin/{path}/" for name, path in lists.items()}
    return pages | {
        "changes, page 1000": "/admin/syncs/change/?p=1000",
        "changes by name": f"/admin/syncs/change/?q=Lead+Number+{_middle()}",
        "changes by e-mail": f"/admin/syncs/change/?q=lead{_middle()}@example.test",
        "decisions of a verdict that is rare": "/admin/routing/decision/?verdict__exact=error",
        "decisions of a record": f"/admin/routing/decision/?q={record}",
        "dead letters": "/admin/syncs/delivery/?state__exact=dead",
        "deliveries waiting (none)": "/admin/syncs/delivery/?state__exact=waiting",
        "deliveries of a record": f"/admin/syncs/delivery/?q={record}",
        "failed runs (none)": "/admin/syncs/syncrun/?state__exact=failed",
        "one decision": f"/admin/routing/decision/{Decision.objects.order_by('-pk')[5].pk}/change/",
        "one delivery": f"/admin/syncs/delivery/{Delivery.objects.order_by('-pk')[5].pk}/change/",
        "timeline by name": f"/admin/timeline/?q=Lead+Number+{_middle()}",
        "timeline by beginning": "/admin/timeline/?q=lead+number+7",
        "timeline by a word in the middle": "/admin/timeline/?q=umber+77",
        "timeline, nothing found": "/admin/timeline/?q=nobody",
        "timeline by e-mail": f"/admin/timeline/?q=lead{_middle()}@example.test",
        "timeline of a record": f"/admin/timeline/{record}/",
        "answer times, 1 day": "/admin/answer-times/?days=1",
        "answer times, 7 days": "/admin/answer-times/?days=7",
        "readyz": "/readyz",
    }


def _middle() -> int:
    newest = Change.objects.order_by("-pk")[0]
    return int(newest.version[1:]) * 7 // 10 + 1


def measured(get: Callable[[], HttpResponse]) -> dict[str, Any]:
    """Return the middle of several times after one that warms up, with the slow queries of the last."""
    get()
    times = []
    for _ in range(TRIES):
        with CaptureQueriesContext(connection) as captured:
            begun = time.perf_counter()
            answer = get()
            times.append(time.perf_counter() - begun)
    if answer.status_code not in (200, 302, 503):
        raise SystemExit(f"status {answer.status_code}")
    slow = [
        f"{query['time']} s: … FROM {query['sql'].partition(FROM_TABLE)[2][:400]}"
        for query in captured.captured_queries
        if float(query["time"]) >= SLOW_QUERY
    ]
    return {
        "milliseconds": sorted(times)[TRIES // 2] * 1000,
        "queries": len(captured.captured_queries),
        "slow": slow,
    }


class Stock(admin.ModelAdmin):
    """The changes as Django lists them by itself: counted in full, searched in the middle of each text."""

    list_display = ("title", "stream", "modified_at", "captured_at", "state")
    search_fields = ("title", "email", "record_id")


def plain(user: User) -> dict[str, Any]:
    """Return what the list and a search cost in an admin without care."""

    def page(query: str) -> HttpResponse:
        request = RequestFactory().get(f"/admin/syncs/change/{query}")
        request.user = user
        return Stock(Change, admin.site).changelist_view(request).render()

    return {
        "changes": measured(lambda: page("")),
        "changes by name": measured(lambda: page(f"?q=Lead+Number+{_middle()}")),
    }


def _metrics(client: Client) -> HttpResponse:
    metrics.forget()
    return client.get("/metrics")


def main(rows: int) -> None:
    with staging.scratch("postgres"):
        begun = time.perf_counter()
        fill(rows)
        filled = time.perf_counter() - begun
        user = User.objects.create_superuser("bench", "bench@example.test", "bench")
        client = Client(SERVER_NAME="localhost")
        client.force_login(user)
        found = {name: measured(lambda page=page: client.get(page)) for name, page in addresses().items()}
        found["metrics"] = measured(lambda: _metrics(client))
        staging.say({"filled": filled, "hub": found, "plain": plain(user)})


if __name__ == "__main__":
    main(int(sys.argv[1]))
