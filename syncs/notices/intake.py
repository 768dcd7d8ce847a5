"""Change notices that come in: proved, stored as they came, and only then answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.conf import settings
from django.db.models import F

from integration_hub.connectors.notices import Call, Notifier, notifier
from syncs.models import Connection, Notice
from syncs.models.notices import NoticeState

TOKEN = "{token}"  # noqa: S105 - a place for one


def receive(
    connection: Connection,
    who: Notifier,
    config: Mapping[str, str],
    call: Call,
    content_type: str,
    now: datetime,
) -> str:
    """Take a notice in; return why it is refused, "" if it is not. When this returns, it survives any crash."""
    refusal = who.refusal(config, call, now)
    if refusal:
        turn_away(connection, refusal, now)
    else:
        Notice.objects.create(
            connection=connection, received_at=now, content_type=content_type[:100], body=call.body, verified=True
        )  # fmt: skip
    return refusal


def turn_away(connection: Connection, refusal: str, now: datetime) -> None:
    """Count what did not prove itself: one row a minute and reason, without the body."""
    minute = now.replace(second=0, microsecond=0)
    row = Notice(
        connection=connection, received_at=minute, problem=refusal, state=NoticeState.REFUSED, count=0
    )
    same = Notice.objects.filter(
        connection=connection, received_at=minute, problem=refusal, state=NoticeState.REFUSED
    )
    if not same.update(count=F("count") + 1):
        Notice.objects.bulk_create([row], ignore_conflicts=True)
        same.update(count=F("count") + 1)


def again(notices: Iterable[Notice]) -> int:
    """Have these read once more; return how many. What an event led to before is not done twice."""
    pks = [one.pk for one in notices]
    rows = Notice.objects.filter(pk__in=pks, verified=True).exclude(state=NoticeState.WAITING)
    return rows.update(state=NoticeState.WAITING, problem="", taken_at=None)


def path_of(connection: Connection) -> str:
    """Return the path that the vendor's notices go to, with TOKEN where it has a token; "" for a kind without."""
    if notifier(connection.kind) is None:
        return ""
    has_token = any(one.name == "notice_token" for one in connection.setting_fields)
    return f"/hooks/{connection.kind}/{connection.key}/" + (f"{TOKEN}/" if has_token else "")


def address_of(connection: Connection) -> str:
    path = path_of(connection)
    return f"{settings.PUBLIC_URL}{path}" if path else ""
