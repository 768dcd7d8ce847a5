"""Reconciliations as a log: by day, what differs in words, and the repair of it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html

from integration_hub.admin import LogModelAdmin
from integration_hub.console import pills
from integration_hub.console.buttons import Panel, button
from syncs import reconciliation_words
from syncs.engine.reconcile import repair
from syncs.engine.reconcile.engine import ReconcileError
from syncs.models import Reconciliation
from syncs.models.reconciliations import DIFFERENCES, Kind

AT_ONCE = 500


@admin.register(Reconciliation)
class ReconciliationAdmin(LogModelAdmin):
    list_display = (
        "started", "sync", "state", "compared", "missing", "stale", "different", "extra", "repaired",
    )  # fmt: skip
    empty = (
        "No reconciliation yet",
        "The hub makes one a week for each sync that is on, or at once by Reconcile now on the sync's page.",
    )
    empty_next = ("admin:syncs_sync_changelist", "Syncs")
    list_filter = ("sync",)
    list_select_related = ("run", "sync")
    fields = ("by_day", "differing")
    readonly_fields = fields
    buttons = ("repair",)

    @admin.display(description="started (UTC)", ordering="id")
    def started(self, obj: Reconciliation) -> str:
        return pills.time(obj.run.started_at)

    @admin.display(description="state")
    def state(self, obj: Reconciliation) -> str:
        return pills.of_choice(obj.run.state, obj.run.get_state_display())

    @admin.display(description="records")
    def compared(self, obj: Reconciliation) -> str:
        return f"{obj.at_source:,}"

    @admin.display(description="missing")
    def missing(self, obj: Reconciliation) -> str:
        return _marked(obj, Kind.MISSING)

    @admin.display(description="stale")
    def stale(self, obj: Reconciliation) -> str:
        return _marked(obj, Kind.STALE)

    @admin.display(description="different there")
    def different(self, obj: Reconciliation) -> str:
        return _marked(obj, Kind.DIFFERENT)

    @admin.display(description="extra")
    def extra(self, obj: Reconciliation) -> str:
        return _marked(obj, Kind.EXTRA)

    @admin.display(description="by day (UTC)")
    def by_day(self, obj: Reconciliation) -> str:
        days = reconciliation_words.by_day(obj)
        return render_to_string("hub/reconciliation_days.html", {"days": days})

    @admin.display(description="what differs")
    def differing(self, obj: Reconciliation) -> str:
        groups = [(kind.label, obj.examples.get(kind, [])) for kind in DIFFERENCES if obj.examples.get(kind)]
        return render_to_string("hub/reconciliation_list.html", {"groups": groups, "sync": obj.sync})

    def get_panel(self, request: HttpRequest, obj: Reconciliation) -> Panel:
        span = f"{obj.sync}: {reconciliation_words.span(obj)}."
        repaired = [f"{obj.repaired:,} were queued to be written again."] if obj.repaired else []
        problems = [*([obj.run.error] if obj.run.error else []), *obj.warnings]
        return Panel(
            pills=(self.state(obj),),
            sentences=(span, *reconciliation_words.sentences(obj), *repaired),
            problems=problems,
        )

    def get_buttons(self, request: HttpRequest, obj: Reconciliation) -> tuple[str, ...]:
        return ("repair",) if any(obj.left(kind) for kind in DIFFERENCES) else ()

    @button(
        f"Repair up to {AT_ONCE}",
        icon="build",
        tone="primary",
        confirm="The listed records are read again and go the ordinary way: decided, then written. Go on?",
    )
    def repair(self, request: HttpRequest, obj: Reconciliation) -> None:
        try:
            done = repair.repair(obj, AT_ONCE, timezone.now())
        except ReconcileError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, reconciliation_words.of_repair(done))


def _marked(obj: Any, kind: Kind) -> str:
    count = obj.count(kind)
    return pills.pill(f"{count:,}", "amber") if count else format_html("{}", "–")
