"""The records of the source beside their links: what is missing, stale, or there although it is gone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime

from django.db import connection as database
from django.db.models import QuerySet
from django.db.models.functions import Collate

from integration_hub.connectors.contract import Scannable
from integration_hub.connectors.records import Scan, Scanned, Values
from syncs import links, writes
from syncs.engine.audience import CONVERTED, follows_contact
from syncs.engine.backfill.plan import fields_of
from syncs.engine.fates import CONVERTED_FATE
from syncs.engine.reconcile.findings import Findings
from syncs.engine.reconcile.verdicts import Verdict, judge
from syncs.links import Link
from syncs.mappings import rows as mapping_rows
from syncs.models import Change, Delivery, Reconciliation, RecordLink, Sync
from syncs.models.changes import ChangeState
from syncs.models.links import LinkState
from syncs.models.reconciliations import DIFFERENCES, Kind, MetRecord
from syncs.models.syncs import WhenDeleted

CHUNK = 1_000
CONFIRMED_AT_ONCE = 2_000
AS_IDS_COMPARE = {"postgresql": "C", "sqlite": "BINARY"}
"""Collations in which letters count by their codes: the order in which a source scans."""
GONE = "It was written there, but is gone in the source."
LEFT = f"{GONE} The sync leaves such records as they are."


class Scanning:
    """One stretch of reading."""

    def __init__(
        self, one: Reconciliation, findings: Findings, source: Scannable, clock: Callable[[], datetime]
    ) -> None:
        self.one, self.findings, self.source, self.clock = one, findings, source, clock
        self.sync: Sync = one.sync
        self.mapper = mapping_rows.mapper_of(self.sync)
        self.fields = fields_of(self.sync, source, clock())
        self.follows_contact = follows_contact(self.sync, writes.siblings(self.sync))
        self.suspects: dict[str, str] = one.progress.setdefault("suspects", {})
        self.words = LEFT if self.sync.when_deleted == WhenDeleted.IGNORE else GONE

    def run(self, end: datetime) -> bool:
        """Read until the time is up; say whether all was read."""
        progress = self.one.progress
        if "just_deleted" not in progress:
            self._ask_for_deletions()
        scan = Scan(
            self.sync.stream.object_type,
            self.fields,
            since=self.one.since,
            until=self.one.until,
            after_id=progress.get("after", ""),
        )
        for page in self.source.scan(scan):
            if not self.source.scans_by_id:
                self._compare(self._meet(page.records))
                if page.mark == progress.get("after"):
                    break  # that was the last one
                progress["after"] = page.mark
            elif not page.records:
                break
            else:
                last = page.records[-1][0]
                self._compare(page.records)
                self._suspect(progress.get("after", ""), last, {record[0] for record in page.records})
                progress["after"] = last
            if self.clock() >= end:
                return False
        if self.source.scans_by_id:
            self._suspect(progress.get("after", ""), "", ())
        else:
            self._suspect_unmet()
        self._confirm()
        return True

    def _meet(self, records: Sequence[Scanned]) -> list[Scanned]:
        """Return those that were not met before: of a list that changes while it is read some come twice."""
        before = set(
            self.one.met.filter(record_id__in=[one[0] for one in records]).values_list("record_id", flat=True)
        )
        fresh = {one[0]: one for one in records if one[0] not in before and one[0] not in self.findings.met}
        self.findings.met.update(fresh)
        return list(fresh.values())

    def _suspect_unmet(self) -> None:
        rows = self._in_span().exclude(record_id__in=self.one.met.values("record_id")).order_by("pk")
        after = 0
        while found := list(rows.filter(pk__gt=after).values_list("record_id", "version_at", "pk")[:CHUNK]):
            self._add_suspects(
                (record_id, at) for record_id, at, _ in found if record_id not in self.findings.met
            )
            after = found[-1][2]

    def _compare(self, records: Sequence[Scanned]) -> None:
        known = links.read(self.sync.pk, [record_id for record_id, _, _ in records])
        verdicts = [
            (record_id, modified_at, self._verdict(record_id, modified_at, values, known.get(record_id)))
            for record_id, modified_at, values in records
        ]
        wrong = [record_id for record_id, _, verdict in verdicts if verdict.kind in DIFFERENCES]
        coming = on_their_way(self.sync, wrong)
        fine: list[str] = []
        for record_id, modified_at, verdict in verdicts:
            kind, words = (Kind.WAITING, "") if record_id in coming else verdict
            self.findings.add(kind, record_id, modified_at, words)
            link = known.get(record_id)
            if kind == Kind.WRITTEN and link and link.written_at and link.written_at < self.one.until:
                fine.append(record_id)
        self.findings.draw(fine)

    def _verdict(self, record_id: str, modified_at: datetime, values: Values, link: Link | None) -> Verdict:
        mapped = self.mapper(values, record_id)
        is_followed = self.follows_contact and values.get(CONVERTED) is True
        return judge(modified_at, mapped, CONVERTED_FATE.reason if is_followed else mapped.problem, link)

    def _ask_for_deletions(self) -> None:
        """Suspect what was deleted lately but last changed before the days: the scan goes by changes.

        What was deleted just now may be on its way, like any other change: that is left for the next time.
        """
        since, until = self.one.since, self.one.until
        gone = self.source.deleted(self.sync.stream.object_type, since or until, self.clock())
        self.one.progress["just_deleted"] = [record_id for record_id, at in gone if at >= until]
        ids = [record_id for record_id, at in gone if at < until] if since else []
        for start in range(0, len(ids), CHUNK):
            rows = self._there().filter(record_id__in=ids[start : start + CHUNK], version_at__lt=since)
            self._add_suspects(rows.values_list("record_id", "version_at"))

    def _suspect(self, after: str, up_to: str, present: Collection[str]) -> None:
        """Suspect the links in this range of ids whose records should have been read with it, and were not."""
        rows = self._in_span()
        rows = rows.alias(place=Collate("record_id", AS_IDS_COMPARE[database.vendor])).order_by("place")
        if up_to:
            rows = rows.filter(place__lte=up_to)
        while found := list(rows.filter(place__gt=after).values_list("record_id", "version_at")[:CHUNK]):
            self._add_suspects(row for row in found if row[0] not in present)
            after = found[-1][0]

    def _in_span(self) -> QuerySet[RecordLink]:
        rows = self._there().filter(version_at__lt=self.one.until)
        return rows if self.one.since is None else rows.filter(version_at__gte=self.one.since)

    def _there(self) -> QuerySet[RecordLink]:
        """Return the links of records that are at the destination, as these records."""
        states = (LinkState.WRITTEN, LinkState.REFUSED)
        return RecordLink.objects.filter(sync=self.sync, state__in=states, written_at__isnull=False)

    def _add_suspects(self, rows: Iterable[tuple[str, datetime]]) -> None:
        self.suspects.update((record_id, at.isoformat()) for record_id, at in rows)
        if len(self.suspects) >= CONFIRMED_AT_ONCE:
            self._confirm()

    def _confirm(self) -> None:
        """Ask the source for the suspects: most may have changed meanwhile, or before; the others are gone."""
        ids = list(self.suspects)
        if not ids:
            return
        found = {one.remote_id for one in self.source.fetch(self.sync.stream.object_type, ids, [])}
        found.update(self.one.progress["just_deleted"])
        gone = [record_id for record_id in ids if record_id not in found]
        coming = on_their_way(self.sync, gone)
        for record_id in gone:
            if record_id not in coming:
                at = datetime.fromisoformat(self.suspects[record_id])
                self.findings.add(Kind.EXTRA, record_id, at, self.words)
        self.suspects.clear()


def store_met(one: Reconciliation, met: Collection[str]) -> None:
    """Keep whom this stretch met, for the next one; all read, nobody needs them any more."""
    if one.progress.get("scanned"):
        one.met.all().delete()
    else:
        rows = [MetRecord(reconciliation=one, record_id=record_id) for record_id in sorted(met)]
        MetRecord.objects.bulk_create(rows, batch_size=CHUNK)


def on_their_way(sync: Sync, record_ids: Sequence[str]) -> set[str]:
    """Return those of which a change is not routed, or a delivery not settled yet."""
    found: set[str] = set()
    for start in range(0, len(record_ids), CHUNK):
        ids = record_ids[start : start + CHUNK]
        waiting = Change.objects.filter(stream=sync.stream_id, state=ChangeState.WAITING, record_id__in=ids)
        unsettled = Delivery.objects.filter(sync=sync, settled_at=None, record_id__in=ids)
        for rows in (waiting, unsettled):
            found.update(rows.values_list("record_id", flat=True))
    return found
