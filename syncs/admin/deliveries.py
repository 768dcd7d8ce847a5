"""The outbox as a log: what went out, what waits, what died and what to do about it."""

from __future__ import annotations

import json

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from integration_hub.admin import LogModelAdmin
from integration_hub.console import pills
from integration_hub.console.buttons import Panel, button
from integration_hub.console.filters import AmongNewestOf, NewestSettled, settled_period
from integration_hub.console.finding import MOST_FOUND, some
from syncs import outbox
from syncs.models import Change, Delivery, Sync
from syncs.models.deliveries import DeliveryState

REVIVABLE = (DeliveryState.DEAD, DeliveryState.EXPIRED, DeliveryState.DISMISSED)
DISMISSIBLE = (DeliveryState.DEAD, DeliveryState.WAITING)


@admin.register(Delivery)
class DeliveryAdmin(LogModelAdmin):
    empty = (
        "Nothing was sent yet",
        "Messages come from rules: once one is on and a record matches, what becomes of its message is told here.",
    )
    empty_next = ("admin:routing_rule_changelist", "Rules")
    list_display = ("origin", "record", "at", "whom", "marked_state", "when", "why")
    list_display_links = ("origin",)
    list_filter = (("state", NewestSettled), settled_period("settled_at"), ("connection", AmongNewestOf))
    list_select_related = ("connection", "change", "alert__person")
    search_fields = ("origin__exact", "record_id__exact", "remote_id__exact")
    search_help_text = "Who wants it (such as rule:hot-leads), or the record's id here or there."
    actions = ("requeue_chosen", "dismiss_chosen")
    buttons = ("requeue", "dismiss")
    fields = (
        "origin", "for_run", "at", "record", "whom", "object_type", "operation", "marked_state", "priority", "due",
        "expires", "attempts", "attempted", "remote_id", "error_code", "error", "remedy", "settled",
        "dedup_key", "shown_payload",
    )  # fmt: skip
    readonly_fields = (
        "for_run", "at", "record", "whom", "marked_state", "due", "expires", "attempted", "settled", "shown_payload"
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        rows: QuerySet[Delivery] = super().get_queryset(request)
        return rows.defer("change__values")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        """Look by each index in turn: one condition over all of them would read the whole table."""
        term = search_term.strip()
        if not term:
            return queryset, False
        wanted = [
            Delivery.objects.filter(change__in=list(Change.objects.filter(record_id=term)[:MOST_FOUND])),
            Delivery.objects.filter(sync__in=list(Sync.objects.all()), record_id=term),
            Delivery.objects.filter(remote_id=term),
            *(
                Delivery.objects.filter(origin=term, state=state).order_by("-settled_at")
                for state in DeliveryState
            ),
        ]
        return queryset.filter(pk__in={pk for rows in wanted for pk in some(rows)}), False

    @admin.display(description="flow run")
    def for_run(self, obj: Delivery) -> str:
        """Lead to the run that wants it; its dedup key names it, as this app does not know of flows."""
        kind, _, rest = obj.dedup_key.partition(":")
        run = rest.partition(":")[0]
        if kind != "flowrun" or not run.isdecimal():
            return "–"
        return format_html(
            '<a class="hub-link" href="{}">Run {}</a>',
            reverse("admin:routing_flowrun_change", args=[run]),
            run,
        )

    @admin.display(description="record")
    def record(self, obj: Delivery) -> str:
        record_id = obj.change.record_id if obj.change else obj.record_id
        if not record_id:
            return "–"
        address = reverse("console:timeline_record", args=[record_id])
        name = (obj.change.title if obj.change else "") or record_id
        return format_html('<a class="hub-link" href="{}">{}</a>', address, name)

    @admin.display(description="to")
    def whom(self, obj: Delivery) -> str:
        alert = getattr(obj, "alert", None)  # what a rule wants has one; this app does not know of rules
        shown = pills.addressee(alert.person.name if alert and alert.person else "", obj.lane)
        return format_html('<span class="hub-lane">{}</span>', shown)

    @admin.display(description="connection", ordering="connection__name")
    def at(self, obj: Delivery) -> str:
        return pills.named(obj.connection)

    @admin.display(description="state")
    def marked_state(self, obj: Delivery) -> str:
        return pills.of_choice(obj.state, obj.get_state_display())

    @admin.display(description="due (UTC)")
    def due(self, obj: Delivery) -> str:
        return pills.time(obj.due_at)

    @admin.display(description="expires (UTC)")
    def expires(self, obj: Delivery) -> str:
        return pills.time(obj.expires_at)

    @admin.display(description="last try (UTC)")
    def attempted(self, obj: Delivery) -> str:
        return pills.time(obj.attempted_at)

    @admin.display(description="settled (UTC)", ordering="settled_at")
    def settled(self, obj: Delivery) -> str:
        return pills.time(obj.settled_at)

    @admin.display(description="settled or due (UTC)")
    def when(self, obj: Delivery) -> str:
        return pills.time(obj.settled_at or obj.due_at)

    @admin.display(description="why")
    def why(self, obj: Delivery) -> str:
        if not obj.error:
            return ""
        return format_html(
            '<span class="hub-why"><b>{}</b> {} {}</span>', obj.error_code, obj.error, obj.remedy
        )

    @admin.display(description="payload")
    def shown_payload(self, obj: Delivery) -> str:
        shown = json.dumps(obj.payload, indent=2, ensure_ascii=False)
        return format_html('<pre class="hub-json">{}</pre>', shown)

    def get_panel(self, request: HttpRequest, obj: Delivery) -> Panel:
        problems = [obj.error] if obj.error else []
        sentences = [f"What to do: {obj.remedy}"] if obj.remedy else []
        marks = (self.marked_state(obj), pills.environment(obj.connection))
        return Panel(pills=marks, sentences=sentences, problems=problems)

    def get_buttons(self, request: HttpRequest, obj: Delivery) -> tuple[str, ...]:
        requeue = ("requeue",) if obj.state in REVIVABLE else ()
        dismiss = ("dismiss",) if obj.state in DISMISSIBLE else ()
        return requeue + dismiss

    @button("Requeue", icon="replay", tone="primary")
    def requeue(self, request: HttpRequest, obj: Delivery) -> None:
        self.requeue_chosen(request, Delivery.objects.filter(pk=obj.pk))

    @button("Dismiss", icon="block", confirm="Give it up for good? It can still be requeued by hand.")
    def dismiss(self, request: HttpRequest, obj: Delivery) -> None:
        self.dismiss_chosen(request, Delivery.objects.filter(pk=obj.pk))

    @admin.action(description="Requeue", permissions=["act"])
    def requeue_chosen(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        touched = outbox.requeue(_plain(queryset), timezone.now())
        messages.success(
            request, f"{_so_many(touched)} requeued: due now, with the time it had from the start."
        )

    @admin.action(description="Dismiss", permissions=["act"])
    def dismiss_chosen(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        touched = outbox.dismiss(_plain(queryset), timezone.now())
        messages.success(request, f"{_so_many(touched)} dismissed.")


def _plain(queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Return the same rows without the joins of the list, which an update cannot carry."""
    return Delivery.objects.filter(pk__in=queryset.values("pk"))


def _so_many(count: int) -> str:
    return "1 delivery" if count == 1 else f"{count} deliveries"
