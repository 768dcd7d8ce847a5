"""One step's unexpected failure: logged, told as an incident, and no other step's business."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from django.db import Error, InterfaceError, OperationalError, close_old_connections
from django.db import connection as database

from syncs import incidents
from syncs.models.incidents import IncidentKind

logger = logging.getLogger(__name__)

T = TypeVar("T")


def isolated(name: str, function: Callable[[], T], errors: list[str], now: datetime) -> T | None:
    """Call `function`; an unexpected error is logged and becomes an incident, and its neighbours go on.

    Each step has a name of its own: a success ends the incident of that name. While the database is away there is
    only the log; a connection that was cut is made anew.
    """
    try:
        result = function()
        incidents.close(f"internal:{name}", now)
    except Exception as error:
        logger.exception("step failed", extra={"step": name})
        errors.append(name)
        if isinstance(error, OperationalError | InterfaceError) and not database.is_usable():
            close_old_connections()
        else:
            _report_internal(name, now)
        return None
    return result


def _report_internal(name: str, now: datetime) -> None:
    try:
        incidents.raise_incident(
            f"internal:{name}",
            kind=IncidentKind.INTERNAL,
            title=f"Internal error in {name}",
            detail="The log has the traceback.",
            remedy="Nothing is lost: it is tried again. Report it if it lasts.",
            now=now,
        )
    except Error:
        logger.exception("incident not stored", extra={"step": name})
