"""Versions: what a sync, a rule, a flow or another configured thing was, compared and restored."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.text import capfirst

from integration_hub.admin import LogModelAdmin
from integration_hub.configuration import history, restoring
from integration_hub.configuration.errors import ConfigurationError
from integration_hub.configuration.sections import BY_NAME
from integration_hub.console import pills
from integration_hub.console.buttons import Button, Panel, button
from integration_hub.console.filters import NEWEST, AmongNewest
from integration_hub.console.finding import some
from syncs.models import Version

NEAR = 3
"""Equal lines that are shown around those that differ."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of both sides; None: the other side has a line more here."""

    left: str | None
    right: str | None
    tone: str = ""


class SectionFilter(admin.SimpleListFilter):
    """What is configured, as its file names it; asking the table which there are would read all of it."""

    title = "section"
    parameter_name = "section__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in history.SECTION_NAMES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Version]) -> QuerySet[Version]:
        return queryset.filter(section=self.value()) if self.value() else queryset


@admin.register(Version)
class VersionAdmin(LogModelAdmin):
    empty = (
        "No versions yet",
        "Each time that a sync, a rule, a flow or another configured thing changes, it is kept here as a whole.",
    )
    list_display = ("when", "what", "titled", "actor", "cause", "note")
    list_display_links = ("when",)
    list_filter = (SectionFilter, ("cause", AmongNewest))
    search_fields = ("key", "name")
    search_help_text = "The key, or a part of a name among the newest."
    fields = ("changed", "whole")
    readonly_fields = ("changed", "whole")
    buttons = ("compare", "restore")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Version], search_term: str
    ) -> tuple[QuerySet[Version], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        newest = Version.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        by_key = Version.objects.filter(section__in=history.SECTION_NAMES, key=term)
        by_name = Version.objects.filter(pk__gt=newest - NEWEST, name__icontains=term)
        return queryset.filter(pk__in={*some(by_key), *some(by_name)}), False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup == "key__exact" or super().lookup_allowed(lookup, value, request)

    @admin.display(description="when (UTC)", ordering="pk")
    def when(self, obj: Version) -> str:
        return pills.time(obj.at)

    @admin.display(description="what", ordering="section")
    def what(self, obj: Version) -> str:
        return capfirst(_noun(obj))

    @admin.display(description="name")
    def titled(self, obj: Version) -> str:
        return obj.name or obj.key or "–"

    @admin.display(description="what changed")
    def changed(self, obj: Version) -> str:
        lines = history.between(history.newest_before(obj), obj)
        return format_html_join("", "<div>{}</div>", ((line,) for line in lines)) or "Nothing."

    @admin.display(description="as a configuration file says it")
    def whole(self, obj: Version) -> str:
        return format_html('<pre class="hub-pre">{}</pre>', history.text(obj))

    def get_panel(self, request: HttpRequest, obj: Version) -> Panel:
        by = f" by {obj.actor}" if obj.actor else ""
        said = f"{capfirst(thing(obj))}. {obj.get_cause_display()}{by}{f': {obj.note}' if obj.note else '.'}"
        gone = ("It was removed.",) if obj.document is None else ()
        return Panel(pills=(pills.time(obj.at),), sentences=(said, *gone))

    def get_buttons(self, request: HttpRequest, obj: Version) -> tuple[str, ...]:
        return ("compare",) if obj.document is None else ("compare", "restore")

    def may_act(self, request: HttpRequest) -> bool:
        return bool(request.user.is_staff)

    def may_see(self, request: HttpRequest, obj: Version, spec: Button) -> bool:
        allowed = spec.name != "restore" or request.user.has_perm(_right(obj))
        return allowed and super().may_see(request, obj, spec)

    @button("Compare", icon="compare", page=True)
    def compare(self, request: HttpRequest, obj: Version) -> HttpResponse:
        versions = history.of(obj.section, obj.key)
        old, new = _compared(obj, versions, request.GET.get("old", ""), request.GET.get("new", ""))
        more = {
            "title": f"Versions of {thing(obj)}",
            "versions": versions, "old": old, "new": new,
            "lines": history.between(old, new),
            "rows": side_by_side(history.text(old) if old else "", history.text(new)),
        }  # fmt: skip
        return self._page(request, obj, "hub/version_compare.html", more)

    @button("Restore", icon="restore", page=True)
    def restore(self, request: HttpRequest, obj: Version) -> HttpResponse:
        if not request.user.has_perm(_right(obj)):
            raise PermissionDenied
        more: dict[str, Any] = {"title": f"Restore {thing(obj)}", "version": obj}
        try:
            if request.method == "POST":
                restoring.restore(obj, timezone.now(), actor=request.user.get_username())
                words = f"{capfirst(thing(obj))} is as it was on {obj.at:%Y-%m-%d %H:%M} UTC."
                messages.success(request, words)
                newest = history.of(obj.section, obj.key).first() or obj
                return HttpResponseRedirect(self.page_of(newest))
            planned = restoring.restorable(obj)
            more |= {"lines": list(planned.lines()), "warnings": planned.warnings}
        except ConfigurationError as error:
            more["problems"] = error.sentences
        return self._page(request, obj, "hub/version_restore.html", more)

    def _page(self, request: HttpRequest, obj: Version, template: str, more: dict[str, Any]) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "back": self.page_of(obj), "subject": obj, **more}
        return render(request, template, context)


def side_by_side(old: str, new: str) -> list[Row]:
    """Return the lines of both texts beside each other, with some around those that differ."""
    left, right = old.splitlines(), new.splitlines()
    rows: list[Row] = []
    for group in difflib.SequenceMatcher(None, left, right, autojunk=False).get_grouped_opcodes(NEAR):
        if rows:
            rows.append(Row("…", "…"))
        for tag, a, b, c, d in group:
            for at in range(max(b - a, d - c)):
                one = left[a + at] if a + at < b else None
                other = right[c + at] if c + at < d else None
                rows.append(Row(one, other, "" if tag == "equal" else tag))
    return rows


def thing(obj: Version) -> str:
    """Say what the version is of, such as: the rule “Hot leads”."""
    name = obj.name or obj.key
    return f"the {_noun(obj)}{f' “{name}”' if name else ''}"


def _noun(obj: Version) -> str:
    return str(BY_NAME[obj.section].model._meta.verbose_name)


def _compared(
    shown: Version, versions: QuerySet[Version], old: str, new: str
) -> tuple[Version | None, Version]:
    """Return the two that were asked for, the older first; else the one that is shown and the one before it.

    Of the first version nothing was before: it is compared with the newest.
    """
    asked = [versions.filter(pk=given).first() if given.isdecimal() else None for given in (old, new)]
    former = history.newest_before(shown)
    pair = asked if all(asked) else [former or versions.first(), shown]
    two = sorted({one.pk: one for one in pair if one}.values(), key=lambda one: one.pk)
    return (two[0], two[1]) if len(two) > 1 else (None, two[0])


def _right(obj: Version) -> str:
    """Return the permission to change what the version is of."""
    meta = BY_NAME[obj.section].model._meta
    return f"{meta.app_label}.change_{meta.model_name}"
