"""One bulk write: send, give every row its verdict, split what was refused as a whole until the bad row is alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from integration_hub.connectors.errors import ConnectorError, RejectedError, RetryableError
from integration_hub.connectors.iterable.errors import (
    LIST_MISSING,
    BatchRefusedError,
    shape_error,
    type_error,
)
from integration_hub.connectors.iterable.fields import conflicts_with, misfits
from integration_hub.connectors.iterable.rows import INVALID_DATA, UNNAMED, Reason, Row, failures, untouched
from integration_hub.connectors.records import Outcome, RecordResult, RecordWrite

MOST_CALLS = 60
"""Calls one write may cost. A batch full of rows to be found one by one goes on in its next try."""

MOST_ASKED = 20
"""Refused users that are written singly, for the reason that the bulk answer does not give."""

Post = Callable[[Sequence[Row]], Mapping[str, Any]]
PostOne = Callable[[Row], None]
FieldTypes = Callable[[], Mapping[str, str]]
Reasons = Callable[[Sequence[Row], Mapping[str, Any]], Mapping[int, Reason]]


class BulkWrite:
    """The results of one write, filled call by call."""

    def __init__(
        self,
        writes: Sequence[RecordWrite],
        post: Post,
        field_types: FieldTypes = dict,
        *,
        post_one: PostOne | None = None,
        reasons: Reasons = failures,
        outcome: Outcome = Outcome.UPDATED,
    ) -> None:
        self.writes = writes
        self.post = post
        self.post_one = post_one
        self.field_types = field_types
        self.reasons = reasons
        self.outcome = outcome
        self.results: list[RecordResult | None] = [None] * len(writes)
        self.answered = False
        """Whether the vendor has said anything about a single row."""
        self._calls = 0
        self._unexplained: list[Row] = []
        self._unnamed_ones: list[Row] = []

    def fail(self, position: int, error: ConnectorError) -> None:
        self.results[position] = RecordResult(self.writes[position].ref, Outcome.FAILED, error=error)

    def send(self, batches: Sequence[list[Row]]) -> None:
        """Send all; raise only if nothing is known of any row. What is left over then has the error as its result."""
        waiting = list(reversed(batches))
        while waiting:
            part = waiting.pop()
            try:
                waiting += reversed(self._sent(part))
            except ConnectorError as error:
                if not self.answered:
                    raise
                for row in (row for rows in (part, *waiting) for row in rows):
                    self.fail(row.position, error)
                break
        self._explain()

    def all_results(self) -> list[RecordResult]:
        return [result for result in self.results if result is not None]

    def _sent(self, part: list[Row]) -> list[list[Row]]:
        """Send one call; return what must go again, in parts."""
        if self._calls >= MOST_CALLS:
            raise RetryableError(
                "Too many refused records in one batch: the rest of it goes with the next try.",
                code="split_up",
                remedy="See the dead letters of this sync: they most likely have one reason in common.",
            )
        self._calls += 1
        try:
            answer = self.post(part)
        except RejectedError as error:
            return self._after_refusal(part, error)
        return self._settled(part, answer)

    def _settled(self, part: list[Row], answer: Mapping[str, Any]) -> list[list[Row]]:
        reasons = self.reasons(part, answer)
        fine = part
        if reasons:
            fine = [row for row in part if row.position not in reasons]
            for row in part:
                if row.position in reasons:
                    self._refuse(row, reasons[row.position])
        if answer["failCount"] > len(reasons) and fine:
            return self._unnamed(fine)
        same = untouched(part, answer)
        for row in fine:
            outcome = Outcome.UNCHANGED if row.position in same else self.outcome
            self.results[row.position] = RecordResult(row.write.ref, outcome, remote_id=row.key)
        self.answered = True
        return []

    def _unnamed(self, fine: list[Row]) -> list[list[Row]]:
        """Rows failed that the answer does not name: they are found by sending less at a time."""
        if len(fine) == 1:
            self._refuse(fine[0], UNNAMED)
            return []
        return _halves(fine)

    def _refuse(self, row: Row, reason: Reason) -> None:
        self.answered = True
        self.fail(row.position, reason.error())
        if reason is INVALID_DATA:
            self._unexplained.append(row)
        elif reason is UNNAMED:
            self._unnamed_ones.append(row)

    def _after_refusal(self, part: list[Row], error: RejectedError) -> list[list[Row]]:
        if error.code == LIST_MISSING:
            self.answered = True
            for row in part:
                self.fail(row.position, error)
            return []
        if len(part) == 1:
            self.answered = True
            self.fail(part[0].position, _own(part[0], error))
            return []
        found = _located(part, error)
        if not found:
            return _halves(part)
        self.answered = True
        for row, own in found:
            self.fail(row.position, own)
        bad = {row.position for row, _ in found}
        rest = [row for row in part if row.position not in bad]
        return [rest] if rest else []

    def _explain(self) -> None:
        """Say why rows were refused that the answer gives no reason for: their types, else the single call tells."""
        unknown = self._unnamed_ones
        if self._unexplained:
            try:
                types = self.field_types()
            except ConnectorError:
                return  # the refusal stands; it only stays without its explanation
            for row in self._unexplained:
                conflicts = conflicts_with(_data(row), types)
                if conflicts:
                    self.fail(row.position, type_error(conflicts))
                else:
                    unknown.append(row)
        for row in unknown[:MOST_ASKED] if self.post_one else ():
            if not self._asked(row):
                return

    def _asked(self, row: Row) -> bool:
        """Write one refused user singly: nothing of it was written, so there is no order to keep."""
        try:
            self.post_one(row)  # type: ignore[misc]  # asked only where there is one
        except RejectedError as error:
            self.fail(row.position, _own(row, error))
        except ConnectorError:
            return False  # the refusal stands
        else:
            self.results[row.position] = RecordResult(row.write.ref, self.outcome, remote_id=row.key)
        return True


def _located(part: Sequence[Row], error: RejectedError) -> list[tuple[Row, RejectedError]]:
    """Return the rows that the refusal means: those it numbers, or those whose values have the refused types."""
    if not isinstance(error, BatchRefusedError):
        return []
    named = [(part[at], shape_error(field)) for at, field in error.rows.items() if at < len(part)]
    if named or not error.conflicts:
        return list(named)
    found = []
    for row in part:
        conflicts = misfits(_data(row), error.conflicts)
        if conflicts:
            found.append((row, type_error(conflicts)))
    return found


def _own(row: Row, error: RejectedError) -> RejectedError:
    located = _located([row], error)
    return located[0][1] if located else error


def _data(row: Row) -> Mapping[str, Any]:
    data: Mapping[str, Any] = row.write.values.get("dataFields") or {}
    return data


def _halves(rows: list[Row]) -> list[list[Row]]:
    middle = len(rows) // 2
    return [rows[:middle], rows[middle:]]
