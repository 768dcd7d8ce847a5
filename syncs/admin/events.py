"""Event sources: who may post what, how to do it; and the inbox as a log, with what became of each event."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from integration_hub.admin import HubInline, HubModelAdmin, HubStacked, LogModelAdmin
from integration_hub.console import pills
from integration_hub.console.buttons import Panel, button
from integration_hub.console.filters import AmongNewest, period
from syncs.admin.event_form import SecretForm, TypeForm
from syncs.events import examples as event_examples
from syncs.events import inbox
from syncs.events import listeners as event_listeners
from syncs.events import sources as event_sources
from syncs.events import watch as event_watch
from syncs.events.problems import Problem, RefusedError
from syncs.models import EventSecret, EventSource, EventType, InboundEvent
from syncs.models.events import EventState

SHOWN = 20_000
"""Characters of a body that its page shows."""


class SecretInline(HubInline):
    model = EventSecret
    form = SecretForm
    verbose_name = "secret"
    verbose_name_plural = (
        "secrets (all of them are good: to change one, add the new one, then remove the old one)"
    )
    fields = ("label", "value", "expires_at", "kept_how")
    readonly_fields = ("kept_how",)

    @admin.display(description="now")
    def kept_how(self, obj: EventSecret) -> str:
        if not obj.pk:
            return "–"
        how = f"variable {obj.kept['env']}" if "env" in obj.kept else "stored, encrypted"
        return f"{how}, since {obj.created_at:%Y-%m-%d}"


class TypeInline(HubStacked):
    model = EventType
    form = TypeForm
    verbose_name = "event"
    verbose_name_plural = "events that it may post"


@admin.register(EventSource)
class EventSourceAdmin(HubModelAdmin):
    empty = (
        "No event sources yet",
        "A source is a product or system of yours that posts events, such as a registration.",
    )
    list_display = ("name", "switched", "address", "proof", "events", "last_hour")
    list_filter = ("enabled", "proof")
    search_fields = ("name", "key")
    prepopulated_fields = {"key": ("name",)}
    inlines = (SecretInline, TypeInline)
    buttons = ("how_to_post", "generate_secret", "see_events")
    fieldsets = (
        (None, {"fields": ("name", "key", "enabled")}),
        ("How it proves itself", {"fields": ("proof", "window_seconds")}),
        ("What it posts", {"fields": ("name_path", "idempotency_path")}),
        ("How much", {"fields": ("max_bytes", "per_minute")}),
    )
    conditional_fields = {"window_seconds": "proof == 'hmac'"}

    def get_queryset(self, request: HttpRequest) -> QuerySet[EventSource]:
        rows: QuerySet[EventSource] = super().get_queryset(request)
        return rows.prefetch_related("types")

    @admin.display(description="state", ordering="enabled")
    def switched(self, obj: EventSource) -> str:
        return pills.pill("On", "green") if obj.enabled else pills.pill("Off", "gray")

    @admin.display(description="address")
    def address(self, obj: EventSource) -> str:
        return format_html("<code>{}</code>", obj.address)

    @admin.display(description="events")
    def events(self, obj: EventSource) -> str:
        return ", ".join(one.name for one in obj.types.all()) or "none yet"

    @admin.display(description="refused in the last hour")
    def last_hour(self, obj: EventSource) -> str:
        return event_watch.in_words(obj.pk, timezone.now()) or "–"

    def get_readonly_fields(self, request: HttpRequest, obj: EventSource | None = None) -> tuple[str, ...]:
        return ("key",) if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: EventSource | None = None) -> Any:
        return {} if obj else self.prepopulated_fields

    def get_panel(self, request: HttpRequest, obj: EventSource) -> Panel:
        now = timezone.now()
        state = "It takes events at" if obj.enabled else "It is off and refuses, but keeps, what is posted to"
        refused = event_watch.in_words(obj.pk, now)
        return Panel(
            pills=(self.switched(obj),),
            sentences=(format_html("{} <code>{}</code>.", state, obj.address),),
            problems=_lacking(obj, now) + ([f"Refused in the last hour: {refused}."] if refused else []),
        )

    @button("How to post", icon="terminal", tone="primary", page=True)
    def how_to_post(self, request: HttpRequest, obj: EventSource) -> HttpResponse:
        """Show examples; a POST sends the sample of the chosen type."""
        if request.method == "POST":
            if not self.may_act(request):
                raise PermissionDenied
            chosen = request.POST.get("type", "")
            kinds = obj.types.filter(pk=int(chosen)) if chosen.isdecimal() else obj.types.none()
            sent = self._send_sample(request, kinds.first())
            return HttpResponseRedirect(sent or self.page_of(obj, "do", name="how_to_post"))
        context = {
            **self.admin_site.each_context(request),
            "title": "How to post",
            "source": obj,
            "examples": event_examples.of(obj),
            "types": obj.types.all(),
            "problems": [(one.status, one.value, one.label) for one in Problem],
            "may_act": self.may_act(request),
            "back": self.page_of(obj),
            "subject": obj,
        }
        return render(request, "hub/event_posting.html", context)

    @button(
        "Generate secret",
        icon="key",
        confirm="A new secret is added and shown once, on the next page. The others stay good.",
    )
    def generate_secret(self, request: HttpRequest, obj: EventSource) -> None:
        now = timezone.now()
        value, label = event_sources.generated(), f"generated {now:%Y-%m-%d %H:%M:%S}"
        event_sources.add_secret(obj, label, value, now)
        words = "The new secret, shown this once: {} Hand it to the sender over a safe way, then remove the former one."
        messages.success(request, format_html(words, format_html("<code>{}</code>", value)))

    @button("Its events", icon="inbox", page=True)
    def see_events(self, request: HttpRequest, obj: EventSource) -> HttpResponse:
        address = reverse("admin:syncs_inboundevent_changelist")
        return HttpResponseRedirect(f"{address}?source__id__exact={obj.pk}")

    def _send_sample(self, request: HttpRequest, kind: EventType | None) -> str:
        """Return the page of the event that was put in, "" if none was."""
        if kind is None:
            messages.error(request, "That event does not exist any more. Choose again.")
            return ""
        try:
            event = inbox.send_sample(kind, timezone.now())
        except RefusedError as refusal:
            messages.error(request, refusal.text)
            return ""
        messages.success(
            request, f"The sample of “{kind}” was put in. What listens to it treats it as a real event."
        )
        return reverse("admin:syncs_inboundevent_change", args=[event.pk])


@admin.register(InboundEvent)
class InboundEventAdmin(LogModelAdmin):
    empty = (
        "No event has come yet",
        "Add an event source: its page says how to post to it, and sends a sample.",
    )
    empty_next = ("admin:syncs_eventsource_changelist", "Event sources")
    list_display = ("uid", "source", "what", "marked_state", "origin", "received", "why")
    list_filter = (
        ("state", AmongNewest),
        "source",
        period("received_at", "received"),
        ("origin", AmongNewest),
    )
    list_select_related = ("source",)
    search_fields = ("uid__exact", "idempotency_key__exact")
    search_help_text = "Its id, its idempotency key, or the event's exact name."
    actions = ("replay_chosen",)
    buttons = ("replay",)
    fields = (
        "uid", "source", "what", "marked_state", "origin", "came_of", "idempotency_key", "received", "routed",
        "content_type", "results", "shown_body",
    )  # fmt: skip
    readonly_fields = (
        "uid", "what", "marked_state", "came_of", "received", "routed", "results", "shown_body",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[InboundEvent]:
        rows: QuerySet[InboundEvent] = super().get_queryset(request)
        return rows.defer("body", "data")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[InboundEvent], search_term: str
    ) -> tuple[QuerySet[InboundEvent], bool]:
        """Look by each index in turn: one condition over all of them would read the whole table."""
        term = search_term.strip()
        return (queryset.filter(pk__in=inbox.found(term)) if term else queryset), False

    @admin.display(description="event", ordering="name")
    def what(self, obj: InboundEvent) -> str:
        return obj.name or "–"

    @admin.display(description="state")
    def marked_state(self, obj: InboundEvent) -> SafeString:
        return pills.of_choice(obj.state, obj.get_state_display())

    @admin.display(description="received (UTC)", ordering="id")
    def received(self, obj: InboundEvent) -> str:
        return pills.time(obj.received_at)

    @admin.display(description="routed (UTC)")
    def routed(self, obj: InboundEvent) -> str:
        return pills.time(obj.routed_at)

    @admin.display(description="why")
    def why(self, obj: InboundEvent) -> str:
        if obj.state != EventState.REFUSED:
            return ""
        return format_html(
            '<span class="hub-why"><b>{} {}</b> {}</span>', obj.status, obj.problem_code, obj.problem
        )

    @admin.display(description="comes of")
    def came_of(self, obj: InboundEvent) -> str:
        if obj.cause is None:
            return "–"
        address = reverse("admin:syncs_inboundevent_change", args=[obj.cause.pk])
        return format_html('<a class="hub-link" href="{}">{}</a>', address, obj.cause)

    @admin.display(description="what came of it")
    def results(self, obj: InboundEvent) -> str:
        lines = [
            (one.link or "#", one.what, one.run, one.stage, f" at {one.step}" * bool(one.step), one.reason)
            for one in event_listeners.fates(obj)
        ]
        shown = format_html_join("", '<li><a class="hub-link" href="{}">{}, run {}</a>: {}{}. {}</li>', lines)
        return format_html("<ul>{}</ul>", shown) if lines else "–"

    @admin.display(description="body")
    def shown_body(self, obj: InboundEvent) -> str:
        return format_html('<pre class="hub-json">{}</pre>', _shown(obj))

    def get_panel(self, request: HttpRequest, obj: InboundEvent) -> Panel:
        problems = obj.problem.splitlines() if obj.state == EventState.REFUSED else []
        words = {
            EventState.WAITING: "It is stored and waits to be taken up.",
            EventState.ROUTED: "It was taken up by all that listens to it.",
            EventState.REFUSED: f"The sender was answered {obj.status}, {obj.problem_code}.",
        }
        return Panel(
            pills=(self.marked_state(obj),), sentences=(words[EventState(obj.state)],), problems=problems
        )

    @button("Replay", icon="replay", confirm="Put it in once more? All that listens to it acts again.")
    def replay(self, request: HttpRequest, obj: InboundEvent) -> HttpResponse | None:
        try:
            event = inbox.replay(obj, timezone.now())
        except RefusedError as refusal:
            messages.error(request, refusal.text)
            return None
        messages.success(request, f"It was put in once more, as {event}.")
        return HttpResponseRedirect(self.page_of(event))

    @admin.action(description="Replay", permissions=["act"])
    def replay_chosen(self, request: HttpRequest, queryset: QuerySet[InboundEvent]) -> None:
        done, refused = inbox.replay_all(queryset, timezone.now())
        for event, reason in refused:
            messages.error(request, f"{event}: {reason}")
        messages.success(request, f"{done} put in once more." if done != 1 else "1 event put in once more.")


def _lacking(source: EventSource, now: datetime) -> list[str]:
    """Return what keeps the source from taking events."""
    found = []
    if not any(one.expires_at is None or one.expires_at > now for one in source.secrets.all()):
        found.append(
            "It has no secret that is good now: everything is refused. Press Generate secret, or paste one."
        )
    if not source.types.all():
        found.append("It has no events: every name is refused. Add those that it may post.")
    return found


def _shown(event: InboundEvent) -> str:
    """Return the body with its lines as a person reads it; what is no JSON as it came."""
    text = bytes(event.body).decode(errors="replace")
    with suppress(ValueError, RecursionError):
        lines = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        text = lines.encode(errors="replace").decode()  # half a surrogate pair cannot be shown
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}\n… {len(text) - SHOWN:,} more characters"
