"""Reading what changed in a span of time to its end: by windows, and inside a window by record id.

The search pages no further than 10,000 records, and sorted by the modified date it would loop for ever where more
of them share one instant (airbyte issue 43317). So a window is cut until it holds few enough, is read in the order
of ids, which no change disturbs, and is put in order here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from integration_hub.connectors.hubspot.api import LARGEST_PAGE
from integration_hub.connectors.hubspot.batches import Raw, values_of
from integration_hub.connectors.hubspot.filters import milliseconds
from integration_hub.connectors.hubspot.identity import CONTACTS
from integration_hub.connectors.moments import instant
from integration_hub.connectors.records import Page, Record

MOST_IN_WINDOW = 5_000
"""Records that are held at once to be put in order; the vendor's own bound is 10,000."""
FIRST_DAY = datetime(2006, 1, 1, tzinfo=UTC)
"""Older than any record at HubSpot."""
MILLISECOND = timedelta(milliseconds=1)
Body = Mapping[str, Any]
Search = Callable[[Body], Mapping[str, Any]]
Filters = Sequence[Sequence[Body]]
"""Groups of conditions: one group must hold whole."""


@dataclass(frozen=True, slots=True)
class Window:
    """Records of one object type modified in [since, until), those of `groups` only."""

    object_type: str
    names: Sequence[str]
    groups: Filters = ((),)
    since: datetime | None = None
    until: datetime | None = None

    def body(
        self, *, after_id: str = "", limit: int = LARGEST_PAGE, by: str = "hs_object_id"
    ) -> dict[str, Any]:
        own = self._span()
        if after_id:
            own.append({"propertyName": "hs_object_id", "operator": "GT", "value": after_id})
        groups = [{"filters": [*group, *own]} for group in self.groups]
        return {
            "filterGroups": [group for group in groups if group["filters"]],
            "sorts": [{"propertyName": by, "direction": "ASCENDING"}],
            "properties": list(self.names),
            "limit": limit,
        }

    def halves(self, now: datetime) -> tuple[Window, Window] | None:
        """Return the window as two, the earlier first; None: it is one millisecond."""
        since = self.since or FIRST_DAY
        until = self.until or max(now, since + timedelta(hours=1))
        middle = _whole(since + (until - since) / 2)
        if middle <= since or until - since <= MILLISECOND:
            return None
        return replace(self, since=since, until=middle), replace(self, since=middle)

    def _span(self) -> list[Body]:
        name = modified_property(self.object_type)
        filters: list[Body] = []
        if self.since and self.until:
            # Both ends as one filter: a group may have six. The upper end is included there.
            ends = {"value": milliseconds(self.since), "highValue": milliseconds(self.until - MILLISECOND)}
            filters.append({"propertyName": name, "operator": "BETWEEN", **ends})
        elif self.since:
            filters.append({"propertyName": name, "operator": "GTE", "value": milliseconds(self.since)})
        elif self.until:
            filters.append({"propertyName": name, "operator": "LT", "value": milliseconds(self.until)})
        return filters


def read_windows(search: Search, window: Window, clock: Callable[[], datetime], size: int) -> Iterator[Page]:
    """Yield pages, oldest change first, each with the watermark it leads to."""
    waiting = [window]
    while waiting:
        current = waiting.pop()
        begun = clock()
        first = search(current.body())
        halves = current.halves(begun) if int(first.get("total") or 0) > MOST_IN_WINDOW else None
        if halves:
            waiting += halves[::-1]
            continue
        records = sorted(_all(search, current, first), key=_age)
        for start in range(0, len(records), size):
            part = records[start : start + size]
            # What changed while we read may have been passed over; it is never behind this mark.
            yield Page(part, watermark=min(part[-1].modified_at, begun))


def read_first(search: Search, window: Window, limit: int) -> list[Record]:
    """Return the few records of a window that changed first: one call, for a preview."""
    answer = search(window.body(limit=min(limit, LARGEST_PAGE), by=modified_property(window.object_type)))
    records = [to_record(raw, window.object_type) for raw in answer["results"][:limit]]
    return sorted(records, key=_age)


def _all(search: Search, window: Window, first: Mapping[str, Any]) -> Iterator[Record]:
    """Yield all records of a window, in the order of ids. A record seen twice is yielded once."""
    answer, last = first, ""
    while True:
        results = answer["results"]
        goes_on = bool(((answer.get("paging") or {}).get("next") or {}).get("after"))
        fresh = [raw for raw in results if not last or _number(raw) > int(last)]
        for raw in fresh:
            yield to_record(raw, window.object_type)
        if not goes_on or not fresh:
            return
        last = str(max(_number(raw) for raw in fresh))
        answer = search(window.body(after_id=last))


def modified_property(object_type: str) -> str:
    """Return the property that says when a record changed; contacts have another one than all else."""
    return "lastmodifieddate" if object_type.lower() in CONTACTS else "hs_lastmodifieddate"


def to_record(raw: Raw, object_type: str) -> Record:
    """Return the record; its version differs also between two edits within a millisecond."""
    values = {name: value for name, value in values_of(raw).items() if value not in {None, ""}}
    changed = values.get(modified_property(object_type)) or str(raw.get("updatedAt") or "")
    content = json.dumps(values, sort_keys=True, separators=(",", ":"))
    digest = hashlib.blake2b(content.encode(), digest_size=4).hexdigest()
    full_name = f"{values.get('firstname') or ''} {values.get('lastname') or ''}".strip()
    titles = (full_name, *(values.get(name) for name in ("name", "dealname", "subject", "domain", "email")))
    return Record(
        remote_id=str(raw["id"]),
        values={"id": str(raw["id"]), **values},
        version=f"{changed}~{digest}",
        modified_at=instant(changed) or FIRST_DAY,
        created_at=instant(values.get("createdate") or str(raw.get("createdAt") or "")),
        title=str(next((title for title in titles if title), "")),
        email=values.get("email") or "",
        owner_id=values.get("hubspot_owner_id") or "",
        url=str(raw.get("url") or ""),
    )


def _age(record: Record) -> tuple[datetime, str]:
    return record.modified_at, record.remote_id


def _number(raw: Raw) -> int:
    return int(str(raw["id"]))


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
