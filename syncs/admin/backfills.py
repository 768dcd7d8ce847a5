"""Backfills: quoted and started on one page, watched live, cancelled and resumed; and each record's fate."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from integration_hub.admin import LogModelAdmin
from integration_hub.connectors.errors import ConnectorError, RejectedError
from integration_hub.console import pills
from integration_hub.console.buttons import Panel, button, sentence
from integration_hub.console.finding import IndexSearch
from syncs import backfill_ids, backfill_queue, backfill_words, record_ids
from syncs.backfill_words import of_choice
from syncs.engine.backfill import engine as backfill
from syncs.engine.backfill import plan as backfill_plan
from syncs.engine.backfill.engine import BackfillError
from syncs.engine.backfill.plan import FOR_EACH, Quote, Wanted
from syncs.engine.backfill.reading import Reading
from syncs.models import Backfill, Correction, RecordLink, Sync
from syncs.models.backfills import BackfillState
from syncs.models.corrections import CorrectionKind
from syncs.wording import counted

NO_TIME = "This is no time. Write it like 2026-11-01 00:00."
REHEARSED_HERE = 10_000
"""More records than this take longer than a browser waits."""
OPEN = (BackfillState.RUNNING, BackfillState.PAUSED)


class BackfillForm(forms.Form):
    """What is to be brought over; times are UTC."""

    sync = forms.ModelChoiceField(
        Sync.objects.select_related("stream__connection", "destination"), widget=UnfoldAdminSelectWidget
    )
    ids = forms.CharField(
        required=False,
        label="Record ids",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Only these records: one id a line, or pasted from a table whose first column they are.",
    )
    where = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Only records that meet this, too. In the source's query language: Status = 'Open'.",
    )
    since = forms.DateTimeField(
        required=False,
        label="Modified since (UTC)",
        error_messages={"invalid": NO_TIME},
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-11-01 00:00"}),
    )
    until = forms.DateTimeField(
        required=False,
        label="Modified before (UTC)",
        error_messages={"invalid": NO_TIME},
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-11-20 00:00"}),
    )
    limit = forms.IntegerField(
        required=False, min_value=1, label="At most", widget=UnfoldAdminIntegerFieldWidget
    )
    reading = forms.ChoiceField(
        choices=[
            ("", "whichever costs less"),
            (Reading.REST, "REST, page by page"),
            (Reading.BULK, "a bulk job"),
        ],
        required=False,
        label="Read by",
        widget=UnfoldAdminSelectWidget,
        help_text="The quote says what both cost. A bulk job takes few calls, but some time before it gives anything.",
    )
    dry_run = forms.BooleanField(
        required=False,
        widget=UnfoldBooleanWidget,
        help_text=f"Write nothing, only say what would be done. Here it looks at {REHEARSED_HERE:,} records; "
        "“manage.py backfill --dry-run” at all of them.",
    )

    def clean(self) -> dict[str, Any]:
        """Find out whose the ids are; one whose object type is unknown costs a call."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        since, until = values.get("since"), values.get("until")
        if since and until and since >= until:
            self.add_error("until", "Nothing lies between the two times. Choose one after “Modified since”.")
        self.chosen = backfill_ids.Chosen(())
        if values.get("ids") and values.get("sync"):
            sync = values["sync"]
            try:
                found = record_ids.sort_ids(values["ids"].splitlines(), sync.stream.connection)
                self.chosen = backfill_ids.choose(found, sync)
            except ValueError as error:
                self.add_error("ids", str(error))
            except ConnectorError as error:
                self.add_error("ids", sentence(error))
        return values

    def wanted(self) -> Wanted:
        values = self.cleaned_data
        limit = values["limit"]
        if values["dry_run"]:
            limit = min(limit or REHEARSED_HERE, REHEARSED_HERE)
        return Wanted(
            values["sync"], values["where"], values["since"], values["until"], limit, values["dry_run"],
            self.chosen.ids, Reading(values["reading"]) if values["reading"] else None,
        )  # fmt: skip


