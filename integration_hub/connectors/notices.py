"""Change notices: what a vendor posts when a record changed, and who can prove and read each vendor's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import Protocol

NOTIFIERS = {
    "hubspot": "integration_hub.connectors.hubspot.notices.HubSpotNotices",
    "salesforce": "integration_hub.connectors.salesforce.notices.SalesforceNotices",
}


@dataclass(frozen=True, slots=True)
class Call:
    """A post as it came: `url` as the vendor called it, `body` to the byte, `token` the last part of the path."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    token: str = ""


@dataclass(frozen=True, slots=True)
class Mention:
    """The record may have changed, or be `gone`. `key` is the same whenever the vendor repeats the event."""

    object_type: str
    record_id: str
    key: str
    at: datetime | None = None
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What a notice says; `problems` are sentences on events in it that cannot be read, without their values.

    `strange` events are of another account of the vendor's: none of this connection's business.
    """

    mentions: Sequence[Mention] = ()
    events: int = 0
    strange: int = 0
    problems: Sequence[str] = ()


class Notifier(Protocol):
    """A vendor's way of posting notices; knows no database."""

    largest: int
    """Bytes; no honest notice is larger."""
    content_type: str
    answer: bytes
    """What the vendor must be answered with once the notice is stored."""

    def refusal(self, config: Mapping[str, str], call: Call, now: datetime) -> str:
        """Return "" for a call that proves itself, else why it is refused, in a few words."""

    def read(self, config: Mapping[str, str], body: bytes) -> Reading:
        """Return what a proved notice says; whatever is in it, nothing is raised."""


@cache
def notifier(kind: str) -> Notifier | None:
    """Return who proves and reads the notices of this kind of connection; None: it posts none."""
    if kind not in NOTIFIERS:
        return None
    module, _, name = NOTIFIERS[kind].rpartition(".")
    made: Notifier = getattr(import_module(module), name)()
    return made
