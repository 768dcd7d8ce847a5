"""How commands tell what was done: a line or a JSON object for each run, and errors as sentences."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.core.management.base import CommandError, OutputWrapper
from django.db.models import Model, QuerySet

from integration_hub.connectors.errors import ConnectorError
from syncs.models import HubSettings, SyncRun
from syncs.models.runs import RunState

M = TypeVar("M", bound=Model)

COUNTS = ("read", "delivered", "unchanged", "skipped", "waiting", "dead")


def by_key(rows: QuerySet[M], key: str) -> M:
    """Return the row of that key. CommandError: there is none; the message names those there are."""
    row = rows.filter(key=key).first()
    if row is None:
        keys = ", ".join(rows.order_by("key").values_list("key", flat=True)[:20]) or "none"
        raise CommandError(f"There is no {rows.model._meta.verbose_name} “{key}”. There are: {keys}.")
    return row


def require_hub_on() -> None:
    if not HubSettings.get().enabled:
        raise CommandError("The hub is switched off. Switch it on in the admin, under Hub settings.")


def report(out: OutputWrapper, runs: Iterable[tuple[str, SyncRun | None]], *, as_json: bool) -> None:
    """Write what each named run did. CommandError: one of them did not end well."""
    done = list(runs)
    if as_json:
        out.write(json.dumps([_facts(name, run) for name, run in done], indent=2))
    else:
        for name, run in done:
            out.write(_line(name, run))
        if not done:
            out.write("Nothing is due.")
    if any(run is not None and run.state != RunState.OK for _name, run in done):
        raise CommandError("Not everything went well; see above.")


@contextmanager
def as_sentences() -> Iterator[None]:
    """Turn what a connector raises into a command's error: what is wrong, and the remedy."""
    try:
        yield
    except ConnectorError as error:
        raise CommandError(" ".join(part for part in (error.message, error.remedy) if part)) from error


def _facts(name: str, run: SyncRun | None) -> dict[str, Any]:
    if run is None:
        return {"name": name, "state": "elsewhere"}
    counts = {field: getattr(run, field) for field in COUNTS}
    return {
        "name": name,
        "state": run.state,
        **counts,
        "reasons": run.reasons,
        "calls": run.calls,
        "error": run.error,
    }


def _line(name: str, run: SyncRun | None) -> str:
    if run is None:
        return f"{name}: nothing to do, or another process is at it"
    counts = (
        ", ".join(f"{getattr(run, field)} {field}" for field in COUNTS if getattr(run, field))
        or "nothing new"
    )
    return f"{name}: {run.get_state_display()}: {counts}" + (f". {run.error}" if run.error else "")
