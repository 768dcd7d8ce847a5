"""Doubtful pairs: two records that might be one, with both sides, for a person to decide."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from integration_hub.admin import LogModelAdmin
from integration_hub.console import pills
from integration_hub.console.buttons import Panel, button
from integration_hub.console.finding import IndexSearch
from syncs import matchup
from syncs.models import MatchCandidate
from syncs.models.matchings import CandidateState
from syncs.wording import counted


@admin.register(MatchCandidate)
class MatchCandidateAdmin(IndexSearch, LogModelAdmin):
    list_display = ("key", "here", "there", "why", "shown_state", "sync")
    empty = (
        "No doubtful pairs",
        "Run manage.py match SYNC --dry-run before a sync is switched on whose records exist on both sides.",
    )
    empty_next = ("admin:syncs_sync_changelist", "Syncs")
    list_filter = ("state", "sync")
    list_select_related = ("sync",)
    search_fields = ("key", "source_id", "remote_id")
    search_within = "sync"
    search_help_text = "Match key, or the id of either record"
    actions = ("same", "different")
    buttons = ("same_one", "different_one")
    fields = ("sync", "key", "here", "there", "why", "shown_state", "decided")
    readonly_fields = fields

    @admin.display(description="at the source", ordering="source_id")
    def here(self, obj: MatchCandidate) -> str:
        return f"{obj.source_title} ({obj.source_id})" if obj.source_title else obj.source_id

    @admin.display(description="at the destination", ordering="remote_id")
    def there(self, obj: MatchCandidate) -> str:
        return f"{obj.remote_title} ({obj.remote_id})" if obj.remote_title else obj.remote_id

    @admin.display(description="state", ordering="state")
    def shown_state(self, obj: MatchCandidate) -> str:
        return pills.of_choice(obj.state, obj.get_state_display())

    @admin.display(description="decided (UTC)")
    def decided(self, obj: MatchCandidate) -> str:
        return pills.time(obj.decided_at)

    def get_panel(self, request: HttpRequest, obj: MatchCandidate) -> Panel:
        words = "Are these one record? The same are linked, and the next change updates the record there."
        return Panel(
            pills=(self.shown_state(obj),), sentences=(words,) if self.get_buttons(request, obj) else ()
        )

    def get_buttons(self, request: HttpRequest, obj: MatchCandidate) -> tuple[str, ...]:
        return tuple(self.buttons) if obj.state == CandidateState.OPEN else ()

    @button("These are the same", icon="link")
    def same_one(self, request: HttpRequest, obj: MatchCandidate) -> HttpResponse:
        self.same(request, MatchCandidate.objects.filter(pk=obj.pk))
        return HttpResponseRedirect(reverse("admin:syncs_matchcandidate_changelist"))

    @button("These are different", icon="link_off")
    def different_one(self, request: HttpRequest, obj: MatchCandidate) -> HttpResponse:
        self.different(request, MatchCandidate.objects.filter(pk=obj.pk))
        return HttpResponseRedirect(reverse("admin:syncs_matchcandidate_changelist"))

    @admin.action(description="These are the same", permissions=["act"])
    def same(self, request: HttpRequest, queryset: QuerySet[MatchCandidate]) -> None:
        waiting = queryset.filter(state=CandidateState.OPEN)
        asked = waiting.count()
        done = matchup.decide(waiting, CandidateState.SAME, timezone.now())
        messages.success(
            request, f"{counted(done, 'pair')} linked: the next change updates the record there."
        )
        if done < asked:
            messages.warning(request, f"{asked - done} left: a record of them is linked to another already.")

    @admin.action(description="These are different", permissions=["act"])
    def different(self, request: HttpRequest, queryset: QuerySet[MatchCandidate]) -> None:
        waiting = queryset.filter(state=CandidateState.OPEN)
        done = matchup.decide(waiting, CandidateState.DIFFERENT, timezone.now())
        messages.success(request, f"{counted(done, 'pair')} kept apart.")
