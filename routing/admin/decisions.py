"""Decisions and alerts as logs: what the rules said, and what came of it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from integration_hub.admin import LogModelAdmin
from integration_hub.connectors.moments import lasting
from integration_hub.console import pills
from integration_hub.console.buttons import Panel
from integration_hub.console.filters import AmongNewest, AmongNewestOf, period
from routing.models import Alert, Decision
from syncs.models import Change


@admin.register(Decision)
class DecisionAdmin(LogModelAdmin):
    empty = (
        "No rule has decided anything yet",
        "Once a rule is on, what it says about each change appears here, with its reasons, also when it sends nothing.",
    )
    empty_next = ("admin:routing_rule_changelist", "Rules")
    list_display = ("decided", "record", "rule", "marked_verdict", "reason", "text")
    list_display_links = ("decided",)
    list_filter = (period("decided_at", "decided"), "rule", ("verdict", AmongNewest), ("reason", AmongNewest))
    list_select_related = ("change", "rule")
    search_fields = ("change__record_id__exact",)
    search_help_text = "The record's id."
    fields = ("record", "rule", "marked_verdict", "reason", "text", "said", "triggered", "decided", "held")
    readonly_fields = ("record", "marked_verdict", "said", "triggered", "decided", "held")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Decision]:
        rows: QuerySet[Decision] = super().get_queryset(request)
        return rows.defer("change__values")

    @admin.display(description="record")
    def record(self, obj: Decision) -> str:
        return linked(obj.change)

    @admin.display(description="verdict")
    def marked_verdict(self, obj: Decision) -> str:
        return pills.of_choice(obj.verdict, obj.get_verdict_display())

    @admin.display(description="criteria")
    def said(self, obj: Decision) -> str:
        rows = [
            ("yes" if matched else "no", "✓" if matched else "✗", n, text) for n, matched, text in obj.rows
        ]
        return format_html_join("", '<div class="hub-row hub-row-{}"><b>{}</b> {}. {}</div>', rows) or "–"

    @admin.display(description="event at the vendor (UTC)")
    def triggered(self, obj: Decision) -> str:
        return pills.time(obj.trigger_at)

    @admin.display(description="decided (UTC)", ordering="decided_at")
    def decided(self, obj: Decision) -> str:
        return pills.time(obj.decided_at)

    @admin.display(description="held until (UTC)")
    def held(self, obj: Decision) -> str:
        return pills.time(obj.hold_until)

    def get_panel(self, request: HttpRequest, obj: Decision) -> Panel:
        return Panel(pills=(self.marked_verdict(obj),), sentences=(obj.text,))


@admin.register(Alert)
class AlertAdmin(LogModelAdmin):
    empty = (
        "No alerts yet",
        "Once a rule is on and a record matches, each message and its fate appear here.",
    )
    empty_next = ("admin:routing_rule_changelist", "Rules")
    list_display = ("created", "record", "rule", "whom", "role", "fate", "took", "why")
    list_display_links = ("created",)
    list_filter = (("decision__rule", AmongNewestOf), ("role", AmongNewest))
    list_select_related = ("decision__change", "decision__rule", "delivery__connection", "person")
    search_fields = ("decision__change__record_id__exact",)
    search_help_text = "The record's id."
    fields = ("record", "rule", "whom", "role", "fate", "took", "why", "delivery")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alert]:
        rows: QuerySet[Alert] = super().get_queryset(request)
        return rows.defer("decision__change__values")

    @admin.display(description="created (UTC)")
    def created(self, obj: Alert) -> str:
        return pills.time(obj.delivery.created_at)

    @admin.display(description="record")
    def record(self, obj: Alert) -> str:
        return linked(obj.decision.change)

    @admin.display(description="rule")
    def rule(self, obj: Alert) -> str:
        return obj.decision.rule.name

    @admin.display(description="to")
    def whom(self, obj: Alert) -> Any:
        name = pills.addressee(obj.person.name if obj.person else "", obj.delivery.lane)
        return format_html("{} {}", name, pills.environment(obj.delivery.connection))

    @admin.display(description="fate")
    def fate(self, obj: Alert) -> str:
        return pills.of_choice(obj.delivery.state, obj.delivery.get_state_display())

    @admin.display(description="after the event")
    def took(self, obj: Alert) -> str:
        if obj.delivery.settled_at is None:
            return "–"
        return lasting(obj.delivery.settled_at - obj.decision.trigger_at)

    @admin.display(description="why")
    def why(self, obj: Alert) -> str:
        return " ".join(part for part in (obj.delivery.error, obj.delivery.remedy) if part)


def linked(change: Change) -> str:
    address = reverse("console:timeline_record", args=[change.record_id])
    return format_html('<a class="hub-link" href="{}">{}</a>', address, change.title or change.record_id)
