"""Steps of flows: what each sends, what it remembers, and where it leads."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from integration_hub.admin import HubInline, HubModelAdmin
from integration_hub.console.buttons import Panel, button
from routing.admin.step_form import (
    LineForm,
    LineFormSet,
    RememberedForm,
    RememberedFormSet,
    StepForm,
    TransitionForm,
    TransitionFormSet,
)
from routing.flows import switch as flow_switch
from routing.flows.design import check as flow_check
from routing.flows.design import diagram as flow_diagram
from routing.flows.design.draft import draft_of
from routing.flows.design.paths import sentence
from routing.models import Flow, FlowStep, StepField, Transition
from routing.models.flows import FieldRole


class SentInline(HubInline):
    model = StepField
    form = LineForm
    formset = LineFormSet
    role: ClassVar[FieldRole] = FieldRole.WRITE
    verbose_name = "field"
    verbose_name_plural = "sent: fields of a record, or of an emitted event"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(role=self.role)


class RememberedInline(SentInline):
    form = RememberedForm
    formset = RememberedFormSet
    role = FieldRole.REMEMBER
    verbose_name = "value"
    verbose_name_plural = "remembered: values kept in the session after the answer"


class TransitionInline(HubInline):
    model = Transition
    fk_name = "step"
    form = TransitionForm
    formset = TransitionFormSet
    verbose_name = "transition"
    verbose_name_plural = "transitions: the first that holds is taken"

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "target":
            kwargs["queryset"] = FlowStep.objects.filter(flow_id=_flow_id(request) or 0)
        field: Any = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "target":
            for name in ("can_add_related", "can_change_related", "can_delete_related", "can_view_related"):
                setattr(field.widget, name, False)
        return field


@admin.register(FlowStep)
class FlowStepAdmin(HubModelAdmin):
    empty = ("No steps yet", "Steps belong to flows: open a flow, then add one.")
    empty_next = ("admin:routing_flow_changelist", "Flows")
    form = StepForm
    list_display = ("name", "flow", "position", "kind", "what")
    list_display_links = ("name",)
    list_filter = ("flow", "kind")
    list_select_related = ("flow", "connection")
    search_fields = ("name", "key")
    prepopulated_fields = {"key": ("name",)}
    inlines = (SentInline, RememberedInline, TransitionInline)
    part_of = "flow"
    buttons = ("to_flow",)
    conditional_fields = {
        "connection": "['write', 'tie', 'call'].includes(kind)",
        **dict.fromkeys(("operation", "object_type", "match_field", "remote_id"), "kind == 'write'"),
        **dict.fromkeys(("from_type", "from_id", "to_type", "to_id"), "kind == 'tie'"),
        **dict.fromkeys(("method", "path", "headers", "body"), "kind == 'call'"),
        "event_name": "kind == 'emit'",
    }
    fieldsets = (
        (None, {"fields": ("flow", "name", "key", "position", "kind")}),
        (
            "What it does",
            {
                "fields": (
                    "connection", "operation", "object_type", "match_field", "remote_id", "from_type", "from_id",
                    "to_type", "to_id", "method", "path", "headers", "body", "event_name",
                )
            },
        ),
    )  # fmt: skip

    @admin.display(description="what it does")
    def what(self, obj: FlowStep) -> str:
        return flow_diagram.kind_in_words(obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Steps are reached by their flow; the list of all of them stands in no menu."""
        return False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(super().has_add_permission(request) and (request.method == "POST" or _flow_id(request)))

    def get_readonly_fields(self, request: HttpRequest, obj: FlowStep | None = None) -> tuple[str, ...]:
        return ("key",) if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: FlowStep | None = None) -> Any:
        return {} if obj else self.prepopulated_fields

    def get_panel(self, request: HttpRequest, obj: FlowStep) -> Panel:
        draft = draft_of(obj.flow)
        own = draft.step(obj.key)
        found = flow_check.of_step(draft, own) if own else []
        said = [flow_switch.placed(one).partition(", ")[2] for one in found]
        words = f"A step of the flow {obj.flow}{', which is on' if obj.flow.enabled else ''}."
        return Panel(sentences=(words, f"{sentence(flow_diagram.kind_in_words(obj))}."), problems=said)

    @button("Back to the flow", icon="arrow_back", page=True)
    def to_flow(self, request: HttpRequest, obj: FlowStep) -> HttpResponse:
        return HttpResponseRedirect(_page_of(obj.flow_id))

    def response_post_save_change(self, request: HttpRequest, obj: FlowStep) -> HttpResponse:
        return HttpResponseRedirect(_page_of(obj.flow_id))

    def response_post_save_add(self, request: HttpRequest, obj: FlowStep) -> HttpResponse:
        return HttpResponseRedirect(_page_of(obj.flow_id))

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        messages.success(request, f"The step “{obj_display}” is deleted.")
        return HttpResponseRedirect(reverse("admin:routing_flow_changelist"))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        obj = self.get_object(request, object_id)
        in_the_way = flow_switch.in_the_way_of_removing(obj) if obj is not None else []
        for one in in_the_way:
            messages.error(request, one)
        if in_the_way and obj is not None:
            return HttpResponseRedirect(self.page_of(obj))
        return super().delete_view(request, object_id, extra_context)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        flow = Flow.objects.select_related("source", "waits_for").get(pk=form.instance.flow_id)
        wrong = [one for one in flow_check.problems(draft_of(flow)) if not one.warning]
        if wrong and flow.enabled:
            words = f"Saved, but {flow} is on and has problems now: {flow_switch.placed(wrong[0])}"
            messages.error(request, words)


def _flow_id(request: HttpRequest) -> int | None:
    """Return the flow whose step is edited or added."""
    match = request.resolver_match
    given = match.kwargs.get("object_id", "") if match else ""
    if given:
        return FlowStep.objects.filter(pk=given).values_list("flow_id", flat=True).first()
    asked = request.POST.get("flow") or request.GET.get("flow", "")
    return int(asked) if asked.isdecimal() and Flow.objects.filter(pk=asked).exists() else None


def _page_of(flow_id: int) -> str:
    return reverse("admin:routing_flow_change", args=[flow_id])