@admin.register(Backfill)
class BackfillAdmin(LogModelAdmin):
    empty = (
        "No backfill yet",
        "A backfill writes the records that were there before a sync was switched on: see Backfill on its page.",
    )
    empty_next = ("admin:syncs_sync_changelist", "Syncs")
    list_display = ("started", "sync", "marked_state", "is_rehearsal", "progress", "counts", "reason")
    list_filter = ("state", "sync")
    list_select_related = ("sync", "run")
    change_form_before_template = "hub/backfill_progress.html"
    buttons = ("resume", "cancel", "records")
    fields = ("sync", "started", "asked", "plan_in_words", "shown_reasons", "shown_samples")
    readonly_fields = ("started", "asked", "plan_in_words", "shown_reasons", "shown_samples")

    @admin.display(description="started (UTC)", ordering="id")
    def started(self, obj: Backfill) -> str:
        return pills.time(obj.run.started_at)

    @admin.display(description="state", ordering="state")
    def marked_state(self, obj: Backfill) -> str:
        return pills.of_choice(obj.state, obj.get_state_display())

    @admin.display(description="dry run", boolean=True)
    def is_rehearsal(self, obj: Backfill) -> bool:
        return obj.dry_run

    @admin.display(description="progress")
    def progress(self, obj: Backfill) -> str:
        return f"{percent(obj)} % of {obj.expected:,}" if obj.expected else counted(obj.run.read, "record")

    @admin.display(description="balance")
    def counts(self, obj: Backfill) -> str:
        return backfill_words.balance(obj.run)

    @admin.display(description="asked for")
    def asked(self, obj: Backfill) -> str:
        parts = {
            "ids": obj.plan.get("ids") and f"of a list of {obj.plan['ids']:,}",
            "where": obj.where,
            "modified since": obj.since and f"{obj.since:%Y-%m-%d %H:%M} UTC",
            "modified before": obj.until and f"{obj.until:%Y-%m-%d %H:%M} UTC",
            "at most": obj.limit and f"{obj.limit:,}",
        }
        return "; ".join(f"{name} {value}" for name, value in parts.items() if value) or "all records"

    @admin.display(description="quote")
    def plan_in_words(self, obj: Backfill) -> str:
        plan = obj.plan
        if not plan:
            return "–"
        calls = ", ".join(f"{counted(count, 'call')} to {name}" for name, count in plan["calls"].items())
        took = backfill_words.duration(plan["seconds"])
        if not plan.get("counted", True):
            return f"How many was not told; for each {FOR_EACH:,}: {calls}, {took}. {plan['strategy']}."
        return f"{counted(plan['records'], 'record')}, {calls}, {took}. {plan['strategy']}. {of_choice(plan)}".rstrip()

    @admin.display(description="reasons")
    def shown_reasons(self, obj: Backfill) -> str:
        return ", ".join(backfill_words.reasons(obj.run)) or "–"

    @admin.display(description="samples")
    def shown_samples(self, obj: Backfill) -> str:
        found = [
            (title, json.dumps(kept, indent=2, ensure_ascii=False))
            for title, kept in backfill_words.samples(obj)
        ]
        return format_html_join("", '<p>What {}:</p><pre class="hub-json">{}</pre>', found) or "–"

    def get_buttons(self, request: HttpRequest, obj: Backfill) -> tuple[str, ...]:
        buttons = ["records"]
        if obj.state in OPEN:
            buttons.append("cancel")
        if obj.state in (BackfillState.PAUSED, BackfillState.FAILED) and not obj.dry_run:
            buttons.insert(0, "resume")
        return tuple(buttons)

    def get_panel(self, request: HttpRequest, obj: Backfill) -> Panel:
        words = [] if obj.state != BackfillState.FAILED else [obj.reason]
        return Panel(pills=(self.marked_state(obj),), problems=words)

    @button("Go on now", icon="play_arrow", tone="primary")
    def resume(self, request: HttpRequest, obj: Backfill) -> None:
        try:
            backfill.resume(obj, timezone.now())
        except BackfillError as error:
            messages.error(request, str(error))
            return
        self._wake(request, obj)

    @button("Cancel", icon="cancel", confirm="Stop it for good? What was sent stays there.")
    def cancel(self, request: HttpRequest, obj: Backfill) -> None:
        if backfill.cancel(obj, timezone.now()):
            messages.success(request, "Cancelled. Batches that are on their way still arrive.")
        else:
            messages.warning(request, "It had ended already.")

    @button("Its records", icon="list_alt", page=True)
    def records(self, request: HttpRequest, obj: Backfill) -> HttpResponse:
        listed = reverse("admin:syncs_recordlink_changelist")
        return HttpResponseRedirect(f"{listed}?run__id__exact={obj.run_id}")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("syncs.add_backfill"))

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.progress_view)
        return [path("<path:object_id>/progress/", view, name="syncs_backfill_progress"), *super().get_urls()]

    def progress_view(self, request: HttpRequest, object_id: str) -> JsonResponse:
        """Say how it stands; the page asks every second."""
        obj = self.get_object(request, object_id)
        if obj is None or not self.has_view_permission(request, obj):
            raise PermissionDenied
        return JsonResponse(standing(obj))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask what is wanted, quote it, and start it when the quote is agreed to."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = BackfillForm(request.POST or None, initial={"sync": request.GET.get("sync")})
        lines: list[str] = []
        if request.method == "POST" and form.is_valid():
            try:
                wanted = form.wanted()
                quote = backfill_plan.quote(wanted, timezone.now())
                if "start" in request.POST:
                    return HttpResponseRedirect(self.page_of(self._start(request, wanted, quote)))
                lines = [*form.chosen.remarks, *backfill_words.of_quote(quote)]
            except BackfillError as error:
                form.add_error(None, str(error))
            except ConnectorError as error:
                field = "ids" if form.chosen.ids else "where"
                is_asked = error.code == "query" or (isinstance(error, RejectedError) and bool(wanted.where))
                form.add_error(field if is_asked else None, sentence(error))
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "form": form, "lines": lines,
            "title": "Start a backfill",
        }  # fmt: skip
        return render(request, "hub/backfill_start.html", context)

    def _start(self, request: HttpRequest, wanted: Wanted, quote: Quote) -> Backfill:
        started = backfill.start(wanted, quote, timezone.now())
        self.log_addition(request, started, "Started.")
        if wanted.dry_run:
            backfill.work(started, first=quote.first)
        else:
            self._wake(request, started)
        return started

    def _wake(self, request: HttpRequest, obj: Backfill) -> None:
        now = timezone.now()
        count = backfill_queue.wake(obj, now)
        if backfill_queue.has_workers(now):
            messages.success(request, f"{counted(count, 'part')} handed to the workers.")
        else:
            messages.warning(
                request, "No worker of the queue “sync” is running. It begins when one is started."
            )


