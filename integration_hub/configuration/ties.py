"""The ties of a sync in a file; what is tied already by one that stays is not touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import ValidationError

from syncs.mappings import destination_check
from syncs.models import Sync, SyncTie

Line = dict[str, str]


def read(sync: Sync) -> list[Line]:
    return [_plain(row) for row in sync.ties.select_related("partner")]


def understood(given: list[Mapping[str, str]], _before: Any) -> list[Line]:
    return [_line(one["source_path"], one["partner"], one.get("label", "")) for one in given]


def write(sync: Sync, lines: list[Line]) -> Iterator[tuple[tuple[str | int, ...], ValidationError]]:
    """Bring the sync's ties to these; yield what is wrong with them."""
    present = {tuple(_plain(row).items()): row for row in sync.ties.select_related("partner")}
    wanted = [tuple(line.items()) for line in lines]
    for key, row in present.items():
        if key not in wanted:
            row.delete()
    for number, line in enumerate(lines, start=1):
        if tuple(line.items()) in present:
            continue
        partner = Sync.objects.filter(key=line["partner"]).first()
        if partner is None:
            message = {"partner": f"There is no sync “{line['partner']}”."}
            yield ("ties", number), ValidationError(message)
            continue
        row = SyncTie(
            sync=sync, source_path=line["source_path"], partner=partner, label=line.get("label", "")
        )
        try:
            row.full_clean()
        except ValidationError as error:
            yield ("ties", number), error
            continue
        fault = destination_check.tie_problem(row)
        if fault:
            yield ("ties", number), ValidationError({"partner": fault})
        else:
            row.save()


def _plain(row: SyncTie) -> Line:
    return _line(row.source_path, row.partner.key, row.label)


def _line(source_path: str, partner: str, label: str) -> Line:
    return {"source_path": source_path, "partner": partner, **({"label": label} if label else {})}
