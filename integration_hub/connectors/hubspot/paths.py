"""Where things are: HubSpot's numbered paths and its dated ones lie side by side, with the same bodies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from integration_hub.connectors.errors import ConfigError

NUMBERED = "v3"
VERSIONS = (
    (NUMBERED, "v3 and v4 (supported until March 2027)"),
    ("2026-03", "2026-03"),
    ("2026-09", "2026-09"),
)
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_]*|\d-\d+")
"""Object types: a plural name, or an id such as 2-12345; custom ones may be p123_name."""


@dataclass(frozen=True, slots=True)
class Paths:
    """The addresses of one version."""

    version: str

    def objects(self, object_type: str, rest: str = "") -> str:
        return self._crm("objects", object_type, rest)

    def record(self, object_type: str, record_id: str) -> str:
        # "@" and "+" of an e-mail must be percent-encoded, too.
        return self.objects(object_type, quote(record_id, safe=""))

    def tie(self, ends: tuple[str, str], ids: tuple[str, str], *, default: bool) -> str:
        middle = "associations/default" if default else "associations"
        rest = f"{quote(ids[0], safe='')}/{middle}/{_type(ends[1])}/{quote(ids[1], safe='')}"
        return self._crm("objects", ends[0], rest, number="v4")

    def ties(self, ends: tuple[str, str], rest: str) -> str:
        return self._crm("associations", ends[0], f"{_type(ends[1])}/{rest}", number="v4")

    def properties(self, object_type: str) -> str:
        return self._crm("properties", object_type)

    def pipelines(self, object_type: str) -> str:
        return self._crm("pipelines", object_type)

    def owners(self, owner_id: str = "") -> str:
        middle = "crm/v3/owners" if self._is_numbered else f"crm/owners/{self.version}"
        return f"{middle}/{quote(owner_id, safe='')}" if owner_id else middle

    @property
    def account(self) -> str:
        return f"account-info/{self.version}/details"

    @property
    def token(self) -> str:
        return "oauth/v1/token" if self._is_numbered else f"oauth/{self.version}/token"

    @property
    def _is_numbered(self) -> bool:
        return self.version == NUMBERED

    def _crm(self, area: str, object_type: str, rest: str = "", *, number: str = "v3") -> str:
        middle = f"crm/{number}/{area}" if self._is_numbered else f"crm/{area}/{self.version}"
        return "/".join(part for part in (middle, _type(object_type), rest) if part)


def paths_of(version: str) -> Paths:
    """Return the addresses of a version. ConfigError: the hub does not know it."""
    version = version or NUMBERED
    if version not in dict(VERSIONS):
        raise ConfigError(f"“{version}” is not an API version.", remedy="Choose one of the list.")
    return Paths(version)


def _type(name: str) -> str:
    if not _TYPE.fullmatch(name):
        raise ConfigError(
            f"“{name}” is not an object type.",
            code="object_type",
            remedy="Use a plural name such as contacts, companies or deals, or an id such as 2-12345.",
        )
    return name
