"""Records that are no longer there: archived ones, and losers of merges."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from integration_hub.connectors.hubspot.api import Api
from integration_hub.connectors.hubspot.reading import Window, modified_property, read_windows
from integration_hub.connectors.moments import instant

MOST_PAGES = 20
"""Pages of archived records that are read each time: the list has no order by time, nor a filter."""
_MERGED = "hs_merged_object_ids"
_HISTORIES = 50
Gone = list[tuple[str, datetime]]

logger = logging.getLogger(__name__)


def gone(api: Api, object_type: str, since: datetime, until: datetime) -> Gone:
    """Return (id, when) of what was archived, or merged into another record, since then."""
    found = [*_archived(api, object_type), *_merged(api, object_type, since)]
    return [(record_id, at) for record_id, at in found if since <= at < until]


def _archived(api: Api, object_type: str) -> Iterator[tuple[str, datetime]]:
    params = {"archived": "true", "limit": "100"}
    pages = api.pages(api.paths.objects(object_type), params, purpose=f"archived {object_type}")
    for number, rows in enumerate(pages, 1):
        for row in rows:
            at = instant(str(row.get("archivedAt") or ""))
            if at is not None:
                yield str(row["id"]), at
        if number >= MOST_PAGES:
            logger.warning("HubSpot has more archived %s than are read in one go.", object_type)
            return


def _merged(api: Api, object_type: str, since: datetime) -> Iterator[tuple[str, datetime]]:
    """Yield the losers of merges; only the winners' histories tell when it was."""
    has = {"propertyName": _MERGED, "operator": "HAS_PROPERTY"}
    window = Window(object_type, [modified_property(object_type), _MERGED], [[has]], since)
    winners: list[str] = []
    for page in read_windows(
        lambda body: api.search(object_type, body, purpose=f"merged {object_type}"),
        window,
        lambda: since,
        1000,
    ):
        winners += [record.remote_id for record in page.records]
    for start in range(0, len(winners), _HISTORIES):
        for raw in api.read_histories(object_type, winners[start : start + _HISTORIES], [_MERGED]):
            yield from _losers((raw.get("propertiesWithHistory") or {}).get(_MERGED) or ())


def _losers(history: Any) -> Iterator[tuple[str, datetime]]:
    first: dict[str, datetime] = {}
    for entry in history:
        at = instant(str(entry.get("timestamp") or ""))
        for record_id in str(entry.get("value") or "").split(";"):
            if at is not None and record_id.isdecimal():
                first[record_id] = min(at, first.get(record_id, at))
    yield from first.items()
