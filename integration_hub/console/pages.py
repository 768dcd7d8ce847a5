"""The views of the console: parse, call one function, show."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from integration_hub.console import pills
from integration_hub.console.charts import times_by_day
from routing import directory, linking
from routing import sla as answer_times
from routing import timeline as record_timeline
from routing.flows import search as flow_search
from routing.flows import times as flow_times
from routing.models import DirectoryLink, FlowRun, Person
from syncs.models import Connection, InboundEvent

PERIODS = (1, 7, 30, 90)
NEWEST = 50
FOUND = 25
PER_PAGE = 50


@require_GET
def timeline(request: HttpRequest) -> HttpResponse:
    _ask(request, "syncs.view_change")
    text = request.GET.get("q", "").strip()
    hits = record_timeline.search(text)
    more = _flows(request, text)
    if len(hits) == 1 and not any(more.values()):
        return HttpResponseRedirect(reverse("console:timeline_record", args=[hits[0].record_id]))
    return _page(
        request,
        "hub/timeline_search.html",
        "Timeline",
        q=text,
        hits=hits,
        most=FOUND,
        searched=flow_search.NEWEST,
        **more,
    )


@require_GET
def timeline_record(request: HttpRequest, record_id: str) -> HttpResponse:
    _ask(request, "syncs.view_change")
    events = record_timeline.events(record_id)
    newest = record_timeline.newest(record_id)
    title = (newest.title if newest else "") or record_id
    more = _flows(request, newest.email) if newest and newest.email else _flows(request, record_id)
    return _page(
        request, "hub/timeline.html", title, events=events, change=newest, record_id=record_id, q=record_id,
        mark=pills.environment(newest.stream.connection) if newest else "", **more,
    )  # fmt: skip


@require_GET
def sla(request: HttpRequest) -> HttpResponse:
    _ask(request, "routing.view_alert")
    days, since, until = _period(request)
    found = answer_times.summary(since, until)
    flows = None
    if request.user.has_perm("routing.view_flowrun"):
        flows = flow_times.summary(since, until, timezone.now())
    chart_type, chart = times_by_day(found.by_day)
    return _page(
        request, "hub/sla.html", "Answer times", rows=found.by_day, totals=found.by_rule,
        newest=list(answer_times.passages(since, until, NEWEST)), days=days, periods=PERIODS,
        chart_type=chart_type, chart=json.dumps(chart) if found.by_day else "", flows=flows,
    )  # fmt: skip


@require_GET
def sla_by_day(request: HttpRequest) -> StreamingHttpResponse:
    _ask(request, "routing.view_alert")
    days, since, until = _period(request)
    header = (
        "rule", "rule_key", "day", "sent", "expired", "dead", "p50_seconds", "p95_seconds", "p99_seconds",
        "share_within_target", "target_seconds",
    )  # fmt: skip
    rows = (
        (
            r.name, r.rule, r.day, r.sent, r.expired, r.dead, _short(r.p50), _short(r.p95), _short(r.p99),
            _share(r.within_target), r.target,
        )
        for r in answer_times.by_rule_and_day(since, until)
    )  # fmt: skip
    return _csv(f"answer-times-{days}-days.csv", header, rows)


@require_GET
def sla_alerts(request: HttpRequest) -> StreamingHttpResponse:
    _ask(request, "routing.view_alert")
    days, since, until = _period(request)
    header = (
        "rule", "rule_key", "record_id", "state", "created", "visible", "decided", "settled", "held_until",
        "seconds", "in_time",
    )  # fmt: skip
    rows = (
        (
            p.name, p.rule, p.record_id, p.state, p.trigger_at.isoformat(), p.visible_at.isoformat(),
            p.decided_at.isoformat(), p.settled_at.isoformat(), p.hold_until.isoformat() if p.hold_until else "",
            _short(p.seconds), p.in_time,
        )
        for p in answer_times.passages(since, until)
    )  # fmt: skip
    return _csv(f"alerts-{days}-days.csv", header, rows)


@require_GET
def flow_times_by_day(request: HttpRequest) -> StreamingHttpResponse:
    _ask(request, "routing.view_flowrun")
    days, since, until = _period(request)
    header = (
        "flow", "flow_key", "day", "done", "canceled", "open", "parked", "p50_seconds", "p95_seconds",
        "p99_seconds",
    )  # fmt: skip
    rows = (
        (
            r.name, r.flow, r.day, r.done, r.canceled, r.open, r.parked, _short(r.p50), _short(r.p95),
            _short(r.p99),
        )
        for r in flow_times.summary(since, until, timezone.now()).by_day
    )  # fmt: skip
    return _csv(f"flow-times-{days}-days.csv", header, rows)


@require_GET
def directory_issues(request: HttpRequest) -> HttpResponse:
    _ask(request, "routing.view_directorylink")
    senders = [one for one in Connection.objects.order_by("pk") if one.sends_messages]
    chosen = next((one for one in senders if one.key == request.GET.get("at")), next(iter(senders), None))
    found: dict[str, Any] = directory.issues_page(chosen) if chosen else {}
    doubtful = _some(request, found, "doubtful")
    candidates = found.get("candidates", {})
    doubts = [
        (link, [candidates[pk] for pk in link.candidates if pk in candidates]) for link in (doubtful or ())
    ]
    return _page(
        request, "hub/directory.html", "Directory issues", senders=senders, chosen=chosen, doubts=doubts,
        mark=pills.environment(chosen), unmatched=_some(request, found, "unmatched"), doubtful=doubtful,
        inactive=_some(request, found, "inactive"), without_zone=_some(request, found, "without_zone"),
        may_link=request.user.has_perm("routing.change_directorylink"),
    )  # fmt: skip


@require_POST
def link_person(request: HttpRequest, link_id: int, person_id: int) -> HttpResponse:
    _ask(request, "routing.change_directorylink")
    link = get_object_or_404(DirectoryLink, pk=link_id)
    person = get_object_or_404(Person, pk=person_id)
    linking.link_by_hand(link, person)
    messages.success(request, f"{link} is linked to {person} by hand; refreshes leave that alone.")
    return HttpResponseRedirect(reverse("console:directory"))


@require_POST
def refresh_directory(request: HttpRequest) -> HttpResponse:
    _ask(request, "routing.change_directorylink")
    reports = directory.refresh_all(timezone.now())
    for report in reports:
        if report.ok:
            words = f"{report.connection}: {report.read} accounts read, {report.created} new, {report.updated} changed."
            messages.success(request, words)
        else:
            messages.error(request, f"{report.connection}: {report.error}")
    if not reports:
        messages.warning(request, "No connection that lists people can be called now.")
    return HttpResponseRedirect(reverse("console:directory"))


def _flows(request: HttpRequest, text: str) -> dict[str, Any]:
    """Return the newest runs of flows and events that the text finds, as far as the user may see them."""
    runs: list[FlowRun] = []
    loose: list[InboundEvent] = []
    events = list(flow_search.events(text).values_list("pk", flat=True)) if text else []
    if text and request.user.has_perm("routing.view_flowrun"):
        runs = list(flow_search.runs(text, of=events).select_related("flow", "step").order_by("-pk")[:FOUND])
    if events and request.user.has_perm("syncs.view_inboundevent"):
        found = InboundEvent.objects.filter(pk__in=events).defer("body", "data").select_related("source")
        loose = list(found.exclude(pk__in=[run.event_id for run in runs]).order_by("-pk")[:FOUND])
    return {"runs": runs, "loose_events": loose}


def _page(request: HttpRequest, template: str, title: str, **more: Any) -> HttpResponse:
    return render(request, template, {**admin.site.each_context(request), "title": title, **more})


def _ask(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


def _period(request: HttpRequest) -> tuple[int, datetime, datetime]:
    """Return the days asked for, and their bounds; whole days, so that a day's row is complete."""
    given = request.GET.get("days", "")
    days = int(given) if given in map(str, PERIODS) else 7
    now = timezone.localtime()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return days, midnight - timedelta(days=days - 1), now + timedelta(seconds=1)


def _some(request: HttpRequest, found: dict[str, Any], name: str) -> Any:
    if name not in found:
        return None
    return Paginator(found[name].order_by("name", "pk"), PER_PAGE).get_page(request.GET.get(name))


def _short(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.3f}"


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.4f}"


class _Echo:
    """A file that hands back what is written, for csv to stream."""

    def write(self, value: str) -> str:
        return value


def _csv(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> StreamingHttpResponse:
    """Stream rows; a text that a spreadsheet would run as a formula gets an apostrophe first."""
    writer = csv.writer(_Echo())
    safe = (
        [f"'{cell}" if str(cell)[:1] in ("=", "+", "@", "-", "\t", "\r") else cell for cell in row]
        for row in rows
    )
    lines = (writer.writerow(row) for row in (header, *safe))
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
