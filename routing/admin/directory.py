"""People and their accounts: who is who, with links set by hand where matching cannot know."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html

from integration_hub.admin import HubForm, HubInline, HubModelAdmin, ReadOnlyInline, ZoneInput
from integration_hub.console import pills
from integration_hub.console.buttons import Panel, button
from routing import hours, linking, presence
from routing.models import Absence, DirectoryLink, Person


class AbsenceInline(HubInline):
    model = Absence


class LinkInline(ReadOnlyInline):
    model = DirectoryLink
    verbose_name_plural = "accounts"
    fields = ("account", "at", "email", "active", "time_zone", "how")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[DirectoryLink]:
        rows: QuerySet[DirectoryLink] = super().get_queryset(request)
        return rows.select_related("connection")

    @admin.display(description="account")
    def account(self, obj: DirectoryLink) -> str:
        return obj.name or obj.remote_id

    @admin.display(description="connection")
    def at(self, obj: DirectoryLink) -> str:
        return pills.named(obj.connection)

    @admin.display(description="linked")
    def how(self, obj: DirectoryLink) -> str:
        return pills.pill("Set by hand", "blue") if obj.manual else "By e-mail"


class PersonForm(HubForm):
    class Meta:
        model = Person
        fields = "__all__"
        widgets = {"time_zone": ZoneInput()}

    def clean_email(self) -> str | None:
        """Fold the case: systems are matched by it, and two spellings are one address."""
        return (self.cleaned_data["email"] or "").strip().casefold() or None


@admin.register(Person)
class PersonAdmin(HubModelAdmin):
    empty = (
        "Nobody is known yet",
        "People are read from the connected systems and matched by e-mail. Connect them, then refresh the directory.",
    )
    empty_next = ("console:directory", "Directory issues")
    form = PersonForm
    list_display = ("name", "email", "time_zone", "working_hours", "accounts")
    list_filter = ("working_hours",)
    list_select_related = ("working_hours",)
    search_fields = ("name", "email")
    show_full_result_count = False
    fields = ("name", "email", "time_zone", "working_hours")
    inlines = (AbsenceInline, LinkInline)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Person]:
        rows: QuerySet[Person] = super().get_queryset(request)
        return rows.annotate(account_count=Count("links")) if _is_list(request, "routing_person") else rows

    @admin.display(description="accounts")
    def accounts(self, obj: Any) -> str:
        return str(getattr(obj, "account_count", "–"))

    def get_panel(self, request: HttpRequest, obj: Person) -> Panel:
        now = timezone.now()
        schedule = presence.schedule_for(obj)
        here = hours.at(schedule, now)
        mark = pills.pill("At work", "green") if here.open else pills.pill("Not at work", "amber")
        until = here.closes_at if here.open else here.opens_at
        zone = hours.zone_named(schedule.zone)
        words = f"{obj.name}: {here.local:%a %H:%M} in {schedule.zone}"
        if until:
            words += f", {'until' if here.open else 'back'} {until.astimezone(zone):%a %d %b %H:%M}"
        if here.why:
            words += f" ({here.why})"
        return Panel(pills=(mark,), sentences=(f"{words}.",))


class LinkForm(HubForm):
    class Meta:
        model = DirectoryLink
        fields = ("person",)


@admin.register(DirectoryLink)
class DirectoryLinkAdmin(HubModelAdmin):
    empty = (
        "No accounts are known yet",
        "They are read from the connected systems. Connect them, then refresh the directory.",
    )
    empty_next = ("console:directory", "Directory issues")
    form = LinkForm
    list_display = ("account", "at", "email", "person", "marked_state", "how", "active", "is_group")
    list_filter = ("state", "manual", "active", "is_group", "connection")
    list_select_related = ("connection", "person")
    search_fields = ("name", "email", "remote_id__exact")
    show_full_result_count = False
    autocomplete_fields = ("person",)
    buttons = ("release",)
    fields = (
        "person", "account", "at", "remote_id", "email", "marked_state", "how", "active", "is_group",
        "time_zone", "refreshed",
    )  # fmt: skip
    readonly_fields = fields[1:]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="account", ordering="name")
    def account(self, obj: DirectoryLink) -> str:
        return obj.name or obj.remote_id

    @admin.display(description="connection")
    def at(self, obj: DirectoryLink) -> str:
        return pills.named(obj.connection)

    @admin.display(description="state", ordering="state")
    def marked_state(self, obj: DirectoryLink) -> str:
        return pills.of_choice(obj.state, obj.get_state_display())

    @admin.display(description="linked", ordering="manual")
    def how(self, obj: DirectoryLink) -> str:
        return pills.pill("Set by hand", "blue") if obj.manual else "By e-mail"

    @admin.display(description="last refresh (UTC)")
    def refreshed(self, obj: DirectoryLink) -> str:
        return pills.time(obj.refreshed_at)

    def get_panel(self, request: HttpRequest, obj: DirectoryLink) -> Panel:
        if obj.manual:
            words = "Set by hand: refreshes leave it alone until you release it."
        elif obj.state == DirectoryLink.State.DOUBTFUL:
            names = ", ".join(p.name for p in Person.objects.filter(pk__in=obj.candidates))
            words = f"It might be {names}. Choose the person and save: that settles it."
        else:
            words = "Matched by e-mail at each refresh. Choosing a person here sets the link by hand."
        return Panel(pills=(self.marked_state(obj), pills.environment(obj.connection)), sentences=(words,))

    def get_buttons(self, request: HttpRequest, obj: DirectoryLink) -> tuple[str, ...]:
        return ("release",) if obj.manual else ()

    @button("Release manual link", icon="link_off")
    def release(self, request: HttpRequest, obj: DirectoryLink) -> None:
        linking.release(obj)
        messages.success(request, "The link is matched by e-mail again, from the next refresh on.")

    def save_model(self, request: HttpRequest, obj: DirectoryLink, form: Any, change: bool) -> None:
        if "person" in form.changed_data:
            linking.link_by_hand(obj, obj.person)
            whom = format_html("<b>{}</b>", obj.person) if obj.person else "nobody"
            messages.info(request, format_html("Linked by hand to {}; refreshes leave that alone.", whom))


def _is_list(request: HttpRequest, name: str) -> bool:
    match = request.resolver_match
    return bool(match and match.url_name == f"{name}_changelist")
