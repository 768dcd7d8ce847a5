"""Named leases: who may do a thing alone, and until when."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, close_old_connections
from django.db import connection as database
from django.db.models import F, Q

from syncs.models import Lease


@contextmanager
def held(name: str, seconds: float, now: datetime) -> Iterator[Lease | None]:
    """Hold the lease while the block runs. None: another holds it, do nothing.

    It runs out by itself after `seconds`, so a killed holder blocks nobody for longer; the block must be over by
    then. Nothing but politeness may depend on it: what must not happen twice is guarded by its own table.
    """
    owner = uuid.uuid4().hex
    Lease.objects.get_or_create(name=name, defaults={"until": now})
    free = Q(until__lte=now) | Q(owner="")  # what was given back is free also after the clock was set back
    taken = Lease.objects.filter(free, name=name).update(
        owner=owner, until=now + timedelta(seconds=seconds), fence=F("fence") + 1
    )
    if not taken:
        yield None
        return
    try:
        yield Lease.objects.get(name=name)
    except (OperationalError, InterfaceError):
        if not database.is_usable():
            close_old_connections()  # a connection that was cut must not keep the lease, which blocks everybody
        raise
    finally:
        Lease.objects.filter(name=name, owner=owner).update(owner="", until=now)


@contextmanager
def first_free(names: Sequence[str], seconds: float, now: datetime) -> Iterator[Lease | None]:
    """Hold the first of the leases that is free. None: all are taken."""
    with ExitStack() as stack:
        for name in names:
            lease = stack.enter_context(held(name, seconds, now))
            if lease:
                yield lease
                return
        yield None


def is_held(name: str, now: datetime) -> bool:
    return Lease.objects.filter(name=name, until__gt=now).exists()