@admin.register(RecordLink)
class RecordLinkAdmin(IndexSearch, LogModelAdmin):
    """Each record's fate under its sync."""

    empty = ("No record was met yet", "Each record that a sync or a backfill decides on is listed here.")
    empty_next = ("admin:syncs_sync_changelist", "Syncs")
    list_display = ("record", "sync", "marked_state", "match_value", "reason", "written")
    list_filter = ("state", "sync")
    list_select_related = ("sync",)
    search_fields = ("record_id", "match_value")
    search_within = "sync"
    search_help_text = "The record's id, or its e-mail or user id at the destination."
    fields = (
        "record", "sync", "marked_state", "reason", "match_value", "remote_id", "version", "written", "corrected",
    )  # fmt: skip
    readonly_fields = fields

    @admin.display(description="corrections")
    def corrected(self, obj: RecordLink) -> str:
        held = Correction.objects.filter(sync=obj.sync_id, record_id=obj.record_id).order_by("-made_at")
        return format_html_join(
            "", '<div><a class="hub-link" href="{}">{}</a> {} by {}, {} UTC. {}</div>',
            (
                (
                    reverse("admin:syncs_correction_change", args=[one.pk]), one.source or "All of it",
                    f"becomes “{one.value}”" if one.kind == CorrectionKind.VALUE else "is left out",
                    one.made_by, f"{one.made_at:%Y-%m-%d %H:%M}", one.note,
                )
                for one in held
            ),
        ) or "–"  # fmt: skip

    @admin.display(description="record")
    def record(self, obj: RecordLink) -> str:
        address = reverse("console:timeline_record", args=[obj.record_id])
        return format_html('<a class="hub-link" href="{}">{}</a>', address, obj.record_id)

    @admin.display(description="fate", ordering="state")
    def marked_state(self, obj: RecordLink) -> str:
        return pills.of_choice(obj.state, obj.get_state_display())

    @admin.display(description="modified there (UTC)")
    def version(self, obj: RecordLink) -> str:
        return pills.time(obj.version_at)

    @admin.display(description="last written (UTC)")
    def written(self, obj: RecordLink) -> str:
        return pills.time(obj.written_at)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup == "run__id__exact" or bool(super().lookup_allowed(lookup, value, request))


def percent(obj: Backfill) -> int:
    if obj.state == BackfillState.DONE:
        return 100
    return min(100, 100 * obj.run.read // obj.expected) if obj.expected else 0


def standing(obj: Backfill) -> dict[str, Any]:
    """Return what the page shows while it goes on."""
    return {
        "open": obj.state in OPEN,
        "percent": percent(obj),
        "read": obj.run.read,
        "expected": obj.expected,
        "words": backfill_words.of_backfill(obj),
        "calls": obj.run.calls,
    }
