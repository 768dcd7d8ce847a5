"""Syncs: a mapping line by line, tried on a live record, exchanged as JSON, and switched on."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from integration_hub.admin import HubInline, HubModelAdmin
from integration_hub.connectors.errors import ConnectorError
from integration_hub.console import pills, switching
from integration_hub.console.buttons import Panel, button, sentence
from syncs import destinations, queues
from syncs.admin.sync_form import LineForm, LineFormSet, SyncForm
from syncs.admin.ties import TieInline
from syncs.engine import schema_check
from syncs.engine.reconcile import engine as reconcile
from syncs.engine.reconcile.engine import ReconcileError
from syncs.mappings import check as mapping_check
from syncs.mappings import preview as mapping_preview
from syncs.mappings import rows as mapping_rows
from syncs.mappings.check import Finding
from syncs.mappings.preview import PreviewError
from syncs.mappings.rows import MappingImportError
from syncs.models import FieldMapping, SchemaCheck, Sync
from syncs.schedules import SYNC
from syncs.wording import counted


class LineInline(HubInline):
    model = FieldMapping
    form = LineForm
    formset = LineFormSet
    verbose_name = "line"
    verbose_name_plural = "mapping"


@admin.register(Sync)
class SyncAdmin(HubModelAdmin):
    form = SyncForm
    list_display = ("name", "switched", "source", "target", "object_type", "match_path", "precedence")
    list_display_links = ("name",)
    list_filter = ("enabled", "stream", "destination")
    list_select_related = ("stream__connection", "destination")
    search_fields = ("name", "key")
    prepopulated_fields = {"key": ("name",)}
    inlines = (LineInline, TieInline)
    buttons = (
        "preview",
        "export_mapping",
        "import_mapping",
        "backfill",
        "reconcile_now",
        "check_fields",
        "enable",
        "disable",
    )
    empty = (
        "No syncs yet",
        "A sync writes the records of a stream to a destination such as HubSpot. It needs a stream and a connection.",
    )
    empty_next = ("admin:syncs_stream_changelist", "Streams")
    conditional_fields = {
        "deleted_path": "when_deleted == 'mark'",
        "when_new": "counterpart != ''",
        "most_writes": "counterpart != ''",
        "within_minutes": "counterpart != ''",
    }
    fieldsets = (
        (None, {"fields": ("name", "key")}),
        ("From and to", {"fields": ("stream", "destination", "object_type", "match_path", "precedence")}),
        ("How it writes", {"fields": ("policy", "external_id_path")}),
        ("When a record is deleted or merged away", {"fields": ("when_deleted", "deleted_path")}),
        (
            "Two-way",
            {
                "fields": ("counterpart", "when_new", "most_writes", "within_minutes"),
                "description": "Only on the way back: the sync that reads from where another one writes. "
                "The two then keep their records alike. A backfill overwrites what was edited there: "
                "finish it before the way back is set up.",
            },
        ),
    )

    @admin.display(description="state", ordering="enabled")
    def switched(self, obj: Sync) -> str:
        return pills.pill("On", "green") if obj.enabled else pills.pill("Off", "gray")

    @admin.display(description="from", ordering="stream__key")
    def source(self, obj: Sync) -> str:
        return format_html("{} {}", obj.stream, pills.environment(obj.stream.connection))

    @admin.display(description="to", ordering="destination__name")
    def target(self, obj: Sync) -> str:
        return pills.named(obj.destination)

    def get_readonly_fields(self, request: HttpRequest, obj: Sync | None = None) -> tuple[str, ...]:
        return ("key",) if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Sync | None = None) -> Any:
        return {} if obj else self.prepopulated_fields

    def get_panel(self, request: HttpRequest, obj: Sync) -> Panel:
        way = format_html("From {} to {}.", pills.named(obj.stream.connection), pills.named(obj.destination))
        words = (
            "On: each change of a record is sent."
            if obj.enabled
            else "Off: nothing is sent. Preview the mapping on a record, then enable it."
        )
        checked = SchemaCheck.objects.filter(origin=obj.origin).first()
        facts = {"Fields checked (UTC)": pills.time(checked.checked_at)} if checked else {}
        problems = (*checked.problems, *checked.unasked) if checked else ()
        return Panel(pills=(self.switched(obj),), sentences=(words, way), facts=facts, problems=problems)

    def get_buttons(self, request: HttpRequest, obj: Sync) -> tuple[str, ...]:
        left_out = {"enable", "disable"}
        if destinations.tells_events(obj):
            left_out |= {"backfill", "reconcile_now"}
        others = [name for name in self.buttons if name not in left_out]
        return (*others, "disable" if obj.enabled else "enable")

    @button("Preview", icon="visibility", tone="primary", page=True)
    def preview(self, request: HttpRequest, obj: Sync) -> HttpResponse:
        asked, found, error = request.GET.get("record", "").strip(), None, ""
        try:
            found = mapping_preview.preview(obj, asked, timezone.now())
        except PreviewError as failure:
            error = str(failure)
        except ConnectorError as failure:
            error = sentence(failure)
        more: dict[str, Any] = {
            "preview": found,
            "error": error,
            "asked": asked,
            "title": f"Preview of {obj}",
        }
        more["two_way"] = bool(obj.counterpart_id or Sync.objects.filter(counterpart=obj).exists())
        return self._page(request, obj, "hub/sync_preview.html", more)

    @button("Export mapping", icon="download", page=True)
    def export_mapping(self, request: HttpRequest, obj: Sync) -> HttpResponse:
        text, left_out = mapping_rows.exported(obj)
        more = {"text": text, "left_out": left_out, "title": f"Mapping of {obj}"}
        return self._page(request, obj, "hub/sync_json.html", more)

    @button("Import mapping", icon="upload", page=True, needs="syncs.change_sync")
    def import_mapping(self, request: HttpRequest, obj: Sync) -> HttpResponse:
        if not self.may_act(request):
            raise PermissionDenied
        text = request.POST.get("mapping") or mapping_rows.exported(obj)[0]
        more: dict[str, Any] = {"text": text, "importing": True, "title": f"Import a mapping into {obj}"}
        if request.method == "POST":
            try:
                more["problems"] = self._imported(request, obj, text)
            except MappingImportError as error:
                more["problems"] = [str(error)]
            if not more["problems"]:
                return HttpResponseRedirect(self.page_of(obj))
        return self._page(request, obj, "hub/sync_json.html", more)

    @button("Backfill", icon="cloud_sync", page=True, needs="syncs.add_backfill")
    def backfill(self, request: HttpRequest, obj: Sync) -> HttpResponse:
        return HttpResponseRedirect(f"{reverse('admin:syncs_backfill_add')}?sync={obj.pk}")

    @button("Reconcile now", icon="rule")
    def reconcile_now(self, request: HttpRequest, obj: Sync) -> HttpResponse | None:
        try:
            one = reconcile.ask(obj, timezone.now())
        except ReconcileError as error:
            messages.error(request, str(error))
            return None
        queues.wake("syncs.tasks.reconcile_sync", obj.pk, queue=SYNC)
        messages.success(request, "The workers compare it now. Load this page again to see how far they are.")
        return HttpResponseRedirect(reverse("admin:syncs_reconciliation_change", args=[one.pk]))

    @button("Check fields", icon="rule_settings")
    def check_fields(self, request: HttpRequest, obj: Sync) -> None:
        found = schema_check.check(obj, timezone.now())
        if found:
            messages.error(
                request, f"{counted(len(found), 'thing')} that it uses would break it; see above the form."
            )
        else:
            messages.success(
                request, "All fields and values that it uses are there, as far as both sides answered."
            )

    @button("Enable", icon="toggle_on")
    def enable(self, request: HttpRequest, obj: Sync) -> HttpResponse | None:
        if asked := switching.choice(obj.origin):
            return asked
        rows = list(obj.mappings.select_related("value_map"))
        found = mapping_check.problems(obj, rows, timezone.now())
        in_the_way = [_placed(one, rows) for one in found if not one.warning]
        for words in in_the_way:
            messages.error(request, words)
        for one in found:
            if one.warning:
                messages.warning(request, _placed(one, rows))
        if not in_the_way:
            Sync.objects.filter(pk=obj.pk).update(enabled=True)
            switching.note(request, obj.origin, on=True)
            messages.success(request, f"{obj} is on: changes are sent from now on.")
        return None

    @button("Disable", icon="toggle_off")
    def disable(self, request: HttpRequest, obj: Sync) -> None:
        Sync.objects.filter(pk=obj.pk).update(enabled=False)
        switching.note(request, obj.origin, on=False)
        messages.success(request, f"{obj} is off. What waits stays where it is.")

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        for one in getattr(form.instance, "warnings", ()):
            messages.warning(request, one)
        if not change:
            messages.info(request, "The sync is still off. Preview it on a record, then enable it.")

    def _imported(self, request: HttpRequest, obj: Sync, text: str) -> list[str]:
        """Store the mapping; return what is in the way instead."""
        rows = mapping_rows.rows_of(obj, mapping_rows.parsed(text))
        found = mapping_check.problems(obj, rows, timezone.now())
        wrong = [_placed(one, rows) for one in found if not one.warning]
        if not wrong:
            count, gone = mapping_rows.replace(obj, rows)
            messages.success(request, f"The mapping has {counted(count, 'line')} now; {gone} removed.")
        for one in found:
            if one.warning and not wrong:
                messages.warning(request, _placed(one, rows))
        return wrong

    def _page(self, request: HttpRequest, obj: Sync, template: str, more: dict[str, Any]) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "sync": obj, "back": self.page_of(obj), **more}
        return render(request, template, context)


def _placed(finding: Finding, rows: list[FieldMapping]) -> str:
    """Return the sentence with the line it is about, for where there is no field to put it at."""
    if isinstance(finding.place, str):
        return finding.message
    row = rows[finding.place[1]]
    return f"{row.source or 'Liquid'} → {row.destination}: {finding.message}"
