"""The conflict inbox, and the record pairs that it speaks of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import Truncator

from integration_hub.admin import LogModelAdmin
from integration_hub.console import pills
from integration_hub.console.buttons import Panel, button
from integration_hub.console.finding import IndexSearch, records_named, some
from syncs.models import Conflict, RecordPair, Sync
from syncs.models.pairs import Choice, ConflictKind, ConflictState
from syncs.twoway import conflicts, pairs
from syncs.twoway.conflicts import ConflictError
from syncs.wording import counted

_TONES = {ConflictState.OPEN: "red", ConflictState.RESOLVED: "green", ConflictState.OBSOLETE: "gray"}


class InboxFilter(admin.SimpleListFilter):
    """Open conflicts unless somebody asks for the others."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        others = [ConflictState.RESOLVED, ConflictState.OBSOLETE]
        return [*((one.value, str(one.label)) for one in others), ("all", "All")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        choices = super().choices(changelist)
        yield {**next(choices), "display": "Open"}
        yield from choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Conflict]) -> QuerySet[Conflict]:
        value = self.value() or ConflictState.OPEN
        return queryset if value == "all" else queryset.filter(state=value)


class LabelFilter(admin.SimpleListFilter):
    """The fields that open conflicts are about."""

    title = "field"
    parameter_name = "label"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        still = Conflict.objects.filter(sync__in=list(Sync.objects.all()), state=ConflictState.OPEN)
        return [(one, one) for one in sorted(set(still.values_list("label", flat=True)))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Conflict]) -> QuerySet[Conflict]:
        return queryset.filter(label=self.value()) if self.value() else queryset


class ParkedFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "parked"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Parked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[RecordPair]) -> QuerySet[RecordPair]:
        return queryset.filter(parked_at__isnull=False) if self.value() == "yes" else queryset


