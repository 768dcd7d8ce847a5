"""A sample of what should stand at the destination, compared with what does, field by field."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from integration_hub.connectors.contract import Destination, Scannable
from integration_hub.connectors.errors import ConnectorError, RetryableError
from syncs import connect, links
from syncs.engine.differences import differences
from syncs.engine.mapping import Mapped
from syncs.engine.reconcile.findings import Findings
from syncs.mappings import rows as mapping_rows
from syncs.models import Connection, Priority, Reconciliation, Sync
from syncs.models.reconciliations import SAMPLED, Kind
from syncs.wording import were

AT_ONCE = 20
"""Looked up between two looks at the clock: it may cost a call each."""
MOST_NAMED = 5
NOT_THERE = "It was written, but is not there."


class Sampling:
    """One stretch of comparing; the records are read anew, so that both sides are of the same moment."""

    def __init__(
        self,
        one: Reconciliation,
        findings: Findings,
        source: Scannable,
        fields: Sequence[str],
        clock: Callable[[], datetime],
    ) -> None:
        self.one, self.findings, self.source, self.fields = one, findings, source, fields
        self.sync: Sync = one.sync
        self.clock = clock

    def run(self, end: datetime) -> bool:
        """Compare until the time is up; say whether nothing is left. Without an answer from there it is given up."""
        wanted = self._wanted()
        try:
            self._compare_all(wanted, end)
        except ConnectorError as failure:
            left = f"{were(len(self.findings.sample), 'record')} not compared with {self.sync.destination}"
            self.one.warnings.append(f"{left}: {failure.message} {failure.remedy}".strip())
            self.findings.sample = []
        return not self.findings.sample

    def _wanted(self) -> Mapping[str, Mapped]:
        mapper = mapping_rows.mapper_of(self.sync)
        found = self.source.fetch(self.sync.stream.object_type, self.findings.sample, self.fields)
        return {record.remote_id: mapper(record.values, record.remote_id) for record in found}

    def _compare_all(self, wanted: Mapping[str, Mapped], end: datetime) -> None:
        connection = self.sync.destination
        if not Connection.objects.usable(self.clock()).filter(pk=connection.pk).exists():
            raise RetryableError("It cannot be called now.", remedy="See the page of the connection for why.")
        with connect.opened(connection, priority=Priority.BACKFILL, clock=self.clock) as connector:
            try:
                while self.findings.sample:
                    batch = self.findings.sample[:AT_ONCE]
                    self._compare({one: wanted[one] for one in batch if one in wanted}, connector)
                    self.findings.sample = self.findings.sample[AT_ONCE:]
                    if self.clock() >= end:
                        break
            finally:
                self.one.run.calls += connect.calls_made(connector)

    def _compare(self, batch: Mapping[str, Mapped], connector: object) -> None:
        if not isinstance(connector, Destination):
            return
        keys = [mapped.match_value for mapped in batch.values() if not mapped.problem]
        there = connector.look_up(self.sync.object_type, keys)
        known = links.read(self.sync.pk, batch)
        for record_id, mapped in batch.items():
            link = known.get(record_id)
            if link is None or not link.is_same(mapped.match_value, mapped.digest):
                continue  # it changed since it was drawn
            self.findings.counts[SAMPLED] += 1
            user = there.get(mapped.match_value)
            wrong = differences(mapped.payload, user.values) if user else [NOT_THERE]
            if wrong:
                more = f" ({len(wrong) - MOST_NAMED} more)" if len(wrong) > MOST_NAMED else ""
                self.findings.note(Kind.DIFFERENT, record_id, " ".join(wrong[:MOST_NAMED]) + more)
