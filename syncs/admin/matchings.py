"""Doubtful pairs: two records that might be one, with both sides, for a person to decide."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from integration_hub.admin import LogModelAdmin
from integration_hub.console import pills
from syncs import matchup
from syncs.models import MatchCandidate
from syncs.models.matchings import CandidateState
from syncs.wording import counted


@admin.register(MatchCandidate)
class MatchCandidateAdmin(LogModelAdmin):
    list_display = ("key", "here", "there", "why", "shown_state", "sync")
    empty = (
        "No doubtful pairs",
        "Run manage.py match SYNC --dry-run before a sync is switched on whose records exist on both sides.",
    )
    empty_next = ("admin:syncs_sync_changelist", "Syncs")
    list_filter = ("state", "sync")
    list_select_related = ("sync",)
    search_fields = ("key", "source_id", "remote_id")
    search_help_text = "Match key, or the id of either record"
    actions = ("same", "different")

    @admin.display(description="here", ordering="source_id")
    def here(self, obj: MatchCandidate) -> str:
        return f"{obj.source_title} ({obj.source_id})" if obj.source_title else obj.source_id

    @admin.display(description="there", ordering="remote_id")
    def there(self, obj: MatchCandidate) -> str:
        return f"{obj.remote_title} ({obj.remote_id})" if obj.remote_title else obj.remote_id

    @admin.display(description="state", ordering="state")
    def shown_state(self, obj: MatchCandidate) -> str:
        return pills.of_choice(obj.state, obj.get_state_display())

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
