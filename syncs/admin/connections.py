"""Connections: their form, their state in words, and the buttons to check, hold and release them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince, timeuntil

from integration_hub.admin import HubModelAdmin
from integration_hub.console import pills, switching
from integration_hub.console.buttons import Panel, button
from syncs import connect, holds
from syncs.admin import connection_form
from syncs.models import Connection
from syncs.models.connections import ConnectionState

PAUSE = timedelta(hours=1)
BUDGET = ("daily_budget", "reserve_live", "reserve_flows")


@admin.register(Connection)
class ConnectionAdmin(HubModelAdmin):
    empty = (
        "No connections yet",
        "Connect the system whose records are watched, such as Salesforce, and the one that sends, such as Slack.",
    )
    list_display = ("name", "kind", "marked_environment", "marked_state", "state_in_words", "last_check")
    list_filter = ("kind", "environment", "enabled")
    search_fields = ("name", "key")
    prepopulated_fields = {"key": ("name",)}
    buttons = ("check_now", "hold", "release", "pause", "calls")
    actions = ("check_chosen", "hold_chosen", "release_chosen")

    class Media:
        js = ("hub/settings.js",)

    @admin.display(description="environment", ordering="environment")
    def marked_environment(self, obj: Connection) -> str:
        return pills.environment(obj)

    @admin.display(description="state")
    def marked_state(self, obj: Connection) -> str:
        return pills.state(obj, timezone.now())

    @admin.display(description="in words")
    def state_in_words(self, obj: Connection) -> str:
        return in_words(obj, timezone.now())

    @admin.display(description="last check", ordering="checked_at")
    def last_check(self, obj: Connection) -> str:
        return check_in_words(obj, timezone.now())

    def get_fieldsets(self, request: HttpRequest, obj: Connection | None = None) -> Any:
        if obj is None:
            first = ("kind", "name", "key", "environment")
            description = "First choose what it connects to. After saving, its own settings are asked for."
            return [(None, {"fields": first, "description": description})]
        return [
            (None, {"fields": ("name", "key", "kind", "environment", "enabled")}),
            (obj.get_kind_display(), {"fields": connection_form.field_names(obj)}),
            ("Address", {"fields": ("base_url",)}),
            ("Budget of calls", {"fields": BUDGET}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Connection | None = None) -> tuple[str, ...]:
        return ("key", "kind") if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Connection | None = None) -> Any:
        return {} if obj else self.prepopulated_fields

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["form"] = connection_form.form_for(obj) if obj else connection_form.ConnectionForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_panel(self, request: HttpRequest, obj: Connection) -> Panel:
        now = timezone.now()
        result = obj.check_result or {}
        sentences = [in_words(obj, now)]
        if obj.checked_at:
            sentences.append(f"{check_in_words(obj, now)}: {result.get('summary', '')}")
        else:
            sentences.append("It has never been checked: fill in its settings, save, and check it.")
        return Panel(
            pills=(pills.environment(obj), pills.state(obj, now)),
            sentences=sentences,
            facts=result.get("facts", {}),
            problems=result.get("problems", ()),
        )

    def get_buttons(self, request: HttpRequest, obj: Connection) -> tuple[str, ...]:
        state = obj.state(timezone.now())
        if state in (ConnectionState.HELD, ConnectionState.PAUSED):
            return ("check_now", "release", "calls")
        return (
            ("check_now", "hold", "pause", "calls") if state == ConnectionState.OK else ("check_now", "calls")
        )

    @button("Check connection", icon="network_check", tone="primary")
    def check_now(self, request: HttpRequest, obj: Connection) -> None:
        result = connect.check(obj, timezone.now())
        words = " ".join([result.summary, *result.problems])
        messages.add_message(request, messages.SUCCESS if result.ok else messages.ERROR, words)

    @button("Calls", icon="bar_chart", page=True)
    def calls(self, request: HttpRequest, obj: Connection) -> HttpResponse:
        return HttpResponseRedirect(reverse("console:usage", args=[obj.key]))

    @button("Hold", icon="front_hand")
    def hold(self, request: HttpRequest, obj: Connection) -> None:
        holds.hold(obj, code="by_hand", reason=f"Put on hold by {request.user}.", now=timezone.now())
        messages.success(request, f"{obj} is on hold. Its work is kept and waits until you release it.")

    @button("Pause for 1 hour", icon="pause")
    def pause(self, request: HttpRequest, obj: Connection) -> None:
        holds.pause(obj, until=timezone.now() + PAUSE, reason=f"Paused by {request.user}.")
        messages.success(request, f"{obj} is paused for 1 hour and goes on by itself.")

    @button("Release", icon="play_arrow", tone="primary")
    def release(self, request: HttpRequest, obj: Connection) -> HttpResponse | None:
        asked = switching.release(request, obj)
        if asked is None:
            messages.success(request, f"{obj} is released: waiting work goes on now.")
        return asked

    @admin.action(description="Check connection", permissions=["act"])
    def check_chosen(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        results = [(one, connect.check(one, timezone.now())) for one in queryset]
        for one, result in results:
            if not result.ok:
                messages.error(request, f"{one}: {result.summary}")
        works = sum(result.ok for _, result in results)
        messages.info(request, f"{works} of {len(results)} connections work.")

    @admin.action(description="Hold", permissions=["act"])
    def hold_chosen(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        chosen = list(queryset.filter(held_at=None))
        for one in chosen:
            holds.hold(one, code="by_hand", reason=f"Put on hold by {request.user}.", now=timezone.now())
        messages.success(request, f"{_so_many(len(chosen))} put on hold.")

    @admin.action(description="Release", permissions=["act"])
    def release_chosen(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        asked = [one for one in queryset if switching.release(request, one)]
        for one in asked:
            words = (
                "More than an hour's work waits. Release it on its page: there you choose what becomes of it."
            )
            messages.warning(request, f"{one}: {words}")
        messages.success(request, f"{_so_many(len(queryset) - len(asked))} released.")

    def response_change(self, request: HttpRequest, obj: Connection) -> HttpResponse:
        return switching.asked(request) or super().response_change(request, obj)

    def save_model(self, request: HttpRequest, obj: Connection, form: Any, change: bool) -> None:
        if change:
            switching.saving(request, f"connection:{obj.key}", obj, form)
        super().save_model(request, obj, form, change)
        if change and form.logs_in_elsewhere():
            messages.info(
                request,
                "It logs in anew with the next call. Stored secrets, streams and their history were kept: "
                "make sure that the secrets belong to where it connects now, and check the connection.",
            )
        for name in form.unset_variables():
            messages.warning(request, f"{name} is not set here. Set it for every process of the hub.")

    def response_add(
        self, request: HttpRequest, obj: Connection, post_url_continue: Any = None
    ) -> HttpResponse:
        messages.success(request, f"{obj} was added. Now fill in its settings, save, and check it.")
        return HttpResponseRedirect(self.page_of(obj))


def in_words(connection: Connection, now: datetime) -> str:
    state = connection.state(now)
    if state == ConnectionState.OFF:
        return "Switched off: nothing is read or written, its work waits."
    if state == ConnectionState.HELD and connection.held_at:
        since = timesince(connection.held_at, now, depth=1)
        return f"On hold for {since}: {connection.held_reason} Correct it, check it, and release it."
    if state == ConnectionState.PAUSED and connection.paused_until:
        left = timeuntil(connection.paused_until, now, depth=1)
        return f"Paused for {left} more: {connection.pause_reason} It goes on by itself."
    if connection.failing_since:
        since = timesince(connection.failing_since, now, depth=1)
        return f"In use, but not answering for {since}; it is tried again by itself."
    return "In use."


def check_in_words(connection: Connection, now: datetime) -> str:
    if connection.checked_at is None:
        return "never"
    works = "Works" if connection.check_ok else "Does not work"
    if now - connection.checked_at < timedelta(minutes=1):
        return f"{works}, checked just now"
    return f"{works}, checked {timesince(connection.checked_at, now, depth=1)} ago"


def _so_many(count: int) -> str:
    return "1 connection" if count == 1 else f"{count} connections"
