"""Runs and callouts as logs."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html

from integration_hub.admin import LogModelAdmin
from integration_hub.connectors.moments import lasting
from integration_hub.console import pills
from integration_hub.console.buttons import Panel
from integration_hub.console.filters import AmongNewest, period
from syncs.models import CalloutLog, SyncRun
from syncs.models.runs import RunState


@admin.register(SyncRun)
class SyncRunAdmin(LogModelAdmin):
    empty = (
        "Nothing ran yet",
        "Start the workers (make run), or poll a stream by hand.",
    )
    empty_next = ("admin:syncs_stream_changelist", "Streams")
    list_display = ("started", "kind", "of", "marked_state", "counts", "calls", "took", "error")
    list_filter = (period("started_at", "started"), "kind", ("state", AmongNewest), "connection")
    list_select_related = ("stream__connection", "connection")
    fields = ("kind", "of", "marked_state", "started", "took", "counts", "shown_reasons", "calls", "error")
    readonly_fields = ("of", "marked_state", "started", "took", "counts", "shown_reasons")

    @admin.display(description="started (UTC)", ordering="started_at")
    def started(self, obj: SyncRun) -> str:
        return pills.time(obj.started_at)

    @admin.display(description="of")
    def of(self, obj: SyncRun) -> Any:
        connection = obj.connection or (obj.stream.connection if obj.stream else None)
        return format_html("{} {}", obj.stream or connection or "–", pills.environment(connection))

    @admin.display(description="state")
    def marked_state(self, obj: SyncRun) -> str:
        return pills.of_choice(obj.state, obj.get_state_display())

    @admin.display(description="balance")
    def counts(self, obj: SyncRun) -> str:
        return balance(obj)

    @admin.display(description="reasons")
    def shown_reasons(self, obj: SyncRun) -> str:
        return ", ".join(f"{name.replace('_', ' ')}: {n}" for name, n in sorted(obj.reasons.items())) or "–"

    @admin.display(description="took")
    def took(self, obj: SyncRun) -> str:
        if obj.finished_at is None:
            return "–"
        return lasting(obj.finished_at - obj.started_at)

    def get_panel(self, request: HttpRequest, obj: SyncRun) -> Panel:
        problems = [obj.error] if obj.error else []
        if obj.state == RunState.UNBALANCED:
            problems.append(f"{obj.read} were read but {obj.accounted} are accounted for.")
        return Panel(pills=(self.marked_state(obj),), sentences=(balance(obj),), problems=problems)


@admin.register(CalloutLog)
class CalloutLogAdmin(LogModelAdmin):
    empty = (
        "No vendor was called yet",
        "Check a connection: that is one call.",
    )
    empty_next = ("admin:syncs_connection_changelist", "Connections")
    list_display = ("when", "connection_named", "purpose", "method", "url", "answer", "milliseconds", "error")
    list_filter = (period("at"), "connection")
    list_select_related = ("connection",)
    fields = (
        "when", "connection_named", "purpose", "method", "url", "answer", "milliseconds", "bytes_out",
        "bytes_in", "error",
    )  # fmt: skip
    readonly_fields = ("when", "connection_named", "answer")

    @admin.display(description="when (UTC)", ordering="at")
    def when(self, obj: CalloutLog) -> str:
        return pills.time(obj.at)

    @admin.display(description="connection")
    def connection_named(self, obj: CalloutLog) -> str:
        return pills.named(obj.connection)

    @admin.display(description="answer", ordering="status")
    def answer(self, obj: CalloutLog) -> str:
        if obj.status is None:
            return pills.pill("no answer", "red")
        return pills.pill(obj.status, "green" if obj.status < 400 else "red")


def balance(run: SyncRun) -> str:
    """Say what became of what was read; only what is not nothing."""
    parts = {
        "delivered": run.delivered,
        "unchanged": run.unchanged,
        "skipped": run.skipped,
        "waiting": run.waiting,
        "dead": run.dead,
    }
    named = " + ".join(f"{count:,} {name}" for name, count in parts.items() if count)
    sign = "=" if run.balances else "≠"
    return f"{run.read:,} read {sign} {named or '0'}"
