"""Working hours: the spans of a week, seen as a week."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from integration_hub.admin import HubForm, HubInline, HubModelAdmin, ZoneInput
from integration_hub.console.buttons import Panel
from routing.models import Holiday, WorkingHours, WorkingSpan
from routing.models.hours import WEEKDAYS

DAY = 24 * 60


class SpanInline(HubInline):
    model = WorkingSpan
    verbose_name_plural = "hours of the week (an end at or before the start is on the next day)"


class HolidayInline(HubInline):
    model = Holiday


class WorkingHoursForm(HubForm):
    class Meta:
        model = WorkingHours
        fields = "__all__"
        widgets = {"time_zone": ZoneInput()}


@admin.register(WorkingHours)
class WorkingHoursAdmin(HubModelAdmin):
    empty = (
        "No working hours yet",
        "Until there are some, everybody is taken to be at work at all times.",
    )
    form = WorkingHoursForm
    list_display = ("name", "is_default", "in_words", "time_zone")
    search_fields = ("name", "key")
    prepopulated_fields = {"key": ("name",)}
    fields = ("name", "key", "is_default", "time_zone")
    inlines = (SpanInline, HolidayInline)

    def get_queryset(self, request: HttpRequest) -> object:
        return super().get_queryset(request).prefetch_related("spans")

    def get_readonly_fields(self, request: HttpRequest, obj: WorkingHours | None = None) -> tuple[str, ...]:
        return ("key",) if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: WorkingHours | None = None) -> object:
        return {} if obj else self.prepopulated_fields

    @admin.display(description="hours")
    def in_words(self, obj: WorkingHours) -> str:
        return "; ".join(str(span) for span in obj.spans.all()) or "Never at work"

    def get_panel(self, request: HttpRequest, obj: WorkingHours) -> Panel:
        words = (
            "For everybody without their own schedule." if obj.is_default else "For the people who have it."
        )
        return Panel(sentences=(words, week(list(obj.spans.all()))))


def week(spans: list[WorkingSpan]) -> SafeString:
    """Draw the week: a line a day, with the hours at work filled; what passes midnight goes on the next line."""
    lines = []
    for number, name in WEEKDAYS:
        bars = format_html_join(
            "",
            '<span style="left:{}%;width:{}%" title="{}"></span>',
            [
                (f"{start / DAY:.2%}"[:-1], f"{(end - start) / DAY:.2%}"[:-1], title)
                for start, end, title in _on(number, spans)
            ],
        )
        lines.append((name[:3], bars))
    marks = format_html_join("", "<i>{}</i>", [(f"{hour:02d}",) for hour in range(0, 24, 3)])
    days = format_html_join("", '<div class="hub-day"><b>{}</b><div>{}</div></div>', lines)
    return format_html(
        '<div class="hub-week"><div class="hub-day hub-hours"><b></b><div>{}</div></div>{}</div>', marks, days
    )


def _on(day: int, spans: list[WorkingSpan]) -> list[tuple[int, int, str]]:
    """Return (from, to, in words) in minutes of the day for what is open on it."""
    found = []
    for span in spans:
        start = span.start.hour * 60 + span.start.minute
        end = span.end.hour * 60 + span.end.minute
        if end <= start:
            end += DAY
        if span.weekday == day:
            found.append((start, min(end, DAY), str(span)))
        if span.weekday == (day - 1) % 7 and end > DAY:
            found.append((0, end - DAY, str(span)))
    return found
