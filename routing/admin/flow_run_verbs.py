"""What people do to runs, each asked once more on a page of its own before it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from integration_hub.admin import LogModelAdmin
from integration_hub.console.buttons import button
from routing.flows import verbs as flow_verbs
from routing.flows.verbs import VerbError
from routing.models import FlowRun, FlowStep
from routing.models.flows import RunStage

MOST = 100
"""Runs that one action moves at once."""


@dataclass(frozen=True, slots=True)
class Verb:
    """`parked_only`: only a parked run can be moved so; else any that is open."""

    name: str
    label: str
    title: str
    explained: str
    done: str
    parked_only: bool = True
    asks_step: bool = False

    def fits(self, run: FlowRun) -> bool:
        return run.ended_at is None and (run.stage == RunStage.PARKED or not self.parked_only)


VERBS = {
    one.name: one
    for one in (
        Verb(
            "resume", "Resume", "Let it go on where it stands?",
            "A dead letter is sent again, an answer that no transition took is judged anew by the flow as it is now, "
            "and what was refused before it was sent is prepared anew.",
            "resumed",
        ),
        Verb(
            "retry", "Retry", "Do its step again?",
            "The step is prepared anew from event and session. What may have arrived already is looked for first.",
            "retried",
        ),
        Verb(
            "skip", "Skip", "Let it go on with another step?",
            "Whatever became of the step where it stands: it is left, and the run goes on with the one you choose.",
            "skipped", parked_only=False, asks_step=True,
        ),
        Verb(
            "cancel", "Cancel the run", "End it where it stands?",
            "What it has done at vendors stays as it is. The customer's next run goes on.",
            "canceled", parked_only=False,
        ),
    )
}  # fmt: skip


class RunVerbs(LogModelAdmin):
    """The buttons and actions of the log of runs."""

    actions: Any = ("resume_chosen", "retry_chosen", "cancel_chosen")
    buttons = ("resume", "retry", "skip", "cancel")

    def get_buttons(self, request: HttpRequest, obj: FlowRun) -> tuple[str, ...]:
        if not self.may_act(request):
            return ()
        return tuple(name for name in self.buttons if VERBS[name].fits(obj))

    @button("Resume", icon="play_arrow", tone="primary", page=True)
    def resume(self, request: HttpRequest, obj: FlowRun) -> HttpResponse:
        return self._confirmed(request, [obj], VERBS["resume"], self.page_of(obj))

    @button("Retry this step", icon="replay", page=True)
    def retry(self, request: HttpRequest, obj: FlowRun) -> HttpResponse:
        return self._confirmed(request, [obj], VERBS["retry"], self.page_of(obj))

    @button("Skip to a step", icon="skip_next", page=True)
    def skip(self, request: HttpRequest, obj: FlowRun) -> HttpResponse:
        return self._confirmed(request, [obj], VERBS["skip"], self.page_of(obj))

    @button("Cancel", icon="cancel", page=True)
    def cancel(self, request: HttpRequest, obj: FlowRun) -> HttpResponse:
        return self._confirmed(request, [obj], VERBS["cancel"], self.page_of(obj))

    @admin.action(description="Resume", permissions=["act"])
    def resume_chosen(self, request: HttpRequest, queryset: QuerySet[FlowRun]) -> HttpResponse:
        return self._chosen(request, queryset, VERBS["resume"])

    @admin.action(description="Retry their step", permissions=["act"])
    def retry_chosen(self, request: HttpRequest, queryset: QuerySet[FlowRun]) -> HttpResponse:
        return self._chosen(request, queryset, VERBS["retry"])

    @admin.action(description="Cancel", permissions=["act"])
    def cancel_chosen(self, request: HttpRequest, queryset: QuerySet[FlowRun]) -> HttpResponse:
        return self._chosen(request, queryset, VERBS["cancel"])

    def _chosen(self, request: HttpRequest, queryset: QuerySet[FlowRun], verb: Verb) -> HttpResponse:
        fitting = [run for run in queryset.select_related("flow", "step")[:MOST] if verb.fits(run)]
        back = reverse("admin:routing_flowrun_changelist")
        if not fitting:
            messages.warning(request, f"None of the chosen runs can be {verb.done} now.")
            return HttpResponseRedirect(back)
        return self._confirmed(request, fitting, verb, back)

    def _confirmed(self, request: HttpRequest, runs: list[FlowRun], verb: Verb, back: str) -> HttpResponse:
        """Show what will happen, and do it once that is confirmed."""
        if not self.may_act(request):
            raise PermissionDenied
        steps = list(FlowStep.objects.filter(flow_id=runs[0].flow_id)) if verb.asks_step else []
        if request.method == "POST" and "confirmed" in request.POST:
            target = next((step for step in steps if str(step.pk) == request.POST.get("step")), None)
            if not verb.asks_step or target:
                done, refused = _carried_out(verb, runs, request.user, target)
                for one in refused:
                    messages.error(request, one)
                if done:
                    messages.success(request, f"{'1 run' if done == 1 else f'{done} runs'} {verb.done}.")
                return HttpResponseRedirect(back)
        context = {
            **self.admin_site.each_context(request),
            "title": verb.title, "verb": verb, "runs": runs, "steps": steps, "back": back,
            "action": request.POST.get("action", ""), "subject": runs[0] if len(runs) == 1 else None,
        }  # fmt: skip
        return render(request, "hub/flow_verb.html", context)


def _carried_out(
    verb: Verb, runs: Sequence[FlowRun], user: Any, target: FlowStep | None
) -> tuple[int, list[str]]:
    """Return how many runs it was done to, and why not to the others."""
    now = timezone.now()
    if target is None:
        return flow_verbs.each(runs, verb.name, user, now)
    try:
        flow_verbs.skip(runs[0], target, user, now)
    except VerbError as error:
        return 0, [str(error)]
    return 1, []
