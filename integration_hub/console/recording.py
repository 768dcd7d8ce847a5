"""What is changed on the pages of the admin becomes versions, with the name of who did it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import ResolverMatch
from django.utils import timezone

from integration_hub.configuration import history
from integration_hub.configuration.history import Author
from integration_hub.console.versioned import section_of_page
from syncs.models.versions import Cause


class Recording:
    """Middleware. Around each POST to a page about configured things it looks at that section, before and after.

    The look before keeps what others changed unnoticed out of this user's name. Nothing else pays for it: no
    signal, no row of history, and no query outside such a POST.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        section = _section(request)
        if section:
            author = Author(Cause.ADMIN, request.user.get_username())
            history.record([section], timezone.now(), author)
        return response

    def process_view(self, request: HttpRequest, *_view: Any) -> None:
        section = _section(request)
        if section:
            history.record([section], timezone.now())


def _section(request: HttpRequest) -> str | None:
    match: ResolverMatch | None = request.resolver_match
    if request.method != "POST" or match is None or match.app_names != ["admin"]:
        return None
    return section_of_page(match.url_name or "") if request.user.is_authenticated else None
