"""Property definitions, and what becomes of a value that is written: kept as text, or refused in HubSpot's words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from integration_hub.simulator.hubspot.errors import Flaw

DAY_MS = 86_400_000
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


class FlawError(Exception):
    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.message)
        self.flaw = flaw


@dataclass(frozen=True, slots=True)
class Property:
    """One property of an object type, as an administrator sees it."""

    name: str
    label: str
    type: str = "string"
    field_type: str = "text"
    options: tuple[str, ...] = ()
    unique: bool = False
    read_only: bool = False
    external_options: bool = False
    hubspot_defined: bool = False
    group: str = "information"

    def shown(self) -> dict[str, Any]:
        options = [
            {"label": option.replace("_", " ").title(), "value": option, "displayOrder": at, "hidden": False}
            for at, option in enumerate(self.options)
        ]
        return {
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "fieldType": self.field_type,
            "description": "",
            "groupName": self.group,
            "options": options,
            "displayOrder": -1,
            "calculated": False,
            "externalOptions": self.external_options,
            "hasUniqueValue": self.unique,
            "hidden": False,
            "hubspotDefined": self.hubspot_defined,
            "archived": False,
            "formField": True,
            "modificationMetadata": {
                "archivable": not self.hubspot_defined,
                "readOnlyDefinition": self.hubspot_defined,
                "readOnlyValue": self.read_only,
            },
        }

    def stored(self, value: Any, present: str = "") -> str:
        """Return the value as HubSpot keeps it; "" clears. FlawError: it is refused."""
        if self.read_only:
            raise self._flaw(
                "READ_ONLY_VALUE", f'"{self.name}" is a read only property; its value cannot be set.'
            )
        text = _text(value)
        if not text:
            return ""
        if self.name == "email":
            return self._email(text)
        if self.name == "domain":
            return text.strip().lower()
        if self.type == "number":
            return self._number(text)
        if self.type == "bool":
            return self._boolean(text)
        if self.type in {"date", "datetime"}:
            return self._moment(text)
        if self.type == "enumeration" and not self.external_options:
            return self._chosen(text, present)
        return text

    def _email(self, text: str) -> str:
        if not _EMAIL.fullmatch(text.strip()):
            raise self._flaw("INVALID_EMAIL", f"Email address {text} is invalid")
        return text.strip().lower()

    def _number(self, text: str) -> str:
        if not _NUMBER.fullmatch(text.strip()):
            raise self._flaw("INVALID_INTEGER", f"{text} was not a valid number.")
        return text.strip()

    def _boolean(self, text: str) -> str:
        if text.lower() not in {"true", "false"}:
            raise self._flaw("INVALID_OPTION", f"{text} was not one of the allowed options: [true, false]")
        return text.lower()

    def _moment(self, text: str) -> str:
        wrong = self._flaw("INVALID_DATE", f"{text} was not a valid {self.type}.")
        try:
            if text.lstrip("-").isdecimal():
                moment = datetime.fromtimestamp(int(text) / 1000, UTC)
            else:
                moment = datetime.fromisoformat(text)
        except (ValueError, OverflowError):
            raise wrong from None
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        if self.type == "datetime":
            return stamp(moment)
        if milliseconds(moment) % DAY_MS:
            raise self._flaw("INVALID_DATE", f"{text} is at a time of day, not midnight UTC.")
        return moment.date().isoformat()

    def _chosen(self, text: str, present: str) -> str:
        wanted = [part for part in text.split(";") if part]
        for option in wanted:
            if option not in self.options:
                allowed = f"[{', '.join(self.options)}]"
                raise self._flaw("INVALID_OPTION", f"{option} was not one of the allowed options: {allowed}")
        if len(wanted) > 1 and self.field_type != "checkbox":
            raise self._flaw("INVALID_OPTION", f"{text} was not one of the allowed options: {self.options}")
        if text.startswith(";"):
            wanted = [*(part for part in present.split(";") if part), *wanted]
        return ";".join(dict.fromkeys(wanted))

    def _flaw(self, code: str, message: str) -> FlawError:
        return FlawError(Flaw(self.name, code, message))

    def comparable(self, text: str) -> Any:
        """Return the value in the form in which a search compares it."""
        if self.type == "number":
            return float(text)
        if self.type in {"date", "datetime"}:
            return _instant(text)
        return text if self.type == "enumeration" else text.lower()


def missing(name: str) -> Flaw:
    return Flaw(name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist')


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


@lru_cache(maxsize=65_536)
def _instant(text: str) -> int:
    """Return the milliseconds of a stored date; a search asks for the same ones again and again."""
    return milliseconds(datetime.fromisoformat(text).replace(tzinfo=UTC))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)
