"""Matching: records that existed on both sides before are linked once, so that the sync makes no second ones.

Both sides are read in pages and kept by their match key, so that an interrupted matching goes on where it was. Nothing
is written to a vendor. A pair is certain when one record on each side has the key and nothing contradicts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby

from django.db import transaction
from django.db.models import QuerySet

from integration_hub.connectors.contract import Source
from integration_hub.connectors.errors import ConfigError
from integration_hub.connectors.records import ReadRequest, Record
from syncs import connect, destinations, links, ties
from syncs.engine.mapping import Mapper, at
from syncs.mappings import rows as mapping_rows
from syncs.models import Connection, MatchCandidate, Matching, MatchSide, RecordLink, Sync
from syncs.models.links import LinkState
from syncs.models.matchings import CandidateState

PAGE = 500
MOST_OF_ONE_KEY = 20
"""Pairs listed of one match key: a key that so many have identifies nobody."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""As of when a link is made: any version of the record is newer, and is written."""
SEVERAL = "Several records have this match key."
CONTRADICTS = "{path} is different."
_DOMAINS = frozenset({"domain", "website"})
_SITE = re.compile(r"^(https?://)?(www\.)?")
Tell = Callable[[str], None]


class MatchingError(Exception):
    """Why it cannot be done, in a sentence with the remedy."""


@dataclass(slots=True)
class Counts:
    """Each record of a side is counted once, as what became of it."""

    here: Counter[str] = field(default_factory=Counter)
    there: Counter[str] = field(default_factory=Counter)


def run(
    sync: Sync,
    now: datetime,
    *,
    dry_run: bool = False,
    compare_path: str = "",
    tell: Tell = lambda words: None,
) -> Counts:
    """Read both sides, link certain pairs unless it is a dry run, and list the doubtful ones.

    ConnectorError: a side does not answer; the next run goes on from there.
    """
    if not destinations.gives_ids(sync):
        raise MatchingError(f"{sync.destination} gives no ids: its records need no matching.")
    matching, _ = Matching.objects.get_or_create(
        sync=sync, defaults={"started_at": now, "compare_path": compare_path}
    )
    if matching.compare_path != compare_path:
        matching.delete()
        matching = Matching.objects.create(sync=sync, started_at=now, compare_path=compare_path)
    _read_source(matching, now, tell)
    _read_remote(matching, tell)
    counts = _pair(matching, now, dry_run=dry_run)
    matching.delete()
    return counts


def decide(candidates: Iterable[MatchCandidate], state: CandidateState, now: datetime) -> int:
    """Keep what a person said of doubtful pairs; the same ones are linked. Return how many were decided."""
    decided = 0
    for one in candidates:
        with transaction.atomic():
            if state == CandidateState.SAME:
                if _is_linked(one):
                    continue
                _link(one.sync, [(one.source_id, one.remote_id, one.key)], now)
            one.state, one.decided_at = state, now
            one.save(update_fields=["state", "decided_at"])
            decided += 1
    return decided


def normalized(path: str, value: str) -> str:
    """Return a match value so that what means the same is equal."""
    text = value.strip().casefold()
    if path.rpartition(".")[2] in _DOMAINS:
        return _SITE.sub("", text).partition("/")[0].strip(".")
    return text


def _read_source(matching: Matching, now: datetime, tell: Tell) -> None:
    if matching.source_done:
        return
    sync = matching.sync
    mapper = mapping_rows.mapper_of(sync)
    compared = matching.compare_path.split(".") if matching.compare_path else []

    def side(record: Record) -> MatchSide:
        key, second = _of_source(mapper, compared, record)
        return _side(matching, record, normalized(sync.match_path, key), second, is_source=True)

    fields = sorted(mapping_rows.source_fields(sync))
    request = ReadRequest(sync.stream.object_type, fields, since=matching.source_mark, page_size=PAGE)
    _read(matching, sync.stream.connection, request, side, ("source_mark", "source_done"), tell)


def _read_remote(matching: Matching, tell: Tell) -> None:
    if matching.remote_done:
        return
    sync = matching.sync
    fields = [path for path in (sync.match_path, matching.compare_path) if path]

    def side(record: Record) -> MatchSide:
        key = _text(at(dict(record.values), sync.match_path.split(".")))
        second = (
            _text(at(dict(record.values), matching.compare_path.split("."))) if matching.compare_path else ""
        )
        return _side(matching, record, normalized(sync.match_path, key), second, is_source=False)

    request = ReadRequest(sync.object_type, fields, since=matching.remote_mark, page_size=PAGE)
    _read(matching, sync.destination, request, side, ("remote_mark", "remote_done"), tell)


def _read(
    matching: Matching,
    connection: Connection,
    request: ReadRequest,
    side: Callable[[Record], MatchSide],
    names: tuple[str, str],
    tell: Tell,
) -> None:
    """Keep page by page what was read, together with how far that is."""
    mark, done = names
    with connect.opened(connection) as connector:
        if not isinstance(connector, Source):
            raise ConfigError(
                f"{connection} cannot be read.", remedy="Match by hand, or by the match key when writing."
            )
        count = 0
        for page in connector.read(request):
            with transaction.atomic():
                MatchSide.objects.bulk_create(
                    [side(record) for record in page.records],
                    update_conflicts=True,
                    unique_fields=["matching", "is_source", "record_id"],
                    update_fields=["key", "second", "title"],
                )
                setattr(matching, mark, page.watermark or getattr(matching, mark))
                matching.save(update_fields=[mark])
            count += len(page.records)
            tell(f"{count} records of {connection} read …")
    setattr(matching, done, True)
    matching.save(update_fields=[done])


