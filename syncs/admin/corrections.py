"""What people corrected of single records, and how to take it back."""

from __future__ import annotations

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from integration_hub.admin import LogModelAdmin
from integration_hub.console import pills
from integration_hub.console.buttons import Panel, button
from syncs import quality
from syncs.models import Correction
from syncs.models.corrections import CorrectionKind


@admin.register(Correction)
class CorrectionAdmin(LogModelAdmin):
    empty = (
        "No corrections",
        "What is corrected or left out on the page Data quality is listed here, with who did it.",
    )
    empty_next = ("console:quality", "Data quality")
    list_display = ("about", "timeline", "sync", "what", "value", "note", "made_by", "made")
    list_display_links = ("about",)
    list_filter = ("kind", "sync")
    list_select_related = ("sync",)
    search_fields = ("record_id__exact",)
    search_help_text = "Record id."
    buttons = ("take_back",)
    fields = ("timeline", "sync", "about", "what", "value", "note", "made_by", "made")
    readonly_fields = fields

    @admin.display(description="field", ordering="source")
    def about(self, obj: Correction) -> str:
        return obj.source or "the whole record"

    @admin.display(description="record", ordering="record_id")
    def timeline(self, obj: Correction) -> str:
        address = reverse("console:timeline_record", args=[obj.record_id])
        return format_html('<a class="hub-link" href="{}">{}</a>', address, obj.record_id)

    @admin.display(description="correction", ordering="kind")
    def what(self, obj: Correction) -> str:
        tone = "blue" if obj.kind == CorrectionKind.VALUE else "gray"
        return pills.pill(obj.get_kind_display(), tone)

    @admin.display(description="made (UTC)", ordering="made_at")
    def made(self, obj: Correction) -> str:
        return pills.time(obj.made_at)

    def get_panel(self, request: HttpRequest, obj: Correction) -> Panel:
        words = "It holds until the source's value changes. Taken back, the record is read and decided anew."
        return Panel(pills=(self.what(obj),), sentences=(words,))

    def may_act(self, request: HttpRequest) -> bool:
        """Who may correct may take it back."""
        return request.user.has_perm("syncs.change_recordlink")

    @button("Take back", icon="undo", confirm="Take what the source says again?")
    def take_back(self, request: HttpRequest, obj: Correction) -> HttpResponse:
        about = str(obj)
        queued = quality.take_back(obj, timezone.now())
        self.log_change(request, obj.sync, f"Correction of {about} taken back.")
        after = (
            "The record is decided anew."
            if queued
            else "The record is not there any more, or its sync is off."
        )
        messages.success(request, f"The correction of {about} is taken back. {after}")
        return HttpResponseRedirect(reverse("admin:syncs_correction_changelist"))
