"""What a destination said of its fields, given to the lines of a sync so that they refuse what it would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from django.utils import timezone

from syncs.engine import fitting
from syncs.engine.mapping import Line
from syncs.models import Description, Sync

TRUSTED = timedelta(days=2)
"""An older description may be wrong by now: an option that was added since would be refused for nothing."""


def checked(sync: Sync, lines: Sequence[Line]) -> list[Line]:
    """Return the lines with the fields they write to, as far as those could refuse something."""
    since = timezone.now() - TRUSTED
    found = Description.objects.filter(
        connection=sync.destination_id, object_type=sync.object_type, described_at__gte=since
    ).first()
    known = found.schema if found else {}
    return [
        replace(line, there=field)
        if (field := known.get(line.destination)) and fitting.check_of(field)
        else line
        for line in lines
    ]
