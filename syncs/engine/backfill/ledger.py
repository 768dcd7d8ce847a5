"""What a backfill has settled: links, counts and the reach of each partition, moved in one transaction."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from integration_hub.connectors.errors import ConnectorError
from syncs import destinations, links, ties, writes
from syncs.engine.backfill import links as backfill_links
from syncs.engine.backfill.fates import Decided, Missing, PageMark, Row, Tally, refused, skipped, written
from syncs.models import Backfill, Partition, Priority, SyncRun
from syncs.models.links import LinkState

ANALYZE_AFTER = 20_000
"""Records stored, at the first and at the last of which the database's own statistics would come too late."""


class LostLeaseError(Exception):
    """Another process has our partition: this one was thought dead, and must leave it alone."""


@dataclass(slots=True)
class Reach:
    """The pages of a partition that are not settled yet, in their order."""

    pages: deque[PageMark] = field(default_factory=deque)
    ended: bool = False


class Ledger:
    """The books of one process. `owner` holds the leases of its partitions."""

    def __init__(self, backfill: Backfill, owner: str, clock: Callable[[], datetime]) -> None:
        self.backfill = backfill
        self.sync = backfill.sync
        self.run_id = backfill.run_id
        self.gives_ids = destinations.gives_ids(self.sync)
        self.owner = owner
        self.clock = clock
        self.reaches: dict[int, Reach] = {}
        self.marks: dict[int, str] = {}
        """How far each partition was read, settled or not."""
        self.total = Tally()
        self.calls: Callable[[], int] = lambda: 0
        self._calls_stored = 0
        self._analyzed = False

    def opened(self, page: PageMark) -> None:
        self.reaches.setdefault(page.part_id, Reach()).pages.append(page)
        self.marks[page.part_id] = page.last_id

    def reached(self, part_id: int) -> None:
        """Store how far the partition is: what was opened last has no records to settle."""
        with transaction.atomic():
            self._advance(part_id)

    def ended(self, part_id: int) -> None:
        """Everything of the partition has been read."""
        self.reaches.setdefault(part_id, Reach()).ended = True
        self.reached(part_id)

    def decided(self, found: Decided) -> None:
        """Settle what needs no call."""
        if not found.settled:
            return
        with self._bulk():
            backfill_links.store(self.sync, self.run_id, found.fates, self.clock())
            backfill_links.touch(self.sync, self.run_id, found.touched)
            self._tie(found.standing)
            self._settled(found.settled, found.tally)

    def answered(
        self, sent: Sequence[Row], bad: Sequence[tuple[Row, ConnectorError]], begun: datetime
    ) -> list[Row]:
        """Settle what was sent; return what is in doubt, because a live delivery wrote there at the same time.

        Which of two writes came last at the destination nobody knows, so these are to be read and sent again.
        """
        tally = Tally()
        fates = [written(row) for row in sent]
        operation = self.sync.operation()
        for row, error in bad:
            if writes.is_absent(operation, error):
                tally.skip(writes.NOT_THERE.code)
                fates.append(skipped(row, writes.NOT_THERE.reason, row.mapped.match_value))
            else:
                tally.bury(error.code)
                fates.append(refused(row, error.message, error.code))
        with self._bulk():
            taken = backfill_links.store(self.sync, self.run_id, fates, self.clock())
            doubtful = self._doubtful(sent, begun, all_taken=taken == len(fates))
            if doubtful:
                in_doubt = [row for row in sent if row.record_id in doubtful]
                backfill_links.doubt(self.sync, list(writes.siblings(self.sync)), in_doubt)
            fine = [row for row in sent if row.record_id not in doubtful]
            self._outdo(fine)
            self._tie(fine)
            tally.delivered = len(fine)
            self._settled([*fine, *(row for row, _ in bad)], tally)
        if not self._analyzed and self.total.read >= ANALYZE_AFTER:
            self._analyzed = True
            backfill_links.analyze()
        return [row for row in sent if row.record_id in doubtful]

    def renew(self) -> None:
        """Hold the leases longer; a process that lost one has no say in the others either."""
        until = self.clock() + timedelta(seconds=settings.LEASE_SECONDS)
        Partition.objects.filter(backfill=self.backfill, lease_owner=self.owner).update(lease_until=until)

    def release(self) -> None:
        Partition.objects.filter(backfill=self.backfill, lease_owner=self.owner).update(
            lease_owner="", lease_until=None
        )

    def close(self) -> None:
        """Store the last calls."""
        if self._analyzed:
            backfill_links.analyze()
        with transaction.atomic():
            self._count(Tally())

    @contextmanager
    def _bulk(self) -> Iterator[None]:
        """Open a transaction that does not wait for the disk.

        Should the database's machine fail, links, counts and partitions lose their last moments together: the
        batches of that moment are sent once more, as after any crash.
        """
        with transaction.atomic():
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL synchronous_commit TO OFF")
            yield

    def _doubtful(self, sent: Sequence[Row], begun: datetime, *, all_taken: bool) -> set[str]:
        racing = backfill_links.live(self.sync, since=begun)
        if all_taken and not racing.lanes:
            return set()
        found = set() if all_taken else backfill_links.newer(self.sync, sent)
        lanes = {writes.lane(self.sync, row.mapped.match_value): row.record_id for row in sent}
        found |= {record_id for lane, record_id in lanes.items() if lane in racing.lanes}
        return found | {row.record_id for row in sent if row.record_id in racing.records}

    def _tie(self, rows: Sequence[Row]) -> None:
        """Tie what is there now to the records it belongs to, and those that waited for it."""
        if not rows or not self.gives_ids:
            return
        now = self.clock()
        wanted = [wish for row in rows if row.foreign for wish in ties.wishes(row.record_id, row.foreign)]
        ties.want(wanted, now, Priority.BACKFILL)
        ties.settled(self.sync.pk, [row.record_id for row in rows], now, Priority.BACKFILL)

    def _outdo(self, rows: Iterable[Row]) -> None:
        """Tell the records that wrote there before whom they follow now."""
        entries = [
            writes.outdone_entry(
                links.Holder(rival.sync_id, rival.record_id, row.mapped.match_value, rival.version_at,
                             LinkState.WRITTEN),
                f"{self.sync.name} {row.record_id}",
                self.sync.match_path,
            )
            for row in rows
            if row.outdone
            for rival in row.outdone
        ]  # fmt: skip
        if entries:
            links.note(entries)

    def _settled(self, rows: Sequence[Row | Missing], tally: Tally) -> None:
        parts = set()
        for row in rows:
            row.page.left -= 1
            if not row.page.left:
                parts.add(row.page.part_id)
        for part_id in sorted(parts):
            self._advance(part_id)
        self._count(tally)

    def _advance(self, part_id: int) -> None:
        """Move the partition behind the last page up to which everything is settled."""
        reach, last_id = self.reaches[part_id], ""
        while reach.pages and not reach.pages[0].left:
            last_id = reach.pages.popleft().last_id
        done = reach.ended and not reach.pages
        if not last_id and not done:
            return
        changes: dict[str, object] = {"after": last_id} if last_id else {}
        if done:
            changes["done"] = True
        moved = Partition.objects.filter(pk=part_id, lease_owner=self.owner).update(**changes)
        if not moved:
            raise LostLeaseError

    def _count(self, tally: Tally) -> None:
        """Add to the run's counts; last in the transaction, because all processes wait for this row."""
        calls = self.calls()
        run = SyncRun.objects.select_for_update(no_key=connection.features.has_select_for_no_key_update).get(
            pk=self.run_id
        )
        run.read += tally.read
        run.delivered += tally.delivered
        run.unchanged += tally.unchanged
        run.skipped += tally.skipped
        run.dead += tally.dead
        run.calls += calls - self._calls_stored
        run.reasons = dict(Counter(run.reasons) + tally.reasons)
        run.save(update_fields=["read", "delivered", "unchanged", "skipped", "dead", "calls", "reasons"])
        self._calls_stored = calls
        self.total.delivered += tally.delivered
        self.total.unchanged += tally.unchanged
        self.total.skipped += tally.skipped
        self.total.dead += tally.dead
