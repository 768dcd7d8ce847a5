"""How a write finds the record it means: by e-mail, by domain, by a unique property, or by its id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from integration_hub.connectors.errors import ConnectorError, RejectedError
from integration_hub.connectors.hubspot.batches import Raw
from integration_hub.connectors.hubspot.values import written
from integration_hub.connectors.records import Outcome, RecordResult, RecordWrite

FREE_MAIL = frozenset(
    {
        "gmail.com",
        "googlemail.com",
        "outlook.com",
        "hotmail.com",
        "live.com",
        "msn.com",
        "yahoo.com",
        "ymail.com",
    }
    | {
        "aol.com",
        "icloud.com",
        "me.com",
        "mac.com",
        "gmx.de",
        "gmx.net",
        "gmx.com",
        "gmx.at",
        "gmx.ch",
        "web.de",
    }
    | {
        "t-online.de",
        "freenet.de",
        "mail.com",
        "mail.ru",
        "yandex.ru",
        "yandex.com",
        "qq.com",
        "163.com",
        "126.com",
    }
    | {
        "proton.me",
        "protonmail.com",
        "pm.me",
        "zoho.com",
        "orange.fr",
        "free.fr",
        "laposte.net",
        "wanadoo.fr",
    }
    | {
        "libero.it",
        "hotmail.co.uk",
        "yahoo.co.uk",
        "yahoo.fr",
        "yahoo.de",
        "hotmail.fr",
        "outlook.de",
        "comcast.net",
    }
)
"""Domains of mailboxes that anybody may have: a company with such a key would collect strangers."""
CONTACTS = frozenset({"contacts", "contact", "0-1"})
COMPANIES = frozenset({"companies", "company", "0-2"})
_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")


class Key(StrEnum):
    """What a match key is at HubSpot."""

    NONE = "none"
    ID = "id"
    EMAIL = "email"
    DOMAIN = "domain"
    UNIQUE = "unique"


@dataclass(slots=True)
class Job:
    """One write on its way through the calls."""

    write: RecordWrite
    values: dict[str, str]
    key: str = ""
    record_id: str = ""
    """The record it concerns, once that is known."""
    found: Raw | None = None
    """The record as it was read; None also where only its id is known."""
    status: int | None = None
    result: RecordResult | None = None
    renamed: bool = False
    """It was found under its former match value."""

    @property
    def ref(self) -> str:
        return self.write.ref

    @property
    def field(self) -> str:
        return self.write.match.field if self.write.match else ""

    def end(self, outcome: Outcome, raw: Raw | None = None, status: int | None = None) -> None:
        record_id = str(raw["id"]) if raw else self.record_id
        answer = (
            {"id": record_id, "properties": dict(raw.get("properties") or {})} if raw else {"id": record_id}
        )
        self.result = RecordResult(self.ref, outcome, record_id, status=status, answer=answer)

    def fail(self, error: ConnectorError) -> None:
        self.result = RecordResult(self.ref, Outcome.FAILED, error=error, status=error.status)


def key_kind(object_type: str, name: str) -> Key:
    if not name:
        return Key.NONE
    if name in {"id", "hs_object_id"}:
        return Key.ID
    if name == "email" and object_type.lower() in CONTACTS:
        return Key.EMAIL
    if name == "domain" and object_type.lower() in COMPANIES:
        return Key.DOMAIN
    return Key.UNIQUE


def normalized(kind: Key, value: str) -> str:
    """Return the match value as HubSpot compares it."""
    text = value.strip()
    if kind is Key.EMAIL:
        return text.lower()
    return domain_of(text) if kind is Key.DOMAIN else text


def domain_of(text: str) -> str:
    """Return the bare domain of a domain or an address of a website."""
    lowered = text.strip().lower()
    try:
        host = urlsplit(lowered if "//" in lowered else f"//{lowered}").hostname or ""
    except ValueError:
        host = ""
    return host.removeprefix("www.").strip(".")


def job_of(object_type: str, write: RecordWrite, *, fills_key: bool) -> Job:
    """Return the job; one whose values or key cannot be is failed already. `fills_key`: the key is written, too."""
    name = write.match.field if write.match else ""
    kind = key_kind(object_type, name)
    key = normalized(kind, write.match.value) if write.match else ""
    job = Job(write, {}, key, write.remote_id or (key if kind is Key.ID else ""))
    try:
        job.values = written(write.values)
        if kind is not Key.NONE:
            _check_key(kind, name, key)
        if fills_key and kind in {Key.EMAIL, Key.DOMAIN, Key.UNIQUE}:
            job.values[name] = key
    except RejectedError as error:
        job.fail(error)
    return job


def waves(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Cut so that no key comes twice in one wave; who comes later in the request comes in a later wave."""
    rest = list(jobs)
    while rest:
        wave: list[Job] = []
        later: list[Job] = []
        taken: set[str] = set()
        for job in rest:
            if job.key and job.key.lower() in taken:
                later.append(job)
                continue
            taken.add(job.key.lower())
            wave.append(job)
        yield wave
        rest = later


def oldest(found: Iterable[Raw]) -> Raw:
    """Return the record that wins where several have one key: the oldest, and of equally old ones the smallest id."""
    return min(found, key=lambda raw: (str(raw.get("createdAt") or "~"), len(str(raw["id"])), str(raw["id"])))


def _check_key(kind: Key, name: str, key: str) -> None:
    if not key:
        raise RejectedError(
            f"The record has no {name}, and it is found by it.",
            code="no_identifier",
            remedy=f"Fill what is mapped to {name}, or leave such records out.",
        )
    if kind is Key.DOMAIN and not _DOMAIN.fullmatch(key):
        raise RejectedError(
            "The domain is not a domain.", code="bad_domain", remedy="Map a domain such as acme.com."
        )
    if kind is Key.DOMAIN and key in FREE_MAIL:
        raise RejectedError(
            f"{key} is a free mail domain: all its users would become one company.",
            code="free_mail",
            remedy="Leave the company out for such addresses, or match it by a unique property.",
        )
    if kind is Key.ID and not key.isdecimal():
        raise RejectedError("The record id is not a HubSpot id.", code="bad_id", remedy="Ids are digits.")
