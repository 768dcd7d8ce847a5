"""Streams: what is watched, how far it was read, and the buttons to read it now."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join

from integration_hub.admin import HubForm, HubModelAdmin, SuggestedInput
from integration_hub.connectors.contract import Source
from integration_hub.connectors.errors import ConfigError, ConnectorError
from integration_hub.console import pills
from integration_hub.console.buttons import Panel, button
from syncs import connect, streams
from syncs.engine import poll
from syncs.models import Connection, Stream, SyncRun
from syncs.notices import intake as notices
from syncs.wording import counted

BASELINE_HERE = 20_000
"""More records than this take longer than a browser waits."""


class StreamForm(HubForm):
    class Meta:
        model = Stream
        fields = "__all__"
        widgets = {"object_type": SuggestedInput("object-types", ())}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields.get("connection")
        if field is not None:
            readable = [c.pk for c in Connection.objects.all() if issubclass(c.connector_class, Source)]
            field.queryset = Connection.objects.filter(pk__in=readable)

    def clean(self) -> dict[str, Any]:
        """Check the object type with the vendor, if that answers; if not, it is taken as typed."""
        cleaned = super().clean()
        connection, wanted = cleaned.get("connection"), cleaned.get("object_type")
        if not (connection and wanted and "object_type" in self.changed_data):
            return cleaned
        known = object_types(connection)
        by_folded = {name.casefold(): name for name, _ in known}
        if known and wanted.casefold() not in by_folded:
            self.add_error(
                "object_type", f"{connection} has no object type “{wanted}”, or its user may not see it."
            )
        cleaned["object_type"] = by_folded.get(wanted.casefold(), wanted)
        return cleaned


@admin.register(Stream)
class StreamAdmin(HubModelAdmin):
    empty = (
        "No streams yet",
        "A stream says which records of a connection are read, such as Lead at Salesforce.",
    )
    empty_next = ("admin:syncs_connection_changelist", "Connections")
    form = StreamForm
    list_display = ("key", "object_type", "at", "enabled", "interval_seconds", "read_up_to", "next_poll")
    list_filter = ("enabled", "connection")
    list_select_related = ("connection",)
    search_fields = ("key", "object_type")
    buttons = ("poll_now", "learn", "describe")
    actions = ("poll_chosen",)
    fieldsets = (
        (None, {"fields": ("connection", "object_type", "key", "enabled")}),
        ("Reading", {"fields": ("interval_seconds", "overlap_seconds")}),
        ("Fields as the vendor describes them", {"fields": ("described_fields",), "classes": ("collapse",)}),
    )

    @admin.display(description="connection", ordering="connection__name")
    def at(self, obj: Stream) -> str:
        return pills.named(obj.connection)

    @admin.display(description="read up to (UTC)", ordering="watermark")
    def read_up_to(self, obj: Stream) -> str:
        return pills.time(obj.watermark)

    @admin.display(description="next poll (UTC)", ordering="next_poll_at")
    def next_poll(self, obj: Stream) -> str:
        return pills.time(obj.next_poll_at) if obj.enabled else "off"

    @admin.display(description="fields")
    def described_fields(self, obj: Stream) -> str:
        described = obj.object_schema
        if described is None:
            return "Not asked yet: press “Describe fields”."
        return format_html_join(
            "",
            '<div class="hub-field"><code>{}</code> {} <span>{}{}</span></div>',
            (
                (f.name, f.label, f.type.value, f": {', '.join(f.options)}" if f.options else "")
                for f in sorted(described.fields.values(), key=lambda one: one.name)
            ),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Stream | None = None) -> tuple[str, ...]:
        return ("described_fields", "key", "connection", "object_type") if obj else ("described_fields",)

    def get_fieldsets(self, request: HttpRequest, obj: Stream | None = None) -> Any:
        return self.fieldsets if obj else self.fieldsets[:2]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        field: forms.Field | None = form.base_fields.get("object_type")
        if field is not None and request.method == "GET":
            field.widget.options = _offered()
        return form

    def get_panel(self, request: HttpRequest, obj: Stream) -> Panel:
        now = timezone.now()
        facts = {
            "Read up to": pills.time(obj.watermark),
            "Last poll": pills.time(obj.polled_at),
            "Next poll": pills.time(obj.next_poll_at) if obj.enabled else "off",
            "First poll": pills.time(obj.started_at),
            "Baseline": pills.time(obj.baseline_at),
            **_noticing(obj),
        }
        return Panel(
            pills=(pills.environment(obj.connection), pills.state(obj.connection, now)),
            sentences=(_in_words(obj),),
            facts=facts,
        )

    @button("Poll now", icon="sync", tone="primary")
    def poll_now(self, request: HttpRequest, obj: Stream) -> None:
        level, words = _polled(obj)
        messages.add_message(request, level, words)

    @button(
        "Learn current values",
        icon="school",
        confirm="Read all records once, so that later changes can be compared with them? Nothing is sent.",
    )
    def learn(self, request: HttpRequest, obj: Stream) -> None:
        with connect.opened(obj.connection) as connector:
            count = streams.as_source(connector, obj).count(obj.object_type, None)
        if count > BASELINE_HERE:
            messages.warning(
                request,
                f"{count:,} records take longer than a browser waits. "
                f"Run on the server: manage.py baseline {obj.key}",
            )
            return
        run = poll.baseline(obj, timezone.now())
        if run is None or run.error:
            messages.error(request, run.error if run else "Another baseline of this stream is running.")
            return
        messages.success(
            request, f"{counted(run.read, 'record')} read, {run.skipped:,} of them new to the hub."
        )

    @button("Describe fields", icon="list_alt")
    def describe(self, request: HttpRequest, obj: Stream) -> None:
        described = streams.describe(obj, timezone.now())
        messages.success(request, f"{described.label} has {counted(len(described.fields), 'field')}.")

    @admin.action(description="Poll now", permissions=["act"])
    def poll_chosen(self, request: HttpRequest, queryset: QuerySet[Stream]) -> None:
        polled = [_polled(one) for one in queryset.select_related("connection")]
        for level, words in polled:
            messages.add_message(request, level, words)
        messages.info(request, f"{len(polled)} streams were to be polled.")


def object_types(connection: Connection) -> list[tuple[str, str]]:
    """Ask the vendor what can be watched; [] if it does not answer."""
    try:
        with connect.opened(connection) as connector:
            return connector.object_types() if isinstance(connector, Source) else []
    except ConnectorError:
        return []


def _offered() -> tuple[tuple[str, str], ...]:
    """Return the object types of all connections that answer, for the suggestions of the form."""
    usable = Connection.objects.usable(timezone.now()).exclude(check_ok=False)
    sources = [one for one in usable if issubclass(one.connector_class, Source)]
    return tuple(sorted({pair for one in sources for pair in object_types(one)}))


def _polled(stream: Stream) -> tuple[int, str]:
    connection, now = stream.connection, timezone.now()
    if not Connection.objects.usable(now).filter(pk=connection.pk).exists():
        state = connection.state(now).label.lower()
        return messages.ERROR, f"{connection} cannot be called now ({state}). Open it to see why."
    try:
        run = poll.run(stream, now)
    except ConfigError as error:
        return messages.ERROR, f"{stream}: {error.message} {error.remedy}"
    if run is None:
        return messages.WARNING, f"{stream} is being polled by another process at this moment."
    return _result(stream, run)


def _result(stream: Stream, run: SyncRun) -> tuple[int, str]:
    if run.error:
        return messages.ERROR, f"{stream} could not be read: {run.error}"
    new = f"{run.waiting:,} new and handed to the rules" if run.waiting else "none of them new"
    return messages.SUCCESS, f"{stream}: {counted(run.read, 'record')} read, {new}."


def _noticing(stream: Stream) -> dict[str, str]:
    """Tell of change notices: where the vendor posts them, and whether they come."""
    address = notices.address_of(stream.connection)
    if not address:
        return {}
    missed = f"{stream.missed_by_notices:,} changes" if stream.noticed_at else "–"
    return {
        "Address for notices": address.replace(notices.TOKEN, "<token>"),
        "Last notice": pills.time(stream.noticed_at),
        "Found only by polls": missed,
    }


def _in_words(stream: Stream) -> str:
    if not stream.enabled:
        return "Switched off: it is not polled. Stored changes are kept."
    if stream.started_at is None:
        return "It has never been polled. Records that change from the first poll on are captured."
    known = (
        f"Current values were learned on {stream.baseline_at:%Y-%m-%d %H:%M} UTC."
        if stream.baseline_at
        else "Values from before the first poll are unknown: rules on “enters” and “changes” skip a record "
        "seen for the first time. Press “Learn current values” to know them."
    )
    if not stream.interval_seconds:
        return f"Never polled: it lives on events. {known}"
    return f"Polled every {stream.interval_seconds} seconds. {known}"
