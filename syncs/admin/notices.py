"""Change notices as a log: what vendors posted, what could not be read, and which records were read because of it."""

from __future__ import annotations

import json
from contextlib import suppress

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from integration_hub.admin import LogModelAdmin
from integration_hub.console import pills
from integration_hub.console.buttons import Panel, button
from integration_hub.console.filters import AmongNewest, AmongNewestOf, period
from syncs.models import Notice
from syncs.models.notices import NoticeState
from syncs.notices import intake as notices
from syncs.wording import counted

SHOWN = 20_000
"""Characters of a body that its page shows."""
MOST_RECORDS = 100


@admin.register(Notice)
class NoticeAdmin(LogModelAdmin):
    empty = (
        "No change notices yet",
        "HubSpot and Salesforce can tell the hub at once what changed. The page of a stream names the address.",
    )
    empty_next = ("admin:syncs_stream_changelist", "Streams")
    list_display = ("name", "connection", "marked_state", "received", "events", "repeated", "unheard", "why")
    list_display_links = ("name",)
    list_filter = (("state", AmongNewest), ("connection", AmongNewestOf), period("received_at", "received"))
    list_select_related = ("connection",)
    actions = ("reprocess_chosen",)
    buttons = ("reprocess",)
    fields = (
        "connection", "marked_state", "received", "taken", "count", "events", "repeated", "unheard", "problem",
        "content_type", "named", "shown_body",
    )  # fmt: skip
    readonly_fields = ("marked_state", "received", "taken", "named", "shown_body")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notice]:
        rows: QuerySet[Notice] = super().get_queryset(request)
        return rows.defer("body")

    @admin.display(description="notice")
    def name(self, obj: Notice) -> str:
        return f"Notice {obj.pk}" if obj.count <= 1 else f"{obj.count:,} posts"

    @admin.display(description="state")
    def marked_state(self, obj: Notice) -> SafeString:
        return pills.of_choice(obj.state, obj.get_state_display())

    @admin.display(description="received (UTC)", ordering="id")
    def received(self, obj: Notice) -> str:
        return pills.time(obj.received_at)

    @admin.display(description="taken up (UTC)")
    def taken(self, obj: Notice) -> str:
        return pills.time(obj.taken_at)

    @admin.display(description="why")
    def why(self, obj: Notice) -> str:
        return obj.problem.partition("\n")[0]

    @admin.display(description="records")
    def named(self, obj: Notice) -> str:
        rows = obj.records.select_related("stream")[:MOST_RECORDS]
        lines = [
            (
                reverse("console:timeline_record", args=[one.record_id]),
                one.record_id,
                one.stream.key,
                one.get_state_display().lower(),
            )
            for one in rows
        ]
        shown = format_html_join("", '<li><a class="hub-link" href="{}">{}</a> of {}: {}</li>', lines)
        return format_html("<ul>{}</ul>", shown) if lines else "–"

    @admin.display(description="body")
    def shown_body(self, obj: Notice) -> str:
        return format_html('<pre class="hub-json">{}</pre>', _shown(bytes(obj.body)))

    def get_panel(self, request: HttpRequest, obj: Notice) -> Panel:
        words = {
            NoticeState.WAITING: "It is stored and waits to be taken up.",
            NoticeState.TAKEN: "Its records were noted, to be read together with others.",
            NoticeState.QUARANTINED: "It proved itself, and part of it cannot be read. The rest was taken up.",
            NoticeState.REFUSED: "These posts did not prove themselves. Nothing of them was kept.",
        }
        return Panel(
            pills=(self.marked_state(obj),),
            sentences=(words[NoticeState(obj.state)],),
            problems=obj.problem.splitlines(),
        )

    def get_buttons(self, request: HttpRequest, obj: Notice) -> tuple[str, ...]:
        return self.buttons if obj.verified and obj.state != NoticeState.WAITING else ()

    @button("Read again", icon="replay")
    def reprocess(self, request: HttpRequest, obj: Notice) -> None:
        notices.again([obj])
        messages.success(request, "It is taken up once more. What it led to before is not done twice.")

    @admin.action(description="Read again", permissions=["act"])
    def reprocess_chosen(self, request: HttpRequest, queryset: QuerySet[Notice]) -> None:
        messages.success(request, f"{counted(notices.again(queryset), 'notice')} to be taken up once more.")


def _shown(body: bytes) -> str:
    """Return the body with its lines as a person reads it; what is no JSON as it came."""
    text = body.decode(errors="replace")
    with suppress(ValueError, RecursionError):
        lines = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        text = lines.encode(errors="replace").decode()  # half a surrogate pair cannot be shown
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}\n… {len(text) - SHOWN:,} more characters"
