"""The pages of data quality: what was not written because of its data, corrected in place and tried again."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from integration_hub.connectors.errors import ConnectorError
from integration_hub.console.buttons import sentence
from syncs import corrections, quality, queues
from syncs.engine.correcting import standing
from syncs.mappings import descriptions
from syncs.models import Change, Correction, Delivery, RecordLink, Sync, ValueMapEntry
from syncs.models.deliveries import DeliveryState
from syncs.quality import AT_ONCE, Group, QualityError
from syncs.schedules import SYNC

PER_PAGE = 25
SEE, ACT = "syncs.view_recordlink", "syncs.change_recordlink"


@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    _ask(request, SEE)
    others = (
        Delivery.objects.filter(state=DeliveryState.DEAD, sync=None, outcome="rejected")
        .values("origin", "error_code")
        .annotate(n=Count("pk"))
        .order_by("-n")[:PER_PAGE]
    )
    found = quality.groups()
    rows = [{"group": one, "url": address(one)} for one in found]
    return _page(
        request, "hub/quality.html", "Data quality", rows=rows, total=sum(one.count for one in found),
        others=others, ignored=quality.ignored(), corrected=Correction.objects.count(),
    )  # fmt: skip


@require_GET
def group(request: HttpRequest) -> HttpResponse:
    """One group: its records, each with its value now, and what can be done about it."""
    _ask(request, SEE)
    one = _group(request)
    row = one.mapping()
    page = Paginator(one.records.order_by("pk"), PER_PAGE).get_page(request.GET.get("page"))
    trial = None
    values: dict[str, Any] = {}
    try:
        if "values" in request.GET:
            values = {
                key: record.values for key, record in _read(one, [link.record_id for link in page]).items()
            }
        else:
            values = _stored(one.sync, [link.record_id for link in page])
        if "try" in request.GET:
            trial = quality.try_out(one, timezone.now())
    except ConnectorError as error:
        messages.error(request, sentence(error))
    source = row.source if row else ""
    field = descriptions.field_of(row) if row else None
    choices = [(one, dict(field.labels).get(one, "")) for one in field.options] if field else []
    records = [
        {
            "link": link,
            "known": link.record_id in values,
            "value": quality.value_at(values.get(link.record_id, {}), source),
        }
        for link in page
    ]
    return _page(
        request, "hub/quality_group.html", one.field or one.problem, group=one, row=row, records=records,
        page=page, trial=trial, sources=quality.sources(one.sync), query=_query(one), source=source, choices=choices,
        may_act=request.user.has_perm(ACT), may_map=request.user.has_perm("syncs.add_valuemapentry"),
    )  # fmt: skip


@require_POST
def correct(request: HttpRequest, link_id: int) -> HttpResponse:
    """Put a value in the place of the source's, or leave the record out."""
    _ask(request, ACT)
    link = get_object_or_404(RecordLink.objects.select_related("sync__stream__connection"), pk=link_id)
    one = _group(request)
    source, now = request.POST.get("source", ""), timezone.now()
    if source and source not in quality.sources(link.sync):
        messages.error(request, f"{link.sync} does not read “{source}”.")
        return HttpResponseRedirect(address(one))
    try:
        found = _read(one, [link.record_id]).get(link.record_id)
    except ConnectorError as error:
        messages.error(request, sentence(error))
        return HttpResponseRedirect(address(one))
    if found is None:
        messages.error(request, f"{link.record_id} is not there any more.")
        return HttpResponseRedirect(address(one))
    who = request.user.get_username()
    if request.POST.get("do") == "ignore":
        note = request.POST.get("note", "")[:300]
        corrections.ignore(link.sync, link.record_id, source, note, values=found.values, user=who, now=now)
        _log(
            request, link.sync, f"Record {link.record_id} is left out until {source or 'it'} changes. {note}"
        )
        messages.success(request, f"{link.record_id} is left out until it changes.")
    else:
        value = request.POST.get("value", "")[:1000]
        if not source or isinstance(standing(found.values, source), dict):
            messages.error(request, "Choose the field whose value is to be replaced.")
            return HttpResponseRedirect(address(one))
        corrections.replace_value(
            link.sync, link.record_id, source, value, values=found.values, user=who, now=now
        )
        _log(request, link.sync, f"{source} of record {link.record_id} is replaced until it changes.")
        messages.success(request, f"{source} of {link.record_id} is replaced. Replay the group to send it.")
    return HttpResponseRedirect(address(one))


@require_POST
def add_entry(request: HttpRequest) -> HttpResponse:
    """Add the unknown value to the line's value map."""
    _ask(request, "syncs.add_valuemapentry")
    one = _group(request)
    row = one.mapping()
    said = request.POST.get("from", "").strip()[:255]
    if row is None or row.value_map is None or not said:
        messages.error(request, "This line has no value map, or no value was given.")
        return HttpResponseRedirect(address(one))
    entry, made = ValueMapEntry.objects.update_or_create(
        value_map=row.value_map,
        source=said,
        defaults={"destination": request.POST.get("to", "").strip()[:255]},
    )
    _log(request, row.value_map, f"Entry “{entry}” {'added' if made else 'changed'} from data quality.")
    messages.success(request, f"{row.value_map}: “{entry}”. Replay the group to send its records.")
    return HttpResponseRedirect(address(one))


@require_POST
def replay(request: HttpRequest) -> HttpResponse:
    """Queue the group's records: a small group at once, a large one by the workers."""
    _ask(request, ACT)
    one = _group(request)
    last = one.records.order_by("-pk").values_list("pk", flat=True).first() or 0
    try:
        queued, after = quality.replay(one, timezone.now(), up_to=last)
    except QualityError as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(address(one))
    except ConnectorError as error:
        messages.error(request, sentence(error))
        return HttpResponseRedirect(address(one))
    if after:
        queues.wake("syncs.tasks.replay_group", one.sync.pk, one.problem, one.reason, after, last, queue=SYNC)
    words = f"{queued} queued" + (
        f"; the workers queue the rest of {one.count}, {AT_ONCE} at a time" if after else ""
    )
    _log(request, one.sync, f"Replayed “{one.reason}”: {words}.")
    messages.success(request, f"{words}. What passes now leaves this list within moments.")
    return HttpResponseRedirect(address(one))


def address(one: Group) -> str:
    return f"{reverse('console:quality_group')}?{_query(one)}"


def _query(one: Group) -> str:
    return urlencode({"sync": one.sync.key, "problem": one.problem, "reason": one.reason})


def _group(request: HttpRequest) -> Group:
    syncs = Sync.objects.select_related("stream__connection", "destination")
    sync = get_object_or_404(syncs, key=request.GET.get("sync", ""))
    return quality.group(sync, request.GET.get("problem", ""), request.GET.get("reason", ""))


def _read(one: Group, ids: list[str]) -> Any:
    return quality.read(one.sync, ids, timezone.now())


def _stored(sync: Sync, ids: list[str]) -> dict[str, Any]:
    """Return the values of the newest stored change of each record that has one."""
    rows = Change.objects.filter(stream=sync.stream_id, record_id__in=ids).order_by("modified_at", "pk")
    return dict(rows.values_list("record_id", "values"))


def _log(request: HttpRequest, about: Sync | Any, words: str) -> None:
    LogEntry.objects.log_actions(request.user.pk or 0, [about], CHANGE, words, single_object=True)


def _page(request: HttpRequest, template: str, title: str, **more: Any) -> HttpResponse:
    return render(request, template, {**admin.site.each_context(request), "title": title, **more})


def _ask(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied
