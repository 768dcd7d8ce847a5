"""The change queue as a log."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from integration_hub.admin import LogModelAdmin
from integration_hub.console import pills
from integration_hub.console.buttons import Panel
from integration_hub.console.filters import AmongNewest, WaitingFilter, period
from syncs.changes import begins_with
from syncs.models import Change


@admin.register(Change)
class ChangeAdmin(LogModelAdmin):
    empty = (
        "Nothing was read yet",
        "Changes come from streams: poll one, and what changed since its first poll appears here.",
    )
    empty_next = ("admin:syncs_stream_changelist", "Streams")
    list_display = ("title_or_id", "stream", "modified", "captured", "marked_state", "timeline")
    list_display_links = ("title_or_id",)
    list_filter = (period("captured_at", "captured"), "stream", WaitingFilter, ("origin", AmongNewest))
    list_select_related = ("stream__connection",)
    search_fields = ("record_id__exact", "email__exact", "title_key__startswith")
    search_help_text = "Record id, e-mail, or the beginning of the name."
    fields = (
        "stream", "record_id", "title", "email", "owner_id", "link", "version", "created", "modified",
        "captured", "routed", "origin", "marked_state", "shown_values",
    )  # fmt: skip
    readonly_fields = (
        "link", "created", "modified", "captured", "routed", "marked_state", "shown_values"
    )  # fmt: skip

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """Look a term up as a whole, case-folded as the columns are, so that the indexes serve."""
        term = search_term.strip()
        if not term:
            return queryset, False
        folded = term.casefold()
        by_id = Change.objects.filter(record_id=term).values("pk")
        by_email = Change.objects.filter(email=folded).values("pk")
        by_title = Change.objects.filter(begins_with("title_key", folded)).values("pk")
        return queryset.filter(pk__in=by_id.union(by_email, by_title)), False

    @admin.display(description="record")
    def title_or_id(self, obj: Change) -> str:
        return obj.title or obj.record_id

    @admin.display(description="created there (UTC)")
    def created(self, obj: Change) -> str:
        return pills.time(obj.created_at)

    @admin.display(description="changed there (UTC)")
    def modified(self, obj: Change) -> str:
        return pills.time(obj.modified_at)

    @admin.display(description="captured (UTC)", ordering="captured_at")
    def captured(self, obj: Change) -> str:
        return pills.time(obj.captured_at)

    @admin.display(description="routed (UTC)")
    def routed(self, obj: Change) -> str:
        return pills.time(obj.routed_at)

    @admin.display(description="state")
    def marked_state(self, obj: Change) -> str:
        return pills.of_choice(obj.state, obj.get_state_display())

    @admin.display(description="link")
    def link(self, obj: Change) -> str:
        if not obj.url.startswith(("https://", "http://")):
            return "–"
        return format_html(
            '<a class="hub-link" href="{}" rel="noreferrer">{}</a>', obj.url, "Open the record"
        )

    @admin.display(description="values")
    def shown_values(self, obj: Change) -> str:
        shown = json.dumps(obj.values, indent=2, ensure_ascii=False, sort_keys=True)
        return format_html('<pre class="hub-json">{}</pre>', shown)

    @admin.display(description="timeline")
    def timeline(self, obj: Change) -> str:
        return format_html('<a class="hub-link" href="{}">{}</a>', timeline_of(obj), "What happened")

    def get_panel(self, request: HttpRequest, obj: Change) -> Panel:
        link = format_html(
            '<a class="hub-link" href="{}">{}</a>', timeline_of(obj), "See everything that happened to it"
        )
        return Panel(pills=(pills.environment(obj.stream.connection),), sentences=(link,))


def timeline_of(change: Change) -> str:
    return reverse("console:timeline_record", args=[change.record_id])