@admin.register(Conflict)
class ConflictAdmin(IndexSearch, LogModelAdmin):
    empty = (
        "No open conflict",
        "When both sides of a two-way sync changed a field that asks, both values wait here for a person.",
    )
    list_display = (
        "record", "label", "source_value", "destination_value", "agreed", "sync", "marked_state", "opened"
    )  # fmt: skip
    list_display_links = ("record",)
    list_filter = (InboxFilter, "sync", "kind", LabelFilter)
    list_select_related = ("sync__stream__connection", "sync__destination")
    search_fields = ("left_id", "right_id")
    search_help_text = "Beginning of the name, or a record id."
    list_disable_select_all = False
    actions = ("source_wins_chosen", "destination_wins_chosen")
    buttons = ("source_wins", "destination_wins", "own_value")
    change_form_outer_before_template = "hub/conflict_panel.html"
    fields = ("record", "sync", "opened", "outcome")
    readonly_fields = ("record", "opened", "outcome")

    def found(self, term: str) -> set[int]:
        named = list(records_named(term))
        by_name = (Conflict.objects.filter(**{f"{side}__in": named}) for side in self.search_fields)
        return super().found(term).union(*map(some, by_name))

    @admin.display(description="record", ordering="title")
    def record(self, obj: Conflict) -> str:
        return obj.title or obj.left_id or obj.right_id

    @admin.display(description="at the source")
    def source_value(self, obj: Conflict) -> str:
        return "not there" if obj.kind == ConflictKind.NEW else _value(obj.left_value, obj.left_by)

    @admin.display(description="at the destination")
    def destination_value(self, obj: Conflict) -> str:
        return _value(obj.right_value, obj.right_by)

    @admin.display(description="agreed before")
    def agreed(self, obj: Conflict) -> str:
        return Truncator(obj.agreed_value).chars(80) or "–"

    @admin.display(description="state", ordering="state")
    def marked_state(self, obj: Conflict) -> str:
        return pills.pill(obj.get_state_display(), _TONES[ConflictState(obj.state)])

    @admin.display(description="opened (UTC)", ordering="opened_at")
    def opened(self, obj: Conflict) -> str:
        return pills.time(obj.opened_at)

    @admin.display(description="outcome")
    def outcome(self, obj: Conflict) -> str:
        if obj.state == ConflictState.OPEN:
            return "–"
        by = f" by {obj.resolved_by}" if obj.resolved_by else ""
        chosen = f"{obj.get_choice_display()} {obj.chosen_value}".strip() if obj.choice else ""
        return format_html("{}{}, {}. {}", obj.get_state_display(), by, pills.time(obj.resolved_at), chosen)

    def get_panel(self, request: HttpRequest, obj: Conflict) -> Panel:
        if obj.kind == ConflictKind.NEW:
            words = f"It is new at {obj.sync.destination}. Is it to be created at {obj.sync.stream.connection}, too?"
        else:
            words = f"“{obj.label}” was changed on both sides. Which value is right? Its other fields go on."
        return Panel(pills=(self.marked_state(obj),), sentences=(words,))

    def get_buttons(self, request: HttpRequest, obj: Conflict) -> tuple[str, ...]:
        if obj.state != ConflictState.OPEN:
            return ()
        return ("source_wins", "destination_wins") if obj.kind == ConflictKind.NEW else tuple(self.buttons)

    @button("Source wins", icon="west")
    def source_wins(self, request: HttpRequest, obj: Conflict) -> HttpResponse | None:
        return self._back(self._settle(request, [obj], Choice.SOURCE))

    @button("Destination wins", icon="east")
    def destination_wins(self, request: HttpRequest, obj: Conflict) -> HttpResponse | None:
        return self._back(self._settle(request, [obj], Choice.DESTINATION))

    @button("Type a value", icon="edit", page=True, needs="syncs.change_conflict")
    def own_value(self, request: HttpRequest, obj: Conflict) -> HttpResponse:
        if not self.may_act(request):
            raise PermissionDenied
        if request.method == "POST" and self._settle(
            request, [obj], Choice.VALUE, request.POST.get("value", "")
        ):
            return HttpResponseRedirect(reverse("admin:syncs_conflict_changelist"))
        context = {
            **self.admin_site.each_context(request), "one": obj, "back": self.page_of(obj), "title": str(obj),
            "typed": request.POST.get("value", obj.left_value),
        }  # fmt: skip
        return render(request, "hub/conflict_value.html", context)

    @admin.action(description="Source wins", permissions=["act"])
    def source_wins_chosen(self, request: HttpRequest, queryset: QuerySet[Conflict]) -> None:
        self._settle(request, list(queryset), Choice.SOURCE)

    @admin.action(description="Destination wins", permissions=["act"])
    def destination_wins_chosen(self, request: HttpRequest, queryset: QuerySet[Conflict]) -> None:
        self._settle(request, list(queryset), Choice.DESTINATION)

    @staticmethod
    def _back(settled: int) -> HttpResponse | None:
        """Lead to the inbox, where the next one waits; stay where nothing was done."""
        return HttpResponseRedirect(reverse("admin:syncs_conflict_changelist")) if settled else None

    def _settle(self, request: HttpRequest, chosen: list[Conflict], choice: Choice, value: str = "") -> int:
        """Settle them in the name of the user, with an entry in the log of who did what."""
        settled = 0
        for one in chosen:
            try:
                done = conflicts.resolve(one, choice, request.user, timezone.now(), value)
            except ConflictError as error:
                messages.error(request, f"{one}: {error}")
                continue
            if done:
                settled += 1
                self.log_change(request, one, f"Settled: {choice.label} {value}".strip())
        if settled:
            messages.success(request, f"{counted(settled, 'conflict')} settled: {choice.label.lower()}.")
        elif not messages.get_messages(request):
            messages.warning(request, "Nothing was settled: somebody else was faster.")
        return settled


