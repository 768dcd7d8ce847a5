"""All that one process needs to work on a backfill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from syncs.engine.backfill.desk import Side
from syncs.engine.backfill.fates import Setting
from syncs.engine.backfill.threads import Way
from syncs.engine.mapping import Mapper
from syncs.models import Backfill

WRITERS = 8


@dataclass(frozen=True, slots=True)
class Team:
    """Both sides and what to do between them; `destination` None: a rehearsal, nothing is written."""

    backfill: Backfill
    setting: Setting
    mapper: Mapper
    way: Way
    source: Side
    destination: Side | None
    fields: Sequence[str]
    batch_size: int
    writers: int = WRITERS
