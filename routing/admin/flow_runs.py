"""Runs of flows as a log: where each stands, everything it tried, and the verbs that move it by hand."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html

from integration_hub.connectors.moments import lasting
from integration_hub.console import pills
from integration_hub.console.buttons import Panel
from integration_hub.console.filters import period
from routing.admin.flow_run_verbs import RunVerbs
from routing.flows import search as flow_search
from routing.models import FlowRun, FlowStep
from routing.models.flows import RunStage
from syncs.models import InboundEvent


class StageFilter(admin.ChoicesFieldListFilter):
    """The open stages by the small index of what is open."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[FlowRun]) -> QuerySet[FlowRun] | None:
        chosen = request.GET.get(self.lookup_kwarg)
        is_open = chosen in RunStage.values and chosen not in (RunStage.DONE, RunStage.CANCELED)
        return super().queryset(request, queryset.filter(ended_at=None) if is_open else queryset)


class StepFilter(admin.SimpleListFilter):
    """The steps of the flow that is chosen beside it."""

    title = "step"
    parameter_name = "step"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        steps = FlowStep.objects.filter(flow_id=_number(request.GET.get("flow__id__exact", "")))
        return [(str(step.pk), step.name) for step in steps]

    def queryset(self, request: HttpRequest, queryset: QuerySet[FlowRun]) -> QuerySet[FlowRun]:
        step = _number(self.value() or "")
        return queryset.filter(step_id=step) if step else queryset


@admin.register(FlowRun)
class FlowRunAdmin(RunVerbs):
    empty = (
        "No flow has run yet",
        "Once a flow is on, each event that starts it appears here with every step it took.",
    )
    empty_next = ("admin:routing_flow_changelist", "Flows")
    change_form_outer_before_template = "hub/flow_history.html"
    list_display = ("number", "flow", "subject", "marked_stage", "at_step", "why", "began", "ended")
    list_display_links = ("number",)
    list_filter = (
        "flow",
        ("stage", StageFilter),
        StepFilter,
        "event__source",
        period("started_at", "started"),
    )
    list_select_related = ("flow", "step", "event")
    search_fields = ("subject",)
    search_help_text = (
        "A subject, an event's id, a record's id at the vendor, or an e-mail in one of the newest "
        f"{flow_search.NEWEST:,} events."
    )
    fields = (
        "flow",
        "linked_event",
        "subject",
        "marked_stage",
        "at_step",
        "due",
        "began",
        "ended",
        "kept",
    )
    readonly_fields = ("linked_event", "marked_stage", "at_step", "due", "began", "ended", "kept")

    def get_queryset(self, request: HttpRequest) -> QuerySet[FlowRun]:
        rows: QuerySet[FlowRun] = super().get_queryset(request)
        return rows.defer("event__body", "event__data")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[FlowRun], search_term: str
    ) -> tuple[QuerySet[FlowRun], bool]:
        return (flow_search.runs(search_term, queryset) if search_term.strip() else queryset), False

    @admin.display(description="run", ordering="id")
    def number(self, obj: FlowRun) -> str:
        return f"{obj.pk}"

    @admin.display(description="stage")
    def marked_stage(self, obj: FlowRun) -> str:
        return pills.of_choice(obj.stage, obj.get_stage_display())

    @admin.display(description="step")
    def at_step(self, obj: FlowRun) -> str:
        return obj.step.name if obj.step else "–"

    @admin.display(description="why")
    def why(self, obj: FlowRun) -> str:
        return format_html('<span class="hub-why">{}</span>', obj.reason) if obj.reason else ""

    @admin.display(description="started (UTC)", ordering="started_at")
    def began(self, obj: FlowRun) -> str:
        return pills.time(obj.started_at)

    @admin.display(description="ended (UTC)")
    def ended(self, obj: FlowRun) -> str:
        return pills.time(obj.ended_at)

    @admin.display(description="due (UTC)")
    def due(self, obj: FlowRun) -> str:
        return pills.time(obj.due_at)

    @admin.display(description="event")
    def linked_event(self, obj: FlowRun) -> str:
        try:
            address = reverse("admin:syncs_inboundevent_change", args=[obj.event_id])
        except NoReverseMatch:
            return str(obj.event)
        return format_html('<a class="hub-link" href="{}">{}</a>', address, obj.event)

    @admin.display(description="session")
    def kept(self, obj: FlowRun) -> str:
        shown = json.dumps(obj.session, indent=2, ensure_ascii=False)
        return (
            format_html('<pre class="hub-json">{}</pre>', shown)
            if obj.session
            else "Nothing is remembered yet."
        )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        obj: FlowRun = kwargs["obj"]
        names = dict(FlowStep.objects.filter(flow_id=obj.flow_id).values_list("key", "name"))
        tries = [
            (one, *(names.get(key, key) for key in (one.step_key, one.next_key))) for one in obj.history.all()
        ]
        more = {"tries": tries, "event": InboundEvent.objects.defer("body").get(pk=obj.event_id)}
        return super().render_change_form(request, {**context, **more}, *args, **kwargs)

    def get_panel(self, request: HttpRequest, obj: FlowRun) -> Panel:
        where = (
            f"It stands at “{obj.step}” of {obj.flow}."
            if obj.step and not obj.ended_at
            else f"A run of {obj.flow}."
        )
        sentences = [where]
        if not obj.ended_at:
            sentences.append(f"It started {lasting(timezone.now() - obj.started_at)} ago.")
        if not obj.flow.enabled and not obj.ended_at:
            sentences.append("Its flow is off, so it stands still.")
        if obj.remedy:
            sentences.append(f"What to do: {obj.remedy}")
        return Panel(
            pills=(self.marked_stage(obj),), sentences=sentences, problems=[obj.reason] if obj.reason else []
        )


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