@admin.register(RecordPair)
class RecordPairAdmin(IndexSearch, LogModelAdmin):
    empty = ("No record pairs", "They come with two-way syncs: a sync and its way back.")
    empty_next = ("admin:syncs_sync_changelist", "Syncs")
    list_display = ("record", "left_link", "right_link", "sync", "marked_state", "parked")
    list_display_links = ("record",)
    list_filter = (ParkedFilter, "sync", "gone")
    list_select_related = ("sync",)
    search_fields = ("left_id", "right_id")
    search_help_text = "A record id, or the beginning of the name."
    actions = ("release_chosen",)
    buttons = ("release",)
    fields = ("record", "sync", "left_link", "right_link", "marked_state", "parked", "held_alike")
    readonly_fields = ("record", "left_link", "right_link", "marked_state", "parked", "held_alike")

    def found(self, term: str) -> set[int]:
        wanted = [term, *records_named(term)]
        of_syncs = RecordPair.objects.filter(sync__in=list(Sync.objects.all()))
        return {pk for side in self.search_fields for pk in some(pairs.having(of_syncs, side, wanted))}

    @admin.display(description="record", ordering="title")
    def record(self, obj: RecordPair) -> str:
        return str(obj)

    @admin.display(description="at the source")
    def left_link(self, obj: RecordPair) -> str:
        return _timeline(obj.left_id)

    @admin.display(description="at the destination")
    def right_link(self, obj: RecordPair) -> str:
        return _timeline(obj.right_id)

    @admin.display(description="state")
    def marked_state(self, obj: RecordPair) -> str:
        if obj.parked_at:
            return pills.pill("Parked", "red")
        if obj.gone:
            return pills.pill(obj.get_gone_display(), "amber")
        return pills.pill("Kept alike", "green")

    @admin.display(description="parked (UTC)", ordering="parked_at")
    def parked(self, obj: RecordPair) -> str:
        return pills.time(obj.parked_at)

    @admin.display(description="agreed on")
    def held_alike(self, obj: RecordPair) -> str:
        lines = [
            {
                "left": key.partition("|")[0], "left_value": state["left"],
                "right": key.partition("|")[2], "right_value": state["right"],
                "coming": "a write is on its way or not seen yet" if state.get("to") else "",
            }
            for key, state in sorted(obj.agreed.items())
        ]  # fmt: skip
        return render_to_string("hub/pair_fields.html", {"lines": lines})

    def get_panel(self, request: HttpRequest, obj: RecordPair) -> Panel:
        sentences = []
        if obj.parked_at:
            sentences.append("It was written too often within minutes: two systems keep changing it.")
        return Panel(pills=(self.marked_state(obj),), sentences=sentences)

    def get_buttons(self, request: HttpRequest, obj: RecordPair) -> tuple[str, ...]:
        return ("release",) if obj.parked_at else ()

    @button("Release", icon="play_arrow", tone="primary")
    def release(self, request: HttpRequest, obj: RecordPair) -> None:
        self._release(request, [obj])

    @admin.action(description="Release", permissions=["act"])
    def release_chosen(self, request: HttpRequest, queryset: QuerySet[RecordPair]) -> None:
        self._release(request, list(queryset.select_related("sync")))

    def _release(self, request: HttpRequest, chosen: list[RecordPair]) -> None:
        count = pairs.release(chosen, timezone.now())
        for one in chosen if count else ():
            self.log_change(request, one, "Released")
        messages.success(request, f"{counted(count, 'record')} released: both sides are compared anew.")


def _value(text: str, by: str) -> str:
    shown = Truncator(text).chars(80) or "empty"
    return format_html('{} <small class="hub-small">{}</small>', shown, by) if by else shown


def _timeline(record_id: str) -> str:
    if not record_id:
        return "being made"
    address = reverse("console:timeline_record", args=[record_id])
    return format_html('<a class="hub-link" href="{}"><code>{}</code></a>', address, record_id)
