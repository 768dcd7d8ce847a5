"""Do notices still come, and is nothing missed by them? Told as one incident each."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, QuerySet, Sum

from syncs import incidents
from syncs.models import Change, Connection, Notice, NoticedRecord, Stream
from syncs.models.changes import ChangeOrigin
from syncs.models.incidents import IncidentKind
from syncs.models.notices import NoticeState

SPAN = timedelta(minutes=10)
REPEATED = 10
"""So many posts that do not prove themselves are no slip."""
GRACE = timedelta(minutes=5)
"""A poll may be quicker than the notice: so late a notice still counts as one."""
SILENT = timedelta(hours=1)
MISSED = 10
"""So many changes in a row without a notice, and none for an hour: notices have stopped."""


def look(now: datetime) -> None:
    """Watch what is refused and what is missed; called once a minute."""
    for connection in Connection.objects.filter(pk__in=_refusals(now - SPAN).values("connection")):
        _watch_refusals(connection, now)
    for stream in Stream.objects.exclude(noticed_at=None).select_related("connection"):
        _watch_misses(stream, now)


def refused(connection: Connection, since: datetime) -> Counter[str]:
    """Return how many posts were refused since then, by reason."""
    rows = _refusals(since).filter(connection=connection).values_list("problem").annotate(Sum("count"))
    return Counter(dict(rows))


def _refusals(since: datetime) -> QuerySet[Notice]:
    return Notice.objects.filter(state=NoticeState.REFUSED, received_at__gte=since)


def _watch_refusals(connection: Connection, now: datetime) -> None:
    reasons = refused(connection, now - SPAN)
    latest = sum(refused(connection, now - timedelta(minutes=2)).values())
    if sum(reasons.values()) < REPEATED or not latest:
        return
    incidents.raise_incident(
        f"notices:{connection.key}",
        kind=IncidentKind.NOTICES,
        title=f"Change notices to {connection} are refused",
        detail="In ten minutes: " + ", ".join(f"{n:,} × {why}" for why, n in reasons.most_common()) + ".",
        remedy="Compare the address, the app's secret or the token, and PUBLIC_URL with what the vendor calls. "
        "Polls go on meanwhile: nothing is lost.",
        connection=connection,
        count=latest,
        now=now,
    )


def _watch_misses(stream: Stream, now: datetime) -> None:
    """Count what polls found and no notice told of, once each, and tell if notices stopped."""
    until = now - GRACE
    since = stream.notices_watched_to or until
    told = NoticedRecord.objects.filter(
        stream=OuterRef("stream"), record_id=OuterRef("record_id"), received_at__gte=OuterRef("modified_at") - GRACE
    )  # fmt: skip
    found = Change.objects.filter(
        ~Exists(told), stream=stream, origin=ChangeOrigin.POLL, captured_at__gt=since, captured_at__lte=until
    )  # fmt: skip
    missed = found.count()
    silent = stream.noticed_at is not None and now - stream.noticed_at >= SILENT
    Stream.objects.filter(pk=stream.pk).update(
        notices_watched_to=max(until, since),
        missed_by_notices=F("missed_by_notices") + missed,
        missed_in_a_row=F("missed_in_a_row") + missed,
    )
    key, in_a_row = f"notices:stream:{stream.key}", stream.missed_in_a_row + missed
    if not silent:
        incidents.close(key, now)
    elif in_a_row >= MISSED and missed:
        incidents.raise_incident(
            key,
            kind=IncidentKind.NOTICES,
            title=f"No more change notices for {stream}",
            detail=f"The last one came at {stream.noticed_at:%Y-%m-%d %H:%M} UTC; since then polls found "
            f"{in_a_row:,} changes without one.",
            remedy="Look at the vendor's webhook or outbound message: is it active, and does it call the hub's "
            "address? Polls go on: changes are only later.",
            connection=stream.connection,
            origin=f"stream:{stream.key}",
            now=now,
        )
