"""Tying records to each other, in batches; each pair gets its own answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integration_hub.connectors.errors import ConnectorError, RejectedError
from integration_hub.connectors.hubspot.api import Api
from integration_hub.connectors.hubspot.batches import BatchAnswer
from integration_hub.connectors.records import Outcome, RecordResult, RecordWrite

NAMES = ("from_type", "from_id", "to_type", "to_id")
LABEL = "label"
PRIMARY = "primary"
GONE = 404
Ends = tuple[str, str]
Labels = dict[Ends, list[Mapping[str, Any]]]
"""The association labels of an account, by the types at both ends."""


@dataclass(slots=True)
class Tie:
    """One pair to be tied. Without a label the two are just related, and no primary company changes."""

    write: RecordWrite
    ends: Ends
    ids: tuple[str, str]
    label: str
    result: RecordResult | None = None

    def end(self, status: int | None, outcome: Outcome = Outcome.TIED) -> None:
        answer = dict(zip(NAMES, (self.ends[0], self.ids[0], self.ends[1], self.ids[1]), strict=True))
        self.result = RecordResult(
            self.write.ref,
            outcome,
            "-".join(self.ids),
            status=status,
            answer={**answer, LABEL: self.label},
        )

    def fail(self, error: ConnectorError) -> None:
        self.result = RecordResult(self.write.ref, Outcome.FAILED, error=error, status=error.status)


class Tying:
    """Ties pairs. Doing it again does no harm."""

    def __init__(self, api: Api, writes: Sequence[RecordWrite], labels: Labels) -> None:
        self.api = api
        self.ties = [_tie_of(write) for write in writes]
        self._labels = labels

    def results(self) -> list[RecordResult]:
        groups: dict[tuple[Ends, str], list[Tie]] = {}
        for tie in self.ties:
            if tie.result is None:
                groups.setdefault((tie.ends, tie.label.lower()), []).append(tie)
        for (ends, label), ties in groups.items():
            try:
                self._group(ends, self._types(ends, label), ties)
            except RejectedError as error:
                _fail(ties, error)
            except ConnectorError as error:
                _fail(self.ties, error)
                break
        return [tie.result for tie in self.ties if tie.result is not None]

    def untied(self) -> list[RecordResult]:
        """Take the pairs apart, whatever their labels. One of which an end is gone is apart already."""
        by_ends: dict[Ends, list[Tie]] = {}
        for tie in self.ties:
            if tie.result is None:
                by_ends.setdefault(tie.ends, []).append(tie)
        for ends, ties in by_ends.items():
            try:
                self._untie(ends, ties)
            except ConnectorError as error:
                _fail(self.ties, error)
                break
        return [tie.result for tie in self.ties if tie.result is not None]

    def _untie(self, ends: Ends, ties: Sequence[Tie]) -> None:
        try:
            self.api.untie(ends, [tie.ids for tie in ties])
        except RejectedError as error:
            if len(ties) > 1:
                for tie in ties:
                    self._untie(ends, [tie])
            elif error.status == GONE:
                ties[0].end(error.status, Outcome.DELETED)
            else:
                ties[0].fail(error)
            return
        for tie in ties:
            tie.end(204, Outcome.DELETED)

    def _group(self, ends: Ends, types: list[Mapping[str, Any]], ties: Sequence[Tie]) -> None:
        inputs = [
            {"from": {"id": a}, "to": {"id": b}, **({"types": types} if types else {})}
            for a, b in dict.fromkeys(tie.ids for tie in ties)
        ]
        try:
            answer = self.api.associate(ends, "create" if types else "associate/default", inputs)
            tied = _pairs(answer)
        except RejectedError:
            tied = set()  # one bad pair may refuse them all
        for tie in ties:
            if tie.ids in tied:
                tie.end(201 if types else 200)
            else:
                self._alone(tie, types)

    def _alone(self, tie: Tie, types: list[Mapping[str, Any]]) -> None:
        """Tie one of which the batch said nothing good: alone, it gets an answer of its own."""
        try:
            tie.end(self.api.associate_one(tie.ends, tie.ids, types))
        except RejectedError as error:
            tie.fail(error)

    def _types(self, ends: Ends, label: str) -> list[Mapping[str, Any]]:
        """Return the association types of a label; none for the default. RejectedError: there is no such label."""
        if not label:
            return []
        if ends not in self._labels:
            path = self.api.paths.ties(ends, "labels")
            self._labels[ends] = [
                one for one in self.api.listed(path, purpose="read labels") if one.get("label")
            ]
        for one in self._labels[ends]:
            if str(one["label"]).lower() == label:
                return [{"associationCategory": one["category"], "associationTypeId": one["typeId"]}]
        known = ", ".join(sorted(str(one["label"]) for one in self._labels[ends])) or "none"
        raise RejectedError(
            f"HubSpot has no association label “{label}” between {ends[0]} and {ends[1]}.",
            code="no_label",
            remedy=f"Use one of its labels ({known}), or leave the label empty.",
        )


def _tie_of(write: RecordWrite) -> Tie:
    from_type, from_id, to_type, to_id = (str(write.values.get(name) or "").strip() for name in NAMES)
    label = str(write.values.get(LABEL) or "").strip()
    tie = Tie(write, (from_type, to_type), (from_id, to_id), label)
    if not (from_type and to_type and from_id.isdecimal() and to_id.isdecimal()):
        tie.fail(
            RejectedError(
                "It is not known which two records to tie.",
                code="no_identifier",
                remedy="Map from_type, from_id, to_type and to_id; ids are digits.",
            )
        )
    return tie


def _pairs(answer: BatchAnswer) -> set[tuple[str, str]]:
    """Return the pairs that were tied. Ids come as texts, as numbers, and in two shapes."""
    return {(_id(one, "from"), _id(one, "to")) for one in answer.results}


def _id(one: Mapping[str, Any], side: str) -> str:
    inner = one.get(side)
    value = inner.get("id") if isinstance(inner, Mapping) else one.get(f"{side}ObjectId")
    return "" if value is None else str(value)


def _fail(ties: Sequence[Tie], error: ConnectorError) -> None:
    for tie in ties:
        if tie.result is None:
            tie.fail(error)
