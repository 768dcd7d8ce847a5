"""How long the pages take with a million rows in each table. `python -m bench.pages sqlite|postgres ROWS`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from bench import staging, years
from integration_hub import metrics
from routing.models import Flow, Rule
from syncs.models import Change, InboundEvent, RecordLink, Sync

TRIES = 3
SLOW_QUERY = 0.05
FROM_TABLE = ' FROM "'
Get = Callable[[str], HttpResponse]


@dataclass(frozen=True, slots=True)
class Log:
    """A list, at its address, with the terms that it is searched for, by what they are."""

    path: str
    searches: dict[str, str] = field(default_factory=dict)


def logs() -> dict[str, Log]:
    """Return the lists by what they show."""
    n = _middle()
    record, email, name = f"00QB{10_000_000_000 + n}AAA", f"lead{n}@example.test", f"Lead Number {n}"
    there, event = str(500_000_000 + n), str(InboundEvent.objects.get(pk=n).uid)
    rule, sync = Rule.objects.all()[0].origin, Sync.objects.order_by("pk")[0].origin
    return {
        "changes": Log("syncs/change", {"name": name, "e-mail": email, "record": record}),
        "decisions": Log("routing/decision", {"record": record}),
        "alerts": Log("routing/alert"),
        "deliveries": Log(
            "syncs/delivery", {"rule": rule, "sync": sync, "record": record, "id there": there}
        ),
        "runs": Log("syncs/syncrun"),
        "callouts": Log("syncs/calloutlog"),
        "incidents": Log("syncs/incident"),
        "versions": Log("syncs/version", {"key": "thing-7", "name": "Thing 7", "nothing": "nobody"}),
        "events": Log("syncs/inboundevent", {"id": event, "idempotency key": f"event-{n}", "name": "register"}),
        "flow runs": Log(
            "routing/flowrun",
            {"subject": f"product:c-{n}", "short subject": f"c-{n}", "event": event, "id there": there,
             "e-mail": f"c{n}@example.test"},
        ),
        "change notices": Log("syncs/notice"),
        "record links": Log("syncs/recordlink", {"record": record, "e-mail": email}),
        "backfills": Log("syncs/backfill"),
        "record pairs": Log("syncs/recordpair", {"record": record, "id there": there, "name": name}),
        "conflicts": Log("syncs/conflict", {"record": record, "id there": there, "name": name}),
        "ties": Log("syncs/recordtie", {"record": record, "other record": f"001B{n // 3}"}),
        "doubtful pairs": Log("syncs/matchcandidate", {"e-mail": email, "record": record, "id there": there}),
    }  # fmt: skip


def lists(get: Get) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each list with its filters, its searches, and one row's page. Of the filters the slowest is told."""
    for name, log in logs().items():
        start = f"/admin/{log.path}/"
        yield name, measured(lambda at=start: get(at))
        filters = [(f"{name}, filtered: {label}", start + query) for label, query in _filters(get(start))]
        found = [(label, measured(lambda at=at: get(at))) for label, at in filters]
        yield from sorted(found, key=lambda one: -one[1]["milliseconds"])[:1]
        for what, term in log.searches.items():
            query = urlencode({"q": term})
            yield f"{name} by {what}", measured(lambda at=f"{start}?{query}": get(at))
        rows = apps.get_model(log.path.replace("/", ".")).objects.order_by("pk")
        one = rows.filter(pk__gte=_middle()).first() or rows[0]
        yield f"{name}: one", measured(lambda at=f"{start}{one.pk}/change/": get(at))


def _filters(page: HttpResponse) -> Iterator[tuple[str, str]]:
    """Yield each choice of each filter, the chosen one left out."""
    changes = page.context_data["cl"]
    for spec in changes.filter_specs:
        for choice in spec.choices(changes):
            if not choice["selected"]:
                yield f"{spec.title} = {choice['display']}", choice["query_string"]


def addresses() -> dict[str, str]:
    """Return the other pages by what they are."""
    n = _middle()
    record = Change.objects.values_list("record_id", flat=True).get(pk=n)
    sync = Sync.objects.order_by("pk")[0]
    problem = RecordLink.objects.filter(problem__isnull=False).order_by("pk")[0]
    group = urlencode({"sync": sync.key, "problem": problem.problem, "reason": problem.reason})
    return {
        "dashboard": "/admin/",
        "changes, page 1000": "/admin/syncs/change/?p=1000",
        "timeline by name": f"/admin/timeline/?q=Lead+Number+{n}",
        "timeline by beginning": "/admin/timeline/?q=lead+number+7",
        "timeline by a word in the middle": "/admin/timeline/?q=umber+77",
        "timeline, nothing found": "/admin/timeline/?q=nobody",
        "timeline by e-mail": f"/admin/timeline/?q=lead{n}@example.test",
        "timeline of a record": f"/admin/timeline/{record}/",
        "answer times, 1 day": "/admin/answer-times/?days=1",
        "answer times, 7 days": "/admin/answer-times/?days=7",
        "data quality": "/admin/data-quality/",
        "data quality, one group": f"/admin/data-quality/group/?{group}",
        "calls of a connection": "/admin/usage/account-0/",
        "directory issues": "/admin/directory-issues/",
        "connections": "/admin/syncs/connection/",
        "a connection": f"/admin/syncs/connection/{sync.destination_id}/change/",
        "streams": "/admin/syncs/stream/",
        "a stream": f"/admin/syncs/stream/{sync.stream_id}/change/",
        "syncs": "/admin/syncs/sync/",
        "a sync": f"/admin/syncs/sync/{sync.pk}/change/",
        "versions of a thing": "/admin/syncs/version/?section__exact=rules&key__exact=thing-8",
        "rules": "/admin/routing/rule/",
        "flows": "/admin/routing/flow/",
        "a flow": f"/admin/routing/flow/{Flow.objects.all()[0].pk}/change/",
        "event sources": "/admin/syncs/eventsource/",
        "healthz": "/healthz",
        "readyz": "/readyz",
    }


def _middle() -> int:
    return Change.objects.order_by("-pk")[0].pk * 7 // 10 + 1


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


def measure(user: User) -> dict[str, dict[str, Any]]:
    client = Client(SERVER_NAME="localhost")
    client.force_login(user)
    found = {name: measured(lambda page=page: client.get(page)) for name, page in addresses().items()}
    found["metrics"] = measured(lambda: _metrics(client))
    return found | dict(lists(client.get))


def main(kind: str, rows: int) -> None:
    with staging.scratch(kind):
        begun = time.perf_counter()
        years.fill(rows)
        filled = time.perf_counter() - begun
        user = User.objects.create_superuser("bench", "bench@example.test", "bench")
        staging.say({"filled": filled, "hub": measure(user), "plain": plain(user)})


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
