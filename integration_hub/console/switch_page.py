"""The page that asks, on switching on or releasing something, what is to become of the work that waited."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from routing import switching
from routing.switching import SwitchError, Target
from syncs.models import Switching
from syncs.models.switches import WaitingWork

HOURS = (1, 4, 24, 72, 168)
NEWEST = 10


@require_http_methods(["GET", "POST"])
def page(request: HttpRequest, name: str) -> HttpResponse:
    try:
        target = switching.find(name)
    except SwitchError as error:
        raise Http404(str(error)) from error
    if not request.user.has_perm(target.permission):
        raise PermissionDenied
    now = timezone.now()
    held = switching.kept_back(target, now)
    if request.method == "POST" and _switch(request, target, held):
        return HttpResponseRedirect(_address(target))
    context = {
        **admin.site.each_context(request),
        "title": "Release" if held else "Switch",
        "subject": target.row,
        "name": _name(target),
        "target": target,
        "verb": "Release" if held else "" if target.row.enabled else "Switch on",
        "waiting": switching.waiting(held or target, now),
        "hours": HOURS,
        "history": Switching.objects.filter(target=target.name)[:NEWEST],
        "back": _address(target),
    }
    return render(request, "hub/switch.html", context)


def _switch(request: HttpRequest, target: Target, held: Target | None) -> bool:
    """Do what was asked; say whether it was done."""
    user, now = request.user.get_username(), timezone.now()
    if request.POST.get("do") == "off":
        switching.switch_off(target, user, now)
        words = "Switched off."
    else:
        given = request.POST.get("hours", "")
        age = timedelta(hours=int(given)) if given in map(str, HOURS) else None
        wanted = request.POST.get("do", "")
        if wanted not in WaitingWork.values:
            messages.error(request, "Choose what is to become of the work that waits.")
            return False
        turn = switching.release if held else switching.switch_on
        try:
            counts = turn(held or target, WaitingWork(wanted), user, now, younger_than=age)
        except SwitchError as error:
            messages.error(request, str(error))
            return False
        words = in_words(counts)
    LogEntry.objects.log_actions(request.user.pk or 0, [target.row], CHANGE, words, single_object=True)
    messages.success(request, f"{_name(target)}: {words}")
    return True


def in_words(counts: dict[str, int]) -> str:
    verb = "Released" if "released" in counts else "Switched on"
    words = f"{verb}. Of {counts['waited']:,} waiting, {counts['dropped']:,} dropped."
    if counts.get("queued"):
        words += f" {counts['queued']:,} records that changed meanwhile are decided anew."
    return words


def _name(target: Target) -> str:
    return "The hub" if target.kind == switching.HUB else f"The {target.kind} “{target.row}”"


def _address(target: Target) -> str:
    meta = target.row._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[target.row.pk])
