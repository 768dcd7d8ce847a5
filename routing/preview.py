"""What a rule would find: at the vendor now, and in the changes that are stored. Nothing is sent or decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from django.conf import settings

from integration_hub.connectors.contract import Source
from integration_hub.connectors.errors import ConnectorError
from integration_hub.connectors.filters import Filter
from integration_hub.connectors.records import ReadRequest, Record
from integration_hub.connectors.schema import ObjectSchema
from routing import conditions, directory, router
from routing.conditions import CriterionError
from routing.decide import Proposal, decide
from routing.filter_logic import FilterLogicError
from routing.models import DirectoryLink
from routing.models.rules import Trigger
from routing.rulebook import BookedRule, RuleDraft
from syncs import changes, connect, streams
from syncs.models import Change, Connection, Stream
from syncs.models.changes import ChangeOrigin

SAMPLE = 2000
"""Records read at most: enough to judge a rule, little enough to wait for."""
CHUNK = 500


@dataclass(frozen=True, slots=True)
class Found:
    """A record in a preview; `said_no` is the row that kept it out, "" if it matches."""

    title: str
    url: str
    owner: str
    when: datetime
    said_no: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """`text` says how many match, or why that cannot be told; newest records come first."""

    total: int
    matching: tuple[Found, ...]
    near_misses: tuple[Found, ...]
    text: str
    ok: bool = True


def preview(draft: RuleDraft, now: datetime, *, days: int = 7, limit: int = 50) -> Preview:
    """Ask the vendor which recent records meet the draft's criteria, and which fail in one row only."""
    if draft.stream is None:
        return _failed("Choose a stream first.")
    try:
        schema = streams.schema_of(draft.stream, now)
        where = conditions.compile_filter(draft.criteria, draft.filter_logic, schema.fields)
        with connect.opened(draft.stream.connection) as connector:
            reading = _Reading(draft, streams.as_source(connector, draft.stream), schema, now, days)
            matching = reading.matching(where)
            near = reading.near_misses()
    except ConnectorError as error:
        reason = " ".join(part for part in (error.message, error.remedy) if part)
        return _failed(f"{draft.stream.connection} could not be asked: {reason}")
    except (CriterionError, FilterLogicError) as error:
        return _failed(str(error))
    owners = _owner_names(draft.stream, [record for record, _ in (*matching[:limit], *near[:limit])])
    return Preview(
        total=len(matching),
        matching=tuple(_found(draft, record, owners) for record, _ in matching[:limit]),
        near_misses=tuple(_found(draft, record, owners, said_no) for record, said_no in near[:limit]),
        text=_text(draft, len(matching), reading.is_cut_off, days),
    )


def replay(
    rule: BookedRule, stream: Stream, destination: Connection, now: datetime, *, days: int = 7
) -> Iterator[tuple[Change, Proposal]]:
    """Yield what the rule would have said of each stored change when it was read, had it been on already.

    People, hours and absences are those of now.
    """
    known = directory.snapshot(now, destination)
    always_on = replace(rule, active_from=None)
    stored = Change.objects.filter(stream=stream, captured_at__gt=now - timedelta(days=days))
    rows = stored.exclude(origin=ChangeOrigin.BASELINE).order_by("captured_at", "pk")
    for chunk in _chunks(rows.iterator(CHUNK)):
        before = changes.previous(chunk)
        for change in chunk:
            previous = router.previous_of(stream, change, before[change.pk])
            state = router.state_of(change)
            yield change, decide(always_on, state, previous, known, now=change.captured_at)


