"""Rules: written, previewed, tried on oneself, and switched on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.html import format_html

from integration_hub.admin import HubInline, HubModelAdmin
from integration_hub.connectors.moments import lasting
from integration_hub.console import pills, switching
from integration_hub.console.buttons import Panel, button
from routing import preview, rehearsal, switch
from routing.admin.rule_form import CriterionForm, CriterionFormSet, RuleForm
from routing.messages import MessageError
from routing.models import Rule, RuleCriterion
from routing.rehearsal import RehearsalError
from routing.rulebook import draft_of

PERIODS = (1, 7, 30)
AWAY = 1000
"""Rows that change places are moved away first: two rows must not have one number, not even for a moment."""


class CriterionInline(HubInline):
    model = RuleCriterion
    form = CriterionForm
    formset = CriterionFormSet
    verbose_name = "row"
    verbose_name_plural = "which records"


@admin.register(Rule)
class RuleAdmin(HubModelAdmin):
    empty = (
        "No rules yet",
        "A rule says which records become a message, and to whom. It needs a stream, a template and a messenger.",
    )
    empty_next = ("admin:index", "See all steps")
    form = RuleForm
    change_form_template = "hub/rule_form.html"
    list_display = ("name", "switched", "trigger", "source", "recipient", "target", "max_age", "priority")
    list_display_links = ("name",)
    list_filter = ("enabled", "stream", "trigger")
    list_select_related = ("stream__connection", "destination", "template")
    search_fields = ("name", "key")
    prepopulated_fields = {"key": ("name",)}
    autocomplete_fields = ("recipient_person", "fallback_person")
    inlines = (CriterionInline,)
    buttons = ("preview", "send_test", "enable", "disable")
    conditional_fields = {
        "watched_field": "trigger == 'changed'",
        "recipient_person": "recipient == 'person'",
        "recipient_channel": "recipient == 'channel'",
        "queue_handling": "recipient == 'owner'",
        "queue_channel": "recipient == 'owner' && queue_handling == 'channel'",
        "outside_channel": "outside_hours == 'channel'",
    }
    fieldsets = (
        (None, {"fields": ("name", "key", "priority")}),
        ("When", {"fields": ("stream", "trigger", "watched_field", "max_age_seconds")}),
        (
            "How the rows combine",
            {
                "fields": ("filter_logic",),
                "description": "The logic names the rows by their numbers; a row without one gets the next.",
            },
        ),
        (
            "To whom",
            {
                "fields": (
                    "destination", "recipient", "recipient_person", "recipient_channel", "queue_handling",
                    "queue_channel", "fallback_person", "fallback_channel", "copy_channel",
                )
            },
        ),
        ("Outside their working hours", {"fields": ("outside_hours", "outside_channel")}),
        ("Message", {"fields": ("template",)}),
    )  # fmt: skip

    @admin.display(description="state", ordering="enabled")
    def switched(self, obj: Rule) -> str:
        return pills.pill("On", "green") if obj.enabled else pills.pill("Off", "gray")

    @admin.display(description="stream", ordering="stream__key")
    def source(self, obj: Rule) -> str:
        return format_html("{} {}", obj.stream, pills.environment(obj.stream.connection))

    @admin.display(description="send with", ordering="destination__name")
    def target(self, obj: Rule) -> str:
        return pills.named(obj.destination)

    @admin.display(description="maximum age", ordering="max_age_seconds")
    def max_age(self, obj: Rule) -> str:
        return lasting(timedelta(seconds=obj.max_age_seconds))

    def get_readonly_fields(self, request: HttpRequest, obj: Rule | None = None) -> tuple[str, ...]:
        return ("key",) if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Rule | None = None) -> Any:
        return {} if obj else self.prepopulated_fields

    def get_panel(self, request: HttpRequest, obj: Rule) -> Panel:
        way = format_html("From {} to {}.", pills.named(obj.stream.connection), pills.named(obj.destination))
        if obj.enabled and obj.active_from:
            words = f"On since {obj.active_from:%Y-%m-%d %H:%M} UTC, for what happened after that."
        else:
            words = "Off: it decides nothing. Preview it, send yourself a test, then enable it."
        return Panel(pills=(self.switched(obj),), sentences=(words, way))

    def get_buttons(self, request: HttpRequest, obj: Rule) -> tuple[str, ...]:
        return ("preview", "send_test", "disable" if obj.enabled else "enable")

    @button("Preview", icon="visibility", tone="primary", page=True)
    def preview(self, request: HttpRequest, obj: Rule) -> HttpResponse:
        given = request.GET.get("days", "")
        days = int(given) if given in map(str, PERIODS) else 7
        found = preview.preview(draft_of(obj, list(obj.criteria.all())), timezone.now(), days=days)
        context = {
            **self.admin_site.each_context(request),
            "title": "Preview",
            "rule": obj,
            "preview": found,
            "days": days,
            "periods": PERIODS,
            "source": pills.named(obj.stream.connection),
            "back": self.page_of(obj),
            "subject": obj,
        }
        return render(request, "hub/rule_preview.html", context)

    @button("Send test to me", icon="send")
    def send_test(self, request: HttpRequest, obj: Rule) -> None:
        try:
            delivery = rehearsal.send_test(obj, getattr(request.user, "email", ""), timezone.now())
        except (RehearsalError, MessageError) as error:
            messages.error(request, str(error))
            return
        words = f"A test is on its way to you by {obj.destination}; see delivery {delivery.pk}."
        if not obj.destination.enabled or obj.destination.held_at:
            words = f"A test waits for you: {obj.destination} cannot send now. Open it to see why."
        messages.success(request, words)

    @button("Enable", icon="toggle_on")
    def enable(self, request: HttpRequest, obj: Rule) -> HttpResponse | None:
        if asked := switching.choice(obj.origin):
            return asked
        in_the_way = switch.enable(obj, timezone.now())
        for one in in_the_way:
            messages.error(request, one)
        if not in_the_way:
            switching.note(request, obj.origin, on=True)
            messages.success(request, f"{obj} is on, for what happens from now.")
        return None

    @button("Disable", icon="toggle_off")
    def disable(self, request: HttpRequest, obj: Rule) -> None:
        switch.disable(obj)
        switching.note(request, obj.origin, on=False)
        messages.success(request, f"{obj} is off. Its waiting messages stay where they are.")

    def delete_model(self, request: HttpRequest, obj: Rule) -> None:
        switch.remove(obj, timezone.now())

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        for one in formset.initial_forms:
            if "number" in one.changed_data and one.instance.pk:
                RuleCriterion.objects.filter(pk=one.instance.pk).update(number=AWAY + one.instance.pk % AWAY)
        super().save_formset(request, form, formset, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        for one in getattr(form.instance, "warnings", ()):
            messages.warning(request, one)
        if not change:
            messages.info(request, "The rule is still off. Preview it, send yourself a test, then enable it.")
