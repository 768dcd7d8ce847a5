"""Verbs of corrections: put another value in the place of one that cannot be written, or leave its record out."""

from __future__ import annotations

from datetime import datetime

from syncs.engine import correcting
from syncs.engine.correcting import Fix, Fixes, Values
from syncs.engine.mapping import IGNORED
from syncs.models import Correction, RecordLink, Sync
from syncs.models.corrections import CorrectionKind


def of(sync: Sync) -> Fixes:
    """Return all corrections of the sync; people made them one by one, so they are few."""
    found: dict[str, list[Fix]] = {}
    rows = Correction.objects.filter(sync=sync).values_list("record_id", "source", "seen", "kind", "value")
    for record_id, source, seen, kind, value in rows:
        fix = Fix(source, seen, kind == CorrectionKind.IGNORE, value)
        found.setdefault(record_id, []).append(fix)
    return found


def replace_value(
    sync: Sync, record_id: str, source: str, value: str, *, values: Values, user: str, now: datetime
) -> None:
    """Map `value` in the place of what the source says now, until it says something else."""
    _keep(sync, record_id, source, values, now, kind=CorrectionKind.VALUE, value=value, made_by=user)


def ignore(
    sync: Sync, record_id: str, source: str, note: str, *, values: Values, user: str, now: datetime
) -> None:
    """Leave the record out without saying so again, until the source says something else."""
    _keep(sync, record_id, source, values, now, kind=CorrectionKind.IGNORE, note=note, made_by=user)
    RecordLink.objects.filter(sync=sync, record_id=record_id, problem__isnull=False).update(problem=IGNORED)


def forget(correction: Correction) -> None:
    """Take what the source says again."""
    correction.delete()


def _keep(sync: Sync, record_id: str, source: str, values: Values, now: datetime, **what: str) -> None:
    seen = correcting.seen(correcting.standing(values, source))
    defaults = {"seen": seen, "made_at": now, "value": "", "note": "", **what}
    Correction.objects.update_or_create(sync=sync, record_id=record_id, source=source, defaults=defaults)
