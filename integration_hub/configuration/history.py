"""Versions of what is configured: the whole document of a thing, kept each time that it changed.

We compare documents instead of listening to rows: a thing is many rows in several tables, an import replaces its
lines, buttons update in place, and what a person wants back is the thing. Whatever changed it, the next look sees it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max, QuerySet

from integration_hub.configuration.document import body, key_of
from integration_hub.configuration.plan import Action, Difference
from integration_hub.configuration.sections import BY_NAME, SECTIONS, Entry, Section, everything
from syncs.models import HubSettings, Version
from syncs.models.versions import Cause

KEEP = 50
"""Versions of one thing; older ones go when another is added."""
SECTION_NAMES = tuple(section.name for section in SECTIONS if section.name != "people")
"""People come from the directory: they have no versions."""
_UNVERSIONED = ("secrets",)


@dataclass(frozen=True, slots=True)
class Author:
    """Who changed something, and how. `actor` is "" where nobody is known; `note` says more."""

    cause: Cause
    actor: str = ""
    note: str = ""


NOBODY = Author(Cause.NOTICED)
"""What changed by a way that tells nobody, such as a shell."""


def record(sections: Iterable[str], now: datetime, author: Author = NOBODY) -> int:
    """Store a version of each thing that is not as its newest version says; return how many."""
    made = 0
    for name in sections:
        with transaction.atomic():
            # Two who look at once would both store the same change.
            list(HubSettings.objects.select_for_update().filter(pk=1).values_list("pk"))
            made += sum(1 for _ in _recorded(name, now, author))
    return made


def of(section: str, key: str) -> QuerySet[Version]:
    """Return the versions of a thing, newest first."""
    return Version.objects.filter(section=section, key=key).order_by("-pk")


def newest_before(version: Version) -> Version | None:
    return of(version.section, version.key).filter(pk__lt=version.pk).first()


def between(old: Version | None, new: Version) -> list[str]:
    """Say in words what changed from one version to another."""
    before, after = (old.document if old else None), new.document
    if before is None and after is None:
        return []
    if before is None:
        difference = Difference(new.section, new.key, Action.CREATE, new.name, None, after)
    elif after is None:
        difference = Difference(new.section, new.key, Action.REMOVE, new.name)
    else:
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        former = {name: before.get(name) for name in names}
        changed = {name: after.get(name) for name in names}
        difference = Difference(new.section, new.key, Action.CHANGE, new.name, former, changed)
    return list(difference.lines())


def _recorded(section: str, now: datetime, author: Author) -> Iterator[Version]:
    known = _newest(section)
    current = {key_of(BY_NAME[section], row): _document(section, row) for row in everything(BY_NAME[section])}
    for key, document in current.items():
        if key not in known or known[key].document != document:
            yield _stored(section, key, str(document.get("name", "")), document, now, author)
    for key, version in known.items():
        if key not in current and version.document is not None:
            yield _stored(section, key, version.name, None, now, author)


def _newest(section: str) -> dict[str, Version]:
    newest = Version.objects.filter(section=section).order_by().values("key").annotate(last=Max("pk"))
    return {one.key: one for one in Version.objects.filter(pk__in=[row["last"] for row in newest])}


def _document(section: str, row: Any) -> Entry:
    entry = BY_NAME[section].entry(row)
    return {name: value for name, value in entry.items() if name not in _UNVERSIONED}


def _stored(
    section: str, key: str, name: str, document: Entry | None, now: datetime, author: Author
) -> Version:
    version = Version.objects.create(
        section=section, key=key, name=name[:100], at=now, actor=author.actor[:150], cause=author.cause,
        note=author.note[:300], document=document,
    )  # fmt: skip
    kept = of(section, key).values_list("pk", flat=True)[KEEP : KEEP + 1]
    for oldest in list(kept):
        of(section, key).filter(pk__lte=oldest).delete()
    return version


def text(version: Version) -> str:
    """Return the document as a file writes it; "" for a removal."""
    if version.document is None:
        return ""
    section = BY_NAME[version.section]
    ordered = {name: version.document[name] for name in section.properties if name in version.document}
    return body({name: _in_order(section, name, value) for name, value in ordered.items()})


def _in_order(section: Section, name: str, value: Any) -> Any:
    """Return the value with its keys in the order of a file; PostgreSQL keeps them in one of its own."""
    part = section.parts.get(name)
    if part is None or part.in_row:
        return value
    try:
        return part.understood(value, value)
    except (ValueError, KeyError, TypeError):  # written by an older hub, in a form that it no longer has
        return value