def _of_source(mapper: Mapper, compared: Sequence[str], record: Record) -> tuple[str, str]:
    mapped = mapper(record.values)
    if mapped.problem:
        return "", ""
    return mapped.match_value, _text(at(mapped.payload, compared)) if compared else ""


def _side(matching: Matching, record: Record, key: str, second: str, *, is_source: bool) -> MatchSide:
    return MatchSide(
        matching=matching, is_source=is_source, record_id=record.remote_id, key=key[:254],
        second=second.strip().casefold()[:254], title=record.title[:255],
    )  # fmt: skip


def _pair(matching: Matching, now: datetime, *, dry_run: bool) -> Counts:
    counts = Counts()
    rows = matching.sides.order_by("key", "is_source", "record_id").iterator(chunk_size=2000)
    batch: list[list[MatchSide]] = []
    for _, group in groupby(rows, key=lambda row: row.key):
        batch.append(list(group))
        if len(batch) >= PAGE:
            _settle(matching, batch, counts, now, dry_run=dry_run)
            batch = []
    _settle(matching, batch, counts, now, dry_run=dry_run)
    return counts


def _settle(
    matching: Matching, groups: Sequence[Sequence[MatchSide]], counts: Counts, now: datetime, *, dry_run: bool
) -> None:
    """Decide some keys: what is linked already stays out of it."""
    sync = matching.sync
    here = [row.record_id for group in groups for row in group if row.is_source]
    there = [row.record_id for group in groups for row in group if not row.is_source]
    linked = RecordLink.objects.filter(sync=sync, remote_id__isnull=False)
    known_here = set(_among(linked, "record_id", here))
    known_there = set(_among(linked, "remote_id", there))
    told = set(MatchCandidate.objects.filter(sync=sync, source_id__in=here).exclude(state=CandidateState.OPEN)
               .values_list("source_id", "remote_id"))  # fmt: skip
    certain: list[tuple[str, str, str]] = []
    doubtful: list[MatchCandidate] = []
    for group in groups:
        own = [row for row in group if row.is_source and row.record_id not in known_here]
        others = [row for row in group if not row.is_source and row.record_id not in known_there]
        counts.here["linked"] += sum(row.is_source for row in group) - len(own)
        counts.there["linked"] += sum(not row.is_source for row in group) - len(others)
        verdict = _verdict(group[0].key, own, others, matching.compare_path)
        counts.here[verdict] += len(own)
        counts.there[verdict] += len(others)
        if verdict == "paired":
            certain.append((own[0].record_id, others[0].record_id, own[0].key))
        elif verdict == "doubtful":
            why = SEVERAL if len(own) + len(others) > 2 else CONTRADICTS.format(path=matching.compare_path)
            pairs = [(a, b) for a in own for b in others if (a.record_id, b.record_id) not in told]
            doubtful += [_candidate(sync, a, b, why) for a, b in pairs[:MOST_OF_ONE_KEY]]
    with transaction.atomic():
        MatchCandidate.objects.bulk_create(doubtful, ignore_conflicts=True)
        if not dry_run:
            _link(sync, certain, now)


def _verdict(key: str, own: Sequence[MatchSide], others: Sequence[MatchSide], compare_path: str) -> str:
    """Say what the records of one key are: without a key, alone, paired or doubtful."""
    if not key:
        return "no key"
    if not own or not others:
        return "alone"
    if len(own) > 1 or len(others) > 1:
        return "doubtful"
    one, other = own[0].second, others[0].second
    return "doubtful" if compare_path and one and other and one != other else "paired"


def _candidate(sync: Sync, own: MatchSide, other: MatchSide, why: str) -> MatchCandidate:
    return MatchCandidate(
        sync=sync, key=own.key, source_id=own.record_id, source_title=own.title, remote_id=other.record_id,
        remote_title=other.title, why=why,
    )  # fmt: skip


def _link(sync: Sync, pairs: Sequence[tuple[str, str, str]], now: datetime) -> None:
    """Note that these are the same; nothing is written there."""
    links.settle(
        links.Entry(
            sync.pk, source_id, key, "", LONG_AGO, LinkState.WRITTEN, "Matched.", now, remote_id=remote_id
        )
        for source_id, remote_id, key in pairs
    )
    ties.settled(sync.pk, [source_id for source_id, _, _ in pairs], now)


def _is_linked(one: MatchCandidate) -> bool:
    links_of_sync = RecordLink.objects.filter(sync=one.sync_id, remote_id__isnull=False)
    return (
        links_of_sync.filter(record_id=one.source_id).exists()
        or links_of_sync.filter(remote_id=one.remote_id).exists()
    )


def _among(rows: QuerySet[RecordLink], name: str, values: Sequence[str]) -> Iterator[str]:
    for start in range(0, len(values), PAGE):
        part = rows.filter(**{f"{name}__in": values[start : start + PAGE]})
        yield from part.values_list(name, flat=True)


def _text(value: object) -> str:
    return "" if value is None else str(value)
