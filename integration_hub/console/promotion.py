"""The page that takes a configuration file: what it would change, in words, and only then the import itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from integration_hub.configuration import apply, binding, document, reading, target
from integration_hub.configuration.errors import ConfigurationError
from integration_hub.configuration.history import Author
from integration_hub.configuration.plan import Plan
from integration_hub.connectors.errors import ConnectorError
from integration_hub.console.buttons import sentence
from syncs.models import Connection
from syncs.models.versions import Cause

BIND = "bind:"
"""Before the names of the fields that bind a slot."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A connection that the file names, and those of this hub that could take its place."""

    name: str
    choices: list[Connection]
    chosen: str

    @property
    def field(self) -> str:
        return f"{BIND}{self.name}"


@dataclass(frozen=True, slots=True)
class Sent:
    """What the form holds: the file, whether it is another hub's, and what was bound."""

    text: str
    promote: bool
    binds: dict[str, str]

    def document(self) -> dict[str, Any]:
        """Return the file with this hub's connections in it. ConfigurationError: it is wrong."""
        given = reading.parse(self.text.encode())
        return binding.bound(given, self.binds) if self.promote else given


@require_http_methods(["GET", "POST"])
def configuration(request: HttpRequest) -> HttpResponse:
    """Take a file, say what it would change, and import what was said; for superusers, for it touches everything."""
    _superuser(request)
    if request.method == "GET":
        return _page(request, {})
    sent = _sent(request)
    more: dict[str, Any] = {"text": sent.text, "promote": sent.promote}
    try:
        more["slots"] = _slots(sent)
        given = sent.document()
        planned = apply.run(given, now=timezone.now(), dry_run=True)
        mark = _mark(planned)
        more |= {"plan": planned, "lines": list(planned.lines()), "mark": mark}
        if "apply" in request.POST:
            if request.POST.get("mark") != mark:
                messages.warning(request, "What it would change is no longer what was shown. Look again.")
            else:
                return _imported(request, given)
        elif "check" in request.POST:
            report = target.check(timezone.now(), given)
            more |= {"report": report, "found": [(o, found) for o, found in report.problems.items() if found]}
    except ConfigurationError as error:
        more["problems"] = error.sentences
    return _page(request, more)


@require_GET
def export(request: HttpRequest) -> HttpResponse:
    _superuser(request)
    try:
        text = document.text(document.exported())
    except ConfigurationError as error:
        for one in error.sentences:
            messages.error(request, one)
        return HttpResponseRedirect(reverse("console:configuration"))
    response = HttpResponse(text, content_type="application/yaml; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="hub.yaml"'
    return response


@require_http_methods(["GET", "POST"])
def missing_fields(request: HttpRequest) -> HttpResponse:
    """Name what the hub uses and does not find, and make what it can when that is confirmed."""
    _superuser(request)
    report = target.check(timezone.now())
    wanted = target.makable(report)
    if request.method == "POST":
        # Only what was shown is made: the list may have grown since.
        shown = set(request.POST.getlist("field"))
        chosen = [(at, one) for at, one in wanted if target.in_words(at, one) in shown]
        try:
            for words in target.create(chosen, user_id=request.user.pk):
                messages.success(request, f"Made at {words}.")
        except ConnectorError as error:
            messages.error(request, sentence(error))
        return HttpResponseRedirect(reverse("console:missing_fields"))
    more = {
        "title": "Missing fields",
        "report": report,
        "found": [(origin, found) for origin, found in report.problems.items() if found],
        "wanted": [target.in_words(at, one) for at, one in wanted],
    }
    return render(request, "hub/missing_fields.html", {**admin.site.each_context(request), **more})


def _imported(request: HttpRequest, given: dict[str, Any]) -> HttpResponse:
    author = Author(Cause.IMPORT, request.user.get_username(), "A file, on the page Configuration file.")
    done = apply.run(given, now=timezone.now(), author=author)
    messages.success(request, f"Imported. {done.summary}")
    for one in done.warnings:
        messages.warning(request, one)
    return HttpResponseRedirect(reverse("console:configuration"))


def _sent(request: HttpRequest) -> Sent:
    """Return what came: a file that was chosen goes before the text of the one that was shown."""
    uploaded = request.FILES.get("file")
    text = request.POST.get("text", "")
    if uploaded is not None:
        text = uploaded.read(reading.MAX_BYTES + 1).decode(errors="replace")
    binds = {
        name.removeprefix(BIND): str(value)
        for name, value in request.POST.items()
        if name.startswith(BIND) and value
    }
    return Sent(text, "promote" in request.POST, binds)


def _slots(sent: Sent) -> list[Slot]:
    if not sent.promote:
        return []
    here = list(Connection.objects.order_by("key"))
    return [
        Slot(name, [one for one in here if kind in ("", one.kind)], sent.binds.get(name, name))
        for name, kind in binding.slots(reading.parse(sent.text.encode())).items()
    ]


def _mark(planned: Plan) -> str:
    return hashlib.sha256(repr(planned.differences).encode()).hexdigest()


def _page(request: HttpRequest, more: dict[str, Any]) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": "Configuration file", **more}
    return render(request, "hub/configuration.html", context)


def _superuser(request: HttpRequest) -> None:
    if not (request.user.is_active and request.user.is_superuser):
        raise PermissionDenied
