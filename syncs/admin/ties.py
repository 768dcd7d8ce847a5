"""Ties: the lines of a sync that name them, and the log of what waits, is tied, or was refused."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from integration_hub.admin import HubInline, LogModelAdmin, ModelForm, SuggestedInput
from integration_hub.console import pills
from integration_hub.console.finding import IndexSearch
from syncs.admin.sync_form import SOURCES
from syncs.mappings import destination_check
from syncs.models import RecordTie, SyncTie


class TieForm(ModelForm):
    class Meta:
        model = SyncTie
        fields = ("source_path", "partner", "label")
        widgets = {"source_path": SuggestedInput(SOURCES)}

    def clean(self) -> dict[str, Any]:
        found = super().clean() or self.cleaned_data
        sync = self.instance.sync if self.instance.sync_id else None
        partner = found.get("partner")
        if sync is not None and sync.destination_id and partner is not None:
            fault = destination_check.tie_problem(SyncTie(sync=sync, partner=partner))
            if fault:
                raise ValidationError({"partner": fault})
        return found


class TieInline(HubInline):
    model = SyncTie
    form = TieForm
    fk_name = "sync"
    verbose_name = "tie"
    verbose_name_plural = "ties to records of other syncs"


@admin.register(RecordTie)
class RecordTieAdmin(IndexSearch, LogModelAdmin):
    list_display = ("record_id", "shown_state", "foreign_id", "tie", "reason", "changed")
    empty = (
        "No ties yet",
        "A sync with ties, such as deals to the contacts of their customers, fills this list as it writes.",
    )
    empty_next = ("admin:syncs_sync_changelist", "Syncs")
    list_filter = ("state", "tie__sync")
    list_select_related = ("tie__partner", "tie__sync")
    search_fields = ("record_id", "foreign_id")
    search_within = "tie"
    search_help_text = "Id of the record, or of the other one"

    @admin.display(description="state", ordering="state")
    def shown_state(self, obj: RecordTie) -> str:
        return pills.of_choice(obj.state, obj.get_state_display())

    @admin.display(description="changed (UTC)", ordering="changed_at")
    def changed(self, obj: RecordTie) -> str:
        return pills.time(obj.changed_at)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).order_by("-pk")
