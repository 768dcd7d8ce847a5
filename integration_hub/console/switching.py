"""What forms and buttons do when something is switched on or off: ask first if work waits, and keep who did it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from syncs import holds
from syncs.models.switches import WaitingWork

_ASKED = "_switch_asked"


def choice(name: str) -> HttpResponse | None:
    """Return the way to the page that asks what is to become of waiting work, None if nothing waits."""
    switching = _switching()
    if switching.waiting(switching.find(name), timezone.now()):
        return HttpResponseRedirect(reverse("console:switch", args=[name]))
    return None


def saving(request: HttpRequest, name: str, obj: Any, form: Any) -> None:
    """Leave it off if it was ticked on and work waits: `asked` then leads to the choice. Call it before saving."""
    if "enabled" not in form.changed_data:
        return
    asked = choice(name) if obj.enabled else None
    if asked:
        obj.enabled = False
        setattr(request, _ASKED, asked)
        messages.warning(request, "Work waits. Choose what is to become of it; until then it stays off.")
    else:
        note(request, name, on=obj.enabled)


def asked(request: HttpRequest) -> HttpResponse | None:
    found: HttpResponse | None = getattr(request, _ASKED, None)
    return found


def release(request: HttpRequest, connection: Any) -> HttpResponse | None:
    """Release a connection and keep who did; the way to the page that asks, if more than an hour's work waits."""
    switching, now = _switching(), timezone.now()
    name = f"connection:{connection.key}"
    held = switching.kept_back(switching.find(name), now)
    if held is None:
        holds.release(connection, now)
        return None
    if switching.is_worth_asking(held, now):
        return HttpResponseRedirect(reverse("console:switch", args=[name]))
    switching.release(held, WaitingWork.ALL, request.user.get_username(), now)
    return None


def note(request: HttpRequest, name: str, *, on: bool) -> None:
    """Keep who switched what."""
    switching = _switching()
    switching.noted(switching.find(name), on=on, user=request.user.get_username(), now=timezone.now())


def _switching() -> Any:
    """Return the module by its name: the admin of syncs, which uses this one, must not import routing."""
    return import_module("routing.switching")
