"""Flows: drawn, checked, tried on an event, and switched on."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from integration_hub.admin import HubInline, HubModelAdmin, ReadOnlyInline
from integration_hub.console import pills, switching
from integration_hub.console.buttons import Panel, button
from routing.admin.flow_form import CriterionForm, CriterionFormSet, FlowForm
from routing.flows import book as flowbook
from routing.flows import counts as flow_counts
from routing.flows import switch as flow_switch
from routing.flows import trial as flow_trial
from routing.flows.design import check as flow_check
from routing.flows.design import diagram as flow_diagram
from routing.flows.design.draft import FlowDraft, StepDraft, draft_of
from routing.models import Flow, FlowCriterion, FlowRun, FlowStep
from routing.models.flows import RunStage

RUNS = "admin:routing_flowrun_changelist"
STAGES = {"here": RunStage.READY, "waiting": RunStage.SENDING, "parked": RunStage.PARKED}


class CriterionInline(HubInline):
    model = FlowCriterion
    form = CriterionForm
    formset = CriterionFormSet
    verbose_name = "condition"
    verbose_name_plural = "start conditions: all must hold"


class StepInline(ReadOnlyInline):
    model = FlowStep
    verbose_name_plural = "steps: the first by position starts a run"
    fields = ("position", "opened", "kind", "what", "onward")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> Any:
        return (
            super().get_queryset(request).select_related("connection").prefetch_related("transitions__target")
        )

    @admin.display(description="step")
    def opened(self, obj: FlowStep) -> str:
        address = reverse("admin:routing_flowstep_change", args=[obj.pk])
        return format_html(
            '<a class="hub-link" href="{}">{}</a> <small class="hub-small">{}</small>', address, obj, obj.key
        )

    @admin.display(description="what it does")
    def what(self, obj: FlowStep) -> str:
        return flow_diagram.kind_in_words(obj)

    @admin.display(description="leads to")
    def onward(self, obj: FlowStep) -> str:
        return "; ".join(f"{row.outcome} → {row.target}" for row in obj.transitions.all()) or "–"


@admin.register(Flow)
class FlowAdmin(HubModelAdmin):
    empty = (
        "No flows yet",
        "A flow says what follows from an event, step by step: such as a company and a contact for a new customer.",
    )
    form = FlowForm
    change_form_outer_before_template = "hub/flow_panel.html"
    list_display = ("name", "switched", "source", "event_name", "waits_for", "open_runs", "parked_runs")
    list_display_links = ("name",)
    list_filter = ("enabled", "source")
    list_select_related = ("source", "waits_for")
    search_fields = ("name", "key")
    prepopulated_fields = {"key": ("name",)}
    inlines = (StepInline, CriterionInline)
    buttons = ("test_run", "add_step", "runs", "duplicate", "enable", "disable")
    fieldsets = (
        (None, {"fields": ("name", "key")}),
        ("Started by", {"fields": ("source", "event_name")}),
        ("One after the other", {"fields": ("subject_path", "waits_for", "wait_seconds")}),
    )

    @admin.display(description="state", ordering="enabled")
    def switched(self, obj: Flow) -> str:
        return pills.pill("On", "green") if obj.enabled else pills.pill("Off", "gray")

    def get_queryset(self, request: HttpRequest) -> Any:
        """Count the open runs of each flow; those that ended, the most by far, are not looked at."""
        of_each = FlowRun.objects.standing().filter(flow=OuterRef("pk")).order_by().values("flow")
        counted = of_each.annotate(number=Count("pk")).values("number")
        parked = counted.filter(stage=RunStage.PARKED)
        rows = super().get_queryset(request)
        return rows.annotate(open_count=Subquery(counted), parked_count=Subquery(parked))

    @admin.display(description="open runs")
    def open_runs(self, obj: Any) -> str:
        return f"{obj.open_count or 0:,}"

    @admin.display(description="parked")
    def parked_runs(self, obj: Any) -> str:
        return pills.pill(f"{obj.parked_count:,}", "red") if obj.parked_count else "–"

    def get_readonly_fields(self, request: HttpRequest, obj: Flow | None = None) -> tuple[str, ...]:
        return ("key", "source") if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Flow | None = None) -> Any:
        return {} if obj else self.prepopulated_fields

    def get_inlines(self, request: HttpRequest, obj: Flow | None) -> Any:
        return self.inlines if obj else (CriterionInline,)

    def get_panel(self, request: HttpRequest, obj: Flow) -> Panel:
        if obj.enabled:
            words = f"On: each “{obj.event_name}” of {obj.source} that meets the conditions starts a run."
        else:
            words = "Off: nothing starts it, and runs on their way stand still. Try it, then enable it."
        return Panel(pills=(self.switched(obj),), sentences=(words,))

    def get_buttons(self, request: HttpRequest, obj: Flow) -> tuple[str, ...]:
        others = tuple(name for name in self.buttons if name not in ("enable", "disable", "add_step"))
        adding = ("add_step",) if request.user.has_perm("routing.add_flowstep") else ()
        return (others[0], *adding, *others[1:], "disable" if obj.enabled else "enable")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        obj = kwargs.get("obj")
        if obj is not None and obj.pk:
            draft = draft_of(Flow.objects.select_related("source", "waits_for").get(pk=obj.pk))
            found = flow_check.problems(draft)
            faulty = {one.step for one in found if not one.warning}
            context["drawing"] = flow_diagram.drawn(
                draft, flow_counts.by_step(obj), _linked(draft, request), faulty
            )
            context["findings"] = [(one, flow_switch.placed(one), _address(draft, one.step)) for one in found]
        return super().render_change_form(request, context, *args, **kwargs)

    @button("Test run", icon="science", tone="primary", page=True)
    def test_run(self, request: HttpRequest, obj: Flow) -> HttpResponse:
        """Walk an event through the stored flow; a POST carries event and outcomes, and stores nothing."""
        booked = flowbook.load(Flow.objects.filter(pk=obj.pk))[obj.pk]
        sample = draft_of(obj).event_type
        text = request.POST.get("event") or json.dumps(
            sample.sample if sample else {}, indent=2, ensure_ascii=False
        )
        outcomes = {step.key: request.POST.get(f"outcome-{step.key}", "ok") for step in booked.steps}
        outcomes = {key: one if one in flow_trial.CHOICES else "ok" for key, one in outcomes.items()}
        trial, error = None, ""
        try:
            trial = flow_trial.run(booked, json.loads(text), outcomes, timezone.now())
        except ValueError as failure:
            error = f"The event is not JSON: {failure}."
        except RecursionError:
            error = "The event is nested too deeply."
        asked = [step for step in booked.steps if step.kind in ("write", "tie", "call")]
        context = {
            **self.admin_site.each_context(request),
            "title": "Test run", "flow": obj, "trial": trial, "error": error, "text": text,
            "asked": [(step, outcomes[step.key]) for step in asked], "choices": flow_trial.CHOICES.items(),
            "back": self.page_of(obj), "subject": obj,
        }  # fmt: skip
        return render(request, "hub/flow_trial.html", context)

    @button("Add a step", icon="add", page=True, needs="routing.add_flowstep")
    def add_step(self, request: HttpRequest, obj: Flow) -> HttpResponse:
        last = obj.steps.order_by("-position").values_list("position", flat=True).first() or 0
        known = urlencode({"flow": obj.pk, "position": last + 1})
        return HttpResponseRedirect(f"{reverse('admin:routing_flowstep_add')}?{known}")

    @button("Runs", icon="directions_run", page=True)
    def runs(self, request: HttpRequest, obj: Flow) -> HttpResponse:
        return HttpResponseRedirect(f"{reverse(RUNS)}?{urlencode({'flow__id__exact': obj.pk})}")

    @button("Duplicate", icon="content_copy")
    def duplicate(self, request: HttpRequest, obj: Flow) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        copy = flow_switch.duplicate(obj)
        messages.success(request, f"This is {copy}, switched off. Rename it and change what differs.")
        return HttpResponseRedirect(self.page_of(copy))

    @button("Enable", icon="toggle_on")
    def enable(self, request: HttpRequest, obj: Flow) -> HttpResponse | None:
        if asked := switching.choice(obj.origin):
            return asked
        in_the_way = flow_switch.enable(obj)
        for one in in_the_way:
            messages.error(request, one)
        if not in_the_way:
            self.log_change(request, obj, "Enabled.")
            switching.note(request, obj.origin, on=True)
            messages.success(request, f"{obj} is on, for events that come from now.")
        return None

    @button(
        "Disable",
        icon="toggle_off",
        confirm="Runs on their way will stand still until it is enabled. Disable it?",
    )
    def disable(self, request: HttpRequest, obj: Flow) -> None:
        flow_switch.disable(obj)
        switching.note(request, obj.origin, on=False)
        self.log_change(request, obj, "Disabled.")
        messages.success(request, f"{obj} is off. Its open runs stand still where they are.")

    def delete_model(self, request: HttpRequest, obj: Flow) -> None:
        flow_switch.remove(obj, timezone.now())

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        for one in getattr(form.instance, "warnings", ()):
            messages.warning(request, one)
        if not change:
            messages.info(request, "The flow is still off. Add its steps, try it, then enable it.")


def _linked(draft: FlowDraft, request: HttpRequest) -> flow_diagram.Link:
    may_see = request.user.has_perm("routing.view_flowrun")

    def link(one: StepDraft, what: str) -> str:
        if what == "step":
            return reverse("admin:routing_flowstep_change", args=[one.step.pk])
        query = urlencode(
            {"flow__id__exact": draft.flow.pk, "step": one.step.pk, "stage__exact": STAGES[what].value}
        )
        return f"{reverse(RUNS)}?{query}" if may_see else ""

    return link


def _address(draft: FlowDraft, key: str) -> str:
    step = draft.step(key)
    return reverse("admin:routing_flowstep_change", args=[step.step.pk]) if step else ""