@dataclass(slots=True)
class _Reading:
    """Reads of one preview at one vendor."""

    draft: RuleDraft
    source: Source
    schema: ObjectSchema
    now: datetime
    days: int
    is_cut_off: bool = False

    def matching(self, where: Filter | None) -> list[tuple[Record, str]]:
        """Return the newest records that match; their count is exact unless `is_cut_off`."""
        filterable = all(self.schema.fields[row.field].filterable for row in self.draft.criteria)
        read = self._read(self._since, None, SAMPLE, where if filterable else None)
        self.is_cut_off = len(read) >= SAMPLE
        if not filterable:
            read = [record for record in read if self._judge(record).matched]
        return [(record, "") for record in self._recent(read)]

    def near_misses(self) -> list[tuple[Record, str]]:
        """Return the newest records that fail in exactly one row, with that row's sentence."""
        if not self.draft.criteria:
            return []
        # The newest first: a busy object fills the sample with its last day alone.
        yesterday = max(self._since, self.now - timedelta(days=1))
        read = self._read(yesterday, None, SAMPLE)
        if len(read) < SAMPLE and self._since < yesterday:
            read += self._read(self._since, yesterday, SAMPLE - len(read))
        found = []
        for record in self._recent(read):
            match = self._judge(record)
            against = [row.text for row in match.rows if not row.matched]
            if not match.matched and len(against) == 1:
                found.append((record, against[0]))
        return found

    @property
    def _since(self) -> datetime:
        return self.now - timedelta(days=self.days)

    def _read(
        self, since: datetime, until: datetime | None, limit: int, where: Filter | None = None
    ) -> list[Record]:
        wanted = {*conditions.field_names(self.draft.criteria), self.draft.watched_field}
        fields = [*self.source.base_fields(self.schema), *sorted(wanted & self.schema.fields.keys())]
        request = ReadRequest(
            self.schema.object_type,
            list(dict.fromkeys(fields)),
            since=since,
            until=until,
            where=where,
            limit=limit,
        )
        return [record for page in self.source.read(request) for record in page.records]

    def _judge(self, record: Record) -> conditions.Match:
        return conditions.evaluate(
            self.draft.criteria,
            self.draft.filter_logic,
            record.values,
            self.schema.fields,
            now=self.now,
            zone=_zone(),
        )

    def _recent(self, records: Sequence[Record]) -> list[Record]:
        """Return those whose event lies within the days, newest first."""
        recent = [record for record in records if _when(self.draft, record) >= self._since]
        return sorted(recent, key=lambda record: _when(self.draft, record), reverse=True)


def _zone() -> tzinfo:
    return ZoneInfo(settings.TIME_ZONE)


def _when(draft: RuleDraft, record: Record) -> datetime:
    if draft.trigger == Trigger.CREATED and record.created_at:
        return record.created_at
    return record.modified_at


def _found(draft: RuleDraft, record: Record, owners: dict[str, str], said_no: str = "") -> Found:
    owner = owners.get(record.owner_id, record.owner_id)
    return Found(record.title or record.remote_id, record.url, owner, _when(draft, record), said_no)


def _owner_names(stream: Stream, records: Sequence[Record]) -> dict[str, str]:
    ids = {record.owner_id for record in records if record.owner_id}
    links = DirectoryLink.objects.filter(connection_id=stream.connection_id, remote_id__in=ids)
    return {remote_id: name for remote_id, name in links.values_list("remote_id", "name") if name}


def _text(draft: RuleDraft, total: int, is_cut_off: bool, days: int) -> str:
    count = f"{total:,} or more" if is_cut_off else f"{total:,}"
    period = "the last day" if days == 1 else f"the last {days} days"
    if draft.trigger == Trigger.CREATED:
        return f"Matching in {period}: {count}."
    text = f"Changed in {period} and meeting the criteria now: {count}."
    if draft.trigger == Trigger.ENTERS:
        return f"{text} The rule sends for those that did not meet them before."
    return f"{text} The rule sends for those where {draft.watched_field or 'the watched field'} changed."


def _failed(text: str) -> Preview:
    return Preview(0, (), (), text, ok=False)


def _chunks(rows: Iterator[Change]) -> Iterator[list[Change]]:
    chunk: list[Change] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
